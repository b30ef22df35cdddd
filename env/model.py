"""The market fitted to a decision log: an ensemble of members, each a law of motion for one customer base.

A period in a member: the customer leaves by a discrete-time hazard; the reward is a linear outcome model's mean (one
for who stays, one for who leaves) plus a residual drawn from the log, or, where staying mostly earns one and the same,
a hurdle: a purchase by its own hazard, then spend (env/hurdle.py). Columns that a business rule moves follow it to the
letter (env/rules.py); each other moving column of few levels jumps between them by a softmax on top of its own logged
transition rates; each other moving number follows a regression plus a logged residual, inside the logged range. Every
episode draws a member, so a policy learns against what the data leave open (bootstrap ensembles: Osband et
al. 2016; Chua et al. 2018). A log without time is the horizon-1 case: nobody leaves, and nothing moves.

Assumptions: what drives both action and outcome is among the context columns; a period's moves are independent given
context and action; effects are linear in the features (products of features included where they helped).
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from analysis.features import FeatureEncoder
from analysis.support import SupportTree
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from env.hurdle import Hurdle
from env.layout import LayoutFeatures, StateLayout
from env.market import Observation, Transition
from env.process import UNKNOWN, MarketProcess
from env.softmax import softmax

MEMBER = 0  # place of the member's number in the raw state; the layout's columns follow


@dataclass(frozen=True)
class MemberTables:
    """All members' parameters side by side; a cell is member * n_actions + action.

    Columns of `coefficients`: reward of who stays (with a hurdle: spend of who buys, or its logarithm), reward of who
    leaves, next value of each moving number, then stay and leave, with a hurdle then rest and buy, then the kinds
    of step of each moving column.
    """

    coefficients: FloatArray  # (n_cells, n_features + 1, n_outputs), the intercept last
    hazard_offset: FloatArray  # (n_cells, 1, 2) logits of stay and leave
    purchase_offset: FloatArray | None  # (n_cells, 1, 2) logits of rest and buy
    level_offsets: tuple[FloatArray, ...]  # each (n_cells, n_levels, n_levels) logits, by the level now
    residuals: FloatArray  # (n_cells, n_pool, 2 + n moving numbers), resampled from the log's


@dataclass(frozen=True)
class Outlook:
    """What a member expects of one period, before any draw."""

    churn_rate: FloatArray  # (n,)
    reward: FloatArray  # (n, 2) expected of who stays, of who leaves
    numbers: FloatArray  # (n, n moving numbers) expected next values
    levels: tuple[FloatArray, ...]  # each (n, n_levels) rates of the next level
    purchase_rate: FloatArray | None  # (n,) of who stays; None without a hurdle
    spend: FloatArray | None  # (n,) regression of a purchase's spend, or of its logarithm
    caution: FloatArray | float = 0.0  # (n,) already off the reward of who stays

    @property
    def expected_reward(self) -> FloatArray:
        """(n,)."""
        return (1 - self.churn_rate) * self.reward[:, 0] + self.churn_rate * self.reward[:, 1]


@dataclass(frozen=True)
class MarketModel:
    """Implements `env.market.Dynamics`.

    The raw state is the member's number, the layout's columns, and with a market process the time on its path.
    """

    actions: ActionSet
    encoder: FeatureEncoder  # of observations
    effects_encoder: FeatureEncoder  # of the model's own regressions
    layout: StateLayout
    tables: MemberTables
    support: SupportTree
    first_states: FloatArray  # (n_episodes, n_columns) with which logged episodes began
    hurdle: Hurdle | None  # None where rewards have no atom
    n_members: int
    has_time: bool  # False: a log without panel, one period an episode
    reward_name: str
    process: MarketProcess | None = None  # of what all customers share; None where the log shows nothing of the kind
    n_deviations: float = 0.0  # of pessimism; see `pessimistic`

    def pessimistic(self, n_deviations: float) -> "MarketModel":
        """The same market seen with caution: what staying customers pay less, and churn more, by so many standard
        deviations between members, context by context and action by action.

        To plan in, not to foretell with: whoever maximises is drawn to where the members err together by chance, and
        they disagree where that is likely.
        """
        return replace(self, n_deviations=n_deviations)

    def initial(self, n: int, rng: np.random.Generator) -> FloatArray:
        drawn = self.first_states[rng.integers(len(self.first_states), size=n)]
        member = rng.integers(self.n_members, size=n)
        if self.process is None:
            return self.with_members(drawn, member)
        state = self.with_members(drawn, member, self.process.start(n, rng))
        self._write_shared(state)
        return state

    def with_members(self, columns: FloatArray, member: IntArray, time: FloatArray | None = None) -> FloatArray:
        """The raw state of customers (n, n_columns) under the members (n,).

        Without `time` (n,) on the path of a market process the shared columns are as `columns` say, and the period is
        an average one.
        """
        parts = [member.astype(np.float64), columns[:, : len(self.layout.columns)]]
        if self.process is not None:
            parts.append(np.full(len(member), UNKNOWN) if time is None else time)
        return np.column_stack(parts)

    def advance(self, state: FloatArray, action: IntArray, rng: np.random.Generator) -> Transition:
        n, cell = len(state), self._cell(state, action)
        outlook = self.outlook(state, action)
        draws = rng.random((1 + len(outlook.levels), n))
        pick = rng.integers(self.tables.residuals.shape[1], size=n)
        residual = self.tables.residuals[cell, pick]
        terminated = draws[0] < outlook.churn_rate
        stays = outlook.reward[:, 0] + residual[:, 0]
        spend = stays
        if self.hurdle is not None and outlook.purchase_rate is not None and outlook.spend is not None:
            drawn = self.hurdle.drawn_spend(outlook.spend, residual[:, 0])
            spend = np.where(rng.random(n) < outlook.purchase_rate, drawn, 0.0)
            stays = self.hurdle.atom[action] + spend - outlook.caution
        reward = np.where(terminated, outlook.reward[:, 1] + residual[:, 1], stays)
        following = state.copy()
        for (place, _), rates, draw in zip(self.layout.moving_levels, outlook.levels, draws[1:], strict=True):
            edges = np.cumsum(rates, axis=1)[:, :-1]
            following[:, 1 + place] = (draw[:, None] >= edges).sum(axis=1)
        for j, (place, column) in enumerate(self.layout.moving_numbers):
            following[:, 1 + place] = np.clip(outlook.numbers[:, j] + residual[:, 2 + j], column.low, column.high)
        self.layout.follow_rules(state[:, 1:], following[:, 1:], spend > 0, spend)
        if self.process is not None:
            following[:, -1] = self.process.following(state[:, -1], rng)
            self._write_shared(following)
        return Transition(following, reward, terminated)

    def outlook(self, state: FloatArray, action: IntArray) -> Outlook:
        """Means and rates of one period under each row's own member."""
        cell, features = self._cell(state, action), self._effects.transform(state[:, 1:])
        linear = _grouped_product(features, self.tables.coefficients, cell)
        shocks = None if self.process is None else self.process.shocks(state[:, MEMBER].astype(np.int64), state[:, -1])
        n_numbers = len(self.layout.moving_numbers)
        end = 2 + n_numbers
        stays_leaves = softmax(linear[:, end : end + 2] + self.tables.hazard_offset[cell, 0])
        churn_rate = stays_leaves[:, 1] if self.has_time else np.zeros(len(state))
        end += 2
        reward, purchase_rate, spend = linear[:, :2], None, None
        if self.hurdle is not None and self.tables.purchase_offset is not None:
            logits = linear[:, end : end + 2] + self.tables.purchase_offset[cell, 0]
            end += 2
            if shocks is not None:
                logits[:, 1] += shocks[:, 0]
                linear[:, 0] += shocks[:, 1]
            purchase_rate = softmax(logits)[:, 1]
            spend = linear[:, 0]
            staying = self.hurdle.atom[action] + purchase_rate * self.hurdle.expected_spend(spend)
            reward = np.column_stack([staying, linear[:, 1]])
        levels = []
        for (place, column), offset in zip(self.layout.moving_levels, self.tables.level_offsets, strict=True):
            now, by_move = state[:, 1 + place].astype(np.int64), linear[:, end : end + column.n_moves]
            levels.append(softmax(np.take_along_axis(by_move, column.move[now], axis=1) + offset[cell, now]))
            end += column.n_moves
        outlook = Outlook(churn_rate, reward, linear[:, 2 : 2 + n_numbers], tuple(levels), purchase_rate, spend)
        return self._cautious(outlook, features, action) if self.n_deviations else outlook

    def _cautious(self, outlook: Outlook, features: FloatArray, action: IntArray) -> Outlook:
        """`outlook` less the members' disagreement."""
        stays, leaves = self._by_member(features, action)
        if self.n_members < 2:
            return outlook
        caution = self.n_deviations * stays.std(axis=1, ddof=1)
        risk = self.n_deviations * leaves.std(axis=1, ddof=1) if self.has_time else 0.0
        reward = outlook.reward - caution[:, None] * [1.0, 0.0]
        churn_rate = np.minimum(outlook.churn_rate + risk, 1.0)
        return replace(outlook, churn_rate=churn_rate, reward=reward, caution=caution)

    def _by_member(self, features: FloatArray, action: IntArray) -> tuple[FloatArray, FloatArray]:
        """(n, n_members) twice: reward of who stays, and churn rate."""
        linear = _grouped_product(features, self._events, action).reshape(len(action), -1, self.n_members)
        leaves = 1 / (1 + np.exp(-linear[:, 1]))
        if self.hurdle is None:
            return linear[:, 0], leaves
        spend = self.hurdle.expected_spend(linear[:, 0])
        return self.hurdle.atom[action][:, None] + spend / (1 + np.exp(-linear[:, 2])), leaves

    @cached_property
    def _events(self) -> FloatArray:
        """(n_actions, n_features + 1, n_events * n_members): reward or spend, logits of leaving and buying."""
        tables, first = self.tables, 2 + len(self.layout.moving_numbers)
        offsets = [tables.hazard_offset, *([] if tables.purchase_offset is None else [tables.purchase_offset])]
        events = [tables.coefficients[:, :, 0]]
        for i, offset in enumerate(offsets):
            logit = tables.coefficients[:, :, first + 2 * i + 1] - tables.coefficients[:, :, first + 2 * i]
            logit[:, -1] += offset[:, 0, 1] - offset[:, 0, 0]
            events.append(logit)
        by_member = [e.reshape(self.n_members, len(self.actions), -1).transpose(1, 2, 0) for e in events]
        return np.concatenate(by_member, axis=2)

    def observe(self, state: FloatArray) -> Observation:
        return self._observed.transform(state[:, 1:]).astype(np.float32)

    def context(self, state: FloatArray) -> Context:
        return self.layout.decode(state[:, 1:])

    def supported(self, state: FloatArray) -> BoolArray:
        if self.support.masks_nothing:
            return np.ones((len(state), len(self.actions)), dtype=np.bool_)
        return self.support.mask(self._observed.transform(state[:, 1:]))

    def _write_shared(self, state: FloatArray) -> None:
        """The shared columns as the paths have them, in place."""
        if self.process is not None and self.process.columns:
            places = 1 + np.array(self.process.places)
            state[:, places] = self.process.values(state[:, MEMBER].astype(np.int64), state[:, -1])

    def _cell(self, state: FloatArray, action: IntArray) -> IntArray:
        return np.asarray(state[:, MEMBER].astype(np.int64) * len(self.actions) + action, dtype=np.int64)

    @cached_property
    def _effects(self) -> LayoutFeatures:
        return LayoutFeatures(self.layout, self.effects_encoder)

    @cached_property
    def _observed(self) -> LayoutFeatures:
        return LayoutFeatures(self.layout, self.encoder)


def _grouped_product(features: FloatArray, coefficients: FloatArray, cell: IntArray) -> FloatArray:
    """(n, n_outputs) each row times the coefficients of its own cell; one matrix product a cell."""
    order = np.argsort(cell, kind="stable")
    starts = np.searchsorted(cell[order], np.arange(len(coefficients) + 1))
    product = np.empty((len(features), coefficients.shape[2]))
    for i, (start, stop) in enumerate(pairwise(starts)):
        if start < stop:
            rows = order[start:stop]
            product[rows] = features[rows] @ coefficients[i, :-1] + coefficients[i, -1]
    return product
