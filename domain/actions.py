"""The monetization levers a decision point may pull."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from domain.arrays import BoolArray, FloatArray
from domain.errors import UnsupportedAction
from domain.segments import Predicate


@dataclass(frozen=True)
class Action:
    """One lever with its parameters. Costs are in the business's currency, per execution."""

    action_id: str
    price: str | None = None  # name of a list price
    discount_rate: float = 0.0  # 0..1
    cost_amount: float = 0.0
    max_cost_amount: float = 0.0  # the worst case, reserved from caps
    is_reversible: bool = True
    eligible: Predicate = field(default_factory=Predicate)
    payload: Mapping[str, object] = field(default_factory=dict)


def relative_prices(actions: Sequence[Action]) -> dict[str, float]:
    """Prices relative to the list price, 1 = list, of the largest group of actions that differ in their price alone.

    Such actions state a price or a discount, name the same list price, if any, and are offered to the same customers.
    Empty where no two differ.

    >>> relative_prices([Action("list", price="month"), Action("fifth_off", price="month", discount_rate=0.2)])
    {'list': 1.0, 'fifth_off': 0.8}
    """
    priced = [a for a in actions if a.price is not None or a.discount_rate > 0]
    groups = [{a.action_id: 1 - a.discount_rate for a in priced if _is_like(a, b)} for b in priced]
    return max((g for g in groups if len(set(g.values())) > 1), key=len, default={})


def _is_like(one: Action, other: Action) -> bool:
    return one.price == other.price and one.eligible == other.eligible


@dataclass(frozen=True)
class ActionSet:
    """Action ids in a fixed order; an action's index is its place here. Ids compare as strings."""

    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {action_id: i for i, action_id in enumerate(self.ids)}

    def __contains__(self, action_id: object) -> bool:
        return action_id in self._index

    def index(self, action_id: str) -> int:
        """The place of an action.

        Raises:
            UnsupportedAction: no such action.
        """
        try:
            return self._index[action_id]
        except KeyError:
            known = ", ".join(self.ids)
            raise UnsupportedAction(f"unknown action {action_id!r}; the known ones are {known}") from None

    def keep(self, is_kept: BoolArray) -> "ActionSet":
        """Those of a mask (len(self),)."""
        return ActionSet(tuple(a for a, kept in zip(self.ids, is_kept, strict=True) if kept))

    def align(self, values: FloatArray, to: "ActionSet") -> FloatArray:
        """Columns of `values` (n_rounds, len(self)) in the order of `to`.

        Actions that `to` lacks must carry no probability.

        Raises:
            UnsupportedAction: probability on an action that `to` lacks.
        """
        if self.ids == to.ids:
            return values
        aligned = np.zeros((len(values), len(to)))
        for i, action_id in enumerate(self.ids):
            if action_id in to:
                aligned[:, to.index(action_id)] = values[:, i]
            elif values[:, i].any():
                rounds = int((values[:, i] > 0).sum())
                raise UnsupportedAction(
                    f"the policy chooses action {action_id!r} in {rounds} rounds, but the log knows only "
                    + ", ".join(to.ids),
                    "evaluate a policy over the log's actions, or collect a log with this action",
                )
        return aligned

    def align_mask(self, mask: BoolArray, to: "ActionSet") -> BoolArray:
        """Columns of a mask (n_rounds, len(self)) in the order of `to`; what self lacks is not allowed."""
        aligned = np.zeros((len(mask), len(to)), dtype=np.bool_)
        for i, action_id in enumerate(self.ids):
            if action_id in to:
                aligned[:, to.index(action_id)] = mask[:, i]
        return aligned
