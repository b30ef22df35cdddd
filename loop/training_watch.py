"""Watches the trainings of one run: curve, yardsticks, checkpoints, TensorBoard, Ctrl-C.

A run learns up to twice: without the customers that judge (`heldout`), then from all (`delivered`). Each stage keeps a
checkpoint of its own; a resumed run computes everything else again, from the same seed to the same bytes, and finds
the stage that was finished finished.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from config.dqn import DqnConfig
from domain.log import LoggedDecisions
from domain.policy import Policy
from loop.interrupts import stop_on_interrupt
from loop.learners import DISCOUNT
from loop.text import number
from loop.train_progress import Journey

if TYPE_CHECKING:
    from agents.watch import TrainingProgress, TrainingWatch
    from env.model import MarketModel

STAGES = HELDOUT, DELIVERED = "heldout", "delivered"
LEARNED_FROM = {HELDOUT: "the customers that do not judge", DELIVERED: "all customers"}
CHECKPOINTS = "checkpoints"
CURVE_FILE = "curve.json"

Score = Callable[[Policy], float]


@dataclass(frozen=True)
class LearningCurve:
    """What one stage learned, and what it must rise above."""

    stage: str
    levels: Mapping[str, float]  # simulated values of the obvious policies in the same fitted market
    points: tuple["TrainingProgress", ...] = ()

    @property
    def worth(self) -> float | None:
        """The newest simulated value of what would be delivered; None before the first."""
        return next((point.value for point in reversed(self.points) if point.value is not None), None)

    def to_data(self) -> dict[str, object]:
        return {"levels": dict(self.levels), "points": [asdict(point) for point in self.points]}


@dataclass
class TrainingWatcher:
    """Called with every market that is learned in; `stage` is moved on by whoever drives the run."""

    folder: Path  # of the run
    budget: DqnConfig
    journey: Journey
    checkpoint_seconds: float
    score: Score | None = None  # where the truth is known
    has_event_log: bool = False
    stage: str = HELDOUT
    curves: dict[str, LearningCurve] = field(default_factory=dict)  # by stage

    @contextmanager
    def __call__(self, market: "MarketModel", log: LoggedDecisions) -> Iterator["TrainingWatch"]:
        from agents.checkpoint import CheckpointStore
        from agents.watch import TrainingWatch
        from agents.yardsticks import Simulation, yardsticks

        simulation = Simulation(market, horizon=self.budget.restart_periods, discount=DISCOUNT)
        self.curves[self.stage] = LearningCurve(self.stage, yardsticks(simulation, log))
        with ExitStack() as held:
            held.callback(self._write_curves)
            record = self._event_log(held)
            stop = held.enter_context(stop_on_interrupt())
            yield TrainingWatch(
                on_progress=lambda point: self._take(point, record),
                evaluate=self.score,
                simulate=simulation.value,
                checkpoint=CheckpointStore(self.checkpoint_file(self.stage), self.checkpoint_seconds),
                stop=stop,
            )

    def checkpoint_file(self, stage: str) -> Path:
        return self.folder / CHECKPOINTS / f"{stage}.safetensors"

    def _event_log(self, held: ExitStack) -> Callable[["TrainingProgress"], None]:
        if not self.has_event_log:
            return lambda _point: None
        from agents.event_log import EventLog

        log = EventLog(self.folder / "tensorboard" / self.stage, self.curves[self.stage].levels)
        held.callback(log.close)
        return log.write

    def _take(self, point: "TrainingProgress", record: Callable[["TrainingProgress"], None]) -> None:
        before = self.curves[self.stage]
        curve = self.curves[self.stage] = LearningCurve(before.stage, before.levels, (*before.points, point))
        record(point)
        best = max(curve.levels, key=curve.levels.__getitem__)
        told = f"learning from {LEARNED_FROM[self.stage]}, period {point.period} of {point.periods}"
        beside = f"worth {number(curve.worth)} in the fitted market ({best}: {number(curve.levels[best])})"
        self.journey.tell(f"learn {self.stage}", point.period / point.periods, f"{told}, {beside}")

    def _write_curves(self) -> None:
        data = {stage: curve.to_data() for stage, curve in self.curves.items()}
        (self.folder / CURVE_FILE).write_text(json.dumps(data, indent=1) + "\n")
