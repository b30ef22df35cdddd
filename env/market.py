"""The market as agents meet it: many customers at once, one batch of actions a period.

A `Dynamics` is the law of motion of one customer base, fitted (`env.model`) or known (`env.reference`); it knows
neither clock nor autoreset. `MarketCore` adds both, after Gymnasium's same-step autoreset: a customer whose episode
ends is replaced by a fresh one within the same step, and its last observation is handed out beside the new one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.features import FeatureEncoder
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.context import Context
from domain.errors import UnsupportedAction

Observation = NDArray[np.float32]


@dataclass(frozen=True)
class Transition:
    """What one period does to each customer."""

    next_state: FloatArray  # (n, n_state); meaningless where terminated, except as a last observation
    reward: FloatArray  # (n,) this period's, in the market's currency
    terminated: BoolArray  # (n,) the customer left


class Dynamics(Protocol):
    """One customer base's law of motion, batched in NumPy.

    Every draw comes from the generator passed in, and every array handed out is the caller's to write into.
    """

    @property
    def actions(self) -> ActionSet: ...

    @property
    def encoder(self) -> FeatureEncoder:
        """Context to features; policies learned in this market carry it."""
        ...

    def initial(self, n: int, rng: np.random.Generator) -> FloatArray:
        """(n, n_state) fresh customers."""
        ...

    def advance(self, state: FloatArray, action: IntArray, rng: np.random.Generator) -> Transition: ...

    def observe(self, state: FloatArray) -> Observation:
        """(n, n_features), what `encoder` makes of `context(state)`."""
        ...

    def context(self, state: FloatArray) -> Context:
        """The named columns a business would see of these customers."""
        ...

    def supported(self, state: FloatArray) -> BoolArray:
        """(n, n_actions) False for what the data behind this market never tried on such customers."""
        ...


@dataclass(frozen=True)
class MarketStep:
    """One period of every customer, after replacing those whose episode ended."""

    observation: Observation  # (n_customers, n_features)
    reward: FloatArray  # (n_customers,)
    terminated: BoolArray  # (n_customers,) the customer left
    truncated: BoolArray  # (n_customers,) the horizon ended the episode; never together with terminated
    final_observation: Observation  # (n_ended, n_features) of the ended ones, in order, before their replacement


@dataclass(frozen=True)
class CoreState:
    """All that a `MarketCore` remembers between two periods."""

    state: FloatArray  # (n_customers, n_state)
    age: IntArray  # (n_customers,) periods lived
    rng_state: Mapping[str, Any]  # JSON, as NumPy's bit generators write it


class MarketCore:
    """`n_customers` customers side by side; an episode ends when its customer leaves or after `horizon` periods.

    >>> from env.reference.subscription import subscription_market
    >>> core = MarketCore(subscription_market(), 3, horizon=12, seed=0)
    >>> core.reset().shape == (3, core.dynamics.encoder.n_features)
    True
    >>> core.step(np.zeros(3, dtype=np.int64)).truncated
    array([False, False, False])
    """

    def __init__(self, dynamics: Dynamics, n_customers: int, *, horizon: int, seed: int) -> None:
        assert n_customers > 0, n_customers
        assert horizon > 0, horizon
        self.dynamics = dynamics
        self.n_customers = n_customers
        self.horizon = horizon
        self.rng = np.random.default_rng(seed)
        self._age = np.zeros(n_customers, dtype=np.int64)
        self._state: FloatArray | None = None

    @property
    def state(self) -> FloatArray:
        """(n_customers, n_state), as the dynamics writes it."""
        assert self._state is not None, "reset before the first step"
        return self._state

    @property
    def context(self) -> Context:
        """The customers as a business sees them: what a `Policy` reads."""
        return self.dynamics.context(self.state)

    def reset(self, seed: int | None = None) -> Observation:
        """(n_customers, n_features) of fresh customers; a seed restarts the generator."""
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        self._age[:] = 0
        self._state = self.dynamics.initial(self.n_customers, self.rng)
        return self.dynamics.observe(self._state)

    def step(self, action: IntArray) -> MarketStep:
        """One period under `action` (n_customers,), indices into `dynamics.actions`.

        Raises:
            UnsupportedAction: an index outside the action set.
        """
        _check_action(action, self.n_customers, len(self.dynamics.actions))
        moved = self.dynamics.advance(self.state, action, self.rng)
        self._age += 1
        truncated = (self._age >= self.horizon) & ~moved.terminated
        self._state = moved.next_state
        observation = self.dynamics.observe(self._state)
        ended = np.flatnonzero(moved.terminated | truncated)
        final = observation[ended]
        if len(ended):
            observation[ended] = self._replace(ended)
        return MarketStep(observation, moved.reward, moved.terminated, truncated, final)

    def action_mask(self) -> BoolArray:
        """(n_customers, n_actions) what may be chosen now."""
        return self.dynamics.supported(self.state)

    def snapshot(self) -> CoreState:
        """From which `restore` goes on exactly as this core would."""
        return CoreState(self.state.copy(), self._age.copy(), self.rng.bit_generator.state)

    def restore(self, kept: CoreState) -> None:
        """Takes the place of `reset`."""
        self._state, self._age = kept.state.copy(), kept.age.copy()
        self.rng.bit_generator.state = kept.rng_state

    def _replace(self, ended: IntArray) -> Observation:
        fresh = self.dynamics.initial(len(ended), self.rng)
        self.state[ended] = fresh
        self._age[ended] = 0
        return self.dynamics.observe(fresh)


def _check_action(action: IntArray, n_customers: int, n_actions: int) -> None:
    if action.shape != (n_customers,):
        raise UnsupportedAction(
            f"actions have shape {action.shape}, expected ({n_customers},)", "give one action index a customer"
        )
    low, high = int(action.min()), int(action.max())
    if low < 0 or high >= n_actions:
        raise UnsupportedAction(
            f"action index {low if low < 0 else high} is outside 0..{n_actions - 1}", "use the market's ActionSet"
        )
