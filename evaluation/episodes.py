"""A panel laid out for sequential evaluation: rounds sorted by episode and step, each knowing what followed."""

from dataclasses import dataclass

import numpy as np

from analysis.features import FeatureEncoder, fit_encoder
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from domain.errors import InvalidSnapshot
from domain.log import LoggedDecisions, Panel
from evaluation.target import Target, policy_distribution

MAX_FEATURES = 200  # with products of columns; beyond, or where rounds are few, columns enter alone
MIN_ROUNDS_A_FEATURE = 20


@dataclass(frozen=True)
class Episodes:
    """Every array (n_rounds, ...) in the order of (episode, step); `order` leads back to the log."""

    log: LoggedDecisions  # sorted
    panel: Panel  # the log's
    order: IntArray  # (n_rounds,) rows of the log as it came
    start: IntArray  # (n_episodes,) first round of each episode
    successor: IntArray  # (n_rounds,) the episode's next round, -1 at its last
    horizon: int  # periods of the longest episode
    features: FloatArray  # (n_rounds, n_features)
    weight_features: FloatArray  # (n_rounds, n_weight_features) for weights: fewer, as their noise multiplies up
    next_features: FloatArray  # (n_rounds, n_features); zero where terminated or unknown
    kept: FloatArray  # (n_rounds,) probability that observation had not ended before this step
    transition: FloatArray  # (n_rounds,) 1 / probability that what follows is known; zero where it is not

    @property
    def step(self) -> IntArray:
        return self.panel.step

    @property
    def goes_on(self) -> BoolArray:
        """(n_rounds,) the customer is still there after the round, observed or not."""
        return ~self.panel.terminated

    def sum_by_episode(self, values: FloatArray) -> FloatArray:
        """(n_episodes,) sums of (n_rounds,)."""
        return np.asarray(np.add.reduceat(values, self.start))


def lay_out(log: LoggedDecisions) -> Episodes:
    """Sorts a panel and encodes its contexts.

    Raises:
        InvalidSnapshot: steps of an episode that are not 0, 1, 2, ...
    """
    assert log.panel is not None
    order = np.lexsort((log.panel.step, log.panel.episode))
    log = log.take(order)
    panel = log.panel
    assert panel is not None
    is_first = np.r_[True, panel.episode[1:] != panel.episode[:-1]]
    _check_steps(panel, is_first)
    rows = np.arange(len(log))
    successor = np.where(np.r_[~is_first[1:], False], rows + 1, -1)
    is_known = (successor >= 0) | _has_values(panel.next_context)
    features, next_features = _encode(log, panel, successor, is_known)
    weight_features = _fit_encoder(log.context, len(log), saturated=False).transform(log.context)
    return Episodes(
        log, panel, order, np.flatnonzero(is_first), successor, int(panel.step.max()) + 1, features, weight_features,
        next_features, _kept(log, panel, successor), _transition(log, panel, is_known),
    )  # fmt: skip


def follow(episodes: Episodes, target: Target, distribution: FloatArray) -> FloatArray:
    """(n_rounds, n_actions) what the policy does in the next period; zero where the customer left.

    After an episode's last round a policy is asked about `next_context`; a fixed distribution, which ends with the log,
    is taken to stay what it was. Where that context was not recorded there is nothing to ask about: such a round has no
    part in any value of the next period (`Episodes.transition`).
    """
    after = np.where((episodes.successor >= 0)[:, None], distribution[episodes.successor], distribution)
    last = episodes.goes_on & (episodes.successor < 0) & (episodes.transition > 0)
    if target.policy is not None and last.any():
        context = episodes.panel.next_context.take(last)
        after[last] = policy_distribution(target.policy, context, episodes.log, None)
    return np.where(episodes.goes_on[:, None], after, 0.0)


def _check_steps(panel: Panel, is_first: BoolArray) -> None:
    previous = np.r_[-1, panel.step[:-1]]
    expected = np.where(is_first, 0, previous + 1)
    bad = np.flatnonzero(panel.step != expected)
    if len(bad):
        raise InvalidSnapshot(
            f"{len(bad)} rounds break their episode: step {panel.step[bad[0]]} where {expected[bad[0]]} was expected",
            "number the periods of every episode 0, 1, 2, ... without gaps",
        )


def _encode(
    log: LoggedDecisions, panel: Panel, successor: IntArray, is_known: BoolArray
) -> tuple[FloatArray, FloatArray]:
    encoder = _fit_encoder(log.context, len(log), saturated=True)
    features = encoder.transform(log.context)
    following = np.where((successor >= 0)[:, None], features[successor], 0.0)
    last = ~panel.terminated & (successor < 0) & is_known
    if last.any():
        following[last] = encoder.transform(panel.next_context.take(last))
    return features, following


def _fit_encoder(context: Context, n_rounds: int, *, saturated: bool) -> FeatureEncoder:
    """Saturated: levels wherever a column has few values. What bends in a price would else bias every value of Q."""
    rich = fit_encoder(context, interactions=True, saturated=saturated)
    is_affordable = rich.n_features <= min(MAX_FEATURES, n_rounds / MIN_ROUNDS_A_FEATURE)
    return rich if is_affordable else fit_encoder(context, saturated=saturated)


def _kept(log: LoggedDecisions, panel: Panel, successor: IntArray) -> FloatArray:
    """Kaplan-Meier: episodes that end by truncation before the horizon leave their weight to those still observed."""
    share = _share_of_staying(log, panel, successor >= 0)
    return np.asarray(np.r_[1.0, np.cumprod(share[:-1])][panel.step])


def _transition(log: LoggedDecisions, panel: Panel, is_known: BoolArray) -> FloatArray:
    """Customers who stayed and are known to have come somewhere stand for those whose next context was cut off.

    Who left is always known. A step in which no one's next context is known, the last of a panel, shows only those who
    left: all its rounds weigh zero.
    """
    share = _share_of_staying(log, panel, is_known)[panel.step]
    staying = np.divide(is_known, share, out=np.zeros(len(log)), where=share > 0)
    return np.where(panel.terminated, (share > 0).astype(np.float64), staying)


def _share_of_staying(log: LoggedDecisions, panel: Panel, mask: BoolArray) -> FloatArray:
    """(horizon,) share of `mask` among the rounds of each step after which the customer was still there."""
    horizon = int(panel.step.max()) + 1
    staying = np.where(panel.terminated, 0.0, log.sample_weight)
    among = np.bincount(panel.step, weights=staying, minlength=horizon)
    masked = np.bincount(panel.step, weights=np.where(mask, staying, 0.0), minlength=horizon)
    return np.divide(masked, among, out=np.ones(horizon), where=among > 0)


def _has_values(context: Context) -> BoolArray:
    """(n_rounds,) any column is not missing; a context without columns has nothing to miss."""
    if not context.columns:
        return np.ones(context.n_rounds, dtype=np.bool_)
    present = np.zeros(context.n_rounds, dtype=np.bool_)
    for values in context.columns.values():
        is_text = values.dtype == np.object_
        present |= np.array([value is not None for value in values]) if is_text else ~np.isnan(values)
    return present
