"""The fidelity report passes a market's own log and refuses logs whose dynamics are broken."""

import json
from dataclasses import replace

import numpy as np
import pytest

from analysis.features import fit_encoder
from domain.log import LoggedDecisions
from env.calibration import calibrate
from env.fidelity import FidelityReport, check_fidelity
from env.logged_behavior import action_surprise, fit_behavior
from env.reference.log import panel_log
from env.reference.subscription import subscription_market


def make_log(seed: int, n_customers: int = 4_000) -> LoggedDecisions:
    return panel_log(subscription_market(), n_customers, rng=np.random.default_rng(seed))


def shuffle_actions(log: LoggedDecisions, rng: np.random.Generator) -> LoggedDecisions:
    return replace(log, action=rng.permutation(log.action))


def let_hazard_drift(log: LoggedDecisions, rng: np.random.Generator) -> LoggedDecisions:
    """From the sixth month on, one in eight leaves for a reason that no column shows."""
    panel = log.panel
    assert panel is not None
    extra = (panel.step >= 5) & (rng.random(len(log)) < 0.12)
    last = np.full(int(panel.episode.max()) + 1, len(log))
    np.minimum.at(last, panel.episode[extra], panel.step[extra])
    left = panel.step == last[panel.episode]
    terminated = panel.terminated | left
    changed = replace(panel, terminated=terminated, truncated=panel.truncated & ~terminated)
    return replace(log, panel=changed).take(panel.step <= last[panel.episode])


def judge(log: LoggedDecisions, seed: int) -> FidelityReport:
    return check_fidelity(log, rng=np.random.default_rng(seed))


def test_own_log__is_faithful_and_the_report_is_json() -> None:
    report = judge(make_log(0), 0)
    assert report.is_faithful, report.reasons
    data = json.loads(json.dumps(report.to_data()))
    assert data["is_faithful"] is True
    assert len(data["survival"]["logged"]) == 12


@pytest.mark.slow
def test_verdicts__over_ten_seeds() -> None:
    own = [judge(make_log(s), s).is_faithful for s in range(10)]
    drifting = [judge(let_hazard_drift(make_log(s), np.random.default_rng(s)), s).is_faithful for s in range(10)]
    shuffled = [judge(shuffle_actions(make_log(s), np.random.default_rng(s)), s).is_faithful for s in range(10)]
    assert sum(own) >= 9
    assert sum(drifting) == 0
    assert sum(shuffled) == 0


def test_drifting_hazard__is_refused_by_period() -> None:
    report = judge(let_hazard_drift(make_log(1), np.random.default_rng(1)), 1)
    assert not report.is_faithful
    assert any("by period" in reason or "survival" in reason for reason in report.reasons)


def test_shuffled_actions__do_not_follow_their_propensities() -> None:
    log = make_log(2, 1_000)
    fair, shuffled = action_surprise(log), action_surprise(shuffle_actions(log, np.random.default_rng(0)))
    assert fair is not None
    assert shuffled is not None
    assert abs(fair) < 4
    assert shuffled < -20


def test_too_few_customers__cannot_be_judged() -> None:
    report = judge(make_log(3, 60), 3)
    assert not report.is_faithful
    assert "cannot judge" in report.reasons[0]


def test_one_action__is_unfaithful_with_the_reason() -> None:
    log = make_log(3, 400)
    report = judge(log.take(log.action == 0), 0)
    assert not report.is_faithful
    assert "1 of 5 actions" in report.reasons[0]


def test_calibration__by_hand() -> None:
    """Two groups of two rounds, one member: .1 predicted and 0, 1 observed; .9 predicted and 1, 1 observed."""
    predicted, observed = np.array([[0.1, 0.1, 0.9, 0.9]]), np.array([0.0, 1.0, 1.0, 1.0])
    low, high = calibrate(predicted, observed, np.arange(4), np.array([0, 0, 1, 1]))
    assert (low.predicted, low.observed, low.n_rounds) == (0.1, 0.5, 2)
    np.testing.assert_allclose(low.stderr, np.sqrt((0.25 + 0.25) / 4))
    assert high.observed == 1.0
    assert high.stderr > 0


def test_behavior__is_found_again() -> None:
    log = make_log(4)
    assert log.logged_distribution is not None
    found = fit_behavior(log, fit_encoder(log.context), 64).distribution(log.context)
    assert np.abs(found - log.logged_distribution).mean() < 0.02
