"""Proposing: who may, which tier it takes, what is refused and why; revisions void what was approved before."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from config.people import Tier
from config.quantities import Duration
from domain.errors import IllegalTransition, NotPermitted, UsageError
from domain.people import Role
from domain.ports import UnitOfWork
from domain.proposals import Plan, Scope, Status, TrackedProposal
from tests.tracker.office import (
    ANA,
    BEN,
    CANARY,
    DAN,
    DAY,
    NOON,
    SETTINGS,
    TIERS,
    agree,
    make_approved,
    make_draft,
    make_live,
    make_pending,
    make_person,
    make_settings,
)
from tracker.audit import verify
from tracker.lifecycle import move
from tracker.plans import PlanInputs, plan_problem
from tracker.proposals import ProposalDraft, propose, revise, withdraw
from tracker.tiers import DEFAULT_TIERS, Risk, choose_tier

DESIGN = {"units_per_action": 300, "days": 20.0, "smallest_difference": 1.5, "largest_loss": 40.0}


def submit(books: UnitOfWork, draft: ProposalDraft) -> TrackedProposal:
    return propose(books, draft, proposer=ANA, settings=SETTINGS, now=NOON)


def reasons(books: UnitOfWork, tracked: TrackedProposal) -> str:
    assert tracked.status is Status.REFUSED
    return str(books.audit.entries(subject=f"proposal:{tracked.proposal.proposal_id}")[-1].details["reason"])


def test_proposal__waits_for_people_with_its_plan_and_tier(books: UnitOfWork) -> None:
    proposal = make_pending(books).proposal
    assert (proposal.proposal_id, proposal.tier, proposal.approvers) == ("pr-1", "low", {"any": 1})
    assert proposal.decide_by == NOON + 7 * DAY
    assert proposal.plan.canary_steps == (0.1, 0.5)
    assert proposal.plan.step_days == 3  # 50 decisions at 100 a day would take one
    assert proposal.plan.active_days == 90 - 7 - 14 - 2 * 3
    assert proposal.plan.days <= 90
    assert make_pending(books).proposal.proposal_id == "pr-2"
    assert books.proposals.get("pr-1").proposal == proposal


def test_step__lasts_until_the_smallest_share_can_count(books: UnitOfWork) -> None:
    plan = make_pending(books, plan=PlanInputs(decisions_per_day=40)).proposal.plan
    assert plan.step_days == 13  # 1.25 × 20 a action × 2 actions / (0.1 × 40 a day), rounded up
    assert plan.smallest_harm == (None, None)


def test_smallest_harm__shrinks_as_the_steps_widen(books: UnitOfWork) -> None:
    first, second = make_pending(books).proposal.plan.smallest_harm
    assert first == pytest.approx(2.4865 * 5 * (1 / 300 + 1 / 2700) ** 0.5, rel=1e-4)
    assert first is not None
    assert second is not None
    assert second < first


def test_only_proposers_propose(books: UnitOfWork) -> None:
    with pytest.raises(NotPermitted, match="may not propose"):
        propose(books, make_draft(), proposer=BEN, settings=SETTINGS, now=NOON)


@pytest.mark.parametrize(
    "changes", [{"actions": ()}, {"scope": Scope(1.5)}, {"scope": Scope(0.0)}, {"plan": PlanInputs(1, segment_share=2)}]
)
def test_nonsense__is_a_usage_error(books: UnitOfWork, changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        submit(books, make_draft(**changes))


@pytest.mark.parametrize("verdict", ["hold", "reject", "cannot_tell", None])
def test_evidence_that_does_not_promote__is_refused(books: UnitOfWork, verdict: str | None) -> None:
    refused = make_pending(books, evidence={} if verdict is None else {"verdict": verdict})
    assert reasons(books, refused) == f"its evidence says {verdict or 'nothing'}, expected promote"


def test_experiment__is_judged_by_its_design_and_loss_cap(books: UnitOfWork) -> None:
    experiment = make_draft(action="experiment", evidence={"verdict": "cannot_tell", "design": DESIGN})
    assert submit(books, experiment).status is Status.PENDING
    bare = make_pending(books, action="experiment", evidence={"verdict": "promote"}, scope=Scope(0.04))
    assert "lacks units_per_action, days, smallest_difference, largest_loss" in reasons(books, bare)
    assert "needs a loss cap" in reasons(books, bare)
    lonely = submit(books, replace(experiment, actions=("offer",)))
    assert "two actions or more" in reasons(books, lonely)


def test_plan_that_outlives_its_approval__is_refused_with_the_nearest_that_does_not(books: UnitOfWork) -> None:
    long = make_pending(books, plan=PlanInputs(1000, active_days=80))
    assert reasons(books, long).endswith("the nearest plan that fits is active for 70 days instead of 80")
    slow = make_pending(books, plan=PlanInputs(decisions_per_day=10))  # 50 days a step
    assert reasons(books, slow).endswith("the nearest plan that fits has the canary steps 0.5 of 50 days each")
    hopeless = make_pending(books, plan=PlanInputs(decisions_per_day=5))  # 100 days a step
    assert "one step and the reward wait alone take 114 days" in reasons(books, hopeless)


def test_nearest_plan__fits() -> None:
    plan = Plan((0.1, 0.5), 3, 20, 80, 14, None, (None, None), None)
    assert plan_problem(plan, 90) is not None
    assert plan_problem(Plan((0.1, 0.5), 3, 20, 70, 14, None, (None, None), None), 90) is None


def test_action_outside_the_catalogue__is_refused(books: UnitOfWork) -> None:
    refused = make_pending(books, actions=("offer", "free_car"))
    assert "free_car: not in the catalogue of flow" in reasons(books, refused)


def test_tier__is_the_first_that_fits(books: UnitOfWork) -> None:
    bounded = {**TIERS, "low": {**TIERS["low"], "price_change": 0.05}}  # type: ignore[dict-item]  # a mapping
    settings = make_settings(approvals={"tiers": bounded, "canary": CANARY})
    assert make_pending(books, settings=settings).proposal.tier == "mid"  # a discount of 0.1 is a price change
    assert make_pending(books, settings=settings, actions=("nothing",)).proposal.tier == "low"
    assert make_pending(books, scope=Scope(0.3)).proposal.tier == "mid"
    assert make_pending(books, scope=Scope(0.3), plan=PlanInputs(1000, segment_share=0.1)).proposal.tier == "low"
    assert make_pending(books, scope=Scope(0.9)).proposal.approvers == {"pricing": 1, "legal": 1}


def test_what_cannot_be_taken_back__is_never_in_the_lowest_tier(books: UnitOfWork) -> None:
    assert make_pending(books, actions=("nothing", "call")).proposal.tier == "mid"


def test_loss_cap__bounds_a_tier_and_the_config_s_is_the_least(books: UnitOfWork) -> None:
    capped = {**TIERS, "low": {**TIERS["low"], "loss_cap": 50}}  # type: ignore[dict-item]  # a mapping
    settings = make_settings(approvals={"tiers": capped, "canary": CANARY})
    assert make_pending(books, settings=settings).proposal.tier == "low"
    assert make_pending(books, settings=settings, scope=Scope(0.04)).proposal.tier == "mid"
    settings = make_settings(approvals={"tiers": capped, "canary": CANARY}, limits={"loss_cap": 20})
    assert make_pending(books, settings=settings).proposal.scope.loss_cap_amount == Decimal("20.0")


def test_no_tier_that_fits__is_refused(books: UnitOfWork) -> None:
    settings = make_settings(approvals={"tiers": {"low": TIERS["low"]}, "canary": CANARY})
    refused = make_pending(books, settings=settings, scope=Scope(0.9))
    assert "no approval tier allows its reach" in reasons(books, refused)


def test_default_tiers__ask_one_for_little_and_two_for_the_rest() -> None:
    little = Risk(reach=0.05, price_change=0.0, loss_cap_amount=None, is_mild=True)
    assert choose_tier(little, DEFAULT_TIERS).approvers == {"any": 1}
    for more in (Risk(0.06, 0.0, None, True), Risk(0.01, 0.1, None, True), Risk(0.01, 0.0, None, False)):
        assert choose_tier(more, DEFAULT_TIERS).approvers == {"any": 2}


def test_automatic_tier__approves_itself_and_says_so(books: UnitOfWork) -> None:
    auto = {**TIERS, "low": {**TIERS["low"], "auto": True}}  # type: ignore[dict-item]  # a mapping
    settings = make_settings(approvals={"tiers": auto, "canary": CANARY})
    approved = make_pending(books, settings=settings)
    assert approved.status is Status.APPROVED
    (approval,) = books.approvals.of("pr-1", 1)
    assert (approval.approver, approval.note) == ("auto", "the config approves tier low without a person")
    assert make_pending(books, settings=settings, actions=("nothing", "call")).status is Status.PENDING
    assert verify(books).is_intact


def test_only_the_first_tier__may_be_automatic() -> None:
    tier = Tier(approvers={"any": 2}, auto=True, decide_within=Duration(1, "d"), valid_for=Duration(9, "d"))
    tiers = {**DEFAULT_TIERS, "high": tier}
    assert choose_tier(Risk(1.0, 0.0, None, True), tiers).approvers == {"any": 2}


def test_revision__voids_earlier_approvals(books: UnitOfWork) -> None:
    pending = make_pending(books, scope=Scope(0.3))
    agree(books, pending, BEN)
    revised = revise(books, "pr-1", make_draft(scope=Scope(0.2)), proposer=ANA, settings=SETTINGS, now=NOON + DAY)
    assert (revised.status, revised.proposal.revision) == (Status.PENDING, 2)
    assert books.approvals.of("pr-1", 2) == []
    assert agree(books, revised, DAN, now=NOON + DAY).status is Status.PENDING
    assert agree(books, revised, BEN, now=NOON + DAY).status is Status.APPROVED
    assert verify(books).is_intact


def test_revision_by_somebody_else_or_of_what_is_decided__is_refused(books: UnitOfWork) -> None:
    make_pending(books)
    eve = make_person("eve", Role.PROPOSER)
    with pytest.raises(NotPermitted, match="eve cannot revise pr-1, which ana proposed"):
        revise(books, "pr-1", make_draft(), proposer=eve, settings=SETTINGS, now=NOON)
    make_approved(books)
    with pytest.raises(IllegalTransition, match="pr-2 is APPROVED and cannot become DRAFT"):
        revise(books, "pr-2", make_draft(), proposer=ANA, settings=SETTINGS, now=NOON)


def test_moved_base__asks_for_a_new_revision(books: UnitOfWork) -> None:
    approved = make_approved(books)
    move(books, "pr-1", Status.EVALUATING, actor="test", reason="its base moved", now=NOON, expected=approved)
    revised = revise(books, "pr-1", make_draft(base_version="p-0"), proposer=ANA, settings=SETTINGS, now=NOON)
    assert (revised.status, revised.proposal.revision) == (Status.PENDING, 2)
    assert verify(books).is_intact


def test_withdrawing__is_for_the_proposer_or_an_approver_before_it_is_live(books: UnitOfWork) -> None:
    make_pending(books)
    with pytest.raises(NotPermitted, match="cannot withdraw"):
        withdraw(books, "pr-1", person=make_person("eve", Role.PROPOSER), reason="", now=NOON)
    assert withdraw(books, "pr-1", person=ANA, reason="no", now=NOON).status is Status.WITHDRAWN
    make_approved(books)
    assert withdraw(books, "pr-2", person=BEN, reason="no", now=NOON + timedelta(hours=1)).status is Status.WITHDRAWN
    make_live(books)
    with pytest.raises(IllegalTransition, match="CANARY and cannot become WITHDRAWN"):
        withdraw(books, "pr-3", person=ANA, reason="no", now=NOON)
