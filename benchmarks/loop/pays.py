"""Whether the loop pays: 180 simulated days, the best action of half the customers changes at day 60.

The same system twice from that day on: once with its reward feed, once with the feed cut. Everything else is alike: an
experiment first, then what is learned from it, proposals, simulated approvals a day later, canary steps of three days,
a reward wait of 14 days, weekly learning from a window of three weeks. In process, on SQLite, with the embedded Redis
for the halt latch, under a driven clock.

    python -m benchmarks.loop.pays [n_seeds] [first_seed]

The parameters were set before any of the reported seeds was run; seeds 100 and above served to find mistakes.
"""

import shutil
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np

from benchmarks.loop.world import ACTIONS, DUPLICATED, MEAN_DELAY_DAYS, NOISE, World
from benchmarks.record import head_commit, write_record
from domain.decisions import Answer
from domain.events import DecisionRequest, Envelope, Outcome
from domain.people import Role
from domain.ports import DrivenClock
from domain.proposals import Scope, Status
from domain.segments import ALL
from domain.strategies import Strategy
from loop.learn import learn_again
from loop.upkeep import advance_all, mature_all
from loop.wiring import Workspace, open_workspace
from tracker.approvals import approve
from tracker.coverage import shown_hash
from tracker.outcomes import record_outcome
from tracker.people import add_person
from tracker.plans import PlanInputs
from tracker.proposals import ProposalDraft, propose
from tracker.rollout import base_version

N_CUSTOMERS, DAYS, SHIFT_DAY, SEEDS = 2_000, 180, 60, 20
POINT = "offer"
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
CONFIG = """
version: 1
decision_points:
  offer:
    mode: gated
    baseline: nothing
    context: [kind, age]
    reward_wait: 14d
    actions: {nothing: {cost: 0}, discount: {cost: 0}, bundle: {cost: 0}, upsell: {cost: 0}}
holdout: {share: 0.05, permanent: true}
exploration: {share: 0.10, only: eligible}
limits: {loss_cap: 100000}
learning: {every: 7d, window: 21d, min_rounds: 800}
approvals:
  tiers: {any: {approvers: {any: 1}, decide_within: 7d, valid_for: 365d}}
  canary: {steps: [0.2, 0.5], min_days: 3, min_per_action: 15, on_inconclusive: pause}
"""


@dataclass
class Business:
    """One system with its world, day by day."""

    workspace: Workspace
    clock: DrivenClock
    world: World
    rng: np.random.Generator
    is_fed: bool = True
    due: dict[int, list[tuple[Outcome, datetime]]] = field(default_factory=lambda: defaultdict(list))
    earned: float = 0.0  # expected reward of decisions after the shift
    changes: list[tuple[int, str]] = field(default_factory=list)

    def day(self, day: int) -> None:
        """Visits, outcomes, the clock's duties, people."""
        self.clock.at = START + timedelta(days=day)
        self._visits(day)
        self._outcomes(day)
        mature_all(self.workspace, POINT, self.clock.at)
        for tracked in advance_all(self.workspace, self.clock.at):
            self.changes.append((day, f"{tracked.proposal.proposal_id} {tracked.proposal.action} {tracked.status}"))
        self._people()
        if day % 7 == 6:
            found = learn_again(self.workspace, POINT, now=self.clock.at, seed=day)
            self.changes.append((day, found.told))

    def _visits(self, day: int) -> None:
        customers = self.world.visitors(self.rng).tolist()
        requests = [DecisionRequest(f"r-{day}-{c}", POINT, f"customer-{c}", self.world.features(c)) for c in customers]
        with self.workspace.knowledge.transaction() as books:
            answers = self.workspace.decider.answer(books, requests, self.clock.at)
        given = [a for a in answers if isinstance(a, Answer)]
        assert len(given) == len(requests)
        actions = [a.action for a in given]
        places = [ACTIONS.index(a) for a in actions]
        reward = self.world.mean(day)[self.world.kind[customers], places] + self.rng.normal(0, NOISE, len(customers))
        delay = self.rng.exponential(MEAN_DELAY_DAYS, len(customers)).astype(int)
        twice = self.rng.random(len(customers)) < DUPLICATED
        for answer, c, r, days, again in zip(given, customers, reward, delay, twice, strict=True):
            amount = Decimal(str(round(float(r), 2)))
            outcome = Outcome(
                f"o-{answer.decision_id}", f"customer-{c}", "net_revenue", amount, "EUR", answer.decision_id
            )
            for when in (day + days, day + days + 1)[: 1 + again]:
                self.due[when].append((outcome, self.clock.at + timedelta(days=int(days))))
        if day >= self.world.shift_day:
            self.earned += self.world.expected(day, customers, actions)

    def _outcomes(self, day: int) -> None:
        arrived = self.due.pop(day, [])
        if not (self.is_fed or day < self.world.shift_day):
            return
        with self.workspace.knowledge.transaction() as books:
            for outcome, at in arrived:
                record_outcome(
                    books,
                    outcome,
                    envelope=Envelope(outcome.outcome_id, "shop", None, at, "outcome", {}),
                    pseudonym=self.workspace.decider.pseudonym(outcome.unit_id),
                    rules=self.workspace.outcome_rules,
                    now=self.clock.at,
                )

    def _people(self) -> None:
        """Ben approves what has waited for a day."""
        with self.workspace.knowledge.transaction() as books:
            ben = books.people.get("ben")
            for tracked in books.proposals.all({Status.PENDING}):
                if self.clock.at - tracked.since >= timedelta(days=1):
                    p = tracked.proposal
                    approve(
                        books, p.proposal_id, person=ben, seen_hash=shown_hash(p), settings=self.workspace.settings,
                        now=self.clock.at,
                    )  # fmt: skip


