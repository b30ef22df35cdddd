"""A market with hidden columns, as those see it who do not see them.

Averaged over what is hidden, with given weights, the market is a `TabularMarket` of the visible columns alone. With
the weights of a policy that does not see them, the average is what randomised traffic shows; with those of a behavior
that does, it is what a log shows to who believes that nothing is hidden (confounding). Both are limits of endless data.
"""

from dataclasses import dataclass

import numpy as np

from domain.arrays import FloatArray, IntArray
from domain.context import Context
from env.reference import exact
from env.reference.tabular import TabularMarket

N_ROUNDS = 4  # of planning and asking again who is met under the plan


@dataclass(frozen=True)
class Veiled:
    """The averaged market, and where each full state went."""

    market: TabularMarket
    place: IntArray  # (n_states,) of the full market: the state's index in the averaged one

    def plan(self) -> FloatArray:
        """(n_states, n_actions) of the full market: what is optimal in the averaged one."""
        return exact.solve(self.market).distribution[self.place]


def plan_unseen(market: TabularMarket) -> FloatArray:
    """(n_states, n_actions) a good policy over the visible columns; the hidden ones are averaged as it meets them."""
    plan, best = exact.uniform(market), exact.uniform(market)
    for _ in range(N_ROUNDS):
        met = exact.occupancy(market, plan)
        plan = averaged(market, np.broadcast_to(met[:, None], plan.shape)).plan()
        best = max(plan, best, key=lambda p: exact.value(market, p))
    return best


def plan_naively(market: TabularMarket, behavior: FloatArray) -> FloatArray:
    """(n_states, n_actions) what endless records of `behavior` teach who takes its choices for chance."""
    return averaged(market, exact.occupancy(market, behavior)[:, None] * behavior).plan()


def averaged(market: TabularMarket, weight: FloatArray) -> Veiled:
    """The visible market; weight (n_states, n_actions) >= 0, one hidden state at least above zero for each."""
    first, place = _visible_states(market.visible)
    n, n_actions = len(first), len(market.actions)
    share = weight / _sum_by(place, weight, n)[place]
    churn_rate = _sum_by(place, share * market.churn_rate, n)
    stays = share * (1 - market.churn_rate)
    paid = market.base_amount + market.bonus_rate * market.bonus_amount
    moves = np.zeros((n, n_actions, n))
    action = np.arange(n_actions)[None, :, None]
    np.add.at(moves, (place[:, None, None], action, place[market.next_state]), stays[:, :, None] * market.next_rate)
    veiled = TabularMarket(
        actions=market.actions,
        states=market.visible.take(first),
        initial_distribution=_sum_by(place, market.initial_distribution[:, None], n)[:, 0],
        churn_rate=churn_rate,
        base_amount=_sum_by(place, stays * paid, n) / (1 - churn_rate),
        bonus_rate=np.zeros((n, n_actions)),
        bonus_amount=np.zeros((n, n_actions)),
        cost_amount=market.cost_amount,
        noise_amount=market.noise_amount,
        next_state=np.broadcast_to(np.arange(n), moves.shape),
        next_rate=moves / (1 - churn_rate)[:, :, None],
        discount=market.discount,
    )
    return Veiled(veiled, place)


def _visible_states(visible: Context) -> tuple[IntArray, IntArray]:
    """The first state of each visible kind (n,), and the kind of every state (n_states,)."""
    codes = [np.unique(column.astype(str), return_inverse=True)[1] for column in visible.columns.values()]
    _, first, place = np.unique(np.stack(codes), axis=1, return_index=True, return_inverse=True)
    return first, place.ravel()


def _sum_by(place: IntArray, values: FloatArray, n: int) -> FloatArray:
    """(n, ...) sums over the states of each place."""
    total = np.zeros((n, values.shape[1]))
    np.add.at(total, place, values)
    return total
