"""How much replayed real transitions should weigh: exact score of the policy learned in a fitted market and from them.

The market is fitted to 2,000 customers of the reference subscription market; the real panel was logged by the same
rules of thumb in the same world, or in one where contacts stopped helping, discounts please twice as much and upsells
sell. Score = (V - V_uniform) / (V* - V_uniform) in the world of the real panel.

Run from the root: OMP_NUM_THREADS=1 python -m benchmarks.experience.panel
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from agents.market_learner import MarketLearner
from benchmarks.record import head_commit, write_record
from config.dqn import DqnConfig
from domain.log import LoggedDecisions
from env.reference.exact import score
from env.reference.log import panel_log
from env.reference.parameters import SubscriptionParameters
from env.reference.subscription import subscription_market
from env.reference.tabular import TabularMarket

DQN = DqnConfig(n_customers=512, periods=250)
PRIORS = (300.0, 1000.0, 3000.0, 10_000.0)
REAL_CUSTOMERS = (150, 600, 2400)
SEEDS = (0, 1)
BEFORE = SubscriptionParameters()
AFTER = replace(
    BEFORE,
    contact_hold=0.05,
    contact_lift=0.02,
    contact_cost_amount=4.0,
    gain_weight=6.0,
    upsell_level=-0.8,
    upsell_drain=0.05,
)


def score_of(
    world: TabularMarket, log: LoggedDecisions, real: LoggedDecisions | None, prior: float, seed: int
) -> float:
    learner = MarketLearner(dqn=replace(DQN, prior_transitions=prior), real=real)
    return round(score(world, learner.fit(log, np.random.default_rng(seed))), 3)


def main() -> None:
    commit = head_commit()
    worlds = {"same": subscription_market(BEFORE), "changed": subscription_market(AFTER)}
    results = []
    for seed in SEEDS:
        log = panel_log(worlds["same"], 2000, 8, rng=np.random.default_rng(seed))
        for name, world in worlds.items():
            simulated = score_of(world, log, None, PRIORS[0], seed)
            for n in REAL_CUSTOMERS:
                real = panel_log(world, n, 8, rng=np.random.default_rng(100 + seed))
                scores = {f"{prior:g}": score_of(world, log, real, prior, seed) for prior in PRIORS}
                results.append(
                    {"seed": seed, "world": name, "n_real": len(real), "simulated": simulated, "by_prior": scores}
                )
                print(results[-1], flush=True)
    design = {"customers": DQN.n_customers, "periods": DQN.periods, "max_real_share": DQN.max_real_share}
    write_record(Path(__file__).with_suffix(".json"), results, design, commit=commit)


if __name__ == "__main__":
    main()