def start(folder: Path, seed: int) -> Business:
    """A business with two people and an experiment that waits for approval."""
    business = reopen(folder, np.random.default_rng(seed), START)
    settings = business.workspace.settings
    with business.workspace.knowledge.transaction() as books:
        ana, _ = add_person(books, "ana", [Role.PROPOSER], None, actor="operator", now=START)
        add_person(books, "ben", [Role.APPROVER], None, actor="operator", now=START)
        design = {"units_per_action": 500, "days": 25, "smallest_difference": 0.5, "largest_loss": 5000}
        draft = ProposalDraft(
            strategy_id=Strategy(POINT, ALL, "experiment").strategy_id,
            decision_point=POINT,
            segment=ALL,
            action="experiment",
            actions=ACTIONS,
            evidence={"verdict": "cannot_tell", "design": design},
            base_version=base_version(books, settings, POINT, ALL),
            scope=Scope(loss_cap_amount=Decimal(100000)),
            plan=PlanInputs(decisions_per_day=200.0, reward_sd=NOISE),
        )
        propose(books, draft, proposer=ana, settings=settings, now=START)
    return business


def reopen(folder: Path, rng: np.random.Generator, at: datetime) -> Business:
    """The system on what the folder holds."""
    config = folder / "amso.yaml"
    config.write_text(CONFIG)
    clock = DrivenClock(at)
    environ = {"AMSO_UNIT_KEY": "the same customers are in the same arms every time"}
    workspace = open_workspace(config, [f"stores.data_dir={folder / 'data'}"], environ, clock=clock)
    return Business(workspace, clock, World.of(N_CUSTOMERS, SHIFT_DAY, np.random.default_rng(0)), rng)


def run(seed: int) -> dict[str, object]:
    """One seed: together until the shift, then with and without the feed."""
    with tempfile.TemporaryDirectory() as name:
        fed_folder, cut_folder = Path(name) / "fed", Path(name) / "cut"
        fed_folder.mkdir()
        business = start(fed_folder, seed)
        for day in range(SHIFT_DAY):
            business.day(day)
        business.workspace.close()
        shutil.copytree(fed_folder, cut_folder)
        rewards = {}
        for folder, is_fed in ((fed_folder, True), (cut_folder, False)):
            later = reopen(folder, np.random.default_rng([seed, 1]), business.clock.at)
            later.is_fed, later.due = is_fed, defaultdict(list, {d: list(o) for d, o in business.due.items()})
            for day in range(SHIFT_DAY, DAYS):
                later.day(day)
            later.workspace.close()
            rewards[is_fed] = later.earned / (N_CUSTOMERS * (DAYS - SHIFT_DAY))
            if is_fed:
                changes = business.changes + later.changes
    world = business.world
    gain = (rewards[True] - rewards[False]) / (world.optimum() - world.uniform())
    return {
        "seed": seed,
        "fed": rewards[True],
        "cut": rewards[False],
        "gain_share": gain,
        "changes": [f"day {day}: {what}" for day, what in changes if "needed" not in what],
    }


def main() -> None:
    n_seeds = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    commit, runs, started = head_commit(), [], time.monotonic()
    for seed in range(first, first + n_seeds):
        found = run(seed)
        runs.append(found)
        print(f"seed {seed}: fed {found['fed']:.4f} cut {found['cut']:.4f} gain {found['gain_share']:.3f}", flush=True)
    world = World.of(N_CUSTOMERS, SHIFT_DAY, np.random.default_rng(0))
    shares = [float(str(r["gain_share"])) for r in runs]
    design = {
        "what": "reward a customer-day after the shift, fed minus cut, as a share of optimum minus uniform",
        "customers": N_CUSTOMERS,
        "days": DAYS,
        "shift_day": SHIFT_DAY,
        "optimum": world.optimum(),
        "uniform": world.uniform(),
        "seconds": round(time.monotonic() - started),
        "config": CONFIG,
    }
    results = {"mean_gain_share": float(np.mean(shares)), "runs": runs}
    write_record(Path(__file__).with_suffix(".json"), results, design, commit=commit)


if __name__ == "__main__":
    main()
