"""A learned policy: scores by a ReLU network in NumPy, then an exploration rule over the allowed actions.

score(context) = W_k relu(... relu(W_1 encode(context) + b_1) ...) + b_k, an action a column. Without a hidden layer it
is linear. Agents export their weights into it, so nothing that decides needs pandas, scikit-learn or torch.

One row and a batch can differ in the last bits, because matrix products add in another order: a decision is made and
replayed one row at a time (policies/deciding.py), under the same NumPy version.
"""

from dataclasses import dataclass
from functools import cached_property
from math import isfinite

import numpy as np

from analysis.features import FeatureEncoder
from analysis.support import SupportTree
from domain.actions import ActionSet
from domain.arrays import BoolArray, FloatArray
from domain.context import Context
from domain.errors import InvalidSnapshot
from policies.eligibility import eligible_or_all
from policies.exploration import GREEDY, Exploration


@dataclass(frozen=True, eq=False)
class Layer:
    """outputs = inputs @ weight + bias."""

    weight: FloatArray  # (n_inputs, n_outputs)
    bias: FloatArray  # (n_outputs,)


@dataclass(frozen=True, eq=False)
class NetworkPolicy:
    """What an agent delivers.

    Raises:
        ValueError: shapes that do not fit together, or numbers that are not finite.
    """

    name: str
    actions: ActionSet
    encoder: FeatureEncoder
    layers: tuple[Layer, ...]
    exploration: Exploration = GREEDY
    support: SupportTree | None = None  # what may be chosen for whom; None = everything for everyone

    def __post_init__(self) -> None:
        _check_layers(self.layers, self.encoder.n_features, len(self.actions))
        if self.support is not None:
            _check_support(self.support, self.encoder.n_features, len(self.actions))

    def scores(self, context: Context) -> FloatArray:
        """(n_rounds, n_actions) what the agent expects of each action, in units of its reward."""
        return self._forward(self.encoder.transform(context))

    def distribution(self, context: Context, eligible: BoolArray | None = None) -> FloatArray:
        """(n_rounds, n_actions); see `domain.policy.Policy`.

        An unsupported action is chosen only in rows where nothing supported is eligible.
        """
        allowed = eligible_or_all(self.actions, context.n_rounds, eligible)
        features = self.encoder.transform(context)
        if self.support is not None:
            supported = allowed & self.support.mask(features)
            allowed = np.where(supported.any(axis=1, keepdims=True), supported, allowed)
        return self.exploration.distribution(self._forward(features), allowed)

    def row_features(self, context: Context) -> FloatArray:
        """(n_features,) of a context of one round."""
        return np.asarray(self.encoder.transform(context)[0])

    def row_distribution(self, features: FloatArray, allowed: list[bool]) -> tuple[list[float], list[bool]]:
        """(n_actions,) of one round's features (n_features,), and what could be chosen: supported where anything is.

        Raises:
            InvalidSnapshot: features of another shape, or scores that are not finite.
        """
        scores: list[float] = self._row_forward(features).tolist()
        if not isfinite(sum(scores)) and not all(map(isfinite, scores)):
            raise InvalidSnapshot(f"the scores are {scores}, expected finite numbers", "check the features")
        if self.support is not None:
            supported = [a and s for a, s in zip(allowed, self.support.row_mask(features), strict=True)]
            allowed = supported if True in supported else allowed
        return self.exploration.row_distribution(scores, allowed), allowed

    def _row_forward(self, values: FloatArray) -> FloatArray:
        """The forward pass of one round (n_features,), lean: customers wait for it."""
        hidden, last_weight, last_bias = self._row_layers
        if values.shape != (self.layers[0].weight.shape[0],):
            raise InvalidSnapshot(
                f"features have shape {values.shape}, expected ({self.layers[0].weight.shape[0]},)",
                "encode one round with the policy's own encoder",
            )
        for weight, bias in hidden:
            values = values.dot(weight)
            values += bias
            np.maximum(values, 0.0, out=values)
        scores: FloatArray = values.dot(last_weight)
        scores += last_bias
        return scores

    @cached_property
    def _row_layers(self) -> tuple[list[tuple[FloatArray, FloatArray]], FloatArray, FloatArray]:
        """Rows in memory order whatever an agent exported: the order decides how a product is added up."""
        layers = [(np.ascontiguousarray(layer.weight), np.ascontiguousarray(layer.bias)) for layer in self.layers]
        return layers[:-1], *layers[-1]

    def _forward(self, values: FloatArray) -> FloatArray:
        for layer in self.layers[:-1]:
            values = np.maximum(values @ layer.weight + layer.bias, 0.0)
        return np.asarray(values @ self.layers[-1].weight + self.layers[-1].bias)


def _check_layers(layers: tuple[Layer, ...], n_features: int, n_actions: int) -> None:
    if not layers:
        raise ValueError("a network policy needs at least one layer")
    n_inputs = n_features
    for i, layer in enumerate(layers):
        n_outputs = layer.weight.shape[1] if layer.weight.ndim == 2 else -1
        if layer.weight.shape != (n_inputs, n_outputs) or layer.bias.shape != (n_outputs,):
            found = f"weight {layer.weight.shape} and bias {layer.bias.shape}"
            raise ValueError(f"layer {i} has {found}; expected ({n_inputs}, n) and (n,)")
        if not (np.isfinite(layer.weight).all() and np.isfinite(layer.bias).all()):
            raise ValueError(f"layer {i} holds numbers that are not finite")
        n_inputs = n_outputs
    if n_inputs != n_actions:
        raise ValueError(f"the last layer has {n_inputs} outputs for {n_actions} actions")


def _check_support(support: SupportTree, n_features: int, n_actions: int) -> None:
    if support.supported.shape[1] != n_actions:
        raise ValueError(f"the support tree knows {support.supported.shape[1]} actions; expected {n_actions}")
    if len(support.feature) > 1 and not ((support.feature >= 0) & (support.feature < n_features)).all():
        raise ValueError(f"the support tree asks for a feature outside 0..{n_features - 1}")
