"""Groups that people know without looking at outcomes: the levels of a text column, the quarters of a number.

Chosen from contexts alone, so that what is estimated inside them needs no correction for having searched; only for
being many.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from analysis.splits import readable_cut
from domain.arrays import FloatArray, IntArray, TextArray
from domain.context import Context

MAX_GROUPS = 6  # of one column, those for rare and for missing values not counted
MIN_SHARE = 0.01  # of the rows; rarer levels of a text column share one group


@dataclass(frozen=True)
class ColumnGroups:
    """One column's rows shared out among groups."""

    column: str
    names: tuple[str, ...]
    group: IntArray  # (n_rounds,) indices into names


def group_columns(context: Context) -> tuple[ColumnGroups, ...]:
    """Every column in the context's order that has two groups with a share of the rows; ids and constants have none.

    >>> plan = np.array(["monthly", "yearly", None, "monthly"], dtype=object)
    >>> for found in group_columns(Context({"plan": plan, "age": np.arange(4.0)}, 4)):
    ...     print(found.names, found.group)
    ('plan = monthly', 'plan = yearly', 'plan missing') [0 1 2 0]
    ('age = 0', 'age = 1', 'age = 2', 'age = 3') [0 1 2 3]
    """
    found = [_group(name, values) for name, values in context.columns.items()]
    return tuple(groups for groups in found if _has_two_groups(groups.group))


def _has_two_groups(group: IntArray) -> bool:
    return bool((np.bincount(group) >= MIN_SHARE * len(group)).sum() > 1)


def _group(column: str, values: FloatArray | TextArray) -> ColumnGroups:
    if values.dtype == np.object_:
        names, group = _levels(column, np.asarray(values, dtype=np.object_))
    else:
        names, group = _quarters(column, np.asarray(values, dtype=np.float64))
    used, group = np.unique(group, return_inverse=True)
    return ColumnGroups(column, tuple(names[i] for i in used), np.asarray(group, dtype=np.int64))


def _levels(column: str, values: TextArray) -> tuple[list[str], IntArray]:
    """The frequent levels, the others, the missing."""
    counts = Counter(v for v in values if v is not None)
    ranked = sorted(counts, key=lambda level: (-counts[level], level))
    frequent = [level for level in ranked[:MAX_GROUPS] if counts[level] >= MIN_SHARE * len(values)]
    rest = ranked[len(frequent) :]
    frequent += rest if len(rest) == 1 else []
    other = len(frequent)
    place: dict[str | None, int] = {level: i for i, level in enumerate(frequent)} | {None: other + 1}
    group = np.fromiter((place.get(v, other) for v in values), dtype=np.int64, count=len(values))
    names = [f"{column} = {level}" for level in frequent]
    return [*names, f"{column}: {len(counts) - other:,} other levels", f"{column} missing"], group


def _quarters(column: str, values: FloatArray) -> tuple[list[str], IntArray]:
    """Values themselves where they are few, else four parts of about equal size; the missing."""
    seen = values[~np.isnan(values)]
    distinct = np.unique(seen)
    if len(distinct) <= MAX_GROUPS:
        cuts, names = distinct[1:], [f"{column} = {value:.6g}" for value in distinct]
    else:
        cuts = np.unique([readable_cut(seen, float(q)) for q in np.quantile(seen, (0.25, 0.5, 0.75))])
        bounds = [f"{cut:.6g}" for cut in cuts]
        between = [f"{low} <= {column} < {high}" for low, high in pairwise(bounds)]
        names = [f"{column} < {bounds[0]}", *between, f"{column} >= {bounds[-1]}"]
    group = np.where(np.isnan(values), len(names), np.searchsorted(cuts, values, side="right"))
    return [*names, f"{column} missing"], group.astype(np.int64)
