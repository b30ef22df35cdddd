"""`amso verdicts`: what offline evaluation said, what came of it once live, and how far its word can be taken."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from domain.records import RealisedGain, VerdictRecord
from evaluation.calibration import Calibration
from loop.ledger import LedgerEntry, calibration_of, open_ledger, tell
from loop.text import console, interval, number, table
from loop.wiring import Workspace

HEADER = ("made (UTC)", "candidate", "baseline", "verdict", "run", "predicted", "realised")
NOT_YET, NEVER, SEE_BELOW = "not yet", "–", "see below"


@dataclass(frozen=True)
class VerdictsAnswer:
    """The newest verdicts, and the calibration over all whose outcome is known."""

    entries: tuple[LedgerEntry, ...]
    calibration: Calibration | None
    currency: str

    def to_data(self) -> dict[str, object]:
        return {
            "verdicts": [_entry_to_data(e) for e in self.entries],
            "calibration": None if self.calibration is None else calibration_to_data(self.calibration),
            "told": list(self._told()),
        }

    def print(self) -> None:
        out = console()
        if not self.entries:
            out.print("no verdict has been given yet; `amso evaluate` and `amso train` give them")
            return
        title = "Verdicts and what came of them, candidate − baseline a decision (of a panel: an episode)"
        out.print(table(title, HEADER, [_row(e) for e in self.entries], n_text=5))
        for note in dict.fromkeys(_notes(self.entries)):
            out.print(f"  · {note}", markup=False, soft_wrap=True)
        for sentence in self._told():
            out.print(sentence, markup=False, soft_wrap=True)

    def _told(self) -> tuple[str, ...]:
        return tell(self.calibration, self.currency) or (
            "No verdict's outcome is known yet: it is compared once its policy is live and rewards have matured.",
        )


def verdicts(workspace: Workspace, *, decision_point: str | None = None, limit: int = 50) -> VerdictsAnswer:
    """The verb. The calibration is over every verdict of the decision point, not only over those that are shown."""
    settings = workspace.settings
    with workspace.knowledge.transaction() as books:
        shown = open_ledger(books, settings, books.verdicts.recent(limit, decision_point))
        known = open_ledger(books, settings)
    asked = [e for e in known if decision_point in (None, e.verdict.decision_point)]
    return VerdictsAnswer(shown, calibration_of(asked), settings.business.currency)


def calibration_to_data(found: Calibration) -> dict[str, object]:
    return {
        **asdict(found),
        "coverage": found.coverage,
        "is_overconfident": found.is_overconfident,
        "is_optimistic": found.is_optimistic,
    }


def _entry_to_data(entry: LedgerEntry) -> dict[str, object]:
    verdict: Mapping[str, object] = {
        **asdict(entry.verdict),
        "made_at": entry.verdict.made_at.isoformat(),
        "verdict": entry.verdict.verdict.value,
    }
    return {
        **verdict,
        "realised": None if entry.gain is None else _gain_to_data(entry.gain),
        "why_not": entry.why_not,
    }


def _gain_to_data(gain: RealisedGain) -> dict[str, object]:
    return {
        **asdict(gain),
        "since": gain.since.isoformat(),
        "until": None if gain.until is None else gain.until.isoformat(),
        "as_of": gain.as_of.isoformat(),
    }


def _row(entry: LedgerEntry) -> tuple[str, ...]:
    v = entry.verdict
    return (
        f"{v.made_at:%Y-%m-%d}",
        _named(v),
        v.baseline,
        v.verdict.value,
        v.run,
        NEVER if v.difference is None else f"{number(v.difference)} {interval(v.low, v.high)}",
        _came(entry),
    )


def _came(entry: LedgerEntry) -> str:
    g = entry.gain
    if g is not None:
        return f"{number(g.amount)} {interval(g.low_amount, g.high_amount)}"
    if entry.why_not is not None:
        return SEE_BELOW
    return NEVER if entry.verdict.policy is None else NOT_YET


def _named(v: VerdictRecord) -> str:
    """A learned version by its id."""
    return v.candidate if v.policy is None else v.policy


def _notes(entries: tuple[LedgerEntry, ...]) -> list[str]:
    """Why what came is not compared."""
    return [
        f"{_named(e.verdict)} − {e.verdict.baseline} is not compared with {e.why_not}"
        for e in entries
        if e.why_not is not None
    ]
