"""Purchase probability falls with the price, in every context and whatever the log says."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from config.market import MarketConfig
from domain.actions import Action, ActionSet, relative_prices
from domain.arrays import FloatArray, IntArray
from domain.context import Context
from domain.errors import UsageError
from domain.log import LoggedDecisions
from domain.segments import Condition, Predicate
from env.fit import fit_market
from env.model import MarketModel

ACTIONS = ActionSet(("dear", "nothing", "cheap", "middle"))
PRICES = {"dear": 1.0, "middle": 0.8, "cheap": 0.5}
PRICE = np.array([1.0, 0.0, 0.5, 0.8])


def true_logit(income: FloatArray, is_loyal: FloatArray, action: IntArray) -> FloatArray:
    """Who earns more minds a price less; who gets no offer buys rarely."""
    sensitivity = 3.0 - 1.2 * income
    return np.where(action == 1, -2.0, 1.5 + 0.5 * is_loyal - sensitivity * PRICE[action])


def offers_log(n: int = 12_000, *, seed: int = 0, confounded: float = 0.0) -> LoggedDecisions:
    """One offer a customer. Confounded: an unlogged eagerness makes both a high price and a purchase likely."""
    rng = np.random.default_rng(seed)
    income, is_loyal, eager = rng.uniform(-1, 1, size=n), rng.integers(2, size=n).astype(float), rng.normal(size=n)
    action = rng.integers(4, size=n)
    action = np.where((confounded > 0) & (eager > 0.5), 0, np.where((confounded > 0) & (eager < -0.5), 2, action))
    logit = true_logit(income, is_loyal, action) + confounded * eager
    bought = rng.random(n) < 1 / (1 + np.exp(-logit))
    reward = np.where(bought, 20 * np.where(action == 1, 1.0, PRICE[action]) + rng.normal(size=n), 0.0)
    loyal = np.where(is_loyal == 1, "yes", "no").astype(object)
    context = Context({"income": income, "loyal": loyal}, n)
    return LoggedDecisions(ACTIONS, action, reward, "reward", context, np.arange(n))


@cache
def make_model(confounded: float, n: int = 12_000) -> MarketModel:
    config = MarketConfig(n_members=2)
    log = offers_log(n, confounded=confounded)
    return fit_market(log, config, rng=np.random.default_rng(0), prices=PRICES)


def purchase_rates(model: MarketModel, context: Context, member: int = 0) -> FloatArray:
    """(n_rounds, n_actions)."""
    state = model.with_members(model.layout.encode(context), np.full(context.n_rounds, member))
    rates = [model.outlook(state, np.full(context.n_rounds, a)).purchase_rate for a in range(4)]
    return np.column_stack([r for r in rates if r is not None])


@pytest.mark.parametrize("confounded", [0.0, 3.0])
def test_purchase_rate__never_rises_with_the_price(confounded: float) -> None:
    """Far outside the logged range, with unknown text and missing numbers too."""
    rng = np.random.default_rng(1)
    income = np.where(rng.random(5_000) < 0.1, np.nan, np.exp(2 * rng.normal(size=5_000)) * rng.normal(size=5_000))
    context = Context({"income": income, "loyal": rng.choice(np.array(["yes", "no", "new", None]), size=5_000)}, 5_000)
    for member in (0, 1):
        rates = purchase_rates(make_model(confounded), context, member)
        assert (rates[:, 2] >= rates[:, 3] - 1e-12).all()
        assert (rates[:, 3] >= rates[:, 0] - 1e-12).all()


def test_confounded_log__would_teach_the_contrary() -> None:
    log = offers_log(confounded=3.0)
    naive = fit_market(log, MarketConfig(n_members=2), rng=np.random.default_rng(0))
    rates = purchase_rates(naive, log.context)
    assert (rates[:, 0] > rates[:, 2]).mean() > 0.9


def test_elasticities__are_recovered() -> None:
    """By context: the drop of the logit from the cheap to the dear offer, where a price matters most and least."""
    income = np.array([-0.9, 0.0, 0.9])
    context = Context({"income": income, "loyal": np.array(["yes", "no", "yes"], dtype=object)}, 3)
    rates = purchase_rates(make_model(0.0, n=40_000), context)
    logits = np.log(rates / (1 - rates))
    np.testing.assert_allclose(logits[:, 2] - logits[:, 0], 0.5 * (3.0 - 1.2 * income), atol=0.25)
    truth = np.column_stack([true_logit(income, np.array([1.0, 0.0, 1.0]), np.full(3, a)) for a in range(4)])
    np.testing.assert_allclose(logits, truth, atol=0.25)


def test_actions_without_a_price__are_fitted_as_ever() -> None:
    log = offers_log(4_000)
    free = fit_market(log, MarketConfig(n_members=1), rng=np.random.default_rng(0))
    bound = fit_market(log, MarketConfig(n_members=1), rng=np.random.default_rng(0), prices=PRICES)
    ours, theirs = purchase_rates(bound, log.context), purchase_rates(free, log.context)
    np.testing.assert_array_equal(ours[:, 1], theirs[:, 1])
    assert np.abs(ours - theirs).max() < 0.15


def test_no_purchase_of_priced_actions__is_one_rate_for_all_prices() -> None:
    log = offers_log(4_000)
    dry = replace(log, reward=np.where(log.action == 1, log.reward, 0.0))
    model = fit_market(dry, MarketConfig(n_members=1), rng=np.random.default_rng(0), prices=PRICES)
    rates = purchase_rates(model, log.context)
    assert (rates[:, 2] >= rates[:, 0] - 1e-12).all()
    assert rates[:, [0, 2, 3]].max() < 0.02


def test_price_of_an_unknown_action__is_refused() -> None:
    with pytest.raises(UsageError, match="'gift'"):
        fit_market(offers_log(1_000), rng=np.random.default_rng(0), prices={"gift": 0.0, "dear": 1.0})


def test_relative_prices__leave_out_what_is_not_alike() -> None:
    monthly = Predicate((Condition("plan", any_of=("monthly",)),))
    actions = [
        Action("nothing"),
        Action("list", price="month"),
        Action("fifth_off", price="month", discount_rate=0.2),
        Action("year", price="year", discount_rate=0.4),
        Action("save", price="month", discount_rate=0.3, eligible=monthly),
    ]
    assert relative_prices(actions) == {"list": 1.0, "fifth_off": 0.8}
    assert relative_prices(actions[:2]) == {}
