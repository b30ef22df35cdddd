"""One member of the ensemble: every regression of the market, fitted on one weighting of the logged rounds."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from analysis.features import FeatureEncoder
from analysis.outcome_model import LinearOutcomeModel, fit_outcome_model
from config.market import MarketConfig
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.log import LoggedDecisions
from env.effects import without_products
from env.layout import LayoutFeatures, StateLayout
from env.levels import FittedLevels, Groups, LevelOutcome, Shrinkage, choose_shrinkage, fit_levels

N_POOL = 1024  # residuals kept a member and action


@dataclass(frozen=True)
class Rounds:
    """A log in the layout's numbers."""

    layout: StateLayout
    columns: FloatArray  # (n_rounds, n_columns) before acting
    after: FloatArray  # (n_rounds, n_columns) meaningless where the customer left
    log: LoggedDecisions

    @cached_property
    def terminated(self) -> BoolArray:
        return np.zeros(len(self.log), np.bool_) if self.log.panel is None else self.log.panel.terminated

    @cached_property
    def level_outcomes(self) -> list[LevelOutcome]:
        """Leaving first, then the next level of each moving column."""
        n, stays = len(self.log), ~self.terminated
        leaving = LevelOutcome(np.zeros(n, np.int64), self.terminated.astype(np.int64), np.ones(n, np.bool_), 1, 2)
        moving = [
            LevelOutcome(_codes(self.columns, i), _codes(self.after, i), stays, len(column.levels), len(column.levels))
            for i, column in self.layout.moving_levels
        ]
        return [leaving, *moving]

    @cached_property
    def number_targets(self) -> list[tuple[FloatArray, BoolArray]]:
        """What follows a linear mean, with the rounds that tell: rewards staying and leaving, next moving numbers."""
        reward, stays = self.log.reward, ~self.terminated
        numbers = [(self.after[:, i], stays & np.isfinite(self.after[:, i])) for i, _ in self.layout.moving_numbers]
        return [(reward, stays), (reward, ~stays), *numbers]

    def groups(self, encoder: FeatureEncoder) -> Groups:
        keyed = np.column_stack([self.columns, self.log.action])
        _, first, of_round = np.unique(keyed, axis=0, return_index=True, return_inverse=True)
        features = LayoutFeatures(self.layout, encoder).transform(self.columns[first])
        features = np.column_stack([features, np.ones(len(first))])
        n_plain = without_products(encoder).n_features
        return Groups(features, n_plain, self.log.action[first], of_round, first, self.log.n_actions)


@dataclass(frozen=True)
class Choices:
    """What was chosen on held-out customers before any member was fitted."""

    levels: tuple[Shrinkage, ...]  # as `Rounds.level_outcomes`
    products: tuple[bool, ...]  # as `Rounds.number_targets`


@dataclass(frozen=True)
class Member:
    """Parameters of one member."""

    linear: FloatArray  # (n_actions, n_features + 1, 2 + n moving numbers)
    levels: tuple[FittedLevels, ...]  # leaving first, then each moving column
    residuals: FloatArray  # (n_actions, N_POOL, 2 + n moving numbers)

    @property
    def coefficients(self) -> FloatArray:
        """(n_actions, n_features + 1, n_outputs) in the order that `env.model.MemberTables` states."""
        return np.concatenate([self.linear, *(fitted.coefficients for fitted in self.levels)], axis=2)


