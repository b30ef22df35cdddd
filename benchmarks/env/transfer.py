"""What wins in the fitted market, does it win in truth? 20 seeds, with everything observed and with a hidden driver.

Seed s draws the parameters of a market, a log of 30,000 rounds of up to 12 periods, and everything random after it.
observed: the subscription market, two fifths of whose offers were random. hidden: the confounded market, where a column
that the log does not keep drove offers and outcomes; one tenth of the offers were random, all propensities are logged.

`MarketLearner` with its defaults fits the market (answering the confounding that it finds) and trains in it. The policy
that is delivered is the learned one where it beats the logged behavior in the fitted market by more than two standard
deviations of the paired difference between members, else the logged behavior as a tree tells it. Reported: its exact
score in the truth and the logged policy's; what the market promised (60 periods, discounted) against the exact value
of the same; and whether the market said that it cannot tell: its fidelity report refuses, or propensities are missing.

Run from the root: OMP_NUM_THREADS=1 python -m benchmarks.env.transfer [--first 0] [--seeds 20] [--worlds hidden]
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.market_learner import MarketLearner
from benchmarks.record import head_commit, write_record
from domain.log import LoggedDecisions
from domain.policy import Policy
from env.fidelity import check_fidelity
from env.forecast import SimulatedGain, expected_gain
from env.logged_behavior import fit_behavior
from env.reference import confounded, exact
from env.reference.behavior import RuleOfThumb, TargetedBehavior
from env.reference.log import panel_log
from env.reference.parameters import draw_parameters
from env.reference.subscription import subscription_market
from env.reference.tabular import TabularMarket

PATH = Path(__file__).with_suffix(".json")
N_ROUNDS = 30_000
N_CUSTOMERS = 12_000  # simulated
HORIZON = 60
BEHAVIOR_LEAVES = 64
CAUTION = 2.0  # standard deviations between members by which the learned policy must win in the market


@dataclass(frozen=True)
class World:
    market: TabularMarket
    behavior: Policy


def observed(seed: int) -> World:
    return World(subscription_market(draw_parameters(np.random.default_rng(seed))), TargetedBehavior())


def hidden(seed: int) -> World:
    market = confounded.draw(np.random.default_rng(seed))
    return World(market, RuleOfThumb(confounded.ACTIONS, confounded.rules, uniform_share=0.1))


WORLDS = {"observed": observed, "hidden": hidden}


def log_of(world: World, seed: int) -> LoggedDecisions:
    """The first customers that make 30,000 rounds."""
    log = panel_log(world.market, 9_000, 12, world.behavior, rng=np.random.default_rng(seed))
    assert len(log) >= N_ROUNDS, len(log)
    last = int(log.unit[N_ROUNDS - 1])
    return log.take(log.unit <= last)


def run(name: str, seed: int) -> dict[str, object]:
    """One row of the record."""
    world = WORLDS[name](seed)
    log, began = log_of(world, seed), time.process_time()
    fidelity = check_fidelity(log, rng=np.random.default_rng(seed))
    checked = time.process_time()
    learned = MarketLearner(discount=world.market.discount).learn(log, np.random.default_rng(seed))
    logged = fit_behavior(log, learned.market.encoder, BEHAVIOR_LEAVES)
    gain = expected_gain(
        learned.market, learned.policy, logged, horizon=HORIZON, n_customers=N_CUSTOMERS,
        rng=np.random.default_rng(seed), discount=world.market.discount,
    )  # fmt: skip
    is_learned = gain.pessimistic(CAUTION) > 0
    policy: Policy = learned.policy if is_learned else logged
    return {
        "world": name,
        "seed": seed,
        "n_rounds": len(log),
        "delivered": "learned" if is_learned else "logged",
        **_judged(world, policy, learned.policy, gain, is_learned=is_learned),
        "cannot_tell": not fidelity.is_faithful or fidelity.confounding.status == "cannot_tell",
        "confounding": fidelity.confounding.status,
        "answer": fidelity.confounding.answer,
        "reasons": list(fidelity.reasons),
        "cpu_seconds_fidelity": round(checked - began, 1),
        "cpu_seconds": round(time.process_time() - began, 1),
    }


def _judged(
    world: World, policy: Policy, learned: Policy, gain: SimulatedGain, *, is_learned: bool
) -> dict[str, object]:
    market, promise = world.market, gain.policy if is_learned else gain.baseline
    true = exact.value(market, exact.distribution_of(market, policy), horizon=HORIZON)
    behavior = world.behavior.distribution(market.states)
    return {
        "score": exact.score(market, policy),
        "learned_score": exact.score(market, learned),
        "logged_score": exact.score_distribution(market, behavior),
        "true_value": true,
        "logged_value": exact.value(market, behavior, horizon=HORIZON),
        "predicted": promise.value,
        "pessimistic": promise.pessimistic(),
        "predicted_over_true": promise.value / true,
        "gain_in_market": gain.value,
        "gain_disagreement": gain.disagreement,
    }


def summary(rows: list[dict[str, object]]) -> dict[str, object]:
    """The bars."""
    found: dict[str, object] = {}
    for name in WORLDS:
        own = [row for row in rows if row["world"] == name]
        if not own:
            continue
        score, logged, ratio = (
            np.array([row[key] for row in own], dtype=np.float64)
            for key in ("score", "logged_score", "predicted_over_true")
        )
        untold = np.array([not row["cannot_tell"] for row in own])
        found[name] = {
            "seeds": len(own),
            "mean_score": float(score.mean()),
            "least_score": float(score.min()),
            "at_least_logged": int((score >= logged).sum()),
            "median_predicted_over_true": float(np.median(ratio)),
            "within_.8_and_1.2": int(((ratio >= 0.8) & (ratio <= 1.2)).sum()),
            "above_1.2_and_not_said": int(((ratio > 1.2) & untold).sum()),
            "cannot_tell": int((~untold).sum()),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS), choices=list(WORLDS))
    asked, commit = parser.parse_args(), head_commit()
    rows = _kept(commit)
    for seed in range(asked.first, asked.first + asked.seeds):
        for name in asked.worlds:
            if not any((row["world"], row["seed"]) == (name, seed) for row in rows):
                rows.append(run(name, seed))
                print(json.dumps(rows[-1]), flush=True)
                design = {"rounds": N_ROUNDS, "horizon": HORIZON, "caution": CAUTION}
                write_record(PATH, {"summary": summary(rows), "rows": rows}, design, commit=commit)
    print(json.dumps(summary(rows), indent=1))


def _kept(commit: str) -> list[dict[str, object]]:
    """Rows of the same commit: the benchmark goes on where it stopped."""
    if not PATH.exists():
        return []
    found = json.loads(PATH.read_text())
    return list(found["results"]["rows"]) if found["commit"] == commit else []


if __name__ == "__main__":
    main()
