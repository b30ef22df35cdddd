"""Guesses what a foreign table's columns mean, for a first config; what a person should check becomes a question.

Names decide first, contents must agree: an action has few values, a reward is a number, a propensity lies in (0, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api import types as kinds

from collection.columns import NAMES
from collection.role_words import (
    ACTION_WORDS,
    AFTER_WORDS,
    BASELINE_WORDS,
    BEFORE_WORDS,
    MONEY_WORDS,
    OUTCOME_WORDS,
    PROPENSITY_NAMES,
    SHORT_PROPENSITY_NAMES,
    TIME_WORDS,
    UNIT_WORDS,
    in_snake_case,
    matches,
)
from collection.values import coded, has_values, is_number_column, numbers_of, times_of
from config.log_options import LogOptions

MAX_ACTIONS = 60
MIN_UNIT_SHARE = 0.2  # distinct numbers a row in a column that names units; fewer name stores or plans
WEIGHTING_TOLERANCE = 0.2  # of the mean of 1/p around n / n_action


@dataclass(frozen=True)
class LogRoles:
    """A guess, and what of it a person must answer. Column names are the source's."""

    action: str | None
    reward: str | None
    other_rewards: tuple[str, ...]
    propensity: str | None
    unit: str | None
    time: str | None
    context: tuple[str, ...]
    ignored: tuple[str, ...]
    action_shares: tuple[tuple[str, float], ...]  # most frequent first
    is_randomised: bool | None  # None where no propensity says so
    baseline: str | None
    open_questions: tuple[str, ...]

    def options(self) -> LogOptions:
        """How `read_log` reads a table with these roles."""
        named = {
            "action": self.action,
            "unit_id": self.unit,
            "decided_at": self.time,
            "propensity": self.propensity,
        }
        columns = {ours: theirs for ours, theirs in named.items() if theirs is not None and theirs != ours}
        columns |= {f"x_{name}": name for name in self.context if not name.startswith("x_")}
        return LogOptions(columns=columns, reward=self.reward)


def guess_roles(frame: pd.DataFrame) -> LogRoles:
    """The likeliest role of each column.

    Args:
        frame: a sample of the log's rows, a few thousand are plenty.

    >>> frame = pd.DataFrame({"offer": ["none", "ten_off"] * 8, "profit": [0.0, 2.5] * 8, "age": list(range(16))})
    >>> roles = guess_roles(frame)
    >>> roles.action, roles.reward, roles.context, roles.baseline
    ('offer', 'profit', ('age',), 'none')
    """
    names = [str(name) for name in frame.columns if has_values(frame[name])]
    action = _first(names, ACTION_WORDS, lambda name: _is_action(frame[name]))
    free = [name for name in names if name != action]
    propensity = _propensity(frame, free, action)
    unit = _first(free, UNIT_WORDS, lambda name: _names_units(frame[name], name))
    time = _first(free, TIME_WORDS, lambda name: _is_time(frame[name]))
    free = [name for name in free if name not in {propensity, unit, time}]
    rewards = _rewards(frame, free)
    context, ignored = _context(frame, [name for name in free if name not in rewards])
    shares = _shares(frame, action)
    is_randomised = _is_randomised(frame, action, propensity)
    baseline = _baseline(shares)
    return LogRoles(
        action=action,
        reward=rewards[0] if rewards else None,
        other_rewards=tuple(rewards[1:]),
        propensity=propensity,
        unit=unit,
        time=time,
        context=tuple(context),
        ignored=tuple(ignored),
        action_shares=shares,
        is_randomised=is_randomised,
        baseline=baseline,
        open_questions=_questions(action, rewards, (unit, propensity), context, is_randomised, baseline),
    )


def _first(names: list[str], words: tuple[str, ...], fits: Callable[[str], bool]) -> str | None:
    """The column whose name stands earliest among the words and whose content fits."""
    for word in words:
        for name in names:
            if matches(name, word) and fits(name):
                return name
    return None


def _matches_any(name: str, words: tuple[str, ...]) -> bool:
    return any(matches(name, word) for word in words)


def _is_action(series: pd.Series) -> bool:
    n = len(coded(series).names)
    is_fraction = is_number_column(series) and bool((numbers_of(series).values % 1 > 0).any())
    return 2 <= n <= MAX_ACTIONS and n < len(series) and not is_fraction


def _is_probability(series: pd.Series) -> bool:
    if not is_number_column(series):
        return False
    values = numbers_of(series).values
    values = values[~np.isnan(values)]
    return bool(((values > 0) & (values <= 1)).mean() > 0.9)  # bad rows must not hide the column


def _propensity(frame: pd.DataFrame, names: list[str], action: str | None) -> str | None:
    """By its whole name; a short one also has to weight every action back to all rows."""
    for wanted in (*PROPENSITY_NAMES, *SHORT_PROPENSITY_NAMES):
        for name in names:
            if in_snake_case(name) != wanted or not _is_probability(frame[name]):
                continue
            if wanted in PROPENSITY_NAMES or _weights_back(frame, name, action):
                return name
    return None


