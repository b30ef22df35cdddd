"""Risk tiers: reach, price change, loss cap and reversibility say who must approve (DESIGN section 7)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from config.people import Canary, Tier
from config.quantities import Duration
from config.settings import Settings
from domain.actions import Action
from domain.proposals import Scope
from tracker.people import ANY, AUTO

# Where the config names none. Strict: one approver for what is small and touches no price, two for everything else.
DEFAULT_TIERS: Mapping[str, Tier] = {
    "low": Tier(
        reach=0.05, price_change=0.0, approvers={ANY: 1}, decide_within=Duration(7, "d"), valid_for=Duration(90, "d")
    ),
    "high": Tier(approvers={ANY: 2}, decide_within=Duration(7, "d"), valid_for=Duration(90, "d")),
}
DEFAULT_CANARY = Canary(steps=(0.02, 0.10, 0.30), min_days=7, min_per_action=500)


@dataclass(frozen=True)
class Risk:
    """What the tiers' bounds are held against."""

    reach: float  # share of all units
    price_change: float  # the largest of any action, 0..1
    loss_cap_amount: Decimal | None
    is_mild: bool  # every action is known and can be taken back

    def fits(self, tier: Tier) -> bool:
        return (
            _within(self.reach, tier.reach)
            and _within(self.price_change, tier.price_change)
            and (
                tier.loss_cap is None
                or (self.loss_cap_amount is not None and self.loss_cap_amount <= Decimal(str(tier.loss_cap)))
            )
        )


@dataclass(frozen=True)
class ChosenTier:
    name: str
    tier: Tier
    approvers: Mapping[str, int]
    fits: bool  # False: not even the last one; a proposal like that is refused


def tiers_in_force(settings: Settings) -> Mapping[str, Tier]:
    return settings.approvals.tiers or DEFAULT_TIERS


def canary_in_force(settings: Settings) -> Canary:
    return settings.approvals.canary or DEFAULT_CANARY


def choose_tier(risk: Risk, tiers: Mapping[str, Tier]) -> ChosenTier:
    """The first tier that fits. Only the first may be approved without a person, and only what is mild gets there
    while there is another one."""
    names = list(tiers)
    for i, name in enumerate(names):
        if risk.fits(tiers[name]) and (i > 0 or risk.is_mild or len(names) == 1):
            is_auto = i == 0 and tiers[name].auto and risk.is_mild
            return ChosenTier(name, tiers[name], {AUTO: 1} if is_auto else dict(tiers[name].approvers), fits=True)
    last = tiers[names[-1]]
    return ChosenTier(names[-1], last, dict(last.approvers), fits=False)


def risk_of(
    settings: Settings, decision_point: str, actions: Iterable[str], scope: Scope, segment_share: float
) -> Risk:
    """The risk of serving `actions` in `scope` of a segment that holds `segment_share` of all units."""
    catalogue = {a.action_id: a for a in settings.actions(decision_point)}
    baseline = catalogue.get(settings.baseline(decision_point) or "")
    known = [catalogue.get(a) for a in actions]
    return Risk(
        reach=scope.reach * segment_share,
        price_change=max((_price_change(settings, a, baseline) for a in known), default=1.0),
        loss_cap_amount=scope.loss_cap_amount,
        is_mild=bool(known) and all(a is not None and a.is_reversible for a in known),
    )


def _price_change(settings: Settings, action: Action | None, baseline: Action | None) -> float:
    """Its discount, and how far its list price is from the baseline's; everything where that cannot be told."""
    if action is None:
        return 1.0
    if action.price is None or (baseline is not None and action.price == baseline.price):
        return action.discount_rate
    amounts = settings.prices[action.price].amounts
    usual = {} if baseline is None or baseline.price is None else settings.prices[baseline.price].amounts
    changes = [abs(float(amounts[c] / usual[c]) - 1) for c in amounts if usual.get(c)]
    return max([action.discount_rate, *changes]) if changes else 1.0


def _within(value: float, bound: float | None) -> bool:
    return bound is None or value <= bound
