"""A proposal as whoever judges it sees it: what, whom, plan, evidence, who must agree, hashes, history."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from config.settings import Settings
from domain.ports import UnitOfWork
from domain.proposals import Approval, AuditEntry, Coverage, Plan, Proposal, Scope, Status, TrackedProposal
from domain.segments import predicate_to_data
from loop.drafts import number_in
from loop.text import console, interval, number, table
from tracker.coverage import NotCovered, missing_approvers, shown_hash, standing
from tracker.rules import rules_hash


@dataclass(frozen=True)
class ProposalAnswer:
    """One proposal with everything that it takes to judge it."""

    tracked: TrackedProposal
    approvals: tuple[Approval, ...]  # of its newest revision
    history: tuple[AuditEntry, ...]
    standing: Coverage | NotCovered  # whether its approvals cover it, whatever its status
    currency: str

    @property
    def seen_hash(self) -> str:
        """What `approve` must be given: of exactly what is shown here."""
        return shown_hash(self.tracked.proposal)

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why the gate refused it."""
        for entry in reversed(self.history):
            reasons = entry.details.get("reasons")
            if entry.details.get("to") == Status.REFUSED and isinstance(reasons, list | tuple):
                return tuple(map(str, reasons))
        return ()

    @property
    def missing(self) -> str:
        """Who must still agree, in words; empty where nobody."""
        return missing_approvers(self.tracked.proposal.approvers, self.approvals)

    @property
    def exit_code(self) -> int:
        """1 where the gate refused it."""
        return 1 if self.tracked.status is Status.REFUSED else 0

    def to_data(self) -> dict[str, object]:
        p, stands = self.tracked.proposal, self.standing
        return {
            **proposal_summary(self.tracked),
            "actions": list(p.actions),
            "policy_version": p.policy_version,
            "base_version": p.base_version,
            "strategy_id": p.strategy_id,
            "scope": scope_to_data(p.scope),
            "plan": plan_to_data(p.plan),
            "evidence": dict(p.evidence),
            "tier": p.tier,
            "approvers": dict(p.approvers),
            "missing_approvers": self.missing,
            "approvals": [_approval_to_data(a) for a in self.approvals],
            "decide_by": p.decide_by.isoformat(),
            "valid_for_days": p.valid_for_days,
            "is_covered": isinstance(stands, Coverage),
            "not_covered": stands.reason if isinstance(stands, NotCovered) else None,
            "covered_scope": scope_to_data(stands.scope) if isinstance(stands, Coverage) else None,
            "covered_until": stands.expires_at.isoformat() if isinstance(stands, Coverage) else None,
            "proposer": p.proposer,
            "created_at": p.created_at.isoformat(),
            "note": p.note,
            "currency": self.currency,
            "hashes": {"proposal": p.proposal_hash, "evidence": p.evidence_hash, "rules": p.rules_hash},
            "seen_hash": self.seen_hash,
            "refusals": list(self.refusals),
            "history": [_entry_to_data(e) for e in self.history],
        }

    def print(self) -> None:
        out = console()
        for line in self._lines():
            out.print(line, markup=False, soft_wrap=True)
        rows = [
            (f"{e.at:%Y-%m-%d %H:%M}", e.actor, _deed(e), str(e.details.get("reason") or e.details.get("note") or ""))
            for e in self.history
        ]
        out.print(table("History", ("at (UTC)", "who", "what", "why"), rows, n_text=4))
        out.print(f"hash of what is shown here: {self.seen_hash}", soft_wrap=True)

    def _lines(self) -> list[str]:
        p = self.tracked.proposal
        step = f" step {self.tracked.step + 1} of {len(p.plan.canary_steps)}"
        stands = self.tracked.status.value + (step if self.tracked.status is Status.CANARY else "")
        lines = [
            f"{p.proposal_id} (revision {p.revision}): {stands} since {self.tracked.since:%Y-%m-%d %H:%M} UTC",
            f"  what: {p.action} at {p.decision_point}, may serve {', '.join(p.actions)}; against {p.base_version}",
            f"  whom: {p.segment.predicate}, reach {p.scope.reach:.0%}" + _limits(p.scope, self.currency),
            f"  plan: {_plan_line(p.plan)}",
            *(f"  {line}" for line in _plan_details(p.plan, self.currency)),
            f"  evidence: {evidence_line(p)}",
            f"  tier {p.tier} asks for {_people(p)}; an approval holds {p.valid_for_days:g} days",
            f"  to be decided until {p.decide_by:%Y-%m-%d %H:%M} UTC",
            f"  proposed by {p.proposer}" + (f": {p.note}" if p.note else ""),
        ]
        lines += [f"  approved by {_approval_line(a, self.currency)}" for a in self.approvals]
        if self.tracked.status is Status.PENDING and self.missing:
            lines.append(f"  still to agree: {self.missing}")
        lines += [f"  refused: {reason}" for reason in self.refusals]
        return lines


@dataclass(frozen=True)
class ProposalsAnswer:
    """Every proposal, the newest first."""

    tracked: tuple[TrackedProposal, ...]

    def to_data(self) -> dict[str, object]:
        return {"proposals": [proposal_summary(t) for t in self.tracked]}

    def print(self) -> None:
        out = console()
        if not self.tracked:
            out.print("nothing is proposed yet; `amso propose STRATEGY` puts a recommended strategy before people")
            return
        rows = [
            (
                t.proposal.proposal_id,
                t.status.value,
                t.proposal.action,
                str(t.proposal.segment.predicate),
                t.proposal.tier,
                t.proposal.proposer,
                f"{t.since:%Y-%m-%d %H:%M}",
            )
            for t in self.tracked
        ]
        header = ("proposal", "status", "what", "whom", "tier", "proposed by", "since (UTC)")
        out.print(table("Proposals", header, rows, n_text=7))


