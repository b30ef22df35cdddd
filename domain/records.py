"""Plain records that the knowledge base keeps: imports, runs, policies, analyses, events, strategies, workers,
verdicts and what came of them.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from domain.decisions import Decision
from domain.estimates import Verdict
from domain.segments import Segment


@dataclass(frozen=True)
class QuarantinedRecord:
    """A record that failed validation, kept with its reason and its raw form."""

    source: str
    row: int  # from 0, in the source; of a stream, how many were quarantined from it before
    reason: str
    raw: str  # JSON of the record as it came


@dataclass(frozen=True)
class ImportRecord:
    import_id: str
    source: str
    content: str
    n_rows: int
    n_used: int
    rejected: Mapping[str, int]
    imported_at: datetime


@dataclass(frozen=True)
class RunRecord:
    run: str  # name of the run directory
    verb: str
    started_at: datetime
    seed: int
    config: Mapping[str, object]
    metrics: Mapping[str, object]


@dataclass(frozen=True)
class PolicyRecord:
    policy_version: str
    decision_point: str
    kind: str
    directory: str  # relative to the data dir
    run: str
    parent: str | None
    status: str  # "candidate"
    verdict: str
    created_at: datetime


@dataclass(frozen=True)
class AnalysisRecord:
    analysis_id: str
    kind: str  # trend | forecast | elasticity | segments | model_scores
    subject: str
    result: Mapping[str, object]
    as_of: datetime


class Added(StrEnum):
    """What a store says of a record that carries an idempotency key."""

    NEW = "new"
    KNOWN = "known"  # the same key with the same content: nothing was changed
    CONFLICT = "conflict"  # the same key with another content: nothing was changed


@dataclass(frozen=True)
class StoredEvent:
    """A validated event, its unit id already a pseudonym."""

    event_id: str
    kind: str
    producer: str
    subject: str  # the unit's pseudonym, the series, the account: what a reader looks it up by
    at: datetime
    received_at: datetime
    body: Mapping[str, object]


@dataclass(frozen=True)
class SeqGap:
    """Numbers that a producer counted and that never came."""

    producer: str
    first_missing: int
    last_missing: int
    noticed_at: datetime


@dataclass(frozen=True)
class StoredOutcome:
    """An outcome attributed to a decision, or to none."""

    outcome_id: str
    decision_id: str | None  # None: no eligible decision inside the window; kept for the ledger
    unit: str
    metric: str
    amount: Decimal  # as it came
    currency: str
    converted_amount: Decimal  # in the business's currency
    exchange_rate: Decimal
    observed_at: datetime
    received_at: datetime
    corrects: str | None
    is_named: bool  # the outcome named its decision itself


@dataclass(frozen=True)
class ParkedOutcome:
    """A correction whose original has not come yet; its raw form is taken up again when it does."""

    outcome_id: str
    waits_for: str  # outcome_id
    raw: Mapping[str, str]  # the stream entry's fields
    parked_at: datetime


@dataclass(frozen=True)
class ObservedDecision:
    """A decision with its newest reward: a row of the log that training and evaluation read."""

    decision: Decision
    reward: Decimal
    revision: int


@dataclass(frozen=True)
class RewardMoments:
    """Matured rewards of one arm (or sums of another metric), with what it takes to compare means by clusters.

    >>> one = RewardMoments(n_units=1, n_decisions=2, total=3.0, sum_total_sq=9.0, sum_total_n=6.0, sum_n_sq=4.0)
    >>> (one + one).mean
    1.5
    """

    n_units: int
    n_decisions: int
    total: float  # of rewards
    sum_total_sq: float  # over units, (their total reward)^2
    sum_total_n: float  # over units, their total reward x their decisions
    sum_n_sq: float  # over units, (their decisions)^2

    def __add__(self, other: "RewardMoments") -> "RewardMoments":
        """Of both; units that are in both count twice."""
        return RewardMoments(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __neg__(self) -> "RewardMoments":
        """Of the same rewards, counted as losses."""
        return replace(self, total=-self.total, sum_total_n=-self.sum_total_n)

    @property
    def mean(self) -> float:
        """Reward a decision."""
        return self.total / self.n_decisions

    @property
    def variance_of_mean(self) -> float:
        """Of the ratio estimator, units as clusters (Cochran 1977, Sampling Techniques, section 6.3)."""
        m = self.mean
        residuals = self.sum_total_sq - 2 * m * self.sum_total_n + m**2 * self.sum_n_sq
        return max(residuals, 0.0) / self.n_decisions**2


@dataclass(frozen=True)
class StrategyRecord:
    """A strategy as last recommended, with its evidence."""

    strategy_id: str
    decision_point: str
    segment: Segment
    action: str
    limits: Mapping[str, object]
    evidence: Mapping[str, object]
    run: str
    recommended_at: datetime


@dataclass(frozen=True)
class OutboxEntry:
    """Something to publish, written in the transaction that decided it."""

    outbox_id: int
    stream: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Cap:
    """Money that may be used: spent + reserved <= limit at every instant."""

    cap_id: str
    limit_amount: Decimal
    reserved_amount: Decimal
    spent_amount: Decimal


@dataclass(frozen=True)
class Worker:
    """A running `live`; stale once its heartbeat is old."""

    worker_id: str
    rules_hash: str
    started_at: datetime
    beat_at: datetime


@dataclass(frozen=True)
class VerdictRecord:
    """What evaluation said of a policy before anyone served it. Never changes; what came of it is a RealisedGain."""

    verdict_id: str  # v-..., hash of the question: the same one on the same log has one verdict, however often asked
    verb: str  # evaluate | train
    run: str
    made_at: datetime
    decision_point: str
    log_id: str
    reward: str  # the log's column
    candidate: str  # as it was asked for: a SPEC, or what training delivers
    policy: str | None  # p-... | constant:ACTION, as a proposal would serve it; None = nothing that can go live
    baseline: str  # the same of what it was compared with; logged, uniform and the like by their SPEC
    per: str  # what the difference is counted in: round | episode
    estimator: str | None  # None: a diagnostic forbids a number, and the next three are None too
    difference: float | None
    low: float | None
    high: float | None
    confidence: float  # of the interval
    margin: float  # promote says low > margin
    verdict: Verdict
    reason: str  # the first one
    ess: float


@dataclass(frozen=True)
class RealisedGain:
    """What came of a proposal: policy - baseline a matured decision, while its reach stood, with a 95 % interval.

    The numbers are None while an arm has fewer than two units with matured rewards.
    """

    proposal_id: str
    decision_point: str
    segment_id: str
    policy: str  # p-... | constant:ACTION | experiment
    baseline: str  # what the others got: constant:ACTION, or `baseline`: what the product itself says
    reward: str  # the objective's metric
    exploration_share: float  # of the policy's decisions, spread evenly instead
    has_rivals: bool  # another proposal decided for some segment of the same point meanwhile: the others are not alike
    since: datetime
    until: datetime | None  # None: it still serves
    amount: float | None
    low_amount: float | None
    high_amount: float | None
    n_decisions: int  # matured, of the policy
    n_units: int  # of the smaller arm
    as_of: datetime
