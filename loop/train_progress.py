"""How far a training run is: its parts and the time each is expected to take, so that one ETA covers all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from config.dqn import DqnConfig
from domain.log import LoggedDecisions
from loop.text import Reporter

ROWS = 26_000  # of the log on which the seconds below were measured
SECONDS_A_STEP = 8.0 / (400 * 8 * 512)  # of learning: a period, a gradient step, a transition


@dataclass(frozen=True)
class Journey:
    """Reports shares of a whole of known parts, in their order."""

    seconds: Mapping[str, float]  # expected
    report: Reporter

    def tell(self, part: str, share: float, doing: str) -> None:
        """`share` (0..1) of this part is done."""
        names = list(self.seconds)
        before = sum(self.seconds[name] for name in names[: names.index(part)])
        self.report((before + share * self.seconds[part]) / sum(self.seconds.values()), doing)


def journey_of(
    log: LoggedDecisions, budget: DqnConfig, report: Reporter, stages: Sequence[str] = ("heldout", "delivered")
) -> Journey:
    """Of a log of one period: many small fits. Of a panel: every stage fits a market and learns in it."""
    scale = max(len(log), 1) / ROWS
    if log.panel is None:
        return Journey({"fidelity": scale, "judge": 6.0 * scale, "fit delivered": 2.0 * scale}, report)
    learning = SECONDS_A_STEP * budget.periods * budget.gradient_steps * budget.batch_size
    learned = [{f"fit {stage}": 2.0 * scale, f"learn {stage}": learning} for stage in stages]
    parts = {"fidelity": 3.0 * scale, "constants": 3.0 * scale, **learned[0], "judge": 3.5 * scale}
    return Journey({**parts, **{name: seconds for part in learned[1:] for name, seconds in part.items()}}, report)


def judging(journey: Journey) -> Reporter:
    """What `evaluation.judge.judge_learner` reports, as parts of the journey; what it learns meanwhile tells itself."""
    if "constants" not in journey.seconds:
        return lambda share, doing: journey.tell("judge", share, doing)
    fitting = list(journey.seconds)[2]

    def report(share: float, doing: str) -> None:
        part = "constants" if share < 0.2 else fitting if share < 0.8 else "judge"
        journey.tell(part, 0.0, doing)

    return report
