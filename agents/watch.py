"""What whoever waits for a training may ask of it: a learning curve, checkpoints, an end before its time."""

from collections.abc import Callable
from dataclasses import dataclass

from agents.checkpoint import CheckpointStore
from domain.policy import Policy


@dataclass(frozen=True)
class TrainingProgress:
    """One point of the learning curve."""

    period: int
    periods: int  # of the whole training
    mean_reward: float  # a customer and period, since the last point, exploration included
    score: float | None = None  # what `evaluate` said of the policy as it would be delivered now
    value: float | None = None  # what `simulate` said of it


@dataclass(frozen=True, kw_only=True)
class TrainingWatch:
    """Nothing of it changes what is learned."""

    on_progress: Callable[[TrainingProgress], None] | None = None
    evaluate: Callable[[Policy], float] | None = None  # where the truth is known
    simulate: Callable[[Policy], float] | None = None  # in the market that is learned in
    checkpoint: CheckpointStore | None = None
    stop: Callable[[], bool] | None = None  # asked once a period
