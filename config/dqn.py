"""Settings of the DQN agent (agents/dqn.py)."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class DqnConfig:
    """Defaults come from our own runs on the reference subscription market unless a source is named."""

    n_customers: int = 4096  # that live side by side in the market
    periods: int = 1600  # played by each of them
    warmup_periods: int = 6  # uniformly random actions before the first gradient step
    restart_periods: int = 48  # a customer who stays longer is replaced, and its value bootstrapped
    hidden: tuple[int, ...] = (
        64,
    )  # units of the ReLU layers; a second one of 64 scored alike and took half as long again
    learning_rate: float = 3e-3  # of Adam, falling linearly to LAST_RATE of it over all periods
    batch_size: int = 1024  # transitions a gradient step
    gradient_steps: int = 8  # a period
    n_step: int = 1  # periods whose rewards enter a target before it bootstraps; 3 scored lower in our pilots
    buffer_transitions: int = 400_000  # kept for replay
    target_rate: float = 0.05  # share of the online network that enters the target network a gradient step
    average_rate: float = 0.0005  # the same for the averaged network, which is what is delivered; more at the beginning
    exploration: Literal["epsilon_greedy", "softmax"] = "epsilon_greedy"
    epsilon_final: float = 0.1  # share of random actions once exploration has settled
    temperature_final: float = 0.02  # of softmax, in units of the returns' scale, once it has settled
    exploration_periods: int = 60  # until it has
    max_grad_norm: float = 10.0  # stable-baselines3's default
    # Where real transitions are learned from too, their share of a batch is n_real / (n_real + prior_transitions), at
    # most max_real_share: what no real customer went through is known from the market alone, and must not be forgotten.
    # benchmarks/experience/panel.json: with a prior of 300, a few thousand transitions logged by rules of thumb spoil a
    # good market's plan (.84 to .5); with 10,000, three thousand of them do not show that the world has changed.
    prior_transitions: float = 3000.0
    max_real_share: float = 0.9  # a cap of .5 held on to a world that had changed, .7 and .9 did not
