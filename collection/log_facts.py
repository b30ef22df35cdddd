"""What only all rows of a log together say. Facts of parts add up, so a log is read in chunks as it is read whole.

Whether a column is empty throughout, which actions are written anywhere, whether some times carry a zone: no chunk can
know. A chunk that is read by the facts of its whole log finds the same faults as the whole log would.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

NUMBER, TIME, TEXT = "number", "time", "text"


@dataclass(frozen=True)
class LogFacts:
    """Facts of some rows.

    >>> a, b = LogFacts(2, written={"x": 2}), LogFacts(1, written={"x": 1})
    >>> (a + b).written
    {'x': 3}
    """

    n_rows: int = 0
    filled: frozenset[str] = frozenset()  # the source's columns that hold anything
    written: Mapping[str, int] = field(default_factory=dict)  # action as written -> rows
    eligible: frozenset[str] = frozenset()  # actions that `eligible` names
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)  # cell and split -> what they hold
    kinds: Mapping[str, frozenset[str]] = field(default_factory=dict)  # the source's columns -> number, time or text
    tried: frozenset[tuple[str, str]] = frozenset()  # (cell, action) that occur together
    n_times: int = 0  # rows with a time
    n_zoneless: int = 0  # those without a zone

    def __add__(self, other: "LogFacts") -> "LogFacts":
        return LogFacts(
            self.n_rows + other.n_rows,
            self.filled | other.filled,
            dict(Counter(self.written) + Counter(other.written)),
            self.eligible | other.eligible,
            _joined(self.names, other.names),
            _joined(self.kinds, other.kinds),
            self.tried | other.tried,
            self.n_times + other.n_times,
            self.n_zoneless + other.n_zoneless,
        )

    def kind(self, theirs: str) -> str:
        """What a column is read as: what mixes kinds is text, what is empty is numbers."""
        kinds = self.kinds.get(theirs, frozenset())
        return next(iter(kinds), NUMBER) if len(kinds) < 2 else TEXT

    def share_written(self, actions: Iterable[str]) -> float:
        """Share of the rows whose action is among these."""
        return sum(self.written.get(a, 0) for a in actions) / max(self.n_rows, 1)


def _joined(a: Mapping[str, frozenset[str]], b: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    return {name: a.get(name, frozenset()) | b.get(name, frozenset()) for name in (*a, *(n for n in b if n not in a))}
