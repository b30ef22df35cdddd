"""The fidelity report passes a market's own log and refuses logs whose dynamics are broken."""

import json

import numpy as np
import pytest

from analysis.features import fit_encoder
from benchmarks.env.planted import with_renewals, with_shuffled_actions, with_unlogged_driver, without_propensities
from domain.log import LoggedDecisions
from env.calibration import calibrate
from env.fidelity import FidelityReport, check_fidelity
from env.logged_behavior import action_surprise, fit_behavior
from env.reference.log import panel_log
from env.reference.subscription import subscription_market


def make_log(seed: int, n_customers: int = 4_000) -> LoggedDecisions:
    return panel_log(subscription_market(), n_customers, rng=np.random.default_rng(seed))


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
    renewing = [judge(with_renewals(make_log(s), np.random.default_rng(s)), s).is_faithful for s in range(10)]
    driven = [judge(with_unlogged_driver(make_log(s), np.random.default_rng(s)), s).is_faithful for s in range(10)]
    shuffled = [judge(with_shuffled_actions(make_log(s), np.random.default_rng(s)), s).is_faithful for s in range(10)]
    assert sum(own) >= 9
    assert sum(renewing) == 0
    assert sum(driven) <= 1
    assert sum(shuffled) == 0


def test_contracts_that_end__are_refused_by_period_with_what_would_mend_it() -> None:
    report = judge(with_renewals(make_log(1), np.random.default_rng(1)), 1)
    assert not report.is_faithful
    assert any("by period is off" in reason and "period 6" in reason for reason in report.reasons)
    assert any("contract ends" in remedy for remedy in report.remedies)


def test_drifting_driver__is_refused_by_its_trend() -> None:
    report = judge(with_unlogged_driver(make_log(1), np.random.default_rng(1)), 1)
    assert any("trend" in reason for reason in report.reasons)


def test_shuffled_actions__do_not_follow_their_propensities() -> None:
    log = make_log(2, 1_000)
    fair, shuffled = action_surprise(log), action_surprise(with_shuffled_actions(log, np.random.default_rng(0)))
    assert fair is not None
    assert shuffled is not None
    assert abs(fair) < 4
    assert shuffled < -20


def test_shuffled_actions_without_propensities__foretell_nothing() -> None:
    log = without_propensities(make_log(2))
    own, shuffled = judge(log, 2), judge(with_shuffled_actions(log, np.random.default_rng(0)), 2)
    assert own.is_faithful, own.reasons
    assert own.action_effect is not None
    assert own.action_effect > 10
    assert any("foretell nothing" in reason for reason in shuffled.reasons)
    assert own.confounding.status == "cannot_tell"


def test_own_logs_of_few_customers__are_not_refused() -> None:
    assert [judge(make_log(s, 400), s).reasons for s in range(4)] == [()] * 4


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
