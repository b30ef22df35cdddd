"""Which rows of a log are asked for, before any is checked: a split, a decision point, matured rewards."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from collection.columns import LogColumns
from collection.values import coded, flags_of
from config.log_options import LogOptions
from domain.arrays import BoolArray
from domain.errors import UsageError

IMMATURE = "immature"
SELECTORS = ("decision_point", "split", "matured")


@dataclass(frozen=True)
class Selection:
    """The rows that the options ask for, and why the others are left out."""

    is_chosen: BoolArray  # (n_rows,)
    left_out: Mapping[str, int]


def without_empty(columns: LogColumns, filled: Collection[str]) -> LogColumns:
    """The same, where selecting columns that are empty throughout count as absent."""
    named = {name: c for name, c in columns.named.items() if name not in SELECTORS or c in filled}
    return replace(columns, named=named)


def names_to_choose_from(frame: pd.DataFrame, columns: LogColumns) -> dict[str, frozenset[str]]:
    """What the columns hold that a choice goes by."""
    return {n: frozenset(coded(frame[columns.named[n]]).names) for n in SELECTORS[:2] if n in columns.named}


def check_choice(names: Mapping[str, Collection[str]], options: LogOptions) -> None:
    """
    Args:
        names: of decision points and splits, all that the log holds; without a column, no entry.
        options: what somebody chose.

    Raises:
        UsageError: something that the log lacks, or no decision point where there are several.
    """
    for name, value in (("decision_point", options.decision_point), ("split", options.split)):
        found = sorted(names.get(name, ()))
        if name not in names and value is not None:
            raise UsageError(f"the log has no column `{name}` to choose {value!r} from", f"leave {name} out")
        if name not in names or (value is None and (name == "split" or len(found) == 1)):
            continue
        if value is None or value not in found:
            raise UsageError(
                f"{'no' if value is None else 'unknown'} {name}{'' if value is None else f' {value!r}'} chosen; "
                f"the log has {', '.join(found)}",
                f"choose one {name.replace('_', ' ')}",
            )


def select(frame: pd.DataFrame, columns: LogColumns, options: LogOptions) -> Selection:
    """The chosen rows of a frame whose selecting columns all count."""
    chosen = np.ones(len(frame), dtype=np.bool_)
    left_out: dict[str, int] = {}
    for name, value in (("decision_point", options.decision_point), ("split", options.split)):
        if value is not None and name in columns.named:
            column = coded(frame[columns.named[name]])
            code = column.names.index(value) if value in column.names else -2
            other = chosen & (column.codes != code)
            left_out[f"other {name.replace('_', ' ')}"] = int(other.sum())
            chosen &= ~other
    if "matured" in columns.named:
        # what is not known to be matured is not counted on
        flags = flags_of(frame[columns.named["matured"]])
        immature = chosen & ~(flags.values & ~flags.is_bad)
        left_out[IMMATURE] = int(immature.sum())
        chosen &= ~immature
    return Selection(chosen, {k: n for k, n in left_out.items() if n})


def selection_notes(left_out: Mapping[str, int]) -> list[str]:
    return [f"{left_out[IMMATURE]} rows are not matured yet"] if left_out.get(IMMATURE) else []
