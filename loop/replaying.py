"""Computes a logged decision anew, by the very function that made it, and says the first thing that differs.

What a decision kept is enough: features, eligible actions, exploration share, draw and policy version. Decisions that
no policy made (baseline, holdout) hold by their own form. What mode shadow would have done is not computed again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from domain.actions import ActionSet
from domain.decisions import Arm, Decision
from domain.errors import AmsoError
from domain.ports import UnitOfWork
from domain.proposals import Proposal
from loop.shelf import PolicyShelf
from policies.baselines import ConstantPolicy, UniformPolicy
from policies.deciding import RowPolicy, decide, row_context
from tracker.proposals import EXPERIMENT

NO_ACTIONS = ActionSet(())  # a learned version brings its own
T = TypeVar("T")


@dataclass(frozen=True)
class Difference:
    """A decision that does not come out as it was logged."""

    decision_id: str
    what: str  # one sentence: what was logged, what comes out
    numpy_version: str | None  # under which it was made, where that is another one than ours

    def to_data(self) -> dict[str, object]:
        return {"decision_id": self.decision_id, "what": self.what, "numpy_version": self.numpy_version}


class Deciders:
    """The policies behind decisions: everything is loaded at once, so that computing needs no store."""

    def __init__(self, books: UnitOfWork, shelf: PolicyShelf, decisions: Sequence[Decision]) -> None:
        by_policy = [d for d in decisions if d.arm is Arm.POLICY]
        versions = {d.policy_version for d in by_policy if d.policy_version.startswith("p-")}
        experiments = {d.proposal_id for d in by_policy if d.policy_version == EXPERIMENT and d.proposal_id}
        self._learned: dict[str, RowPolicy | AmsoError] = _each(versions, lambda v: shelf.policy(books, v, NO_ACTIONS))
        self._proposals = _each(experiments, lambda name: books.proposals.get(name).proposal)

    def of(self, decision: Decision) -> RowPolicy:
        """Who made it.

        Raises:
            AmsoError: it is gone, or not what it was.
        """
        kind, _, action = decision.policy_version.partition(":")
        if kind == "constant":  # over what was eligible, in the order of the catalogue of that day
            known = decision.eligible if action in decision.eligible else (*decision.eligible, action)
            return ConstantPolicy(ActionSet(known), action)
        if kind == EXPERIMENT:
            return UniformPolicy(ActionSet(self._experiment(decision).actions))
        return _found(self._learned, decision.policy_version)

    def _experiment(self, decision: Decision) -> Proposal:
        proposal = _found(self._proposals, decision.proposal_id or "")
        if decision.decided_at < proposal.created_at:
            raise AmsoError(f"it was decided under an earlier revision of {decision.proposal_id}")
        return proposal


def difference(decision: Decision, deciders: Deciders) -> Difference | None:
    """The first thing that differs; None where every bit is the same."""
    try:
        what = _differs(decision, deciders) if decision.arm is Arm.POLICY else _no_baseline(decision)
    except AmsoError as error:
        what = f"cannot be computed again: {error.message}"
    if what is None:
        return None
    is_other = decision.numpy_version != np.__version__
    return Difference(decision.decision_id, what, decision.numpy_version if is_other else None)


def _differs(decision: Decision, deciders: Deciders) -> str | None:
    policy = deciders.of(decision)
    ids = policy.actions.ids
    drawn = decide(
        policy,
        row_context(decision.features),
        np.array([action_id in decision.eligible for action_id in ids], dtype=np.bool_),
        exploration_share=decision.exploration_share,
        draw=decision.draw,
    )
    known = dict(zip(ids, drawn.distribution, strict=True))
    computed = {action_id: known.get(action_id, 0.0) for action_id in decision.eligible}
    return (
        _first_difference(decision.distribution, computed)
        or _told("action", decision.action, ids[drawn.action])
        or _told("propensity", decision.propensity, drawn.propensity)
    )


def _no_baseline(decision: Decision) -> str | None:
    """What is no baseline decision in form, though it says it is."""
    action = decision.action
    return (
        _first_difference(decision.distribution, {action: 1.0})
        or _told("eligible", decision.eligible, (action,))
        or _told("propensity", decision.propensity, 1.0)
        or _told("policy_version", decision.policy_version, f"constant:{action}")
        or _told("proposal_id", decision.proposal_id, None)
    )


def _first_difference(logged: Mapping[str, float], computed: Mapping[str, float]) -> str | None:
    if set(logged) != set(computed):
        return _told("actions of the distribution", sorted(logged), sorted(computed))
    return next((told for a in computed if (told := _told(f"probability of {a}", logged[a], computed[a]))), None)


def _told(name: str, logged: object, computed: object) -> str | None:
    return None if logged == computed else f"{name}: logged {logged!r}, computed {computed!r}"


def _each(names: set[str], find: Callable[[str], T]) -> dict[str, T | AmsoError]:
    """What was found, or why not: that is told of each decision that needs it."""
    found: dict[str, T | AmsoError] = {}
    for name in sorted(names):
        try:
            found[name] = find(name)
        except AmsoError as error:
            found[name] = error
    return found


def _found(known: Mapping[str, T | AmsoError], name: str) -> T:
    found = known.get(name, AmsoError(f"unknown policy {name!r}"))
    if isinstance(found, AmsoError):
        raise found
    return found
