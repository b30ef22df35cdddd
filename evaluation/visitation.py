"""Marginalised weights: how much more often a policy would bring customers to a context, at each step.

w_t(s) = density of s at step t under the policy / under the log. Products of weights along an episode are noisy copies
of it: w_{t+1}(s') = E[w_t(s) policy(a|s)/propensity | s'] among those who are still there. That expectation is a
regression with a logarithmic link (Poisson quasi-likelihood): never negative, and by its normal equations the weighted
means of all features at t+1 equal those that the step before implies. Cross-fitted by unit.
References: Kallus and Uehara (2020), JMLR 21(167); Xie, Ma, Wang (2019), NeurIPS.
"""

import numpy as np

from domain.arrays import FloatArray, IntArray
from evaluation.episodes import Episodes

PENALTY = 3.0  # in rounds; keeps the weights near one where a step has few rounds
MAX_ITERATIONS = 12
TOLERANCE = 1e-6


def fit_visitation(episodes: Episodes, folds: IntArray, importance_weight: FloatArray) -> FloatArray:
    """(n_rounds,) cross-fitted w_t(s_t); one at step 0.

    Args:
        episodes: the panel.
        folds: (n_rounds,) by unit.
        importance_weight: (n_rounds,) policy / propensity of each logged action.
    """
    visitation = np.ones(len(episodes.log))
    by_step = [np.flatnonzero(episodes.step == t) for t in range(episodes.horizon)]
    for fold in range(int(folds.max()) + 1):
        weight = np.ones(len(episodes.log))  # of this fold's model, on all rounds
        for now in by_step[:-1]:
            before = now[episodes.successor[now] >= 0]
            after = episodes.successor[before]
            if not len(after):
                break
            response = weight[before] * importance_weight[before]
            seen = folds[after] != fold
            weight[after] = _smooth(
                episodes.weight_features[after], response, episodes.log.sample_weight[after], seen.astype(np.float64)
            )
        visitation[folds == fold] = weight[folds == fold]
    return visitation


def _smooth(features: FloatArray, response: FloatArray, weight: FloatArray, seen: FloatArray) -> FloatArray:
    """(n,) exp(linear) fitted where seen, by penalised Newton steps; predictions stay within the seen responses."""
    weight = weight * seen
    mean = float((weight * response).sum() / weight.sum()) if weight.sum() > 0 else 1.0
    if mean <= 0:
        return np.zeros(len(response))
    design = np.column_stack([np.ones(len(features)), features])
    penalty = np.r_[0.0, np.full(features.shape[1], PENALTY)]
    beta = np.zeros(design.shape[1])
    scaled = response / mean  # around one, so that the penalty means the same at every step
    ceiling = float(np.log(max(scaled[seen > 0].max(), 1.0)))
    loss = _loss(design, scaled, weight, penalty, beta)
    for _ in range(MAX_ITERATIONS):
        rate = weight * np.exp(np.minimum(design @ beta, ceiling + 3.0))
        gradient = design.T @ (weight * scaled - rate) - penalty * beta
        hessian = (design * rate[:, None]).T @ design + np.diag(penalty + 1e-9)
        step = np.linalg.solve(hessian, gradient)
        beta, better = _descend(design, scaled, weight, penalty, beta, step, loss)
        if loss - better <= TOLERANCE * abs(loss):
            break
        loss = better
    return np.asarray(mean * np.exp(np.minimum(design @ beta, ceiling)))


def _descend(
    design: FloatArray,
    response: FloatArray,
    weight: FloatArray,
    penalty: FloatArray,
    beta: FloatArray,
    step: FloatArray,
    loss: float,
) -> tuple[FloatArray, float]:
    """Halves a Newton step until it improves."""
    for _ in range(8):
        tried = beta + step
        better = _loss(design, response, weight, penalty, tried)
        if better < loss:
            return tried, better
        step = step / 2
    return beta, loss


def _loss(design: FloatArray, response: FloatArray, weight: FloatArray, penalty: FloatArray, beta: FloatArray) -> float:
    linear = np.minimum(design @ beta, 50.0)
    return float((weight * (np.exp(linear) - response * linear)).sum() + (penalty * beta**2).sum() / 2)
