"""The live half of the demo: a year and a half of months on a driven clock, over a real Redis, under two approvals.

months 0, 1    the first policy's canary, on the customers there are
month 2        it is active; a campaign brings a wave of customers, followed for six months
month 8        the loop learns again; what passes evaluation is proposed, and a person decides
months 8, 9    the second policy's canary
month 10       it is active; a second wave, followed for six months
month 17       everything has matured
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from domain.errors import NotPermitted
from domain.people import Role
from domain.ports import DrivenClock
from env.reference.tabular import TabularMarket
from loop.collect import CollectAnswer, collect_once
from loop.demo_business import POINT, Business
from loop.gate import approve, propose, reject, show_proposal
from loop.learn import Relearned
from loop.live import LiveWorker
from loop.people import add_person
from loop.proposal_view import ProposalAnswer
from loop.text import Reporter
from loop.wiring import Workspace

START = datetime(2025, 6, 1, 8, tzinfo=UTC)
MONTH = timedelta(days=30)
FIRST, WAVE, TRICKLE = 400, 1_500, 40  # customers at the beginning, in each wave, in every other month
WAVE_MONTHS = (2, 10)
LEARN_MONTH, LAST_MONTH = 8, 17

Confirm = Callable[[ProposalAnswer], bool]  # whether the second person approves what is shown


@dataclass
class LivePart:
    """What happened, for whoever tells it."""

    business: Business
    tokens: Mapping[str, str]  # person -> token
    collected: CollectAnswer
    proposals: list[ProposalAnswer] = field(default_factory=list)  # as approved
    own_refusal: str = ""
    relearned: Relearned | None = None
    n_decisions: int = 0


@dataclass(frozen=True)
class Stage:
    """Who plays: AMSO and the business on one clock."""

    workspace: Workspace
    clock: DrivenClock
    worker: LiveWorker
    business: Business
    confirm: Confirm
    tell: Callable[[str], None]


def open_stage(
    workspace: Workspace,
    clock: DrivenClock,
    market: TabularMarket,
    *,
    seed: int,
    confirm: Confirm,
    tell: Callable[[str], None],
) -> Stage:
    """The business publishes who its customers are; a worker starts."""
    business = Business(market, workspace.wire, np.random.default_rng([seed, 1]))
    business.welcome(FIRST, 0, clock.now())
    business.report(0, clock.now())
    return Stage(workspace, clock, LiveWorker(workspace, tell=tell, seed=seed), business, confirm, tell)


def collect(stage: Stage) -> LivePart:
    """What the business published so far, and the two people who will decide."""
    collected = collect_once(stage.workspace)
    people = {"ana": (Role.PROPOSER, Role.APPROVER), "ben": (Role.APPROVER,)}
    tokens = {name: add_person(stage.workspace, name, roles=roles).token or "" for name, roles in people.items()}
    return LivePart(stage.business, tokens, collected)


def ask_for_approval(stage: Stage, part: LivePart, policy_version: str) -> None:
    """Ana proposes; her own approval is refused; a second person decides."""
    made = propose(stage.workspace, part.tokens["ana"], policy=policy_version, note="the first learned policy")
    stage.tell(f"ana proposes {made.tracked.proposal.proposal_id}: policy {policy_version} for everyone")
    try:
        approve(stage.workspace, part.tokens["ana"], made.tracked.proposal.proposal_id, seen_hash=made.seen_hash)
    except NotPermitted as refused:
        part.own_refusal = refused.message
        stage.tell(f"ana approves it herself: refused ({refused.message})")
    _decide(stage, part, made)


def play(stage: Stage, part: LivePart, report: Reporter) -> None:
    """All months."""
    stage.worker.start()
    for month in range(LAST_MONTH):
        report(month / LAST_MONTH, f"month {month}")
        stage.clock.at = START + month * MONTH
        stage.worker.tick()
        if month == LEARN_MONTH:
            _learn_again(stage, part)
        part.n_decisions += _month(stage, month)
    stage.clock.at = START + LAST_MONTH * MONTH + timedelta(days=10)
    stage.business.settle(LAST_MONTH, stage.clock.now())
    stage.worker.drain()
    stage.worker.tick()
    stage.worker.stop()


def _month(stage: Stage, month: int) -> int:
    """Customers ask at its beginning, and pay until its end."""
    business, at = stage.business, stage.clock.now()
    if month:
        business.welcome(WAVE if month in WAVE_MONTHS else TRICKLE, month, at)
        business.report(month, at)
    business.ask(month, at)
    stage.worker.drain()
    n = business.act(month, at)
    stage.clock.at = at + timedelta(days=29)
    business.settle(month, stage.clock.now())
    stage.worker.drain()
    return n


def _learn_again(stage: Stage, part: LivePart) -> None:
    part.relearned = stage.worker.learn(POINT)
    stage.tell(f"learned again from {part.relearned.n_live:,} matured decisions: {part.relearned.told}")
    if part.relearned.proposal is not None:
        name = part.relearned.proposal.proposal.proposal_id
        _decide(stage, part, show_proposal(stage.workspace, name))
        stage.worker.tick()


def _decide(stage: Stage, part: LivePart, shown: ProposalAnswer) -> None:
    """The second person looks, and says yes or no to exactly what was shown."""
    name = shown.tracked.proposal.proposal_id
    if not stage.confirm(shown):
        reject(stage.workspace, part.tokens["ben"], name, reason="not convinced")
        stage.tell(f"ben rejects {name}")
        return
    approved = approve(stage.workspace, part.tokens["ben"], name, seen_hash=shown.seen_hash, note="seen and agreed")
    part.proposals.append(approved)
    stage.tell(f"ben approves {name}")
