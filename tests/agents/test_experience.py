from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.experience import ExperienceLearner, age_factor, simulated_rounds
from agents.outcome_learner import OutcomeLearner
from config.experience import ExperienceConfig
from domain.actions import ActionSet
from domain.context import Context
from domain.errors import InvalidSnapshot, MissingColumn, UnsupportedAction
from domain.log import LoggedDecisions
from env.fit import fit_market
from env.model import MarketModel

ACTIONS = ActionSet(("none", "mail", "call"))
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PAYS = (0.0, 1.0, 3.0)  # what the market was fitted to
NOW_PAYS = (0.0, 3.0, -1.0)  # what customers do now


def make_log(n: int, pays: tuple[float, ...] = PAYS, *, seed: int = 0, age_days: float = 0.0) -> LoggedDecisions:
    rng = np.random.default_rng(seed)
    plan = rng.choice(np.array(["monthly", "yearly"], dtype=object), n)
    context, action = Context({"spend": rng.normal(size=n), "plan": plan}, n), rng.integers(0, 3, n)
    reward = np.array(pays)[action] + rng.normal(size=n)
    at = np.full(n, np.datetime64(NOW.replace(tzinfo=None), "us") - np.timedelta64(round(age_days * 86400), "s"))
    return LoggedDecisions(ACTIONS, action, reward, "margin", context, np.arange(n), decided_at=at)


@cache
def make_market() -> MarketModel:
    return fit_market(make_log(2000, seed=9), rng=np.random.default_rng(0))


def make_learner(**config: float) -> ExperienceLearner:
    settings = replace(ExperienceConfig(n_simulated=1000), **config)  # type: ignore[arg-type] # numbers all of them
    return ExperienceLearner(market=make_market(), config=settings, now=NOW)


def chosen(learner: ExperienceLearner, log: LoggedDecisions) -> list[float]:
    """(n_actions,) how often each action is the policy's."""
    distribution = learner.fit(log, np.random.default_rng(0)).distribution(make_log(500, seed=5).context)
    means: list[float] = distribution.mean(axis=0).tolist()
    return means


@settings(deadline=None)
@given(n_real=st.integers(1, 300), prior=st.floats(1, 1e4), keep=st.floats(0.1, 1.0))
def test_the_simulated_share_of_the_weight_is_prior_over_prior_plus_real(
    n_real: int, prior: float, keep: float
) -> None:
    log = make_log(n_real)
    log = replace(log, weight=np.full(n_real, 1 / keep))  # a subsampled log: its unit of weight is another
    mixed = make_learner(prior_rounds=prior).mixed(log, np.random.default_rng(0))
    simulated = mixed.sample_weight[n_real:]
    assert len(simulated) == 1000
    assert simulated.sum() / mixed.sample_weight.sum() == pytest.approx(prior / (prior + n_real))
    np.testing.assert_array_equal(mixed.sample_weight[:n_real], log.sample_weight)


def test_a_half_life_halves_what_a_real_round_weighs() -> None:
    log = replace(
        make_log(3), decided_at=np.array(["2026-11-24T12", "2026-10-25T12", "2026-11-25T12"], "datetime64[us]")
    )
    np.testing.assert_allclose(age_factor(log, now=NOW, half_life_days=30.0), [1.0, 0.5, 1.0])
    np.testing.assert_array_equal(age_factor(log, now=None, half_life_days=None), np.ones(3))
    mixed = make_learner(prior_rounds=5.0, half_life_days=30.0).mixed(log, np.random.default_rng(0))
    assert mixed.sample_weight[3:].sum() / mixed.sample_weight.sum() == pytest.approx(5 / (5 + 2.5))


def test_without_real_rounds_the_simulation_speaks_alone() -> None:
    assert chosen(make_learner(), make_log(0)) == [0, 0, 1]


def test_little_contradiction_leaves_the_simulation_in_charge_and_much_of_it_reality() -> None:
    learner = make_learner(prior_rounds=300.0)
    assert chosen(learner, make_log(15, NOW_PAYS)) == [0, 0, 1]
    assert chosen(learner, make_log(3000, NOW_PAYS)) == [0, 1, 0]