class MemberFit:
    """Fits members on one log; what does not depend on the weights is prepared once."""

    def __init__(self, rounds: Rounds, encoder: FeatureEncoder) -> None:
        self._rounds, self._encoder, self._groups = rounds, encoder, rounds.groups(encoder)

    def choose(self, heldout: BoolArray, config: MarketConfig) -> Choices:
        """By how well the other rounds predict the held-out ones."""
        products = (False, True) if self._encoder.interactions else (False,)
        weight = self._rounds.log.sample_weight
        leaving, *moving = self._rounds.level_outcomes
        chosen = [choose_shrinkage(self._groups, leaving, weight, heldout, config, products=products)]
        chosen += [choose_shrinkage(self._groups, o, weight, heldout, config, products=(False,)) for o in moving]
        numbers = [
            len(products) > 1
            and self._error(j, weight, heldout, products=True) < self._error(j, weight, heldout, products=False)
            for j in range(len(self._rounds.number_targets))
        ]
        return Choices(tuple(chosen), tuple(numbers))

    def member(self, weight: FloatArray, choices: Choices, start: Member | None, rng: np.random.Generator) -> Member:
        """The member of the rounds weighted by `weight` (n_rounds,); `start` is where the search begins."""
        outcomes = self._rounds.level_outcomes
        starts = [None] * len(outcomes) if start is None else list(start.levels)
        levels = [
            fit_levels(self._groups, outcome, weight, shrinkage, begin)
            for outcome, shrinkage, begin in zip(outcomes, choices.levels, starts, strict=True)
        ]
        models = [self._fit_number(j, weight, products=p) for j, p in enumerate(choices.products)]
        linear = np.stack([_stacked(model, self._encoder.n_features) for model in models], axis=2)
        return Member(linear, tuple(levels), self._residuals(models, weight, rng))

    def _error(self, target: int, weight: FloatArray, heldout: BoolArray, *, products: bool) -> float:
        """Of the held-out rounds, predicted by the others."""
        values, tells = self._rounds.number_targets[target]
        left = values - self._predict(self._fit_number(target, weight * ~heldout, products=products))
        judged = heldout & tells
        return float((weight[judged] * left[judged] ** 2).sum())

    def _fit_number(self, target: int, weight: FloatArray, *, products: bool) -> LinearOutcomeModel:
        values, tells = self._rounds.number_targets[target]
        kept = tells & (weight > 0)
        if not kept.any():  # nobody ever left, or everybody did: the other half of the model carries all
            kept = weight > 0
        log = replace(self._rounds.log, reward=values, weight=weight)
        return fit_outcome_model(log.take(kept), self._encoder if products else without_products(self._encoder))

    def _predict(self, model: LinearOutcomeModel) -> FloatArray:
        """(n_rounds,) for the action that was logged."""
        log = self._rounds.log
        return model.expected_reward(log.context)[np.arange(len(log)), log.action]

    def _residuals(self, models: list[LinearOutcomeModel], weight: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Draws of what the means left over, centred by action so that the means stay right.

        What happens to one customer who stays is drawn together.
        """
        log, targets = self._rounds.log, self._rounds.number_targets
        left = np.column_stack([v - self._predict(m) for m, (v, _) in zip(models, targets, strict=True)])
        pool = np.zeros((log.n_actions, N_POOL, len(models)))
        staying = np.array([j for j in range(len(models)) if j != 1])
        for a in range(log.n_actions):
            for columns in (staying, np.array([1])):
                telling = weight * targets[columns[0]][1] * np.isfinite(left[:, columns]).all(axis=1)
                own = telling * (log.action == a)
                chances = own if own.any() else telling
                if chances.any():
                    drawn = rng.choice(len(log), size=N_POOL, p=chances / chances.sum())
                    pool[a][:, columns] = left[np.ix_(drawn, columns)]
        return np.asarray(pool - pool.mean(axis=1, keepdims=True), dtype=np.float64)


def _codes(columns: FloatArray, place: int) -> IntArray:
    return columns[:, place].astype(np.int64)


def _stacked(model: LinearOutcomeModel, n_features: int) -> FloatArray:
    """(n_actions, n_features + 1) with zeros for the features that the model does not see."""
    stacked = np.zeros((len(model.intercept), n_features + 1))
    stacked[:, : len(model.coefficients)] = model.coefficients.T
    stacked[:, -1] = model.intercept
    return stacked
