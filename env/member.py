"""One member of the ensemble: every regression of the market, fitted on one weighting of the logged rounds."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from analysis.features import FeatureEncoder
from analysis.outcome_model import LinearOutcomeModel, fit_outcome_model
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.log import LoggedDecisions
from env.effects import feature_sources, without_products
from env.hurdle import Hurdle, smeared
from env.layout import LayoutFeatures, StateLayout
from env.levels import FittedLevels, Groups, LevelOutcome, Shrinkage, choose_shrinkage, fit_levels
from env.priced import PriceLadder, fit_priced

N_POOL = 1024  # residuals kept a member and action


@dataclass(frozen=True)
class Rounds:
    """A log in the layout's numbers."""

    layout: StateLayout
    columns: FloatArray  # (n_rounds, n_columns) before acting
    after: FloatArray  # (n_rounds, n_columns) meaningless where the customer left
    log: LoggedDecisions
    hurdle: Hurdle | None = None  # of the rewards of who stays

    @cached_property
    def terminated(self) -> BoolArray:
        return np.zeros(len(self.log), np.bool_) if self.log.panel is None else self.log.panel.terminated

    @cached_property
    def spend(self) -> FloatArray:
        """(n_rounds,) above the atom; the reward itself without a hurdle."""
        return self.log.reward if self.hurdle is None else self.hurdle.spend(self.log.reward, self.log.action)

    @property
    def level_outcomes(self) -> list[LevelOutcome]:
        """Events first, then the moving columns."""
        return [*self.events, *self.moving]

    @cached_property
    def events(self) -> list[LevelOutcome]:
        """Leaving, and with a hurdle a purchase of who stays."""
        leaving = self._flag(self.terminated, np.ones(len(self.log), np.bool_))
        return [leaving] if self.hurdle is None else [leaving, self._flag(self.spend != 0, ~self.terminated)]

    @cached_property
    def moving(self) -> list[LevelOutcome]:
        """The next level of each moving column."""
        stays = ~self.terminated
        return [
            LevelOutcome(_codes(self.columns, i), _codes(self.after, i), stays, column.move, column.is_ordered)
            for i, column in self.layout.moving_levels
        ]

    def _flag(self, happened: BoolArray, counts: BoolArray) -> LevelOutcome:
        return LevelOutcome(
            np.zeros(len(self.log), np.int64), happened.astype(np.int64), counts, np.arange(2)[None], pools=False
        )

    @cached_property
    def number_targets(self) -> list[tuple[FloatArray, BoolArray]]:
        """What follows a linear mean, with the rounds that tell: rewards staying and leaving, next moving numbers.

        With a hurdle the first is spend of who bought, or its logarithm.
        """
        stays = ~self.terminated
        numbers = [(self.after[:, i], stays & np.isfinite(self.after[:, i])) for i, _ in self.layout.moving_numbers]
        staying = (self.log.reward, stays)
        if self.hurdle is not None:
            staying = (self.hurdle.target(self.spend), stays & (self.spend != 0))
        return [staying, (self.log.reward, ~stays), *numbers]

    @property
    def drawn_together(self) -> list[list[int]]:
        """Places of `number_targets` whose residuals come from one and the same logged round."""
        numbers = list(range(2, len(self.number_targets)))
        return [[0, *numbers], [1]] if self.hurdle is None else [[0], [1], *([numbers] if numbers else [])]

    def groups(self, encoder: FeatureEncoder) -> Groups:
        keyed = np.column_stack([self.columns, self.log.action])
        _, first, of_round = np.unique(keyed, axis=0, return_index=True, return_inverse=True)
        features = LayoutFeatures(self.layout, encoder).transform(self.columns[first])
        features = np.column_stack([features, np.ones(len(first))])
        n_plain = without_products(encoder).n_features
        return Groups(
            features, feature_sources(encoder), n_plain, self.log.action[first], of_round, first, self.log.n_actions
        )


@dataclass(frozen=True)
class Choices:
    """What was chosen before any member was fitted."""

    levels: tuple[Shrinkage, ...]  # as `Rounds.level_outcomes`
    products: tuple[bool, ...]  # as `Rounds.number_targets`


@dataclass(frozen=True)
class Member:
    """Parameters of one member."""

    linear: FloatArray  # (n_actions, n_features + 1, 2 + n moving numbers)
    levels: tuple[FittedLevels, ...]  # as `Rounds.level_outcomes`
    residuals: FloatArray  # (n_actions, N_POOL, 2 + n moving numbers); of spend in logs: factors

    @property
    def coefficients(self) -> FloatArray:
        """(n_actions, n_features + 1, n_outputs) in the order that `env.model.MemberTables` states."""
        return np.concatenate([self.linear, *(fitted.coefficients for fitted in self.levels)], axis=2)


