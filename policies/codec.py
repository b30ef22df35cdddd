"""Policies as plain data and arrays, and back: what policies/artifact.py writes to disk."""

from collections.abc import Mapping

import numpy as np

from analysis.features import encoder_from_data
from domain.actions import ActionSet
from domain.arrays import FloatArray
from domain.errors import UsageError
from domain.policy import Policy
from policies.baselines import ConstantPolicy, UniformPolicy
from policies.exploration import Exploration, ExplorationRule
from policies.network import Layer, NetworkPolicy

Json = dict[str, object]


def policy_to_data(policy: Policy) -> Json:
    match policy:
        case ConstantPolicy():
            return {"kind": "constant", "action": policy.action, "fallback": policy.fallback}
        case UniformPolicy():
            return {"kind": "uniform"}
        case NetworkPolicy():
            exploration = {"rule": str(policy.exploration.rule), "amount": policy.exploration.amount}
            return {
                "kind": "network",
                "features": policy.encoder.to_data(),
                "exploration": exploration,
                "supported": list(policy.supported),
                "n_layers": len(policy.layers),
            }
        case _:
            raise UsageError(f"a {type(policy).__name__} cannot be saved; constant, uniform and network policies can")


def weights_of(policy: Policy) -> dict[str, FloatArray]:
    layers = policy.layers if isinstance(policy, NetworkPolicy) else ()
    named = {f"{i}.weight": layer.weight for i, layer in enumerate(layers)}
    named |= {f"{i}.bias": layer.bias for i, layer in enumerate(layers)}
    return {name: np.ascontiguousarray(values, dtype=np.float64) for name, values in named.items()}


def policy_from_data(card: Json, weights: Mapping[str, FloatArray]) -> Policy:
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
    features, exploration, supported, n_layers = (
        card[key] for key in ("features", "exploration", "supported", "n_layers")
    )
    if not (isinstance(features, dict) and isinstance(exploration, dict)):
        raise ValueError("features and exploration must be objects")
    if not (isinstance(supported, list) and isinstance(n_layers, int)):
        raise ValueError("supported must be a list and n_layers a number")
    return NetworkPolicy(
        name=str(card["name"]),
        actions=actions,
        encoder=encoder_from_data(features),
        layers=tuple(Layer(weights[f"{i}.weight"], weights[f"{i}.bias"]) for i in range(n_layers)),
        exploration=Exploration(ExplorationRule(exploration["rule"]), float(exploration["amount"])),
        supported=tuple(map(bool, supported)),
    )


def actions_from_data(card: Json) -> ActionSet:
    ids = card["actions"]
    if not isinstance(ids, list):
        raise ValueError("actions must be a list")
    return ActionSet(tuple(map(str, ids)))
