"""Policies as plain data and arrays, and back: what policies/artifact.py writes to disk."""

from collections.abc import Mapping
from dataclasses import fields

import numpy as np

from analysis.features import encoder_from_data
from analysis.support import SupportTree
from domain.actions import ActionSet
from domain.arrays import FloatArray
from domain.errors import UsageError
from domain.policy import Policy
from policies.baselines import ConstantPolicy, UniformPolicy
from policies.exploration import Exploration, ExplorationRule
from policies.network import Layer, NetworkPolicy

Json = dict[str, object]
SavedPolicy = ConstantPolicy | UniformPolicy | NetworkPolicy


def policy_to_data(policy: Policy) -> Json:
    """What policy.json says of the policy itself, beside its name and actions.

    Raises:
        UsageError: a policy of no kind that can be saved.
    """
    match policy:
        case ConstantPolicy():
            return {"kind": "constant", "action": policy.action, "fallback": policy.fallback}
        case UniformPolicy():
            return {"kind": "uniform"}
        case NetworkPolicy():
            return {
                "kind": "network",
                "features": policy.encoder.to_data(),
                "exploration": {"rule": str(policy.exploration.rule), "amount": policy.exploration.amount},
                "support": None if policy.support is None else _support_to_data(policy.support),
                "n_layers": len(policy.layers),
            }
        case _:
            raise UsageError(f"a {type(policy).__name__} cannot be saved; constant, uniform and network policies can")


def weights_of(policy: Policy) -> dict[str, FloatArray]:
    """Tensors by name, two a layer; none for a policy that learned nothing."""
    layers = policy.layers if isinstance(policy, NetworkPolicy) else ()
    named = {f"{i}.weight": layer.weight for i, layer in enumerate(layers)}
    named |= {f"{i}.bias": layer.bias for i, layer in enumerate(layers)}
    return {name: np.ascontiguousarray(values, dtype=np.float64) for name, values in named.items()}


def policy_from_data(card: Json, weights: Mapping[str, FloatArray]) -> SavedPolicy:
    """The inverse of `policy_to_data` and `weights_of`.

    Raises:
        AmsoError, KeyError, TypeError, ValueError: they do not describe a policy.
    """
    actions = actions_from_data(card)
    match card["kind"]:
        case "constant":
            fallback = card["fallback"]
            return ConstantPolicy(actions, str(card["action"]), None if fallback is None else str(fallback))
        case "uniform":
            return UniformPolicy(actions)
        case "network":
            return _network_from(card, actions, weights)
        case kind:
            raise ValueError(f"kind {kind!r} is none of constant, uniform, network")


def _network_from(card: Json, actions: ActionSet, weights: Mapping[str, FloatArray]) -> NetworkPolicy:
    features, exploration, support, n_layers = (card[key] for key in ("features", "exploration", "support", "n_layers"))
    if not (isinstance(features, dict) and isinstance(exploration, dict) and isinstance(n_layers, int)):
        raise ValueError("features and exploration must be objects, n_layers a number")
    return NetworkPolicy(
        name=str(card["name"]),
        actions=actions,
        encoder=encoder_from_data(features),
        layers=tuple(Layer(weights[f"{i}.weight"], weights[f"{i}.bias"]) for i in range(n_layers)),
        exploration=Exploration(ExplorationRule(exploration["rule"]), float(exploration["amount"])),
        support=_support_from_data(support),
    )


def _support_to_data(tree: SupportTree) -> Json:
    return {field.name: getattr(tree, field.name).tolist() for field in fields(tree)}


def _support_from_data(data: object) -> SupportTree | None:
    if data is None:
        return None
    if not isinstance(data, dict):
        raise ValueError("support must be an object")
    return SupportTree(
        feature=np.array(data["feature"], dtype=np.int64),
        threshold=np.array(data["threshold"], dtype=np.float64),
        left=np.array(data["left"], dtype=np.int64),
        right=np.array(data["right"], dtype=np.int64),
        supported=np.array(data["supported"], dtype=np.bool_),
    )


def actions_from_data(card: Json) -> ActionSet:
    """The action ids of policy.json."""
    ids = card["actions"]
    if not isinstance(ids, list):
        raise ValueError("actions must be a list")
    return ActionSet(tuple(map(str, ids)))
