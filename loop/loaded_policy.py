"""A delivered policy over data frames, for notebooks and product code."""

from pathlib import Path

import pandas as pd

from collection.frames import context_of_frame
from domain.actions import ActionSet
from domain.arrays import FloatArray
from domain.policy import Policy
from policies.artifact import load_policy as load_artifact


class LoadedPolicy:
    """What `load_policy` returns; `policy` is the one over contexts."""

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
