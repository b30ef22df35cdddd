"""Adjusted effects: known ones come back where plain averages mislead."""

import numpy as np
import pytest

from analysis.effects import adjusted_effects
from domain.actions import ActionSet
from domain.context import Context
from domain.errors import UnsupportedAction
from domain.log import LoggedDecisions


def make_confounded_log(n: int = 4000, effect: float = 0.5) -> LoggedDecisions:
    """The promo goes to those who buy more anyway."""
    rng = np.random.default_rng(1)
    age = rng.normal(size=n)
    action = (rng.random(n) < 1 / (1 + np.exp(-2 * age))).astype(np.int64)
    reward = age + effect * action + rng.normal(size=n)
    return LoggedDecisions(
        ActionSet(("none", "promo")), action, reward, "reward", Context({"age": age}, n), np.arange(n)
    )


def test_adjusted_effect__covers_the_truth_where_averages_are_far_off() -> None:
    log = make_confounded_log()
    (found,) = adjusted_effects(log, "none")
    naive = log.reward[log.action == 1].mean() - log.reward[log.action == 0].mean()
    assert found.low < 0.5 < found.high
    assert found.high - found.low < 0.2
    assert naive > 1.0


def test_adjusted_effects__swap_sign_with_the_reference() -> None:
    log = make_confounded_log()
    (forward,), (backward,) = adjusted_effects(log, "none"), adjusted_effects(log, "promo")
    assert forward.effect == pytest.approx(-backward.effect)


def test_unknown_reference__is_refused() -> None:
    with pytest.raises(UnsupportedAction, match="upsell"):
        adjusted_effects(make_confounded_log(50), "upsell")


def test_one_action__has_no_effects() -> None:
    log = make_confounded_log(100)
    only = log.take(log.action == 1)
    assert adjusted_effects(only) == ()
