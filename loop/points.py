"""A decision point as the live loop needs it: its catalogue, its baseline, its limits, and the hash of its rules."""

from dataclasses import dataclass
from datetime import timedelta

from config.decision_points import Mode
from config.effects import HttpEffect
from config.settings import Settings
from domain.actions import Action, ActionSet
from domain.errors import ConfigError, InvalidRecord
from domain.events import DecisionRequest
from policies.restriction import Restriction, compile_restriction
from tracker.rules import catalogue_version, rules_hash

DEFAULT_WAIT = timedelta(days=30)


@dataclass(frozen=True)
class Point:
    """One decision point, compiled once a process."""

    name: str
    mode: Mode
    actions: tuple[Action, ...]
    action_set: ActionSet
    baseline: str | None  # None: each request names its own
    restriction: Restriction
    exploration_share: float
    holdout_share: float
    offer_stands: timedelta | None  # one customer, one price; None = a decision is good for its request only
    reward_wait: timedelta
    protected: frozenset[str]  # features that no decision may see
    is_carried_out_by_product: bool  # else effects are published for a worker outside
    rules_hash: str
    catalogue_version: str

    def action(self, action_id: str) -> Action:
        return self.actions[self.action_set.index(action_id)]

    def baseline_of(self, request: DecisionRequest) -> str:
        """What is served without AMSO.

        Raises:
            InvalidRecord: nobody names one, or the catalogue does not have it.
        """
        baseline = self.baseline or request.baseline_action
        if baseline is None:
            raise InvalidRecord("no baseline: neither the config nor the request names one")
        if baseline not in self.action_set:
            raise InvalidRecord(f"the baseline is not one of the actions {', '.join(self.action_set.ids)}")
        return baseline


def point_of(settings: Settings, name: str) -> Point:
    """Compiles one decision point.

    Raises:
        ConfigError: it serves decisions but names no actions.
    """
    config = settings.decision_points[name]
    actions = settings.actions(name)
    if not actions:
        raise ConfigError(
            f"decision_points.{name}.actions is empty; whatever answers contexts needs the catalogue",
            "list the actions with their costs",
        )
    offer, wait = settings.limits.same_price_for, config.reward_wait
    effect = settings.effects.get(name)
    return Point(
        name=name,
        mode=config.mode,
        actions=actions,
        action_set=ActionSet(tuple(a.action_id for a in actions)),
        baseline=config.baseline,
        restriction=compile_restriction(
            config, limits=settings.limits, privacy=settings.privacy, business=settings.business
        ),
        exploration_share=0.0 if settings.exploration is None else settings.exploration.share,
        holdout_share=0.0 if settings.holdout is None else settings.holdout.share,
        offer_stands=None if offer is None else timedelta(seconds=offer.seconds),
        reward_wait=DEFAULT_WAIT if wait is None else timedelta(seconds=wait.seconds),
        protected=frozenset(settings.privacy.protected),
        is_carried_out_by_product=isinstance(effect, HttpEffect),
        rules_hash=rules_hash(settings, name),
        catalogue_version=catalogue_version(settings, name),
    )
