"""Fits a market to a decision log: choices on held-out customers, then members on bootstraps by customer."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from analysis.features import fit_encoder
from analysis.support import fit_support
from config.market import MarketConfig
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.errors import InvalidSnapshot
from domain.log import LoggedDecisions
from env.effects import effects_encoder, without_products
from env.hurdle import Hurdle, find_hurdle
from env.layout import LayoutFeatures, StateLayout, fit_layout
from env.member import Member, MemberFit, Rounds
from env.model import MarketModel, MemberTables
from env.priced import price_ladder
from env.process import shared_columns
from env.rules import Held, Period, Rule, recognise
from env.shared import fit_process


def fit_market(
    log: LoggedDecisions,
    config: MarketConfig | None = None,
    *,
    rng: np.random.Generator,
    prices: Mapping[str, float] | None = None,
    rules: Mapping[str, Rule] | None = None,
    hidden: Collection[str] = (),
    allow_one_action: bool = False,
) -> MarketModel:
    """The market behind `log`: with a panel its dynamics, without one its rewards (horizon 1).

    Args:
        log: what happened.
        config: how to fit.
        rng: of bootstraps and held-out customers.
        prices: relative to the list price, 1 = list, of actions that differ in nothing but their price: the dearer, the
            fewer buy, in every context. It binds where rewards have a hurdle.
        rules: of columns whose rule is known from their definition; others are recognised.
        hidden: columns that move the market while no observation shows them.
        allow_one_action: fit also where nothing was ever chosen; such a market foretells, and nothing can be learned.

    Raises:
        InvalidSnapshot: fewer than two customers, or one action only.
    """
    _check(log, min_actions=1 if allow_one_action else 2)
    with threadpool_limits(1):  # the matrices are small, and the number of threads would change the last bits
        known = _Known({} if prices is None else prices, {} if rules is None else rules, hidden)
        return _fit(log, MarketConfig() if config is None else config, known, rng)


@dataclass(frozen=True)
class _Known:
    """What is known of a market beside its log; see `fit_market`."""

    prices: Mapping[str, float]
    rules: Mapping[str, Rule]
    hidden: Collection[str]


def _fit(log: LoggedDecisions, config: MarketConfig, known: _Known, rng: np.random.Generator) -> MarketModel:
    encoder = fit_encoder(log.context, [name for name in sorted(log.context.columns) if name not in known.hidden])
    rounds = _rounds(log, config, known.rules)
    effects = effects_encoder(fit_encoder(log.context), rounds.layout, max_features=config.max_features)
    fit = MemberFit(rounds, effects, price_ladder(known.prices, log.actions, without_products(effects)))
    choices = fit.choose(heldout_customers(log.unit, config.choice_share, rng))
    weight = log.sample_weight
    whole = fit.member(weight, choices, None, rng)
    members = [
        fit.member(weight * _bootstrap_weight(log.unit, rng), choices, whole, rng) for _ in range(config.n_members)
    ]
    observed = LayoutFeatures(rounds.layout, encoder).transform(rounds.columns)
    model = MarketModel(
        actions=log.actions,
        encoder=encoder,
        effects_encoder=effects,
        layout=rounds.layout,
        tables=_tables(members, has_hurdle=rounds.hurdle is not None),
        support=fit_support(observed, log.action, log.n_actions, config),
        first_states=rounds.columns[_first_states(log, rng)],
        hurdle=rounds.hurdle,
        n_members=config.n_members,
        has_time=log.panel is not None,
        reward_name=log.reward_name,
    )
    return replace(model, process=fit_process(model, rounds, config, rng))


def first_rounds(log: LoggedDecisions) -> BoolArray:
    """(n_rounds,) where episodes begin; every round of a log without time."""
    return np.ones(len(log), dtype=np.bool_) if log.panel is None else log.panel.step == 0


def _first_states(log: LoggedDecisions, rng: np.random.Generator) -> IntArray:
    """Rows with which episodes begin; of a subsampled log, drawn as often as its weights say."""
    rows = np.flatnonzero(first_rounds(log))
    if log.weight is None:
        return rows
    return rng.choice(rows, size=len(rows), p=log.weight[rows] / log.weight[rows].sum())


def _check(log: LoggedDecisions, *, min_actions: int) -> None:
    n_units, n_tried = len(np.unique(log.unit)), len(np.unique(log.action))
    if n_units < 2 or n_tried < min_actions:
        raise InvalidSnapshot(
            f"the log holds {n_units} customers and {n_tried} of {log.n_actions} actions; a market needs two of each",
            "collect a log in which several actions were tried on many customers, or propose an experiment",
        )


def _rounds(log: LoggedDecisions, config: MarketConfig, known: Mapping[str, Rule]) -> Rounds:
    panel = log.panel
    if panel is None:
        layout = fit_layout(log.context, None, np.zeros(len(log), np.bool_), max_levels=config.max_levels)
        columns = layout.encode(log.context)
        return Rounds(layout, columns, columns, log, find_hurdle(log, np.ones(len(log), np.bool_)))
    shared = shared_columns(log)
    layout = fit_layout(
        log.context,
        panel.next_context,
        panel.terminated,
        max_levels=config.max_levels,
        numbers={*known, *shared},  # one level a period would leave nothing to learn
    )
    columns, after = layout.encode(log.context), layout.encode(panel.next_context)
    hurdle, stays = find_hurdle(log, ~panel.terminated), ~panel.terminated
    rules = {**_rules(layout, columns[stays], after[stays], log.take(stays), hurdle), **known}
    rules |= {c.name: Held() for c in layout.columns if c.name in shared and c.moves and c.name not in rules}
    return Rounds(replace(layout, rules=rules), columns, after, log, hurdle)


def _rules(
    layout: StateLayout, columns: FloatArray, after: FloatArray, log: LoggedDecisions, hurdle: Hurdle | None
) -> dict[str, Rule]:
    """Of the moving columns, by the rounds of customers who stayed."""
    now = {c.name: c.numbers(columns[:, i]) for i, c in enumerate(layout.columns)}
    moving = {c.name: (now[c.name], c.numbers(after[:, i])) for i, c in enumerate(layout.columns) if c.moves}
    if hurdle is None:
        return recognise(moving, None)
    spend = hurdle.spend(log.reward, log.action)
    return recognise(moving, Period(spend > 0, spend, now.__getitem__))


def heldout_customers(unit: IntArray, share: float, rng: np.random.Generator) -> BoolArray:
    """(n_rounds,) rounds of `share` of the customers, at least one and not all."""
    units, code = np.unique(unit, return_inverse=True)
    order = rng.permutation(len(units))
    n_heldout = min(max(1, round(share * len(units))), len(units) - 1)
    return np.asarray(np.isin(code, order[:n_heldout]), dtype=np.bool_)


def _bootstrap_weight(unit: IntArray, rng: np.random.Generator) -> FloatArray:
    """(n_rounds,) how often each round's customer was drawn."""
    units, code = np.unique(unit, return_inverse=True)
    drawn = np.bincount(rng.integers(len(units), size=len(units)), minlength=len(units))
    return drawn[code].astype(np.float64)


def _tables(members: list[Member], *, has_hurdle: bool) -> MemberTables:
    """Cells of all members one after the other."""
    leaving, *others = (
        np.concatenate([f.offset for f in fits]) for fits in zip(*(m.levels for m in members), strict=True)
    )
    return MemberTables(
        coefficients=np.concatenate([m.coefficients for m in members]),
        hazard_offset=leaving,
        purchase_offset=others.pop(0) if has_hurdle else None,
        level_offsets=tuple(others),
        residuals=np.concatenate([m.residuals for m in members]),
    )
