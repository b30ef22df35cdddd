"""What a log lacks, whatever is asked of it: each finding counts its rows and says what was expected and what mends it.

A finding that refuses forbids any verdict: the question has no answer in such a log. The others are notes: the answer
stands, and the reader must know what it does not cover. Names of columns are only a guess at what they hold, so what
rests on a name never refuses; `not_negative` of a source makes it a fault of the row instead.
"""

import re
from collections.abc import Sequence

import numpy as np

from analysis.features import MAX_TEXT_LEVELS, fit_encoder
from analysis.untried import untried_segments
from domain.actions import Action
from domain.arrays import FloatArray
from domain.errors import UnsupportedAction
from domain.estimates import Finding, FindingKind
from domain.log import LoggedDecisions

LENGTHS = {"tenure", "age", "recency", "since", "days", "weeks", "months", "years", "hours", "minutes", "seconds"}
COUNTS = {"n", "count", "counts", "num"}
SIGNED = {"change", "delta", "diff", "log", "score", "scaled", "std", "to", "trend", "until", "z"}  # may lie below zero
CENTERED = 0.25  # standard deviations between the mean and zero, up to which somebody has centered the numbers


def diagnose(log: LoggedDecisions, catalogue: Sequence[Action] = ()) -> tuple[Finding, ...]:
    """Everything that keeps a log from being learned from, or limits what is learned.

    Args:
        log: as read; rows that were set aside are counted by `evaluation.refusals.read_findings`.
        catalogue: of the decision point; empty = the log alone says what the actions are.

    >>> from domain.actions import ActionSet
    >>> from domain.context import Context
    >>> n = 300
    >>> context = Context({"tenure_days": np.arange(n) - 5.0}, n)
    >>> log = LoggedDecisions(ActionSet(("a", "b")), np.arange(n) % 2, np.ones(n), "reward", context, np.arange(n))
    >>> [(f.kind.value, f.n_rounds, f.is_refusal) for f in diagnose(log)]
    [('negative', 5, False)]
    """
    return (*content_findings(log, learns=True), *coverage_findings(log, catalogue))


def content_findings(log: LoggedDecisions, *, learns: bool) -> tuple[Finding, ...]:
    """What the log's own rows say.

    With logged propensities fewer rounds than features can value a policy, but nothing can be learned (`learns`).
    """
    return (
        *_nothing_to_compare(log),
        *_few_rounds(log, is_refusal=learns or log.propensity is None),
        *_one_price(log),
        *_negative(log),
    )


def coverage_findings(log: LoggedDecisions, catalogue: Sequence[Action] = ()) -> tuple[Finding, ...]:
    """What was never tried: actions of the catalogue, prices, segments; and what is no longer offered."""
    return (*_catalogue(log, catalogue), *_one_listed_price(log, catalogue), *untried_segments(log))


def refuse_unknown_actions(log: LoggedDecisions, catalogue: Sequence[Action]) -> None:
    """For whatever would recommend an action: one that the catalogue lacks cannot be carried out.

    Raises:
        UnsupportedAction: the log holds one.
    """
    unknown = _unknown(log, catalogue)
    if not unknown:
        return
    leave_out = " ".join(f"--exclude-action {a}" for a in unknown)
    raise UnsupportedAction(
        _unknown_text(log, unknown, catalogue),
        "add it to the decision point's actions"
        + ("" if log.panel is not None else f", or leave its rows out: {leave_out}"),
    )


def _nothing_to_compare(log: LoggedDecisions) -> tuple[Finding, ...]:
    found = []
    logged = np.unique(log.action)
    if len(logged) == 1:
        name = log.actions.ids[int(logged[0])]
        text = (
            f"only one action was ever logged ({name}): nothing can be compared; needed are rows of two or more, best "
            "drawn at random (`amso recommend` designs the experiment)"
        )
        found.append(Finding(FindingKind.ONE_ACTION, len(log), True, text))
    if not log.reward.any():
        text = f"every {log.reward_name} is zero: nothing was earned that could differ"
        found.append(Finding(FindingKind.ZERO_REWARDS, len(log), True, text))
    return tuple(found)


def _few_rounds(log: LoggedDecisions, *, is_refusal: bool) -> tuple[Finding, ...]:
    n_columns = len(log.context.columns)
    if len(log) > n_columns * (MAX_TEXT_LEVELS + 2):
        return ()
    features = fit_encoder(log.context).transform(log.context)
    n_features = int((features != features[:1]).any(axis=0).sum())  # no indicators of what is never missing
    if len(log) > n_features:
        return ()
    text = (
        f"{len(log):,} rows for {n_features:,} features of {n_columns:,} context columns: what is learned would be "
        "what is assumed; needed are more rows, many times the features, or fewer columns (`context:`)"
    )
    return (Finding(FindingKind.FEW_ROUNDS, len(log), is_refusal, text),)


