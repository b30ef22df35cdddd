"""Section `training`: how long `train` learns in a fitted market, and how often it keeps where it stands."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from config.dqn import DqnConfig
from config.section import NonNegative, Section

_DEFAULT = DqnConfig()


class Training(Section):
    """The budget of the agent of panels. Both numbers multiply: so many customer-periods are lived."""

    periods: Annotated[int, Field(ge=20)] = _DEFAULT.periods  # played by each simulated customer
    customers: Annotated[int, Field(ge=8)] = _DEFAULT.n_customers  # simulated side by side
    checkpoint_seconds: NonNegative = 10.0  # of learning that a killed process loses at most

    def budget(self, config: DqnConfig = _DEFAULT) -> DqnConfig:
        """`config` with this budget; of a shorter or longer training the same share explores."""
        stretch = self.periods / config.periods
        return replace(
            config,
            periods=self.periods,
            n_customers=self.customers,
            warmup_periods=max(1, round(config.warmup_periods * stretch)),
            exploration_periods=max(1, round(config.exploration_periods * stretch)),
        )