def view(books: UnitOfWork, settings: Settings, tracked: TrackedProposal, now: datetime) -> ProposalAnswer:
    """The proposal as it stands in this transaction."""
    p = tracked.proposal
    approvals = tuple(books.approvals.of(p.proposal_id, p.revision))
    known = p.decision_point in settings.decision_points
    rules = rules_hash(settings, p.decision_point) if known else ""
    return ProposalAnswer(
        tracked,
        approvals,
        tuple(books.audit.entries(subject=f"proposal:{p.proposal_id}")),
        standing(p, approvals, rules_hash=rules, now=now),
        settings.business.currency,
    )


def proposal_summary(tracked: TrackedProposal) -> dict[str, object]:
    """Which one, and where it stands."""
    p = tracked.proposal
    return {
        "proposal_id": p.proposal_id,
        "revision": p.revision,
        "decision_point": p.decision_point,
        "what": p.action,
        "whom": {
            "id": p.segment.segment_id,
            "name": p.segment.name,
            "predicate": predicate_to_data(p.segment.predicate),
        },
        "status": tracked.status.value,
        "since": tracked.since.isoformat(),
        "step": tracked.step,
        "n_steps": len(p.plan.canary_steps),
        "paused_from": None if tracked.paused_from is None else tracked.paused_from.value,
        "tier": p.tier,
        "proposer": p.proposer,
    }


def scope_to_data(scope: Scope) -> dict[str, object]:
    """Money as text: decimals."""
    return {
        "reach": scope.reach,
        "budget": None if scope.budget_amount is None else str(scope.budget_amount),
        "loss_cap": None if scope.loss_cap_amount is None else str(scope.loss_cap_amount),
    }


def plan_to_data(plan: Plan) -> dict[str, object]:
    return {**asdict(plan), "canary_steps": list(plan.canary_steps), "smallest_harm": list(plan.smallest_harm)} | {
        "days": plan.days
    }


def evidence_line(p: Proposal) -> str:
    """The evidence in one sentence."""
    e = p.evidence
    design = e.get("design")
    if isinstance(design, dict):
        days = design.get("days")
        duration = "" if days is None else f" in {days:g} days"
        loss = design.get("largest_loss")
        return (
            f"an experiment: {design.get('units_per_action'):,} units an action{duration}, would see a difference of "
            f"{number(design.get('smallest_difference'))} a unit; "
            + ("its loss cannot be bounded from the log" if loss is None else f"loses at most {number(loss)}")
        )
    told = e.get("comparison")
    gain: Mapping[str, object] = {**told, "value": told.get("difference")} if isinstance(told, Mapping) else e
    value, low, high = (number_in(gain, key) for key in ("value", "low", "high"))
    whom = f" for {e['n_units']:,} units" if isinstance(e.get("n_units"), int) else ""
    return (
        f"{e.get('verdict')}: gain {number(value)} {interval(low, high)} over {gain.get('baseline')}{whom} "
        f"(run {e.get('run')})"
    )


def _limits(scope: Scope, currency: str) -> str:
    budget = "" if scope.budget_amount is None else f", budget {scope.budget_amount} {currency}"
    return budget + ("" if scope.loss_cap_amount is None else f", loss cap {scope.loss_cap_amount} {currency}")


def _plan_line(plan: Plan) -> str:
    steps = ", ".join(f"{share:.0%}" for share in plan.canary_steps)
    traffic = (
        "traffic unknown" if plan.decisions_per_day is None else f"at {plan.decisions_per_day:,.0f} decisions a day"
    )
    return (
        f"canary {steps} of {plan.step_days:g} days each, then {plan.active_days:g} days active; the last reward "
        f"matures {plan.reward_wait_days:g} days later: {plan.days:g} days in all ({traffic})"
    )


def _plan_details(plan: Plan, currency: str) -> list[str]:
    harms = ", ".join(number(h) for h in plan.smallest_harm)
    loss = "nothing bounds it" if plan.largest_loss_amount is None else f"{number(plan.largest_loss_amount)} {currency}"
    return [f"smallest harm a decision that each step can see: {harms}; largest loss: {loss}"]


def _people(p: Proposal) -> str:
    return " and ".join(f"{n} of {who}" for who, n in p.approvers.items())


def _approval_line(a: Approval, currency: str) -> str:
    team = f" ({a.team})" if a.team else ""
    until = f", until {a.expires_at:%Y-%m-%d}, reach {a.scope.reach:.0%}{_limits(a.scope, currency)}"
    return f"{a.approver}{team} at {a.approved_at:%Y-%m-%d %H:%M}{until}" + (f": {a.note}" if a.note else "")


def _approval_to_data(a: Approval) -> dict[str, object]:
    return {
        "approver": a.approver,
        "team": a.team,
        "approved_at": a.approved_at.isoformat(),
        "expires_at": a.expires_at.isoformat(),
        "scope": scope_to_data(a.scope),
        "note": a.note,
    }


def _entry_to_data(entry: AuditEntry) -> dict[str, object]:
    d = entry.details
    told = {k: d[k] for k in ("from", "to", "step", "revision", "reason", "reasons", "note", "team") if k in d}
    return {"seq": entry.seq, "at": entry.at.isoformat(), "actor": entry.actor, "act": entry.act, **told}


def _deed(entry: AuditEntry) -> str:
    to = entry.details.get("to")
    return entry.act if to is None else f"→ {to}"
