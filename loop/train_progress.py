"""How far a training run is: its parts, with the time that each is expected to take, so that one ETA covers them all."""

from collections.abc import Mapping
from dataclasses import dataclass

from config.dqn import DqnConfig
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


def journey_of_rounds(n_rows: int, report: Reporter) -> Journey:
    """Of a log of one period: many small fits."""
    scale = n_rows / ROWS
    return Journey({"fidelity": scale, "judge": 6.0 * scale, "refit": 2.0 * scale}, report)


def journey_of_panel(n_rows: int, budget: DqnConfig, report: Reporter) -> Journey:
    """Of a panel: two markets fitted, and learned in."""
    scale = n_rows / ROWS
    learning = SECONDS_A_STEP * budget.periods * budget.gradient_steps * budget.batch_size
    parts = {
        "fidelity": 3.0 * scale,
        "constants": 3.0 * scale,
        "fit heldout": 1.0 * scale,
        "learn heldout": learning,
        "judge": 3.5 * scale,
        "fit delivered": 2.0 * scale,
        "learn delivered": learning,
    }
    return Journey(parts, report)


def judging(journey: Journey) -> Reporter:
    """What `evaluation.judge.judge_learner` reports, as parts of the journey; what it learns meanwhile tells itself."""
    if "judge" in journey.seconds and "constants" not in journey.seconds:
        return lambda share, doing: journey.tell("judge", share, doing)

    def report(share: float, doing: str) -> None:
        if share < 0.2:
            journey.tell("constants", share, doing)
        elif share < 0.8:
            journey.tell("fit heldout", 0.0, "fitting the market")
        else:
            journey.tell("judge", 0.0, doing)

    return report
