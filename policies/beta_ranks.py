"""Exactly how probable each rank of each arm is when independent Beta variables are sorted, by quadrature.

    P(arm i is ranked k-th) = integral of f_i(x) P(exactly k - 1 of the other arms exceed x) dx

The integral runs over s = log(x / (1 - x)). There every Beta density has one peak, is smooth and falls off at least
exponentially, with known mean and standard deviation. At an arm's mean a panel is a quarter of the deviation long, and
longer with the distance from it; the shortest that any arm asks for holds, so arms whose means differ by orders of
magnitude each get theirs. How many others exceed x is a Poisson-binomial variable of which only counts below
n_positions are kept. An arm is left out by joining the counts of those before it with the counts of those after it:
sums of products of probabilities, nothing is divided or subtracted, so nothing is lost where a distribution function
is 0 or 1 to the last bit.
References: Thompson (1933), Biometrika 25(3/4); Hong (2013), Computational Statistics & Data Analysis 59, section 2.
"""

import numpy as np
from scipy.special import betainc, betaln, expit, polygamma, psi

from domain.arrays import FloatArray
from domain.errors import UsageError

SMALLEST, LARGEST = 0.5, 1e8  # parameters: from Jeffreys' prior to where logarithms cancel beyond TOLERANCE
TOLERANCE = 1e-6  # by which the probabilities of a rank may miss 1 before they are scaled to it
_REACH = 40.0  # deviations on both sides of an arm; less than exp(-39) lies beyond, as log-densities are concave
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_MAX_CELLS = 2_000_000  # numbers in one array: arms x positions x nodes


def rank_probabilities(alpha: FloatArray, beta: FloatArray, n_positions: int) -> FloatArray:
    """(n_positions, n_arms) the probability that an arm's draw is the k-th largest of all; rows sum to one.

    >>> rank_probabilities(np.array([2.0, 1.0]), np.array([1.0, 1.0]), 2).round(6)
    array([[0.666667, 0.333333],
           [0.333333, 0.666667]])

    Args:
        alpha: (n_arms,) of theta_i ~ Beta(alpha_i, beta_i), from SMALLEST to LARGEST.
        beta: (n_arms,) likewise.
        n_positions: ranks wanted, from the largest draw on; at most n_arms.

    Raises:
        UsageError: another number of parameters or positions, or parameters outside.
    """
    check_parameters(alpha, beta)
    if not 1 <= n_positions <= len(alpha):
        raise UsageError(f"{n_positions} positions for {len(alpha)} arms", "ask for 1 to as many as there are arms")
    node, weight = _grid(alpha, beta)
    n_chunks = -(-len(node) * (len(alpha) + 1) * n_positions // _MAX_CELLS)
    chunks = zip(np.array_split(node, n_chunks), np.array_split(weight, n_chunks), strict=True)
    table = np.sum([_integrate(alpha[:, None], beta[:, None], n_positions, s, w) for s, w in chunks], axis=0)
    total = table.sum(axis=1, keepdims=True)
    assert np.abs(total - 1.0).max() < TOLERANCE, f"the probabilities of a rank sum to {total.ravel()}"
    return np.asarray(table / total)


def check_parameters(alpha: FloatArray, beta: FloatArray) -> None:
    """Every arm has both parameters, inside the range that the quadrature is exact for.

    Raises:
        UsageError: not so.
    """
    if len(alpha) != len(beta) or not len(alpha):
        raise UsageError(f"{len(alpha)} alpha for {len(beta)} beta; expected one of each an arm", "complete them")
    for name, values in (("alpha", alpha), ("beta", beta)):
        bad = np.flatnonzero(~((values >= SMALLEST) & (values <= LARGEST)))  # NaN is bad too
        if len(bad):
            raise UsageError(
                f"{name} of arm {bad[0]} is {values[bad[0]]:g}; expected {SMALLEST:g} to {LARGEST:g}",
                "alpha is the prior's plus successes, beta the prior's plus failures",
            )


def _grid(alpha: FloatArray, beta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Nodes (n,) on the scale of s and their weights."""
    mean, deviation = psi(alpha) - psi(beta), np.sqrt(polygamma(1, alpha) + polygamma(1, beta))
    edges, end = [float((mean - _REACH * deviation).min())], float((mean + _REACH * deviation).max())
    while edges[-1] < end:
        edges.append(edges[-1] + float(np.maximum(deviation / 4, np.abs(edges[-1] - mean) / 6).min()))
    edge = np.array(edges)
    center, half = (edge[1:] + edge[:-1])[:, None] / 2, np.diff(edge)[:, None] / 2
    return (center + half * _NODES).ravel(), (half * _WEIGHTS).ravel()


def _integrate(alpha: FloatArray, beta: FloatArray, n_positions: int, s: FloatArray, weight: FloatArray) -> FloatArray:
    """(n_positions, n_arms) the part of the integral that some nodes (n,) carry; alpha and beta are (n_arms, 1)."""
    density = np.exp(-alpha * np.logaddexp(0, -s) - beta * np.logaddexp(0, s) - betaln(alpha, beta))
    below = np.asarray(betainc(alpha, beta, expit(s)), dtype=np.float64)
    above = np.asarray(betainc(beta, alpha, expit(-s)), dtype=np.float64)
    after = _counts_after(below, above, n_positions)
    before = np.zeros((n_positions, len(s)))
    before[0] = 1.0
    table = np.empty((n_positions, len(alpha)))
    for i in range(len(alpha)):
        for k in range(n_positions):  # k of the others exceed x: j of those before i, the rest of those after it
            others = np.sum([before[j] * after[i + 1, k - j] for j in range(k + 1)], axis=0)
            table[k, i] = (others * density[i]) @ weight
        before = _add_arm(before, below[i], above[i])
    return table


def _counts_after(below: FloatArray, above: FloatArray, n_positions: int) -> FloatArray:
    """(n_arms + 1, n_positions, n) the probability that k of the arms from the i-th on exceed x."""
    n_arms, n = below.shape
    counts = np.zeros((n_arms + 1, n_positions, n))
    counts[-1, 0] = 1.0
    for i in reversed(range(n_arms)):
        counts[i] = _add_arm(counts[i + 1], below[i], above[i])
    return counts


def _add_arm(counts: FloatArray, below: FloatArray, above: FloatArray) -> FloatArray:
    """(n_positions, n) the counts with one more arm, which stays below x or exceeds it."""
    added = counts * below
    added[1:] += counts[:-1] * above
    return added
