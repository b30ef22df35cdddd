"""What counts as better, in words instead of signs."""

from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


@dataclass(frozen=True)
class Objective:
    metric: str
    direction: Direction = Direction.MAXIMIZE
    horizon_days: int = 365
    discount_rate: float = 0.0  # a year
