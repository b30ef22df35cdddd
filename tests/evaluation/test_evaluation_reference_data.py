import json
import os
from pathlib import Path

import numpy as np
import pytest

from collection.log_reader import read_log
from config.log_options import LogOptions
from domain.actions import ActionSet
from domain.estimates import Verdict
from evaluation.evaluate import evaluate
from evaluation.target import Target, logged_target, target_of_policy
from policies.baselines import ConstantPolicy, UniformPolicy
from policies.thompson import ThompsonPolicy

DATA = Path(os.environ.get("AMSO_REFERENCE_DATA", "../shared/data"))
GOLDEN = DATA.parent / "golden"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the reference data folder is absent")


def test_uniform_from_the_bernoulli_thompson_log_of_open_bandit() -> None:
    log = read_log(DATA / "obd_men_bts.parquet", LogOptions(reward="reward_click")).log
    uniform = target_of_policy(UniformPolicy(log.actions))
    answer = evaluate(log, uniform, logged_target(), rng=np.random.default_rng(0))
    values = {e.estimator: e.value for e in answer.estimates if e.policy == "uniform"}
    assert values["ips"] == pytest.approx(0.0030086, abs=5e-8)
    assert values["snips"] == pytest.approx(0.0031894, abs=5e-8)
    assert any("effective sample size 656" in reason for reason in answer.reasons)


def test_open_bandit__thompson_policy_from_the_uniform_log_has_the_exact_values() -> None:
    priors = json.loads((GOLDEN / "thompson_priors.json").read_text())["men"]
    actions = ActionSet(tuple(map(str, range(34))))
    policy = ThompsonPolicy(actions, tuple(priors["alpha"]), tuple(priors["beta"]), position="position")
    values = open_bandit_values("random", target_of_policy(policy))
    assert values["ips"] == pytest.approx(0.00454006, abs=1e-5)
    assert values["snips"] == pytest.approx(0.00461022, abs=1e-5)
    assert values["ips"] != pytest.approx(0.0045426788, abs=1e-6)  # a simulation of a million draws


def test_open_bandit__uniform_from_the_thompson_log_has_the_reference_values() -> None:
    reference = json.loads((GOLDEN / "ope_golden.json").read_text())["obd"]["men:bts->random"]["values"]
    values = open_bandit_values("bts", target_of_policy(UniformPolicy(ActionSet(tuple(map(str, range(34)))))))
    assert values["ips"] == pytest.approx(reference["ipw"], abs=1e-12, rel=0)
    assert values["snips"] == pytest.approx(reference["snipw"], abs=1e-12, rel=0)


def open_bandit_values(logged: str, target: Target) -> dict[str, float]:
    options = LogOptions(columns={"x_position": "position"}, reward="reward_click")
    log = read_log(DATA / f"obd_men_{logged}.parquet", options).log
    answer = evaluate(log, target, logged_target(), rng=np.random.default_rng(0))
    return {e.estimator: e.value for e in answer.estimates if e.policy == target.name}


def test_mens_email_provably_earns_more_than_none() -> None:
    log = read_log(DATA / "hillstrom.parquet", LogOptions(reward="reward_spend")).log
    mens, none = (target_of_policy(ConstantPolicy(log.actions, a)) for a in ("mens_email", "no_email"))
    answer = evaluate(log, mens, none, rng=np.random.default_rng(0))
    value = next(e for e in answer.estimates if (e.policy, e.estimator) == ("constant:mens_email", "dr"))
    assert answer.verdict is Verdict.PROMOTE
    assert value.value == pytest.approx(1.42, abs=0.01)
    assert value.high - value.low == pytest.approx(1.66 - 1.18, abs=0.03)
    assert value.high - value.value > value.value - value.low  # spend has a long right tail
