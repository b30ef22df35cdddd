"""The budget of a proposal: a decision holds its worst case before it is answered; what it cost is spent once it has
matured. Spent and reserved never exceed the cap.

The loss cap is no such reservation: what is lost against the baseline is only ever estimated, and `tracker/rollout.py`
rolls back on the estimate.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from domain.decisions import Decision
from domain.ports import UnitOfWork
from domain.proposals import Coverage

_NOTHING = Decimal(0)


def budget_cap(proposal_id: str) -> str:
    return f"proposal:{proposal_id}:budget"


def open_budget(books: UnitOfWork, proposal_id: str, covered: Coverage) -> None:
    """Makes the cap, or sets it to what the approvals allow now; nothing where they set no budget."""
    if covered.scope.budget_amount is not None:
        books.caps.open(budget_cap(proposal_id), covered.scope.budget_amount)


def reserve(books: UnitOfWork, proposal_id: str, covered: Coverage, amount: Decimal) -> bool:
    """Holds the worst case of one decision; False where it does not fit, and the baseline is to be served."""
    if covered.scope.budget_amount is None or amount == _NOTHING:
        return True
    return books.caps.reserve(budget_cap(proposal_id), amount)


def settle(books: UnitOfWork, decisions: Sequence[Decision], action_cost: Mapping[str, Decimal]) -> None:
    """Turns what matured decisions held into what they cost, a proposal at a time."""
    held: dict[str, tuple[Decimal, Decimal]] = {}
    for d in decisions:
        if d.proposal_id is not None and d.reserved_amount > _NOTHING:
            reserved, spent = held.get(d.proposal_id, (_NOTHING, _NOTHING))
            held[d.proposal_id] = (reserved + d.reserved_amount, spent + action_cost.get(d.action, _NOTHING))
    for proposal_id, (reserved, spent) in held.items():
        if books.caps.get(budget_cap(proposal_id)) is not None:
            books.caps.settle(budget_cap(proposal_id), reserved=reserved, spent=spent)
