"""A contextual bandit that learns online: a ridge regression an action, inverse-gap weighting over their predictions.

    theta_a = (sum w x x' + penalty I)^-1 sum w x (r - mean r);   score(x, a) = mean r + x' theta_a
    p(a | x) = 1 / (n_actions + gamma (best score - score_a) / sd r),  the rest on the best

SquareCB: Foster & Rakhlin (2020), ICML. Its regret bound needs only that the rewards are predicted well, and its
propensities are exact in closed form, so what it logs can be evaluated. gamma = gamma_scale * sqrt(n_actions * rounds),
the paper's up to the regression's regret. Where we deviate: gaps are measured in standard deviations of the reward, so
that its unit does not matter, and an action never tried is predicted at the mean of all.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from analysis.features import FeatureEncoder, fit_encoder
from analysis.support import fit_common_support
from domain.actions import ActionSet
from domain.arrays import FloatArray, IntArray
from domain.log import LoggedDecisions
from policies.exploration import Exploration, ExplorationRule
from policies.network import Layer, NetworkPolicy


@dataclass(frozen=True, eq=False)
class BanditStatistics:
    """All that the bandit remembers. They add: batches, shards and restarts are the same code."""

    gram: FloatArray  # (n_actions, n_features + 1, n_features + 1) sum of w x x', a constant 1 last in x
    moment: FloatArray  # (n_actions, n_features + 1) sum of w x r
    totals: FloatArray  # (4,) rounds, sums of w, w r, w r^2

    @staticmethod
    def empty(n_actions: int, n_features: int) -> "BanditStatistics":
        width = n_features + 1
        return BanditStatistics(np.zeros((n_actions, width, width)), np.zeros((n_actions, width)), np.zeros(4))

    def __add__(self, other: "BanditStatistics") -> "BanditStatistics":
        return BanditStatistics(self.gram + other.gram, self.moment + other.moment, self.totals + other.totals)

    @property
    def n_rounds(self) -> float:
        return float(self.totals[0])

    @property
    def mean_reward(self) -> float:
        """Over all rounds; zero before the first, when every action looks alike anyway."""
        return float(self.totals[2] / self.totals[1]) if self.totals[1] else 0.0

    @property
    def reward_scale(self) -> float:
        """Standard deviation; 1 while the rewards do not vary."""
        if not self.totals[1]:
            return 1.0
        variance = self.totals[3] / self.totals[1] - self.mean_reward**2
        return float(np.sqrt(max(variance, 0.0))) or 1.0

    def to_arrays(self) -> dict[str, FloatArray]:
        """For safetensors or any other store of arrays; `BanditStatistics(**arrays)` is the inverse."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def bandit_statistics(
    features: FloatArray, action: IntArray, reward: FloatArray, weight: FloatArray, n_actions: int
) -> BanditStatistics:
    """The statistics of some rounds; features (n_rounds, n_features), the others (n_rounds,)."""
    x = np.column_stack([features, np.ones(len(features))])
    gram = np.zeros((n_actions, x.shape[1], x.shape[1]))
    moment = np.zeros((n_actions, x.shape[1]))
    for a in range(n_actions):
        rows = action == a
        weighted = x[rows] * weight[rows, None]
        gram[a], moment[a] = weighted.T @ x[rows], weighted.T @ reward[rows]
    totals = np.array([len(x), weight.sum(), weight @ reward, weight @ reward**2])
    return BanditStatistics(gram, moment, totals)


class LinearBandit:
    """Learns round by round or batch by batch; `policy()` is a frozen picture of what it would do now.

    >>> from domain.context import Context
    >>> context = Context({"tenure_days": np.array([1.0, 9.0])}, n_rounds=2)
    >>> bandit = LinearBandit(ActionSet(("none", "promo")), fit_encoder(context))
    >>> bandit.policy().distribution(context)
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """

    def __init__(
        self,
        actions: ActionSet,
        encoder: FeatureEncoder,
        *,
        penalty: float = 1.0,
        gamma_scale: float = 1.0,
        statistics: BanditStatistics | None = None,
    ) -> None:
        self.actions, self.encoder = actions, encoder
        self.penalty, self.gamma_scale = penalty, gamma_scale
        empty = BanditStatistics.empty(len(actions), encoder.n_features)
        self.statistics = empty if statistics is None else statistics

    def update(self, features: FloatArray, action: IntArray, reward: FloatArray, weight: FloatArray) -> None:
        """Takes in rounds as encoded by `encoder`: (n_rounds, n_features), then (n_rounds,) each."""
        self.statistics += bandit_statistics(features, action, reward, weight, len(self.actions))

    def policy(self) -> NetworkPolicy:
        """Inverse-gap weighting over the present predictions."""
        s = self.statistics
        gamma = self.gamma_scale * np.sqrt(len(self.actions) * s.n_rounds) / s.reward_scale
        exploration = Exploration(ExplorationRule.INVERSE_GAP, float(gamma)) if gamma else UNDECIDED
        return NetworkPolicy("bandit", self.actions, self.encoder, (self._layer(),), exploration)

    def _layer(self) -> Layer:
        s = self.statistics
        ridge = self.penalty * np.eye(s.gram.shape[1])
        centered = s.moment - s.mean_reward * s.gram[:, :, -1]  # sum of w x (r - mean): the last column is sum of w x
        theta: FloatArray = np.asarray(np.linalg.solve(s.gram + ridge, centered[:, :, None])[:, :, 0], np.float64)
        return Layer(theta[:, :-1].T, theta[:, -1] + s.mean_reward)


UNDECIDED = Exploration(ExplorationRule.EPSILON_GREEDY, 1.0)  # uniform


@dataclass(frozen=True, kw_only=True)
class BanditLearner:
    """The bandit as a learner from a log: where a live bandit would stand after these rounds."""

    penalty: float = 1.0
    gamma_scale: float = 1.0
    min_rounds: int = 100  # an action with fewer logged rounds is not chosen, unless all have fewer

    @property
    def name(self) -> str:
        return "bandit"

    def fit(self, log: LoggedDecisions, rng: np.random.Generator) -> NetworkPolicy:  # noqa: ARG002 # needs no chance
        """A policy that still explores, among what the log tried on such customers."""
        encoder = fit_encoder(log.context)
        features = encoder.transform(log.context)
        bandit = LinearBandit(log.actions, encoder, penalty=self.penalty, gamma_scale=self.gamma_scale)
        bandit.update(features, log.action, log.reward, log.sample_weight)
        is_frequent = np.bincount(log.action, minlength=log.n_actions) >= self.min_rounds
        support = fit_common_support(features, log.action, is_frequent.tolist()) if is_frequent.any() else None
        return replace(bandit.policy(), support=support)
