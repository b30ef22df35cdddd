"""What averages say, what AMSO says and what is true of every strategy for everyone: the demo's first table."""

from dataclasses import dataclass

import numpy as np
from rich.table import Table

from domain.arrays import FloatArray
from domain.log import LoggedDecisions
from env.reference import exact
from env.reference.tabular import TabularMarket
from loop.demo_business import BASELINE
from loop.recommend import RecommendAnswer
from loop.text import interval, number, table

N_PERIODS = 6  # months of the log


@dataclass(frozen=True)
class StrategyLine:
    """One strategy for everyone: a customer's gain over doing nothing, in EUR over the log's months."""

    strategy: str
    averages_say: float | None
    value: float | None
    low: float | None
    high: float | None
    truth: float
    verdict: str


def strategy_table(lines: tuple[StrategyLine, ...]) -> Table:
    """For people."""
    rows = [
        (x.strategy, number(x.averages_say), number(x.value), interval(x.low, x.high), number(x.truth), x.verdict)
        for x in lines
    ]
    title = f"What a customer gains over {BASELINE} in {N_PERIODS} months, EUR"
    return table(title, ("for everyone", "averages say", "we say", "interval", "truth", "verdict"), rows)


def compare_strategies(
    market: TabularMarket, log: LoggedDecisions, answer: RecommendAnswer, learned: FloatArray
) -> tuple[StrategyLine, ...]:
    """What averages say, what we say, and what is true, of every strategy for everyone."""
    averages = _averages(log)
    base = _true_value(market, exact.constant(market, BASELINE))
    lines = []
    for s in answer.strategies:
        if s.strategy.segment.predicate.conditions or s.strategy.action == "experiment":
            continue
        name = s.strategy.action
        is_learned = name.startswith("policy:")
        distribution = learned if is_learned else exact.constant(market, name)
        lines.append(
            StrategyLine(
                "learned policy" if is_learned else name,
                averages_say=None if is_learned else averages[name] - averages[BASELINE],
                value=_each(s.expected_value, s.n_units),
                low=_each(s.low, s.n_units),
                high=_each(s.high, s.n_units),
                truth=_true_value(market, distribution) - base,
                verdict=s.verdict.value,
            )
        )
    return tuple(lines)


def _each(total: float | None, n_units: int) -> float | None:
    return None if total is None else total / n_units


def _true_value(market: TabularMarket, distribution: FloatArray) -> float:
    return exact.value(market, distribution, horizon=N_PERIODS, discount=1.0)


def _averages(log: LoggedDecisions) -> dict[str, float]:
    """A dashboard's number: mean reward of a month with the action, times the months."""
    mean = np.bincount(log.action, weights=log.reward) / np.bincount(log.action)
    return {a: float(m) * N_PERIODS for a, m in zip(log.actions.ids, mean, strict=True)}
