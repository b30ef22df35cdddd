"""Hidden drivers of actions and outcomes: found where they are, not where they are not, and answered."""

from dataclasses import replace

import numpy as np
import pytest

from domain.actions import ActionSet
from domain.arrays import FloatArray
from domain.context import Context
from domain.log import LoggedDecisions, Panel
from env.confounding import deconfound
from env.fidelity import check_fidelity
from env.fit import fit_market
from env.forecast import expected_value
from env.hidden_driver import COLUMN, with_stand_in
from policies.baselines import ConstantPolicy

ACTIONS = ActionSet(("nothing", "offer"))
EFFECT = 1.0  # of an offer, in truth


def make_log(
    seed: int, n: int = 3_000, *, follows: float = 0.8, pays: float = 3.0, arm: bool = False
) -> LoggedDecisions:
    """Who wants it gets the offer with probability `follows`, others with 1 - `follows`; who wants it pays more.

    Nobody wrote down who wants it. `arm`: a quarter of the rounds are drawn evenly, and logged so.
    """
    rng = np.random.default_rng(seed)
    wants, size = rng.integers(0, 2, n), rng.normal(size=n)
    chance = np.where(wants == 1, follows, 1 - follows)
    if arm:
        chance = np.where(rng.random(n) < 0.25, 0.5, chance)
    action = (rng.random(n) < chance).astype(np.int64)
    reward = 5 + size + pays * wants + EFFECT * action + rng.normal(size=n)
    both = np.column_stack([1 - chance, chance])
    return LoggedDecisions(
        ACTIONS, action, reward, "margin", Context({"size": size}, n), np.arange(n),
        propensity=both[np.arange(n), action], logged_distribution=both,
    )  # fmt: skip


def effect_of(log: LoggedDecisions, hidden: tuple[str, ...] = ()) -> float:
    """Of the offer, in a market fitted to `log`."""
    model = fit_market(log, rng=np.random.default_rng(0), hidden=hidden)
    values = [
        expected_value(
            model, ConstantPolicy(ACTIONS, a), horizon=1, n_customers=4_000, rng=np.random.default_rng(0)
        ).value
        for a in ACTIONS.ids
    ]
    return values[1] - values[0]


def test_driver__is_found_and_stood_in_for() -> None:
    log = make_log(0)
    found = deconfound(log, rng=np.random.default_rng(0))
    assert found.confounding.status == "confounded"
    assert found.confounding.answer == "stand_in_column"
    assert found.hidden == (COLUMN,)
    assert found.confounding.worst is not None
    assert "makes the reward of" in found.confounding.told
    assert effect_of(log) > EFFECT + 1.0
    assert effect_of(found.log, found.hidden) == pytest.approx(EFFECT, abs=0.2)


def test_driver__is_weighed_against_where_only_the_chosen_propensity_was_kept() -> None:
    log = replace(make_log(1, 6_000), logged_distribution=None)
    found = deconfound(log, rng=np.random.default_rng(0))
    assert found.confounding.answer == "inverse_propensity"
    assert effect_of(found.log) == pytest.approx(EFFECT, abs=0.3)
    weight = found.log.sample_weight
    assert weight.sum() == pytest.approx(weight.sum() ** 2 / (weight**2).sum())  # they count as what they are worth


def test_targeting_without_chance__leaves_the_randomised_rounds() -> None:
    log = make_log(2, 8_000, follows=1.0, arm=True)
    found = deconfound(log, rng=np.random.default_rng(0))
    assert found.confounding.answer == "randomised_traffic"
    assert {b.found_by for b in found.confounding.biases} == {"propensities", "randomised traffic"}
    assert set(np.unique(found.log.sample_weight)) == {0.0, 1.0}
    assert effect_of(found.log) == pytest.approx(EFFECT, abs=0.3)


def test_propensities_by_context__are_explained() -> None:
    log = make_log(3)
    chance = np.where(log.context.column("size") > 0, 0.8, 0.2)
    action = (np.random.default_rng(0).random(len(log)) < chance).astype(np.int64)
    both = np.column_stack([1 - chance, chance])
    log = replace(log, action=action, logged_distribution=both, propensity=both[np.arange(len(log)), action])
    found = deconfound(log, rng=np.random.default_rng(0))
    assert (found.confounding.status, found.confounding.answer) == ("explained", "none")
    assert found.log is log


def test_variation_that_drives_no_outcome__is_harmless_at_the_stated_size() -> None:
    """Thirty logs: at alpha .01 a driver is found in at most two."""
    found = [deconfound(make_log(s, 1_500, pays=0.0), rng=np.random.default_rng(s)).confounding for s in range(30)]
    assert sum(f.status == "confounded" for f in found) <= 2
    assert found[0].status == "harmless"


def test_no_propensities__cannot_tell() -> None:
    log = replace(make_log(4), propensity=None, logged_distribution=None)
    found = deconfound(log, rng=np.random.default_rng(0))
    assert found.confounding.status == "cannot_tell"
    assert "cannot be told" in found.confounding.told
    assert found.log is log


def test_report__judges_the_market_that_answers_the_driver() -> None:
    log = make_log(5, 4_000)
    report = check_fidelity(log, rng=np.random.default_rng(0))
    assert report.is_faithful, report.reasons
    assert report.confounding.answer == "stand_in_column"


def chain_log(kind: FloatArray) -> LoggedDecisions:
    """Two customers of three periods each; the second one's observation ends."""
    both = np.column_stack([1 - kind, kind])
    context = Context({"x": np.arange(6.0)}, 6)
    panel = Panel(np.repeat([0, 1], 3), np.tile(np.arange(3), 2), context, np.arange(6) == 2, np.arange(6) == 5)
    return LoggedDecisions(
        ACTIONS, np.ones(6, np.int64), np.zeros(6), "r", context, np.repeat([0, 1], 3),
        propensity=kind, logged_distribution=both, panel=panel,
    )  # fmt: skip


def test_stand_in__moves_with_the_customer() -> None:
    log = with_stand_in(chain_log(np.array([0.2, 0.8, 0.2, 0.2, 0.8, 0.8])), np.random.default_rng(0))
    assert log.panel is not None
    now, then = log.context.column(COLUMN), log.panel.next_context.column(COLUMN)
    high = now[1]
    assert (now == high).tolist() == [False, True, False, False, True, True]
    assert (then == high).tolist()[:2] == [True, False]
    assert (then == high).tolist()[3:5] == [True, True]


def test_stand_in__of_many_chances_is_a_few_kinds() -> None:
    log = make_log(6)
    chance = np.clip(log.logged_distribution[:, 1] + np.random.default_rng(0).normal(0, 0.02, len(log)), 0.01, 0.99)  # type: ignore[index] # logged
    log = replace(log, logged_distribution=np.column_stack([1 - chance, chance]))
    kinds = with_stand_in(log, np.random.default_rng(0)).context.column(COLUMN)
    assert len(set(kinds.tolist())) == 2
