"""How real experience is weighed against simulated (agents/experience.py)."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ExperienceConfig:
    """Of one-period markets; config/dqn.py holds the same for panels."""

    # Real rounds that weigh as much as everything simulated. benchmarks/experience/prior.json: while the world is as it
    # was, 300 make .90 to .94 of what can be earned at 300 real rounds, where no prior makes .80. Where the best action
    # has changed, 300 make .93 at 1,000 real rounds, where 1,000 still hold on to the past (.66 to .73).
    prior_rounds: float = 300.0
    n_simulated: int = 5000  # rounds played in the market; more only make its voice less noisy, not louder
    half_life_days: float | None = None  # a real round counts half after so long; None = all alike
