"""The public Python API (`import amso`): what the verbs do, for notebooks and scripts. Nothing here writes a store."""

from pathlib import Path

import pandas as pd

from collection.frames import context_of_frame
from collection.log_reader import read_log
from domain.actions import ActionSet
from domain.arrays import FloatArray
from domain.policy import Policy
from env.registration import register_envs
from loop.evaluate import evaluate_log as evaluate
from loop.train import train_log as train
from policies.artifact import load_policy as load_artifact

__all__ = ["LoadedPolicy", "evaluate", "load_policy", "read_log", "register_envs", "train"]


class LoadedPolicy:
    """A delivered policy over data frames; `policy` is the one over contexts."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    @property
    def actions(self) -> ActionSet:
        return self.policy.actions

    def distribution(self, frame: pd.DataFrame) -> FloatArray:
        """(n_rows, n_actions) probabilities; columns named with or without `x_`.

        Raises:
            MissingColumn: the policy needs a column that the frame lacks.
        """
        return self.policy.distribution(context_of_frame(frame))


def load_policy(path: Path | str) -> LoadedPolicy:
    """The policy of a directory that `train` wrote.

    Raises:
        CorruptPolicy: its content does not match its hash.
    """
    return LoadedPolicy(load_artifact(Path(path)))
