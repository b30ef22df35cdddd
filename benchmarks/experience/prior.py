"""What the simulated prior is worth: score after n real rounds, in the world the market was fitted to and in another.

Four actions, rewards linear in two columns, noise 2 to 3 times the spread between actions; the market is fitted to
earlier rounds of the same world. `changed`: afterwards the actions have swapped their effects in pairs. Score =
(V - V_uniform) / (V* - V_uniform), exact up to 20,000 fresh customers, mean over seeds.

Run from the root: OMP_NUM_THREADS=1 python -m benchmarks.experience.prior
"""

from pathlib import Path

import numpy as np

from agents.experience import ExperienceLearner
from benchmarks.record import head_commit, write_record
from config.experience import ExperienceConfig
from domain.actions import ActionSet
from domain.arrays import FloatArray
from domain.context import Context
from domain.log import LoggedDecisions
from domain.policy import Policy
from env.fit import fit_market

ACTIONS = ActionSet(("a", "b", "c", "d"))
SWAPPED = np.array([1, 0, 3, 2])
NOISE = 2.0
SEEDS = range(8)
EARLIER = (1000, 5000)  # rounds that the market is fitted to
REAL = (100, 300, 1000, 3000, 10_000)
PRIORS = (1e-6, 100.0, 300.0, 1000.0, 3000.0)


def draw_context(n: int, rng: np.random.Generator) -> Context:
    return Context({"spend": rng.normal(size=n), "visits": rng.normal(size=n)}, n)


def mean_reward(context: Context, effects: FloatArray) -> FloatArray:
    """(n_rounds, n_actions); effects (3, n_actions), the intercept last."""
    x = np.column_stack([context.column("spend"), context.column("visits"), np.ones(context.n_rounds)])
    return np.asarray(x.astype(np.float64) @ effects)


def draw_log(n: int, effects: FloatArray, rng: np.random.Generator) -> LoggedDecisions:
    context, action = draw_context(n, rng), rng.integers(0, len(ACTIONS), n)
    reward = mean_reward(context, effects)[np.arange(n), action] + rng.normal(0, NOISE, n)
    return LoggedDecisions(ACTIONS, action, reward, "reward", context, np.arange(n))


def score(policy: Policy, effects: FloatArray) -> float:
    fresh = draw_context(20_000, np.random.default_rng(99))
    means = mean_reward(fresh, effects)
    value = (policy.distribution(fresh) * means).sum(axis=1).mean()
    return float((value - means.mean()) / (means.max(axis=1).mean() - means.mean()))


def scores_of(seed: int) -> dict[tuple[int, str, int, float], float]:
    """(earlier rounds, world, real rounds, prior) -> score."""
    rng = np.random.default_rng(seed)
    effects = np.vstack([rng.normal(0, 0.5, (2, len(ACTIONS))), rng.normal(0, 0.3, len(ACTIONS))])
    worlds = {"same": effects, "changed": np.vstack([effects[:2, SWAPPED], effects[2]])}
    found = {}
    for earlier in EARLIER:
        market = fit_market(draw_log(earlier, effects, rng), rng=rng)
        for n_real in REAL:
            for world, now in worlds.items():
                log = draw_log(n_real, now, rng)
                for prior in PRIORS:
                    learner = ExperienceLearner(market=market, config=ExperienceConfig(prior_rounds=prior))
                    policy = learner.fit(log, np.random.default_rng(0))
                    found[earlier, world, n_real, prior] = score(policy, now)
    return found


def main() -> None:
    commit = head_commit()
    by_seed = [scores_of(seed) for seed in SEEDS]
    results = []
    print("earlier world    real  " + "  ".join(f"prior {prior:g}" for prior in PRIORS))
    for earlier in EARLIER:
        for world in ("same", "changed"):
            for n_real in REAL:
                means = [float(np.mean([s[earlier, world, n_real, prior] for s in by_seed])) for prior in PRIORS]
                print(f"{earlier:7} {world:8} {n_real:5}  " + "  ".join(f"{m:7.3f}" for m in means))
                scores = {f"{prior:g}": round(m, 3) for prior, m in zip(PRIORS, means, strict=True)}
                results.append({"earlier": earlier, "world": world, "n_real": n_real, "score_by_prior": scores})
    design = {"seeds": len(SEEDS), "noise": NOISE, "priors": PRIORS}
    write_record(Path(__file__).with_suffix(".json"), results, design, commit=commit)


if __name__ == "__main__":
    main()
