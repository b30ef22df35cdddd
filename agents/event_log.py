"""TensorBoard's event files of a training; the package comes with the extra `train`."""

import re
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from agents.watch import TrainingProgress
from domain.errors import UsageError

if TYPE_CHECKING:
    pass

MIN_VERSION = (2, 21)  # older ones fail beside current setuptools


def require_tensorboard() -> None:
    """Before anything is learned in vain.

    Raises:
        UsageError: TensorBoard is missing or too old.
    """
    try:
        found = version("tensorboard")
    except PackageNotFoundError:
        found = "none"
    if tuple(int(n) for n in re.findall(r"\d+", found)[:2]) < MIN_VERSION:
        wanted = ".".join(map(str, MIN_VERSION))
        raise UsageError(
            f"--tensorboard needs tensorboard {wanted} or newer; found {found}",
            "install the extra, pip install 'amso[train]'; or leave --tensorboard out: curve.png tells the same",
        )


class EventLog:
    """The learning curve of one stage, beside what the obvious policies earn."""

    def __init__(self, folder: Path, levels: Mapping[str, float]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        shutil.rmtree(folder, ignore_errors=True)  # a resumed training tells all of its points again
        self._writer: SummaryWriter = SummaryWriter(str(folder))
        self._levels = levels

    def write(self, point: TrainingProgress) -> None:
        told = {"mean_reward/exploring": point.mean_reward, "score": point.score, "value/learned": point.value}
        for name, value in {**told, **{f"value/{name}": level for name, level in self._levels.items()}}.items():
            if value is not None:
                self._writer.add_scalar(name.replace(": ", "_").replace(" ", "_"), value, point.period)

    def close(self) -> None:
        self._writer.close()