def _one_price(log: LoggedDecisions) -> tuple[Finding, ...]:
    found = []
    for name in sorted(log.context.columns):
        values = log.context.columns[name]
        if values.dtype == object or "price" not in _words(name):
            continue
        seen = np.unique(values.astype(np.float64))
        if len(seen) == 1 and np.isfinite(seen[0]):
            found.append(_price_finding(len(log), f"x_{name} is {seen[0]:g} in all {len(log):,} rows"))
    return tuple(found)


def _one_listed_price(log: LoggedDecisions, catalogue: Sequence[Action]) -> tuple[Finding, ...]:
    """The catalogue's prices, where every logged action sells at the same."""
    logged = [a for a in catalogue if a.action_id in log.actions]
    prices = {(a.price, a.discount_rate) for a in logged}
    if len(prices) != 1 or prices == {(None, 0.0)}:
        return ()
    ((price, discount),) = prices
    at = f"{price or 'the list price'}" + (f" less {discount:.0%}" if discount else "")
    names = ", ".join(a.action_id for a in logged)
    return (_price_finding(len(log), f"every logged action ({names}) sells at {at}"),)


def _price_finding(n_rounds: int, what: str) -> Finding:
    text = (
        f"only one price was ever tried: {what}; how customers answer to another one cannot be learned, and none is "
        "recommended; needed is a time in which prices differed, best drawn at random"
    )
    return Finding(FindingKind.ONE_PRICE, n_rounds, False, text)


def _negative(log: LoggedDecisions) -> tuple[Finding, ...]:
    """Columns that by their name count time or things."""
    found = []
    for name in sorted(log.context.columns):
        values = log.context.columns[name]
        if values.dtype == object or not _counts(name):
            continue
        numbers = values.astype(np.float64)
        n_below = int((numbers < 0).sum())
        if n_below and not _is_centered(numbers):
            text = (
                f"x_{name} is negative in {n_below:,} of {len(log):,} rows (lowest {np.nanmin(numbers):g}), where its "
                "name promises 0 or more; leave unknown ones empty and mend the dates behind the others; "
                "`not_negative` of the source sets such rows aside"
            )
            found.append(Finding(FindingKind.NEGATIVE, n_below, False, text))
    return tuple(found)


def _counts(name: str) -> bool:
    words = _words(name)
    return bool(words & (LENGTHS | COUNTS)) and not words & SIGNED


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z]+", name.lower()))


def _is_centered(numbers: FloatArray) -> bool:
    """Numbers with decimals that lie around zero: somebody has subtracted their mean."""
    seen = numbers[np.isfinite(numbers)]
    return bool((seen != np.round(seen)).any() and abs(seen.mean()) <= CENTERED * seen.std())


def _catalogue(log: LoggedDecisions, catalogue: Sequence[Action]) -> tuple[Finding, ...]:
    found = []
    if unknown := _unknown(log, catalogue):
        n = int(np.isin(log.action, [log.actions.index(a) for a in unknown]).sum())
        found.append(Finding(FindingKind.NOT_IN_CATALOGUE, n, False, _unknown_text(log, unknown, catalogue)))
    n_logged = np.bincount(log.action, minlength=log.n_actions)
    tried = {a for a, n in zip(log.actions.ids, n_logged, strict=True) if n}
    never = [a.action_id for a in catalogue if a.action_id not in tried]
    if never:
        text = (
            f"{', '.join(never)} of the catalogue never occurs in the {len(log):,} rows: what it would earn is not "
            "known, and no learned policy chooses it; needed is an approved experiment that tries it"
        )
        found.append(Finding(FindingKind.NEVER_LOGGED, 0, False, text))
    return tuple(found)


def _unknown(log: LoggedDecisions, catalogue: Sequence[Action]) -> tuple[str, ...]:
    """Actions with logged rounds that the catalogue, where there is one, lacks."""
    known = {a.action_id for a in catalogue}
    logged = [log.actions.ids[a] for a in np.unique(log.action)]
    return tuple(a for a in logged if known and a not in known)


def _unknown_text(log: LoggedDecisions, unknown: Sequence[str], catalogue: Sequence[Action]) -> str:
    counts = ", ".join(f"{a} in {int((log.action == log.actions.index(a)).sum()):,}" for a in unknown)
    known = ", ".join(a.action_id for a in catalogue)
    return f"logged but not in the catalogue ({known}): {counts} of {len(log):,} rows; nothing could carry it out"
