import os
from pathlib import Path

import numpy as np
import pytest

from collection.log_reader import read_log
from config.log_options import LogOptions
from domain.estimates import Verdict
from evaluation.evaluate import evaluate
from evaluation.target import logged_target, target_of_policy
from policies.baselines import ConstantPolicy, UniformPolicy

DATA = Path(os.environ.get("AMSO_REFERENCE_DATA", "../shared/data"))
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the reference data folder is absent")


def test_uniform_from_the_bernoulli_thompson_log_of_open_bandit() -> None:
    log = read_log(DATA / "obd_men_bts.parquet", LogOptions(reward="reward_click")).log
    uniform = target_of_policy(UniformPolicy(log.actions))
    answer = evaluate(log, uniform, logged_target(), rng=np.random.default_rng(0))
    values = {e.estimator: e.value for e in answer.estimates if e.policy == "uniform"}
    assert values["ips"] == pytest.approx(0.0030086, abs=5e-8)
    assert values["snips"] == pytest.approx(0.0031894, abs=5e-8)
    assert any("effective sample size 656" in reason for reason in answer.reasons)


def test_mens_email_provably_earns_more_than_none() -> None:
    log = read_log(DATA / "hillstrom.parquet", LogOptions(reward="reward_spend")).log
    mens, none = (target_of_policy(ConstantPolicy(log.actions, a)) for a in ("mens_email", "no_email"))
    answer = evaluate(log, mens, none, rng=np.random.default_rng(0))
    value = next(e for e in answer.estimates if (e.policy, e.estimator) == ("constant:mens_email", "dr"))
    assert answer.verdict is Verdict.PROMOTE
    assert value.value == pytest.approx(1.42, abs=0.01)
    assert value.high - value.low == pytest.approx(1.66 - 1.18, abs=0.03)
    assert value.high - value.value > value.value - value.low  # spend has a long right tail
