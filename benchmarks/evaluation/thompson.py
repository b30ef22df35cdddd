"""How fast and how exact the probabilities of a Thompson-sampling policy are: 80 arms, the first three positions.

The priors are those of the Open Bandit data's whole shop. CPU time of one table, the median of N_TABLES; the peer draws
all arms N_DRAWS times in NumPy and counts, which is how such logs get their propensities. What is exact is found a
third way: adaptive quadrature to 1e-12 (scipy) that leaves an arm out by counting all the others anew.

    OMP_NUM_THREADS=1 AMSO_REFERENCE_DATA=... python -m benchmarks.evaluation.thompson [N_DRAWS]

writes thompson.json beside this file.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from scipy.integrate import quad_vec
from scipy.special import betainc, betaln, expit

from benchmarks.record import head_commit, write_record
from domain.arrays import FloatArray
from policies.beta_ranks import rank_probabilities

DATA = Path(os.environ.get("AMSO_REFERENCE_DATA", "../shared/data"))
N_POSITIONS, N_TABLES, N_DRAWS_AT_ONCE = 3, 9, 10_000
SECONDS_BAR, ERROR_BAR = 1.0, 1e-5


def count_draws(alpha: FloatArray, beta: FloatArray, n_draws: int, rng: np.random.Generator) -> FloatArray:
    """(n_positions, n_arms) how often an arm's draw was the k-th largest."""
    counts = np.zeros((N_POSITIONS, len(alpha)))
    for _ in range(n_draws // N_DRAWS_AT_ONCE):
        draws = rng.beta(alpha, beta, size=(N_DRAWS_AT_ONCE, len(alpha)))
        largest = np.argpartition(-draws, N_POSITIONS, axis=1)[:, :N_POSITIONS]
        order = np.argsort(-np.take_along_axis(draws, largest, axis=1), axis=1)
        for k, arms in enumerate(np.take_along_axis(largest, order, axis=1).T):
            counts[k] += np.bincount(arms, minlength=len(alpha))
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def integrate_adaptively(alpha: FloatArray, beta: FloatArray) -> FloatArray:
    """(n_positions, n_arms) by a rule, an order and a way of leaving out that ours does not share."""

    def integrand(s: float) -> FloatArray:
        density = np.exp(alpha * np.log(expit(s)) + beta * np.log(expit(-s)) - betaln(alpha, beta))
        below, above = betainc(alpha, beta, expit(s)), betainc(beta, alpha, expit(-s))
        counts = np.zeros((len(alpha), N_POSITIONS))  # a row leaves its own arm out
        counts[:, 0] = 1.0
        for j in range(len(alpha)):
            added = counts * below[j]
            added[:, 1:] += counts[:, :-1] * above[j]
            added[j] = counts[j]
            counts = added
        return np.asarray(counts.T * density).ravel()

    found, _ = quad_vec(integrand, -12.0, -3.0, epsabs=1e-12, epsrel=0, norm="max", limit=10_000)
    return np.asarray(found).reshape(N_POSITIONS, len(alpha))


def main() -> None:
    n_draws = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    commit = head_commit()
    priors = json.loads((DATA.parent / "golden" / "thompson_priors.json").read_text())["all_80_arms_for_the_speed_bar"]
    alpha, beta = np.array(priors["alpha"]), np.array(priors["beta"])
    taken = []
    for _ in range(N_TABLES):
        began = time.process_time()
        table = rank_probabilities(alpha, beta, N_POSITIONS)
        taken.append(time.process_time() - began)
    began = time.process_time()
    counted = count_draws(alpha, beta, n_draws, np.random.default_rng(0))
    peer_seconds = time.process_time() - began
    exact = integrate_adaptively(alpha, beta)
    results = {
        "cpu_seconds": round(float(np.median(taken)), 4),
        "largest_error": float(np.abs(table - exact).max()),
        "seconds_bar": SECONDS_BAR,
        "error_bar": ERROR_BAR,
        "simulation_cpu_seconds": round(peer_seconds, 2),
        "simulation_largest_error": float(np.abs(counted - exact).max()),
        "times_faster": round(peer_seconds / float(np.median(taken)), 1),
    }
    design = {"n_arms": len(alpha), "n_positions": N_POSITIONS, "n_tables": N_TABLES, "n_draws": n_draws}
    write_record(Path(__file__).with_suffix(".json"), results, design, commit=commit)
    print(*(f"{name:26} {value:g}" for name, value in results.items()), sep="\n")


if __name__ == "__main__":
    main()