def test_old_experience_fades_where_the_market_moves() -> None:
    old, new = make_log(3000, PAYS, seed=1, age_days=300), make_log(300, NOW_PAYS, seed=2)
    both = replace(
        old,
        action=np.concatenate([old.action, new.action]),
        reward=np.concatenate([old.reward, new.reward]),
        unit=np.arange(3300),
        context=Context({n: np.concatenate([v, new.context.column(n)]) for n, v in old.context.columns.items()}, 3300),
        decided_at=np.concatenate([t for t in (old.decided_at, new.decided_at) if t is not None]),
    )
    assert chosen(make_learner(prior_rounds=30.0), both) == [0, 0, 1]
    assert chosen(make_learner(prior_rounds=30.0, half_life_days=30.0), both) == [0, 1, 0]


def test_the_same_seed_gives_the_same_policy_and_another_seed_another_simulation() -> None:
    learner, log = make_learner(), make_log(200)
    first, second, other = (learner.mixed(log, np.random.default_rng(seed)).reward.tobytes() for seed in (1, 1, 2))
    assert first == second != other
    contexts = make_log(50, seed=5).context
    policies = [learner.fit(log, np.random.default_rng(1)) for _ in range(2)]
    assert policies[0].distribution(contexts).tobytes() == policies[1].distribution(contexts).tobytes()


def test_without_a_prior_it_is_the_learner_of_real_rounds() -> None:
    log = make_log(2000)
    mixed = make_learner(prior_rounds=1e-9).fit(log, np.random.default_rng(0))
    np.testing.assert_array_equal(
        mixed.distribution(log.context), OutcomeLearner().fit(log, np.random.default_rng(0)).distribution(log.context)
    )


def test_actions_are_matched_by_their_ids_and_a_new_one_has_only_real_rounds() -> None:
    log = make_log(300)
    more = ActionSet(("gift", "call", "none", "mail"))
    log = replace(log, actions=more, action=np.array([2, 3, 1])[log.action])
    mixed = make_learner().mixed(log, np.random.default_rng(0))
    simulated = np.arange(len(mixed)) >= 300
    assert set(np.unique(mixed.action[simulated])) == {1, 2, 3}
    paid = [mixed.reward[simulated & (mixed.action == a)].mean() for a in (2, 3, 1)]
    np.testing.assert_allclose(paid, PAYS, atol=0.4)
    assert mixed.actions == more


def test_units_of_the_simulation_are_nobody_real() -> None:
    mixed = make_learner().mixed(make_log(100), np.random.default_rng(0))
    assert len(np.unique(mixed.unit)) == 1100


def test_simulated_rounds_try_every_supported_action_alike() -> None:
    log = simulated_rounds(make_market(), 6000, np.random.default_rng(0))
    assert log.panel is None
    shares = np.bincount(log.action, minlength=3) / 6000
    np.testing.assert_allclose(shares, 1 / 3, atol=5 * np.sqrt(2 / 9 / 6000))


def test_logs_that_do_not_fit_the_market_are_refused() -> None:
    learner, log, rng = make_learner(half_life_days=30.0), make_log(100), np.random.default_rng(0)
    with pytest.raises(MissingColumn, match="no decided_at"):
        learner.fit(replace(log, decided_at=None), rng)
    with pytest.raises(MissingColumn, match="no time was given"):
        replace(learner, now=None).fit(log, rng)
    with pytest.raises(MissingColumn, match="'plan' is missing"):
        learner.fit(replace(log, context=Context({"spend": log.context.column("spend")}, 100)), rng)
    with pytest.raises(UnsupportedAction, match="unknown action 'call'"):
        learner.fit(replace(log, actions=ActionSet(("none", "mail", "gift"))), rng)
    numbers = Context({"spend": log.context.column("spend"), "plan": np.zeros(100)}, 100)
    with pytest.raises(InvalidSnapshot, match="'plan' holds numbers in the log and text"):
        learner.fit(replace(log, context=numbers), rng)
