"""What the obvious policies earn in a fitted market: levels that an agent must rise above while it learns there.

Everything is simulated with the same seed, so that all start from the same customers under the same members. It is what
the market promises, for the agent as for its rivals; what holds on real customers evaluation/ judges.
"""

from dataclasses import dataclass

import numpy as np

from agents.outcome_learner import OutcomeLearner
from config.market import FidelityConfig
from domain.log import LoggedDecisions
from domain.policy import Policy
from env.forecast import expected_value
from env.logged_behavior import fit_behavior
from env.model import MarketModel
from policies.baselines import ConstantPolicy

N_CUSTOMERS = 500  # simulated a policy; twenty of them take less than a tenth of the default training's time


@dataclass(frozen=True)
class Simulation:
    """Discounted reward that a new customer brings in a fitted market, by policy."""

    market: MarketModel
    horizon: int  # periods
    discount: float  # a period
    n_customers: int = N_CUSTOMERS
    seed: int = 0  # of every policy's customers

    def value(self, policy: Policy) -> float:
        """Mean over customers and members."""
        rng = np.random.default_rng(self.seed)
        found = expected_value(
            self.market, policy, horizon=self.horizon, n_customers=self.n_customers, rng=rng, discount=self.discount
        )
        return found.value


def yardsticks(simulation: Simulation, log: LoggedDecisions) -> dict[str, float]:
    """Simulated values of the logged behavior, the best constant action and the argmax of one-period rewards."""
    constants = {a: simulation.value(ConstantPolicy(log.actions, a)) for a in log.actions.ids}
    best = max(constants, key=constants.__getitem__)
    behavior = fit_behavior(log, simulation.market.encoder, FidelityConfig().behavior_leaves)
    myopic = OutcomeLearner(min_rounds=1).fit(log, np.random.default_rng(simulation.seed))
    return {
        "logged": simulation.value(behavior),
        f"best constant: {best}": constants[best],
        "myopic": simulation.value(myopic),
    }
