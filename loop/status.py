"""`amso status`: every strategy and where it stands, halts, and what waits: from the board in Redis, else from SQL.

`live` writes the board as it goes; what nobody has written for a while is not shown as if it were now.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from config.settings import Settings
from domain.errors import AmsoError
from domain.ports import UnitOfWork
from domain.proposals import LIVE, OPEN, Proposal, TrackedProposal
from domain.records import RealisedGain, Worker
from loop.drafts import number_in
from loop.halts import halt_to_data
from loop.ledger import calibration_of, open_ledger, tell
from loop.proposal_view import proposal_summary
from loop.text import console, interval, number, table
from loop.wiring import Workspace
from tracker.coverage import NotCovered, coverage, standing
from tracker.rollout import share_served
from tracker.rules import rules_hash

BOARD = "live"  # the name under which `live` writes the snapshot
STALE_SECONDS = 10.0  # a board, or a worker's heartbeat, older than that says nothing about now
WATCH_SECONDS = 1.0
N_FINAL = 5  # proposals that are over
N_GAPS = 20
PROPOSALS = ("proposal", "what", "whom", "status", "since (UTC)", "serves", "decisions", "covered until")
PREDICTIONS = ("proposal", "policy", "predicted", "interval", "realised", "interval", "decisions")


@dataclass(frozen=True)
class StatusAnswer:
    """A snapshot, where it comes from and how old it is."""

    snapshot: Mapping[str, object]
    source: str  # redis | sql
    age_seconds: float
    why_sql: str | None  # why the board in Redis is not what is shown

    def to_data(self) -> dict[str, object]:
        return {
            **self.snapshot,
            "source": self.source,
            "age_seconds": round(self.age_seconds, 3),
            "why_sql": self.why_sql,
        }

    def print(self) -> None:
        console().print(self.drawn())

    def drawn(self) -> RenderableType:
        """For a terminal."""
        return Group(*_drawn(self))


def snapshot(books: UnitOfWork, settings: Settings, now: datetime) -> dict[str, object]:
    """What goes on, as plain JSON: what `live` writes to the board, and `status` where there is none."""
    tracked = books.proposals.all()
    final = (t for t in tracked if t.status not in OPEN)
    shown = [*(t for t in tracked if t.status in OPEN), *islice(final, N_FINAL)]
    gaps = books.events.gaps()
    return {
        "as_of": now.isoformat(),
        "currency": settings.business.currency,
        "decision_points": {name: point.mode.value for name, point in settings.decision_points.items()},
        "proposals": [_proposal(books, settings, t, now) for t in shown],
        "halts": [halt_to_data(h) for h in books.halts.all()],
        "decisions": dict(books.decisions.count()),
        "replay": dict(books.replay.counts()),
        "outcomes": dict(books.outcomes.count()),
        "quarantine": dict(books.quarantine.counts()),
        "n_seq_gaps": len(gaps),
        "seq_gaps": [{**asdict(g), "noticed_at": g.noticed_at.isoformat()} for g in gaps[-N_GAPS:]],
        "outbox_waiting": books.outbox.n_pending(),
        "parked_outcomes": len(books.outcomes.parked()),
        "caps": [{name: str(value) for name, value in asdict(cap).items()} for cap in books.caps.all()],
        "workers": [_worker(w, now) for w in books.workers.all()],
        "predictions": _predictions(tracked, books.realised.all()),
        "calibration": " ".join(tell(calibration_of(open_ledger(books, settings)), settings.business.currency)),
    }


def status(workspace: Workspace) -> StatusAnswer:
    """The verb."""
    now = workspace.clock.now()
    found = _board(workspace, now)
    if isinstance(found, StatusAnswer):
        return found
    with workspace.knowledge.transaction() as books:
        return StatusAnswer(snapshot(books, workspace.settings, now), "sql", 0.0, found)


def watch(workspace: Workspace, *, sleep: Callable[[float], None] = time.sleep) -> StatusAnswer:
    """The verb with `--watch`: redraws every second until Ctrl-C; what was shown last."""
    answer = status(workspace)
    with Live(answer.drawn(), console=console(), auto_refresh=False, transient=True) as live:
        try:
            while True:
                sleep(WATCH_SECONDS)
                answer = status(workspace)
                live.update(answer.drawn(), refresh=True)
        except KeyboardInterrupt:
            return answer


def _board(workspace: Workspace, now: datetime) -> StatusAnswer | str:
    """What `live` wrote, or why that cannot be shown."""
    from collection.status_store import RedisStatusBoard

    try:
        board = RedisStatusBoard(workspace.wire).read().get(BOARD)
    except AmsoError as error:
        return f"Redis: {error.message}"
    if board is None:
        return "no `amso live` has written its status to Redis"
    try:
        age = (now - datetime.fromisoformat(str(board["as_of"]))).total_seconds()
    except (KeyError, ValueError, TypeError):
        return "the status in Redis cannot be read"
    if not 0 <= age + 1 <= STALE_SECONDS + 1:
        return f"the status in Redis is {age:,.0f} s old: no `amso live` runs"
    return StatusAnswer(board, "redis", max(age, 0.0), None)


def _proposal(books: UnitOfWork, settings: Settings, tracked: TrackedProposal, now: datetime) -> dict[str, object]:
    p = tracked.proposal
    approvals = books.approvals.of(p.proposal_id, p.revision)
    is_known = p.decision_point in settings.decision_points
    rules = rules_hash(settings, p.decision_point) if is_known else ""
    judge = coverage(tracked, approvals, rules_hash=rules, now=now)
    if tracked.status not in LIVE:
        judge = standing(p, approvals, rules_hash=rules, now=now)
    is_covered = not isinstance(judge, NotCovered)
    return {
        **proposal_summary(tracked),
        "reach": p.scope.reach if isinstance(judge, NotCovered) else judge.scope.reach,
        "share_served": 0.0 if isinstance(judge, NotCovered) else share_served(tracked, judge),
        "n_decisions": sum(books.decisions.tally(p.proposal_id, p.created_at).values()),
        "decide_by": p.decide_by.isoformat(),
        "is_covered": is_covered,
        "not_covered": judge.reason if isinstance(judge, NotCovered) else None,
        "covered_until": None if isinstance(judge, NotCovered) else judge.expires_at.isoformat(),
    }


def _worker(worker: Worker, now: datetime) -> dict[str, object]:
    age = (now - worker.beat_at).total_seconds()
    return {
        **asdict(worker),
        "started_at": worker.started_at.isoformat(),
        "beat_at": worker.beat_at.isoformat(),
        "heartbeat_age_seconds": round(age, 3),
        "is_stale": age > STALE_SECONDS,
    }


def _predictions(tracked: Sequence[TrackedProposal], gains: Sequence[RealisedGain]) -> list[dict[str, object]]:
    """What its evidence promised of each proposal that served, and what came."""
    known = {t.proposal.proposal_id: t.proposal for t in tracked}
    return [_prediction(known[g.proposal_id], g) for g in gains if g.proposal_id in known]


def _prediction(proposal: Proposal, gain: RealisedGain) -> dict[str, object]:
    said = proposal.evidence.get("per_decision")
    predicted = said if isinstance(said, Mapping) else {}
    return {
        "proposal_id": proposal.proposal_id,
        "policy_version": proposal.policy_version,
        "predicted_amount": number_in(predicted, "difference"),
        "predicted_low_amount": number_in(predicted, "low"),
        "predicted_high_amount": number_in(predicted, "high"),
        "realised_amount": gain.amount,
        "realised_low_amount": gain.low_amount,
        "realised_high_amount": gain.high_amount,
        "n_decisions": gain.n_decisions,
        "as_of": gain.as_of.isoformat(),
    }


# ---- for terminals --------------------------------------------------------------------------------------------------


def _drawn(answer: StatusAnswer) -> list[RenderableType]:
    s = answer.snapshot
    parts: list[RenderableType] = [Text(_headline(answer))]
    parts += [
        Text(f"HALTED {h['scope']} by {h['halted_by']}" + (f": {h['reason']}" if h["reason"] else ""), style="bold red")
        for h in _rows(s, "halts")
    ]
    proposals = _rows(s, "proposals")
    if proposals:
        parts.append(table("Strategies", PROPOSALS, [_proposal_row(p) for p in proposals], n_text=5))
    else:
        parts.append(Text("nothing is proposed yet"))
    parts += [
        Text(f"  {p['proposal_id']} serves nothing: {p['not_covered']}", style="bold")
        for p in proposals
        if p["status"] in LIVE and not p["is_covered"]
    ]
    predictions = _rows(s, "predictions")
    if predictions:
        title = f"Predicted and realised gain over the baseline, {s.get('currency')} a decision"
        parts.append(table(title, PREDICTIONS, [_prediction_row(p) for p in predictions], n_text=2))
    if s.get("calibration"):
        parts.append(Text(f"offline verdicts and what came: {s['calibration']}"))
    parts += [Text(line) for line in _counts(s)]
    return parts


def _headline(answer: StatusAnswer) -> str:
    at = str(answer.snapshot.get("as_of"))[:19].replace("T", " ")
    if answer.source == "redis":
        return f"live from Redis, {answer.age_seconds:.0f} s old ({at} UTC)"
    return f"from SQL as of {at} UTC; {answer.why_sql}"


def _proposal_row(p: Mapping[str, object]) -> tuple[str, ...]:
    step = f" {int(str(p['step'])) + 1}/{p['n_steps']}" if p["status"] == "CANARY" else ""
    whom = p["whom"]
    return (
        str(p["proposal_id"]),
        str(p["what"]),
        str(whom["name"]) if isinstance(whom, Mapping) else "",
        f"{p['status']}{step}",
        _minute(p["since"]),
        f"{float(str(p['share_served'])):.1%}",
        f"{int(str(p['n_decisions'])):,}",
        _minute(p["covered_until"]),
    )


def _prediction_row(p: Mapping[str, object]) -> tuple[str, ...]:
    return (
        str(p["proposal_id"]),
        str(p["policy_version"]),
        number(_float(p["predicted_amount"])),
        interval(_float(p["predicted_low_amount"]), _float(p["predicted_high_amount"])),
        number(_float(p["realised_amount"])),
        interval(_float(p["realised_low_amount"]), _float(p["realised_high_amount"])),
        f"{int(str(p['n_decisions'])):,}",
    )


def _counts(s: Mapping[str, object]) -> list[str]:
    waiting = f"to be published {s.get('outbox_waiting')}, outcomes parked {s.get('parked_outcomes')}"
    lines = [
        f"decisions: {_sums(s, 'decisions')}; outcomes: {_sums(s, 'outcomes')}; replay: {_sums(s, 'replay')}",
        f"waiting: {waiting}; gaps in seq: {s.get('n_seq_gaps')}; quarantine: {_sums(s, 'quarantine')}",
    ]
    lines += [
        f"gap: {g['producer']} {g['first_missing']} to {g['last_missing']} never came" for g in _rows(s, "seq_gaps")
    ]
    lines += [
        f"{c['cap_id']}: {c['spent_amount']} spent + {c['reserved_amount']} reserved of {c['limit_amount']}"
        for c in _rows(s, "caps")
    ]
    workers = _rows(s, "workers")
    lines += [
        f"worker {w['worker_id']}: last heard of {float(str(w['heartbeat_age_seconds'])):.0f} s ago"
        + (" (it is gone or hangs)" if w["is_stale"] else "")
        for w in workers
    ]
    return lines if workers else [*lines, "no `amso live` runs"]


def _rows(s: Mapping[str, object], name: str) -> Sequence[Mapping[str, object]]:
    rows = s.get(name, ())
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list | tuple) else []


def _sums(s: Mapping[str, object], name: str) -> str:
    counts = s.get(name)
    if not isinstance(counts, Mapping) or not counts:
        return "none"
    return ", ".join(f"{n:,} {what}" for what, n in counts.items())


def _minute(at: object) -> str:
    return "–" if at is None else str(at)[:16].replace("T", " ")


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
