"""The rules that an approval is bound to: whatever changes them voids what was approved under the old ones."""

from collections.abc import Mapping

from config.settings import Settings
from domain.canonical import content_hash

DEFAULT_REWARD_WAIT_DAYS = 30.0  # where a decision point names none: a monthly subscription renews once
_SECONDS_A_DAY = 86_400.0
_SECTIONS = (
    "prices",
    "objective",
    "costs",
    "guardrails",
    "limits",
    "holdout",
    "exploration",
    "approvals",
    "people",
    "privacy",
)


def rule_hashes(settings: Settings, decision_point: str) -> Mapping[str, str]:
    """Section -> its hash; compared one by one where somebody must be told what has changed."""
    data = settings.model_dump(mode="json", by_alias=True)
    point = data["decision_points"][settings.decision_point_name(decision_point)]
    rules = {name: data[name] for name in _SECTIONS} | {
        "catalogue": {name: point[name] for name in ("actions", "baseline", "reward_wait")},
        "currency": data["business"]["currency"],
    }
    return {name: content_hash(rule) for name, rule in rules.items()}


def rules_hash(settings: Settings, decision_point: str) -> str:
    """Of the catalogue of this decision point, prices, objective, costs, guardrails, limits, tiers and roles."""
    return content_hash(rule_hashes(settings, decision_point))


def catalogue_version(settings: Settings, decision_point: str) -> str:
    """c-...: what a decision could choose from, at which prices."""
    data = settings.model_dump(mode="json", by_alias=True)
    point = data["decision_points"][settings.decision_point_name(decision_point)]
    return "c-" + content_hash({"actions": point["actions"], "prices": data["prices"]})[:12]


def reward_wait_seconds(settings: Settings, decision_point: str) -> float:
    """How long a decision of this point may still earn before it matures."""
    wait = settings.decision_point(decision_point).reward_wait
    return DEFAULT_REWARD_WAIT_DAYS * _SECONDS_A_DAY if wait is None else wait.seconds
