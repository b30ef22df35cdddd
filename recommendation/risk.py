"""Risk tiers: reach x price change x reversibility decide who must approve (DESIGN section 7)."""

from dataclasses import dataclass

from domain.actions import Action


@dataclass(frozen=True)
class RiskTier:
    """A tier fits while reach and price change stay within its bounds; None = no bound."""

    name: str
    max_reach: float | None = None  # share of units, 0..1
    max_price_change: float | None = None  # 0..1


DEFAULT_TIERS = (RiskTier("low", 0.05, 0.0), RiskTier("mid", 0.30, 0.10), RiskTier("high"))


def risk_tier(reach: float, actions: tuple[Action, ...], tiers: tuple[RiskTier, ...] = DEFAULT_TIERS) -> str:
    """The first tier that fits; an irreversible action never takes the lowest, nor one the catalogue doesn't know.

    Args:
        reach: share of all units that the strategy may touch, 0..1.
        actions: the catalogue entries of every action the strategy may choose; empty = unknown.
        tiers: from the mildest to the strictest; the last fits everything.
    """
    price_change = max((a.discount_rate for a in actions), default=1.0)
    is_mild = bool(actions) and all(a.is_reversible for a in actions)
    for i, tier in enumerate(tiers[:-1]):
        if i == 0 and not is_mild:
            continue
        if _within(reach, tier.max_reach) and _within(price_change, tier.max_price_change):
            return tier.name
    return tiers[-1].name


def _within(value: float, bound: float | None) -> bool:
    return bound is None or value <= bound
