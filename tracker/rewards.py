"""The reward: a named, versioned, pure function of a decision's outcomes as of a time (DESIGN sections 5 and 8).

    reward = sign × Σ amount of the objective's metric, corrections in place of what they correct − action cost

sign is −1 where the objective says minimize: learners always maximise the reward, and this is the only place that
turns. Of `net_revenue`, outcomes named `net_revenue` are net already; `payment` is gross, and tax, store commission and
payment fee of the config come off; `refund` and `chargeback` come off whole, whatever their sign.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from config.objective import IncludedTax
from config.settings import Settings
from domain.objective import Direction
from domain.records import StoredOutcome
from tracker.exchange import MICRO

NET_REVENUE = "net_revenue"
PAYMENT = "payment"  # gross; `payment:STORE` names where it was made
_LOSSES = ("refund", "chargeback")
_VERSION = 1  # raised with every change to what a reward counts


@dataclass(frozen=True)
class PaymentCosts:
    """What comes off a gross payment that carries none of its own."""

    tax_included: Decimal = Decimal(0)  # rate inside the price
    commission: Mapping[str, Decimal] = field(default_factory=dict)  # store -> share of the price
    fee_rate: Decimal = Decimal(0)
    fee_fixed: Decimal = Decimal(0)  # in the business's currency

    def net(self, amount: Decimal, store: str) -> Decimal:
        """A payment taken back (a negative one) returns tax and commission, not the fee."""
        tax = amount * self.tax_included / (1 + self.tax_included)
        fee = amount * self.fee_rate + self.fee_fixed if amount > 0 else Decimal(0)
        net = amount - tax - amount * self._commission(store) - fee
        return net.quantize(MICRO, ROUND_HALF_EVEN)

    def _commission(self, store: str) -> Decimal:
        """Of an unnamed store the highest: revenue is rather understated."""
        return self.commission.get(store, max(self.commission.values(), default=Decimal(0)))


@dataclass(frozen=True)
class RewardRule:
    """How outcomes become a reward.

    >>> RewardRule().version
    'net_revenue@1'
    """

    metric: str = NET_REVENUE
    direction: Direction = Direction.MAXIMIZE
    costs: PaymentCosts = field(default_factory=PaymentCosts)

    @property
    def version(self) -> str:
        return f"{self.metric}@{_VERSION}"

    def reward(
        self, outcomes: Sequence[StoredOutcome], *, action_cost: Decimal, as_of: datetime | None = None
    ) -> Decimal:
        """In the business's currency where the metric is money; the order of `outcomes` does not matter.

        Args:
            outcomes: of one decision, corrections included.
            action_cost: of the action it chose.
            as_of: only what was received until then counts; None = everything.
        """
        known = [o for o in outcomes if as_of is None or o.received_at <= as_of]
        total = sum((self._amount(o) for o in in_force(known)), Decimal(0))
        return (total if self.direction is Direction.MAXIMIZE else -total) - action_cost

    def _amount(self, outcome: StoredOutcome) -> Decimal:
        amount = outcome.converted_amount
        if outcome.metric == self.metric:
            return amount
        kind, _, store = outcome.metric.partition(":")
        if self.metric != NET_REVENUE:
            return Decimal(0)
        if kind == PAYMENT:
            return self.costs.net(amount, store)
        return -abs(amount) if kind in _LOSSES else Decimal(0)


def reward_rule(settings: Settings) -> RewardRule:
    """What the config's objective and costs say."""
    costs = settings.costs
    return RewardRule(
        settings.objective.metric,
        settings.objective.direction,
        PaymentCosts(
            tax_included=_exact(costs.tax.included) if isinstance(costs.tax, IncludedTax) else Decimal(0),
            commission={store: _exact(share) for store, share in costs.store_commission.items()},
            fee_rate=_exact(costs.payment_fee.rate),
            fee_fixed=_exact(costs.payment_fee.fixed),
        ),
    )


def in_force(outcomes: Sequence[StoredOutcome]) -> list[StoredOutcome]:
    """Every outcome that corrects none, each as last corrected: chains are followed, of several the newest counts."""
    corrections: dict[str, list[StoredOutcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.corrects is not None:
            corrections[outcome.corrects].append(outcome)
    return [_last(o, corrections) for o in outcomes if o.corrects is None]


def _last(outcome: StoredOutcome, corrections: Mapping[str, list[StoredOutcome]]) -> StoredOutcome:
    while found := corrections.get(outcome.outcome_id):
        outcome = max(found, key=lambda o: (o.observed_at, o.outcome_id))
    return outcome


def _exact(number: float) -> Decimal:
    return Decimal(str(number))
