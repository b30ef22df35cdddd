"""Decides one context: holdout, mode, halt, gate, restriction, one draw.

Whatever is doubtful gets the baseline: a latch that cannot be read, a proposal that no approval covers any more, a
policy that lacks a column. Only `_by_policy` serves anything else, and only for a `Deployed`, which needs a `Coverage`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import numpy as np

from config.decision_points import Mode
from domain.actions import Action
from domain.context import Context
from domain.decisions import Arm, Decision
from domain.errors import AmsoError
from domain.events import DecisionRequest
from domain.ports import UnitOfWork
from loop.points import Point
from loop.situation import Deployed, Situation
from policies.arms import unit_share
from policies.deciding import Drawn, RowPolicy, decide
from policies.restriction import Restricted, UnitState
from tracker.caps import budget_cap, reserve

HOLDOUT_SALT = "holdout"
PRODUCT_ACTS = "mode log: the product acts"
BUDGET_GONE = "the budget of the proposal was used up meanwhile"


@dataclass(frozen=True)
class Asked:
    """A new request with what it takes to decide it."""

    request: DecisionRequest
    point: Point
    unit: str
    context: Context
    baseline: str
    state: UnitState
    draw: float

    @property
    def decision_id(self) -> str:
        return decision_id(self.point.name, self.request.request_id)


def decision_id(decision_point: str, request_id: str) -> str:
    """One id a request, whoever decides it."""
    return "d-" + hashlib.sha256(f"{len(decision_point)}:{decision_point}{request_id}".encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Bench:
    """What decides the contexts of one decision point at one moment."""

    books: UnitOfWork
    point: Point
    situation: Situation
    now: datetime
    shadow: RowPolicy | None = None  # whom mode shadow asks
    shadow_version: str | None = None

    def decide(self, asked: Asked) -> Decision:
        """What the customer gets, with everything that was known."""
        point = self.point
        if unit_share(HOLDOUT_SALT, asked.unit) < point.holdout_share:
            return self._baseline(asked, "the unit is in the permanent holdout", Arm.HOLDOUT)
        if point.mode is not Mode.GATED:
            return self._in_shadow(asked) if point.mode is Mode.SHADOW else self._baseline(asked, PRODUCT_ACTS)
        if self.situation.halt is not None:
            return self._baseline(asked, self.situation.halt)
        deployed = next((d for d in self.situation.deployed if d.is_for(asked.unit, asked.context)), None)
        if deployed is None:
            doubts = "; ".join(self.situation.doubts)
            return self._baseline(asked, doubts or "no live proposal covers this unit")
        return self._by_policy(asked, deployed)

    def _by_policy(self, asked: Asked, deployed: Deployed) -> Decision:
        """The only way to anything but the baseline."""
        p, point = deployed.tracked.proposal, self.point
        affordable = self._affordable(p.proposal_id)
        try:
            restricted = self._restrict(asked, deployed, affordable)
            drawn = _draw(asked, deployed.policy, restricted)
        except Exception as error:  # noqa: BLE001 # whatever a policy or a context provokes, the customer gets the baseline
            told = error.message if isinstance(error, AmsoError) else type(error).__name__
            return self._baseline(asked, f"the policy cannot decide: {told}")
        action = point.action(deployed.policy.actions.ids[drawn.action])
        worst_case = Decimal(str(action.max_cost_amount))
        if not reserve(self.books, p.proposal_id, deployed.coverage, worst_case):
            return self._baseline(asked, BUDGET_GONE)
        is_offer = point.offer_stands is not None and action.action_id != asked.baseline
        return self._written(
            asked,
            arm=Arm.POLICY,
            action=action,
            propensity=drawn.propensity,
            eligible=restricted.eligible,
            distribution=_by_name(deployed.policy, drawn, restricted),
            exploration_share=point.exploration_share,
            policy_version=p.policy_version,
            proposal_id=p.proposal_id,
            why=f"{p.proposal_id} ({deployed.tracked.status.value}) decides for this unit",
            valid_until=self._until(deployed) if is_offer else None,
            reserved_amount=worst_case if deployed.coverage.scope.budget_amount is not None else Decimal(0),
        )

    def _restrict(self, asked: Asked, deployed: Deployed, affordable: frozenset[str] | None) -> Restricted:
        """The catalogue's limits, and of the proposal: only its own actions, only what its budget still affords."""
        p = deployed.tracked.proposal
        within = [a for a in p.actions if asked.request.eligible is None or a in asked.request.eligible]
        state = replace(asked.state, affordable=affordable)
        return self.point.restriction.restrict(
            asked.context, baseline=asked.baseline, state=state, asked=(*within, asked.baseline)
        )

    def _affordable(self, proposal_id: str) -> frozenset[str] | None:
        cap = self.books.caps.get(budget_cap(proposal_id))
        if cap is None:
            return None
        room = cap.limit_amount - cap.reserved_amount - cap.spent_amount
        return frozenset(a.action_id for a in self.point.actions if Decimal(str(a.max_cost_amount)) <= room)

    def _until(self, deployed: Deployed) -> datetime:
        assert self.point.offer_stands is not None
        return min(self.now + self.point.offer_stands, deployed.coverage.expires_at)

    def _baseline(self, asked: Asked, why: str, arm: Arm = Arm.BASELINE) -> Decision:
        return self._written(
            asked,
            arm=arm,
            action=self.point.action(asked.baseline),
            propensity=1.0,
            eligible=(asked.baseline,),
            distribution={asked.baseline: 1.0},
            exploration_share=0.0,
            policy_version=f"constant:{asked.baseline}",
            proposal_id=None,
            why=why,
            valid_until=None,
            reserved_amount=Decimal(0),
        )

    def _in_shadow(self, asked: Asked) -> Decision:
        """The baseline, with what the newest version would have done beside it."""
        served = self._baseline(asked, "mode shadow: the baseline is served")
        policy, version = self.shadow, self.shadow_version
        if policy is None:
            return served if version is None else replace(served, why=f"{served.why}; {version} cannot be loaded")
        try:
            restricted = self.point.restriction.restrict(
                asked.context, baseline=asked.baseline, state=asked.state, asked=asked.request.eligible
            )
            drawn = _draw(asked, policy, restricted)
        except AmsoError as error:
            return replace(served, why=f"{served.why}; {version} cannot decide: {error.message}")
        return replace(
            served,
            why=f"{served.why}; {version} would have decided",
            shadow_action=policy.actions.ids[drawn.action],
            shadow_distribution=_by_name(policy, drawn, restricted),
        )

    def _written(
        self,
        asked: Asked,
        *,
        arm: Arm,
        action: Action,
        propensity: float,
        eligible: tuple[str, ...],
        distribution: Mapping[str, float],
        exploration_share: float,
        policy_version: str,
        proposal_id: str | None,
        why: str,
        valid_until: datetime | None,
        reserved_amount: Decimal,
    ) -> Decision:
        return Decision(
            decision_id=asked.decision_id,
            request_id=asked.request.request_id,
            decision_point=self.point.name,
            unit=asked.unit,
            decided_at=self.now,
            mode=self.point.mode.value,
            arm=arm,
            action=action.action_id,
            propensity=propensity,
            eligible=eligible,
            distribution=distribution,
            draw=asked.draw,
            policy_version=policy_version,
            proposal_id=proposal_id,
            why=why,
            features=asked.request.features,
            catalogue_version=self.point.catalogue_version,
            numpy_version=np.__version__,
            payload=dict(action.payload),
            valid_until=valid_until,
            reserved_amount=reserved_amount,
            exploration_share=exploration_share,
        )


def _draw(asked: Asked, policy: RowPolicy, restricted: Restricted) -> Drawn:
    allowed = restricted.allowed_over(policy.actions)
    share = asked.point.exploration_share
    return decide(policy, asked.context, allowed, exploration_share=share, draw=asked.draw)


def _by_name(policy: RowPolicy, drawn: Drawn, restricted: Restricted) -> Mapping[str, float]:
    """Over the eligible actions; what the policy does not know has none."""
    known = dict(zip(policy.actions.ids, drawn.distribution, strict=True))
    return {action_id: known.get(action_id, 0.0) for action_id in restricted.eligible}
