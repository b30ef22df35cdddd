"""Regressions of levels: what the evidence lets bend, and ordered levels that move by steps."""

import numpy as np

from analysis.features import fit_encoder
from domain.actions import ActionSet
from domain.context import Context
from domain.log import LoggedDecisions, Panel
from env.effects import effects_encoder, feature_sources
from env.fit import fit_market
from env.layout import LevelColumn, fit_layout
from env.levels import choose_shrinkage
from env.member import MemberFit, Rounds

N = 8_000


def make_rounds() -> tuple[Rounds, Context]:
    """Churn falls with `use`, much more under action 1; `noise` does nothing; `mood` climbs where `use` is high."""
    rng = np.random.default_rng(0)
    use, noise, action = rng.normal(size=N), rng.normal(size=N), rng.integers(2, size=N)
    mood = rng.integers(0, 4, size=N).astype(np.float64)
    left = rng.random(N) < 1 / (1 + np.exp(1.0 + 0.6 * use + 0.8 * use * action))
    climbs, falls = 1 / (1 + np.exp(1.5 - use)), 0.15
    draw = rng.random(N)
    step = np.where(draw < climbs * (1 - falls), 1, np.where(draw > 1 - falls, -1, 0))
    context = Context({"mood": mood, "noise": noise, "use": use}, N)
    following = Context({**context.columns, "mood": np.clip(mood + step, 0, 3)}, N)
    panel = Panel(np.arange(N), np.zeros(N, np.int64), following, left, ~left)
    log = LoggedDecisions(ActionSet(("a", "b")), action, use, "reward", context, np.arange(N), panel=panel)
    layout = fit_layout(context, following, left, max_levels=12)
    return Rounds(layout, layout.encode(context), layout.encode(following), log), context


def test_evidence__bends_what_matters_and_stills_what_does_not() -> None:
    rounds, context = make_rounds()
    model_encoder = effects_encoder(fit_encoder(context), rounds.layout, max_features=200)
    groups, names = rounds.groups(model_encoder), list(model_encoder.names)
    chosen = choose_shrinkage(groups, rounds.events[0], np.ones(N), products=True)
    use, noise = names.index("use"), names.index("noise")
    for ridges in (chosen.shared, chosen.action):
        assert ridges[use] < 20
        assert ridges[noise] > 20 * ridges[use]


def test_departures_and_shared_effects__are_recovered() -> None:
    rounds, context = make_rounds()
    encoder = effects_encoder(fit_encoder(context), rounds.layout, max_features=200)
    fit = MemberFit(rounds, encoder)
    member = fit.member(np.ones(N), fit.choose(np.arange(N) % 4 == 0), None, np.random.default_rng(0))
    slope = np.diff(member.levels[0].coefficients[:, list(encoder.names).index("use")], axis=1)[:, 0]
    np.testing.assert_allclose(slope, [-0.6, -1.4], atol=0.15)


def test_ordered_levels__move_alike_wherever_the_customer_stands() -> None:
    model = fit_market(make_rounds()[0].log, rng=np.random.default_rng(0))
    use = np.array([-1.0, 0.0, 1.0])
    truth = 0.85 / (1 + np.exp(1.5 - use))
    column = next(c for c in model.layout.columns if c.name == "mood")
    assert isinstance(column, LevelColumn)
    for mood in (0.0, 1.0, 2.0):
        context = Context({"mood": np.full(3, mood), "noise": np.zeros(3), "use": use}, 3)
        state = model.with_members(model.layout.encode(context), np.zeros(3, np.int64))
        rates = model.outlook(state, np.zeros(3, np.int64)).levels[0]
        climbs = rates[:, np.flatnonzero(column.levels.astype(np.float64) == mood + 1)[0]]
        np.testing.assert_allclose(climbs, truth, atol=0.06)


def test_kinds_of_step__are_down_stay_and_up_of_numbers_and_the_level_of_text() -> None:
    numbers = LevelColumn("mood", np.array([2.0, 1.0, 3.0]), moves=True)
    np.testing.assert_array_equal(numbers.move, [[1, 0, 2], [2, 1, 2], [0, 0, 1]])
    text = LevelColumn("plan", np.array(["a", "b"], dtype=object), moves=True)
    np.testing.assert_array_equal(text.move, [[0, 1], [0, 1]])


def test_products_of_the_same_two_columns__share_a_ridge() -> None:
    context = Context({"plan": np.array(["a", "b", "c"] * 40, dtype=object), "use": np.arange(120.0)}, 120)
    layout = fit_layout(context, None, np.zeros(120, np.bool_), max_levels=12)
    encoder = effects_encoder(fit_encoder(context), layout, max_features=200)
    by_name = dict(zip(encoder.names, feature_sources(encoder).tolist(), strict=True))
    assert by_name["plan=b"] == by_name["plan=c"] != by_name["use"]
    assert by_name["plan=b*use"] == by_name["plan=c*use"] not in {by_name["plan=b"], by_name["use"]}
