"""The market under its name in Gymnasium."""

import gymnasium

ENV_ID = "amso/Market-v0"


def register_envs() -> None:
    """Makes `gymnasium.make("amso/Market-v0")` and `make_vec` work; may be called again.

    Both take `dynamics=`, by default the subscription market, and `horizon=` in periods.
    """
    if ENV_ID not in gymnasium.registry:
        gymnasium.register(ENV_ID, "env.single:MarketEnv", vector_entry_point="env.vector:MarketVectorEnv")
