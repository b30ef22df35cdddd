"""The ledger: every verdict beside what came of it once its policy was live, as far as the two can be compared.

A verdict and a realised gain are comparable where both are about the same policy at the same decision point, for
everyone, in the same reward a decision, against the same baseline, and where what was served is what was judged, with
enough units. The verdict must be older than the decisions that it is held against, and meets the first such gain.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from config.settings import Settings
from domain.ports import UnitOfWork
from domain.records import RealisedGain, VerdictRecord
from domain.segments import ALL
from evaluation.calibration import Calibration, Measured, Outcome, calibrate
from evaluation.guardrail import MIN_UNITS
from loop.text import number

LOGGED = "logged"
ROUND = "round"


@dataclass(frozen=True)
class LedgerEntry:
    """A verdict, and the realised gain that it can be compared with; else why not."""

    verdict: VerdictRecord
    gain: RealisedGain | None
    why_not: str | None  # None beside no gain: nothing has been served that it could be compared with


def open_ledger(
    books: UnitOfWork, settings: Settings, verdicts: Sequence[VerdictRecord] | None = None
) -> tuple[LedgerEntry, ...]:
    """Of these verdicts, or of all whose policy was ever live; the newest first."""
    gains = books.realised.all()
    found = books.verdicts.about({g.policy for g in gains}) if verdicts is None else verdicts
    return tuple(join(verdict, gains, settings) for verdict in found)


def join(verdict: VerdictRecord, gains: Sequence[RealisedGain], settings: Settings) -> LedgerEntry:
    """The verdict with the first comparable gain that followed it."""
    own = [g for g in gains if (g.policy, g.decision_point) == (verdict.policy, verdict.decision_point)]
    own.sort(key=lambda g: (g.since, g.proposal_id))
    told = [why_not_comparable(verdict, gain, settings) for gain in own]
    fitting = [gain for gain, why in zip(own, told, strict=True) if why is None]
    if fitting:
        return LedgerEntry(verdict, fitting[0], None)
    return LedgerEntry(verdict, None, f"{own[-1].proposal_id}: {told[-1]}" if own else None)


def why_not_comparable(verdict: VerdictRecord, gain: RealisedGain, settings: Settings) -> str | None:
    """The first thing that stands against it, in words; None where nothing does."""
    return next(_objections(verdict, gain, settings), None)


def _objections(verdict: VerdictRecord, gain: RealisedGain, settings: Settings) -> Iterator[str]:
    if verdict.made_at > gain.since:
        yield "the verdict is younger than what came"
    if gain.segment_id != ALL.segment_id:
        yield "the verdict is about everyone, what was served about one segment"
    if verdict.baseline != gain.baseline and (verdict.baseline, gain.baseline) != (LOGGED, "baseline"):
        yield f"judged against {verdict.baseline}, live against {gain.baseline}"
    if verdict.reward not in _names_of_reward(gain.reward, settings):
        yield f"judged by {verdict.reward}, live by {gain.reward}"
    if verdict.per != ROUND:
        yield f"judged an {verdict.per}, whose length is part of the effect; live counts decisions"
    if gain.exploration_share > 0:
        yield f"{gain.exploration_share:.0%} of its decisions were spread evenly: served is not quite what was judged"
    if gain.has_rivals:
        yield "another proposal decided for a segment of its point meanwhile: those left to the baseline are others"
    if gain.n_units < MIN_UNITS:
        yield f"rewards of {gain.n_units} units have matured in the smaller arm; {MIN_UNITS} are the least"


def calibration_of(entries: Sequence[LedgerEntry]) -> Calibration | None:
    """Of each proposal the newest verdict that had a number counts, so that no outcome is counted twice."""
    counted: dict[str, Outcome] = {}
    for entry in sorted(entries, key=lambda e: (e.verdict.made_at, e.verdict.verdict_id)):
        outcome = _outcome(entry)
        if entry.gain is not None and outcome is not None:
            counted[entry.gain.proposal_id] = outcome
    return calibrate(tuple(counted.values()))


def tell(found: Calibration | None, currency: str) -> tuple[str, ...]:
    """The calibration in two sentences; none where nothing is known."""
    if found is None:
        return ()
    share = f"{found.coverage:.0%}, between {found.coverage_low:.0%} and {found.coverage_high:.0%}"
    short = ": provably fewer" if found.is_overconfident else ""
    agree = f"{found.n_consistent} of {found.n} realised gains agree with what was predicted"
    spread = f"between {number(found.optimism_low)} and {number(found.optimism_high)}"
    much = "; provably more than choosing the promising ones explains" if found.is_optimistic else ""
    promised = f"Predicted minus realised is {number(found.optimism)} {currency} a decision on average"
    gained = f"; of {found.n_promoted} promoted, {found.n_gained} gained" if found.n_promoted else ""
    return f"{agree} ({share}; 95% would be right{short}).", f"{promised} ({spread}{much}){gained}."


def _outcome(entry: LedgerEntry) -> Outcome | None:
    v, g = entry.verdict, entry.gain
    if g is None or g.amount is None or g.low_amount is None or g.high_amount is None:
        return None
    if v.difference is None or v.low is None or v.high is None:
        return None
    return Outcome(
        Measured(v.difference, v.low, v.high, v.confidence),
        Measured(g.amount, g.low_amount, g.high_amount),
        v.verdict,
        v.margin,
    )


def _names_of_reward(metric: str, settings: Settings) -> set[str]:
    """What a log may call the objective's reward: our own names, and those that the config gives a log."""
    names = {"reward", metric, f"reward_{metric}"}
    for source in settings.sources.values():
        configured = (source.reward, source.columns.get("reward"))
        names |= {name for given in configured if given for name in (given, f"reward_{given}")}
    return names
