"""The decision log: what was chosen, with which propensity, and what came of it. Training and OPE read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray, TimeArray
from domain.context import Context, concatenate_contexts


@dataclass(frozen=True)
class Panel:
    """The columns that give a log time: one row a period of an episode."""

    episode: IntArray  # (n_rounds,) codes
    step: IntArray  # (n_rounds,) from 0, gapless inside an episode
    next_context: Context  # after acting; meaningless where terminated
    terminated: BoolArray  # (n_rounds,) the customer left
    truncated: BoolArray  # (n_rounds,) the observation ended

    def take(self, index: IntArray | BoolArray) -> "Panel":
        return Panel(
            self.episode[index],
            self.step[index],
            self.next_context.take(index),
            self.terminated[index],
            self.truncated[index],
        )


@dataclass(frozen=True)
class LoggedDecisions:
    """A validated decision log in memory. Every array has one entry a round."""

    actions: ActionSet
    action: IntArray  # (n_rounds,) indices into actions
    reward: FloatArray  # (n_rounds,) finite
    reward_name: str
    context: Context  # the x_* columns, named without the prefix
    unit: IntArray  # (n_rounds,) codes; each round its own unit where the log names none
    propensity: FloatArray | None = None  # (n_rounds,) in (0, 1]
    logged_distribution: FloatArray | None = None  # (n_rounds, n_actions), from p_* columns
    probabilities: Mapping[str, FloatArray] = field(default_factory=dict)  # prefix -> (n_rounds, n_actions)
    predictions: FloatArray | None = None  # (n_rounds, n_actions) rewards foretold by models that did not see the round
    eligible: BoolArray | None = None  # (n_rounds, n_actions)
    cell: IntArray | None = None  # (n_rounds,) codes of the stratum the action was randomised in
    cell_names: tuple[str, ...] = ()
    weight: FloatArray | None = None  # (n_rounds,) 1 / keep-probability
    cost: FloatArray | None = None  # (n_rounds,)
    decided_at: TimeArray | None = None  # (n_rounds,)
    split: IntArray | None = None  # (n_rounds,) codes into split_names
    split_names: tuple[str, ...] = ()
    panel: Panel | None = None

    def __len__(self) -> int:
        return len(self.action)

    @property
    def n_actions(self) -> int:
        return len(self.actions)

    @property
    def sample_weight(self) -> FloatArray:
        """(n_rounds,) subsampling weights, one where the log has none."""
        return np.ones(len(self)) if self.weight is None else self.weight

    def take(self, index: IntArray | BoolArray) -> "LoggedDecisions":
        """The rounds of `index`, in its order, over the same action set."""
        return replace(
            self,
            action=self.action[index],
            reward=self.reward[index],
            context=self.context.take(index),
            unit=self.unit[index],
            propensity=_rows(self.propensity, index),
            logged_distribution=_rows(self.logged_distribution, index),
            probabilities={name: values[index] for name, values in self.probabilities.items()},
            predictions=_rows(self.predictions, index),
            eligible=None if self.eligible is None else self.eligible[index],
            cell=None if self.cell is None else self.cell[index],
            weight=_rows(self.weight, index),
            cost=_rows(self.cost, index),
            decided_at=None if self.decided_at is None else self.decided_at[index],
            split=None if self.split is None else self.split[index],
            panel=None if self.panel is None else self.panel.take(index),
        )


def concatenate(logs: Sequence[LoggedDecisions]) -> LoggedDecisions:
    """The rounds of several logs after one another; what not every one of them has is left out.

    Args:
        logs: of the same actions, in the same order, and of the same context columns; units and episodes that have
            the same code are the same.
    """
    first = logs[0]
    assert all(log.actions == first.actions for log in logs), "align the actions first"
    panels = [log.panel for log in logs if log.panel is not None]
    return LoggedDecisions(
        actions=first.actions,
        action=np.concatenate([log.action for log in logs]),
        reward=np.concatenate([log.reward for log in logs]),
        reward_name=first.reward_name,
        context=concatenate_contexts([log.context for log in logs]),
        unit=np.concatenate([log.unit for log in logs]),
        propensity=_joined([log.propensity for log in logs]),
        logged_distribution=_joined([log.logged_distribution for log in logs]),
        probabilities={
            prefix: np.concatenate([log.probabilities[prefix] for log in logs])
            for prefix in first.probabilities
            if all(prefix in log.probabilities for log in logs)
        },
        predictions=_joined([log.predictions for log in logs]),
        eligible=_joined_masks([log.eligible for log in logs]),
        cell=_joined_codes(logs),
        cell_names=first.cell_names if _joined_codes(logs) is not None else (),
        decided_at=_joined_times([log.decided_at for log in logs]),
        weight=None if all(log.weight is None for log in logs) else _joined([log.sample_weight for log in logs]),
        cost=_joined([log.cost for log in logs]),
        panel=_joined_panels(panels) if len(panels) == len(logs) else None,
    )


def _joined(arrays: Sequence[FloatArray | None]) -> FloatArray | None:
    known = [a for a in arrays if a is not None]
    return np.concatenate(known) if len(known) == len(arrays) else None


def _joined_panels(panels: Sequence[Panel]) -> Panel:
    return Panel(
        episode=np.concatenate([p.episode for p in panels]),
        step=np.concatenate([p.step for p in panels]),
        next_context=concatenate_contexts([p.next_context for p in panels]),
        terminated=np.concatenate([p.terminated for p in panels]),
        truncated=np.concatenate([p.truncated for p in panels]),
    )


def _joined_masks(parts: Sequence[BoolArray | None]) -> BoolArray | None:
    present = [part for part in parts if part is not None]
    return np.concatenate(present) if len(present) == len(parts) else None


def _joined_times(parts: Sequence[TimeArray | None]) -> TimeArray | None:
    present = [part for part in parts if part is not None]
    return np.concatenate(present) if len(present) == len(parts) else None


def _joined_codes(logs: Sequence[LoggedDecisions]) -> IntArray | None:
    """Cells, where all logs code them alike."""
    present = [log.cell for log in logs if log.cell is not None and log.cell_names == logs[0].cell_names]
    return np.concatenate(present) if len(present) == len(logs) else None


def _rows(values: FloatArray | None, index: IntArray | BoolArray) -> FloatArray | None:
    return None if values is None else values[index]


@dataclass(frozen=True)
class LogRead:
    """A log with the account of how it was read: nothing is dropped silently."""

    log: LoggedDecisions
    source: str
    n_rows: int
    rejected: Mapping[str, int]  # reason -> rows
    rejected_by_action: Mapping[str, int]  # action as written -> rejected rows
    notes: tuple[str, ...] = ()  # ignored columns, reward chosen, actions excluded
    left_out: Mapping[str, int] = field(default_factory=dict)  # no fault: immature, other split, excluded action
    n_streamed: int | None = None  # usable rows, where `log` is only a random sample of them

    @property
    def n_used(self) -> int:
        return len(self.log) if self.n_streamed is None else self.n_streamed

    @property
    def n_rejected(self) -> int:
        return sum(self.rejected.values())