def _weights_back(frame: pd.DataFrame, name: str, action: str | None) -> bool:
    """Whether the mean of 1/p among the rows of each action is about n / n_action, as it is of a propensity."""
    if action is None:
        return False
    codes, p = coded(frame[action]).codes, numbers_of(frame[name]).values
    usable = (codes >= 0) & (p > 0)  # NaN is not
    counts = np.bincount(codes[usable])
    sums = np.bincount(codes[usable], weights=1 / p[usable])
    seen = counts > 0
    return bool((np.abs(sums[seen] / usable.sum() - 1) < WEIGHTING_TOLERANCE).all())


def _names_units(series: pd.Series, name: str) -> bool:
    """A unit word by itself, or an id (not an age of customers) whose values are text or many."""
    snake = in_snake_case(name)
    if snake in UNIT_WORDS:
        return True
    n_values = len(coded(series).names)
    return snake.endswith("id") and (not is_number_column(series) or n_values > MIN_UNIT_SHARE * len(series))


def _is_time(series: pd.Series) -> bool:
    if kinds.is_datetime64_any_dtype(series.dtype):
        return True
    return not is_number_column(series) and bool((~np.isnat(times_of(series).values)).mean() > 0.9)


def _rewards(frame: pd.DataFrame, names: list[str]) -> list[str]:
    """Our own reward columns, else numbers named like an outcome; the money-like one first."""
    own = [name for name in names if name == "reward" or name.startswith("reward_")]
    found = own or [
        name
        for name in names
        if not name.startswith(("x_", "post_", "p_"))
        and _matches_any(name, (*MONEY_WORDS, *OUTCOME_WORDS))
        and not _matches_any(name, BEFORE_WORDS)
        and not np.isnan(numbers_of(frame[name]).values).all()
    ]

    def rank(name: str) -> int:
        return next((i for i, word in enumerate(MONEY_WORDS) if matches(name, word)), len(MONEY_WORDS))

    return sorted(found, key=rank)


def _context(frame: pd.DataFrame, names: list[str]) -> tuple[list[str], list[str]]:
    """Columns known before the decision, as far as names tell; our own x_* settle it."""
    own = [name for name in names if name.startswith("x_")]
    if own:
        return own, [name for name in names if name not in own and name not in NAMES]
    foreign = [name for name in names if name not in NAMES and not name.startswith("p_")]
    context = [name for name in foreign if _is_context(frame[name], name)]
    return context, [name for name in foreign if name not in context]


def _is_context(series: pd.Series, name: str) -> bool:
    is_afterwards = name.startswith("post_") or (
        _matches_any(name, AFTER_WORDS) and not _matches_any(name, BEFORE_WORDS)
    )
    if is_afterwards or name.endswith("_id"):
        return False
    n_values = series.astype(str).nunique()
    is_name = not is_number_column(series) and n_values > max(50, len(series) / 2)  # one text a row says nothing
    return n_values > 1 and not is_name and not _is_time(series)


def _shares(frame: pd.DataFrame, action: str | None) -> tuple[tuple[str, float], ...]:
    if action is None:
        return ()
    column = coded(frame[action])
    codes = column.codes[column.codes >= 0]
    shares = np.bincount(codes, minlength=len(column.names)) / len(codes)
    order = np.argsort(-shares, kind="stable")
    return tuple((column.names[i], float(shares[i])) for i in order)


def _is_randomised(frame: pd.DataFrame, action: str | None, propensity: str | None) -> bool | None:
    """Whether the propensity depends on nothing but the action and the cell."""
    if action is None or propensity is None:
        return None
    keys = [coded(frame[name]).codes for name in (action, "cell") if name in frame]
    values = pd.Series(numbers_of(frame[propensity]).values)
    spread = values.groupby(keys).agg(lambda v: v.max() - v.min())
    return bool((spread < 1e-6).all())


def _baseline(shares: tuple[tuple[str, float], ...]) -> str | None:
    for word in BASELINE_WORDS:
        for name, _ in shares:
            if matches(name, word):
                return name
    return shares[0][0] if shares else None


def _questions(
    action: str | None,
    rewards: list[str],
    unit_and_propensity: tuple[str | None, str | None],
    context: list[str],
    is_randomised: bool | None,
    baseline: str | None,
) -> tuple[str, ...]:
    questions = []
    if action is None:
        questions.append("Which column says what was chosen?")
    if not rewards:
        questions.append("Which column says what came of it, in money if possible?")
    else:
        others = f", rather than {', '.join(rewards[1:])}" if rewards[1:] else ""
        questions.append(f"Is {rewards[0]} what you want more of{others}? Is it net of discounts, tax and costs?")
    unit, propensity = unit_and_propensity
    if unit not in (None, "unit_id"):
        questions.append(f"Does {unit} name the customer, the same in all rows of one?")
    if propensity not in (None, "propensity"):
        questions.append(f"Is {propensity} the probability with which the logged action was drawn?")
    if is_randomised is None:
        questions.append("How was the action chosen? No column holds its probability, so it will be estimated.")
    if baseline is not None:
        questions.append(f"Is {baseline} what customers get without AMSO?")
    foreign = [name for name in context if not name.startswith("x_")]
    if foreign:
        questions.append(f"Are all of these known before the decision: {', '.join(foreign)}?")
    return tuple(questions)
