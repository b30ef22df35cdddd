"""What was served so far, as far as limits ask for it: a few queries a batch, kept up while the batch is decided."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

from config.quantities import Rate
from domain.ports import UnitOfWork
from loop.points import Point
from policies.restriction import UnitState
from policies.windows import window_start


class UnitStates:
    """The counts behind one batch; later requests of a batch see what earlier ones got."""

    def __init__(
        self,
        books: UnitOfWork,
        point: Point,
        units: Collection[str],
        now: datetime,
        baselines: Mapping[str, str | None],
    ) -> None:
        """Counts inside the windows of the point's limits; contacts count at every decision point of `baselines`."""
        self._now = now
        rules = point.restriction
        self._to_all = Counter(
            {
                action: books.decisions.n_served_since(point.name, action, _since(rate, point, now))
                for action, rate in rules.capacity.items()
            }
        )
        self._to_unit: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for action, rate in rules.max_per_unit.items():
            for unit, served, _ in books.decisions.served_since(point.name, units, _since(rate, point, now)):
                self._to_unit[unit][action] += served == action
        self._contacts = _contacts(books, point, units, now, baselines)

    def of(self, unit: str) -> UnitState:
        """Frozen, as it stands now."""
        return UnitState(
            now=self._now,
            served_to_unit=dict(self._to_unit[unit]),
            served_to_all=dict(self._to_all),
            n_contacts=self._contacts[unit],
        )

    def note(self, unit: str, action: str, *, is_contact: bool) -> None:
        """A policy served `action` to the unit."""
        self._to_all[action] += 1
        self._to_unit[unit][action] += 1
        self._contacts[unit] += is_contact


def _contacts(
    books: UnitOfWork, point: Point, units: Collection[str], now: datetime, baselines: Mapping[str, str | None]
) -> Counter[str]:
    """Everything but the baseline of its own decision point that a policy served is a contact.

    Where each request names its own baseline, everything that a policy served counts: doubt restricts.
    """
    counts: Counter[str] = Counter()
    rate = point.restriction.contacts
    if rate is None:
        return counts
    for name, baseline in baselines.items():
        for unit, action, _ in books.decisions.served_since(name, units, _since(rate, point, now)):
            counts[unit] += action != baseline
    return counts


def _since(rate: Rate, point: Point, now: datetime) -> datetime:
    return window_start(rate.window, now, point.restriction.zone)