class MemberFit:
    """Fits members on one log; what does not depend on the weights is prepared once."""

    def __init__(self, rounds: Rounds, encoder: FeatureEncoder, ladder: PriceLadder | None = None) -> None:
        self._rounds, self._encoder, self._groups = rounds, encoder, rounds.groups(encoder)
        self._ladder = ladder if rounds.hurdle is not None else None

    def choose(self, heldout: BoolArray) -> Choices:
        """Ridges by the evidence of all rounds; products for numbers by how well the others predict held-out rounds."""
        weight, has_products = self._rounds.log.sample_weight, bool(self._encoder.interactions)
        levels = [choose_shrinkage(self._groups, o, weight, products=has_products) for o in self._rounds.events]
        levels += [choose_shrinkage(self._groups, o, weight, products=False) for o in self._rounds.moving]
        numbers = [
            has_products
            and self._error(j, weight, heldout, products=True) < self._error(j, weight, heldout, products=False)
            for j in range(len(self._rounds.number_targets))
        ]
        return Choices(tuple(levels), tuple(numbers))

    def member(self, weight: FloatArray, choices: Choices, start: Member | None, rng: np.random.Generator) -> Member:
        """The member of the rounds weighted by `weight` (n_rounds,); `start` is where the search begins."""
        outcomes = self._rounds.level_outcomes
        starts = [None] * len(outcomes) if start is None else list(start.levels)
        levels = [
            fit_levels(self._groups, outcome, weight, shrinkage, begin)
            for outcome, shrinkage, begin in zip(outcomes, choices.levels, starts, strict=True)
        ]
        if self._ladder is not None:
            levels[1] = fit_priced(self._groups, outcomes[1], weight, choices.levels[1], self._ladder, levels[1])
        models = [self._fit_number(j, weight, products=p) for j, p in enumerate(choices.products)]
        linear = np.stack([_stacked(model, self._encoder.n_features) for model in models], axis=2)
        predicted = np.column_stack([self._predict(model) for model in models])
        if self._rounds.hurdle is not None and self._rounds.hurdle.in_logs:
            smearing = self._smearing(predicted[:, 0], weight)
            linear[:, -1, 0] += smearing
            predicted[:, 0] += smearing[self._rounds.log.action]
        return Member(linear, tuple(levels), self._residuals(predicted, weight, rng))

    def _smearing(self, predicted: FloatArray, weight: FloatArray) -> FloatArray:
        """(n_actions,) what brings the mean of spend back from the mean of its logarithm, itself a logarithm."""
        log, bought = self._rounds.log, self._rounds.number_targets[0][1] & (weight > 0)
        factor = smeared(
            self._rounds.spend[bought], np.exp(predicted[bought]), weight[bought], log.action[bought], log.n_actions
        )
        return np.log(factor)

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

    def _residuals(self, predicted: FloatArray, weight: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Draws of what the means (n_rounds, n_targets) left over, centred by action so that the means stay right.

        What happens to one customer who stays is drawn together.
        """
        log, targets, hurdle = self._rounds.log, self._rounds.number_targets, self._rounds.hurdle
        left = np.column_stack([values for values, _ in targets]) - predicted
        pool = np.zeros((log.n_actions, N_POOL, len(targets)))
        for a in range(log.n_actions):
            for columns in map(np.array, self._rounds.drawn_together):
                telling = weight * targets[columns[0]][1] * np.isfinite(left[:, columns]).all(axis=1)
                own = telling * (log.action == a)
                chances = own if own.any() else telling
                if chances.any():
                    drawn = rng.choice(len(log), size=N_POOL, p=chances / chances.sum())
                    pool[a][:, columns] = left[np.ix_(drawn, columns)]
        centred = np.asarray(pool - pool.mean(axis=1, keepdims=True), dtype=np.float64)
        if hurdle is not None and hurdle.in_logs:
            factors = np.exp(pool[:, :, 0])
            centred[:, :, 0] = factors / factors.mean(axis=1, keepdims=True)
        return centred


def _codes(columns: FloatArray, place: int) -> IntArray:
    return columns[:, place].astype(np.int64)


def _stacked(model: LinearOutcomeModel, n_features: int) -> FloatArray:
    """(n_actions, n_features + 1) with zeros for the features that the model does not see."""
    stacked = np.zeros((len(model.intercept), n_features + 1))
    stacked[:, : len(model.coefficients)] = model.coefficients.T
    stacked[:, -1] = model.intercept
    return stacked
