"""What training delivers and what `train` answers, as JSON and for people."""

from dataclasses import asdict, dataclass
from pathlib import Path

from rich.text import Text

from domain.estimates import Verdict
from domain.log import LogRead
from domain.policy import Policy
from env.fidelity import FidelityReport
from env.forecast import SimulatedValue
from evaluation.judgement import Judgement
from loop.learners import Lesson
from loop.logs import log_to_data
from loop.text import WORDS, comparison_line, console, interval, log_lines, number
from loop.training_watch import LearningCurve
from loop.trusted_market import promise_line, promise_to_data

ADVICE = {
    "learned": "propose the learned policy: on rows it did not see it provably earns more than {baseline} and than the "
    "best constant action",
    "constant": "use {action} for everyone: it provably earns more than {baseline}, and choosing by customer has no "
    "provable gain over it",
    "same": "keep {baseline}: nothing provably earns more",
    "worse": "keep {baseline}: {delivered} provably earns less",
    "open": "keep {baseline} for now: that {delivered} earns more is not proven; `amso recommend` designs the "
    "experiment that would tell",
    "nothing": "change nothing yet: this log cannot tell; `amso recommend` designs the experiment that would",
}


@dataclass(frozen=True)
class TrainedPolicy:
    """What training delivers, with the judgement that chose it; refitted on all rows unless another log judged it."""

    policy: Policy
    judgement: Judgement
    fidelity: FidelityReport
    lesson: Lesson | None  # None where a constant is delivered
    promise: SimulatedValue | None  # of the policy in the fitted market; None without time, or where that is unfaithful
    curves: tuple[LearningCurve, ...] = ()  # of what was learned in a fitted market and watched

    @property
    def market_notes(self) -> tuple[str, ...]:
        """Where the fitted market is off. Verdicts do not rest on it: they are taken from logged customers alone."""
        if self.fidelity.is_faithful:
            return ()
        off = "; ".join(self.fidelity.reasons)
        return (f"the fitted market is not faithful to the log ({off}); the verdict does not rest on it",)

    @property
    def advice(self) -> str:
        """What to do now."""
        against = self.judgement.baseline_comparison
        if self.judgement.verdict is Verdict.CANNOT_TELL or against.low is None or against.high is None:
            return ADVICE["nothing"]
        kind, _, action = self.judgement.delivered.partition(":")
        if f"constant:{action}" == against.baseline:
            return ADVICE["same"].format(baseline=against.baseline)
        if against.high < 0:
            return ADVICE["worse"].format(baseline=against.baseline, delivered=self.judgement.delivered)
        if against.low <= 0:
            return ADVICE["open"].format(baseline=against.baseline, delivered=self.judgement.delivered)
        return ADVICE[kind].format(action=action, baseline=against.baseline)


@dataclass(frozen=True)
class TrainAnswer:
    """What `train --json` prints, and the same for people."""

    read: LogRead
    judge: LogRead | None  # the log given to judge on
    trained: TrainedPolicy
    policy_version: str
    notes: tuple[str, ...]
    run: Path

    def to_data(self) -> dict[str, object]:
        j, promise = self.trained.judgement, self.trained.promise
        return {
            "run": str(self.run),
            "policy_version": self.policy_version,
            "log": log_to_data(self.read),
            "heldout_log": None if self.judge is None else log_to_data(self.judge),
            "reward": self.read.log.reward_name,
            "market": {
                "fidelity": self.trained.fidelity.to_data(),
                "simulated": None if promise is None else promise_to_data(promise),
            },
            "heldout": asdict(j.heldout),
            "best_constant": asdict(j.best_constant),
            "comparison": asdict(j.comparison),
            "baseline_comparison": asdict(j.baseline_comparison),
            "verdict": j.verdict.value,
            "delivered": j.delivered,
            "diagnostics": asdict(j.diagnostics),
            "learning": {curve.stage: curve.to_data() for curve in self.trained.curves},
            "advice": self.trained.advice,
            "reasons": [*j.reasons, *self.notes, *self.trained.market_notes],
        }

    def print(self) -> None:
        out, j = console(), self.trained.judgement
        for line in [*log_lines(self.read), *(log_lines(self.judge) if self.judge is not None else [])]:
            out.print(line)
        for line in self.trained.market_notes:
            out.print(line)
        if self.trained.promise is not None:
            out.print(promise_line(self.trained.promise))
        out.print(comparison_line(j.comparison))
        out.print(comparison_line(j.baseline_comparison))
        held = f"{number(j.heldout.value)} {interval(j.heldout.low, j.heldout.high)}"
        out.print(f"value of what is delivered, on rows it did not see ({j.heldout.method}): {held}")
        out.print(Text.assemble((WORDS[j.verdict], "bold"), f"; delivered: {j.delivered} ({self.policy_version})"))
        for reason in (*j.reasons, *self.notes):
            out.print(f"  · {reason}")
        out.print(f"advice: {self.trained.advice}")
        out.print(f"run: {self.run}")
