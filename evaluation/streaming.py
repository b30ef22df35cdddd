"""A log that is evaluated chunk by chunk: everything an answer needs adds up.

Estimates and the paired doubly robust difference come from sums of terms (evaluation/estimator.py); what is left of the
weights is a dozen sums and the largest few. Where rows name units, a unit's rows lie in many chunks, so sums are kept
by hash group of units, and groups are the clusters: any partition of independent units gives an unbiased variance
(random groups: Wolter 2007, Introduction to Variance Estimation, chapter 2). What looks into parts of a log (windows
of time, segments, cells) looks at a random sample of rows; estimators that are tuned on the log are left out.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from config.evaluation import EvaluationConfig
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.errors import InsufficientOverlap
from domain.estimates import Diagnostics, Evaluation, Finding, FindingKind, PolicyValueEstimate, Verdict
from domain.log import LoggedDecisions
from evaluation.dr import influence_scores
from evaluation.estimator import Moments, estimate_value, moments_of, point_of, ratio, ratio_gradient
from evaluation.folds import too_few_units
from evaluation.gate import describe_weights, rule
from evaluation.intervals import interval
from evaluation.log_findings import log_findings
from evaluation.looks import Once, account
from evaluation.mean_weight import whole_mean_weight_findings
from evaluation.policy_findings import few_reward_findings, overlap_findings
from evaluation.refusals import about, notes_of, refusals_of
from evaluation.registry import ESTIMATORS
from evaluation.rounds import Rounds, make_rounds
from evaluation.sample_ratio import sample_ratio_p_value
from evaluation.scores import Interval
from evaluation.tail import MIN_TAIL, tail_index_of, tail_size
from evaluation.target import Target

EVERY_ROUND = "round"


@dataclass(frozen=True)
class StreamDesign:
    """What is known of the whole log before it is read for evaluation."""

    n_rounds: int  # about; how many of the largest weights are kept depends on it
    n_groups: int | None  # of units; None where every round is its own unit
    has_support: BoolArray  # (n_cells, n_actions) tried there; one row where the log has no cells
    propensities: str  # "logged"


@dataclass
class _Sums:
    """Terms summed by cluster, over chunks."""

    n_groups: int | None
    moments: Moments | None = None
    groups: FloatArray | None = None  # (n_terms, n_groups)

    def add(self, terms: FloatArray, unit: IntArray) -> None:
        if self.n_groups is None:
            new = moments_of(terms, terms.shape[1], 0.0, 0.0)
            self.moments = new if self.moments is None else self.moments + new
            return
        if self.groups is None:
            self.groups = np.zeros((len(terms), self.n_groups))
        for i, row in enumerate(terms):
            self.groups[i] += np.bincount(unit, weights=row, minlength=self.n_groups)

    def finish(self, occupied: BoolArray | None, n_rounds: int, weight: float, squared_weight: float) -> Moments:
        if self.groups is not None:
            assert occupied is not None
            return moments_of(self.groups[:, occupied], n_rounds, weight, squared_weight)
        assert self.moments is not None
        return replace(self.moments, n_rounds=n_rounds, weight=weight, squared_weight=squared_weight)


@dataclass
class _PolicySums:
    """One policy."""

    n_groups: int | None
    n_largest: int
    by_estimator: list[_Sums] = field(init=False)
    mean_weight: _Sums = field(init=False)
    weight: float = 0.0
    squared_weight: float = 0.0
    largest: FloatArray = field(default_factory=lambda: np.zeros(0))
    event_weight: float = 0.0
    squared_event_weight: float = 0.0
    outside: float = 0.0  # sample weight x probability of choices without support
    n_violations: int = 0
    unsupported: FloatArray | None = None  # (n_actions,) rounds
    inverse_ess: float = 0.0  # sum of s^2 sum over a of policy^2 / propensity
    knows_behavior: bool = True

    def __post_init__(self) -> None:
        self.by_estimator = [_Sums(self.n_groups) for _ in ESTIMATORS]
        self.mean_weight = _Sums(self.n_groups)

    def add(
        self, log: LoggedDecisions, distribution: FloatArray | None, rounds: Rounds, supported: BoolArray | None
    ) -> None:
        for estimator, sums in zip(ESTIMATORS, self.by_estimator, strict=True):
            sums.add(estimator.terms(rounds), log.unit)
        self.mean_weight.add(np.stack([rounds.sample_weight, rounds.weight]), log.unit)
        weight, squared = rounds.weight_sums
        self.weight += weight
        self.squared_weight += squared
        self.largest = _largest(np.concatenate([self.largest, rounds.weight]), self.n_largest)
        events = rounds.weight[rounds.reward != 0]
        self.event_weight += float(events.sum())
        self.squared_event_weight += float(events @ events)
        if distribution is not None:
            self._add_support(log, distribution, supported)

    def _add_support(self, log: LoggedDecisions, distribution: FloatArray, supported: BoolArray | None) -> None:
        if supported is not None:
            outside = np.where(supported, 0.0, distribution)
            self.outside += float(log.sample_weight @ outside.sum(axis=1))
            counts = (outside > 0).sum(axis=0).astype(np.float64)
            self.n_violations += int((outside > 0).any(axis=1).sum())
            self.unsupported = counts if self.unsupported is None else self.unsupported + counts
        if log.logged_distribution is None:
            self.knows_behavior = False
            return
        behavior = log.logged_distribution
        ratio_of = np.divide(distribution, behavior, out=np.zeros_like(distribution), where=behavior > 0)
        self.inverse_ess += float(log.sample_weight**2 @ np.einsum("na,na->n", distribution, ratio_of))


class StreamEvaluator:
    """Fed with chunks in any order; `finish` gives the answer."""

    def __init__(self, design: StreamDesign, config: EvaluationConfig) -> None:
        self.design, self.config = design, config
        self.n_rounds, self.n_events, self.sample_weight = 0, 0, 0.0
        n_largest = tail_size(design.n_rounds) + 1
        self._policies = tuple(_PolicySums(design.n_groups, n_largest) for _ in range(2))
        self._difference = _Sums(design.n_groups)
        self._occupied = None if design.n_groups is None else np.zeros(design.n_groups, dtype=np.bool_)
        self._n_by_action = np.zeros(design.has_support.shape[1], dtype=np.int64)
        self.tried = np.zeros_like(design.has_support)  # by usable rounds: rows that are rejected try nothing

    def add(self, log: LoggedDecisions, targets: tuple[Target, Target], expected_reward: FloatArray) -> None:
        """A chunk, its policies, and the expected rewards (n_rounds, n_actions) of models that did not see it.

        Raises:
            InsufficientOverlap: rounds without a propensity.
        """
        if log.propensity is None:
            raise InsufficientOverlap(
                "the log names no propensities, and they cannot be estimated while streaming",
                "log them (column propensity or p_ACTION), or evaluate without --stream",
            )
        self.n_rounds += len(log)
        self.n_events += int(np.count_nonzero(log.reward))
        self.sample_weight += float(log.sample_weight.sum())
        self._n_by_action += np.bincount(log.action, minlength=log.n_actions)
        self.tried[self._cell(log), log.action] = True
        if self._occupied is not None:
            self._occupied[log.unit] = True
        scores = []
        supported = self._supported(log)
        for target, sums in zip(targets, self._policies, strict=True):
            distribution = target.on(log)
            rounds = make_rounds(log, distribution, expected_reward, log.propensity)
            sums.add(log, distribution, rounds, supported)
            scores.append(influence_scores(rounds))
        s = log.sample_weight
        self._difference.add(np.stack([s, s * (scores[0] - scores[1])]), log.unit)

    @property
    def n_by_action(self) -> IntArray:
        """(n_actions,) rounds."""
        return self._n_by_action

    def finish(
        self,
        names: tuple[str, str],
        sample: LoggedDecisions,
        *,
        refusals: Iterable[str] = (),
        findings: Iterable[Finding] = (),
    ) -> Evaluation:
        """The answer; `sample` is a random sample of the rows, which the checks inside parts look at.

        Raises:
            InvalidSnapshot: fewer than two units.
        """
        n_clusters = self.n_rounds if self._occupied is None else int(self._occupied.sum())
        if n_clusters < 2:
            raise too_few_units(n_clusters)
        found = (*findings, *self._findings(sample))
        diagnostics = [
            self._diagnose(sums, sample, is_logged=name == "logged")
            for name, sums in zip(names, self._policies, strict=True)
        ]
        shared = dict.fromkeys((*refusals, *refusals_of(found)))
        of_policies = [r for name, d in zip(names, diagnostics, strict=True) for r in refusals_of(d.findings, name)]
        forbidden = tuple(dict.fromkeys([*shared, *of_policies]))
        for name, d in dict(zip(names, diagnostics, strict=True)).items():
            found += about(name, d.findings)
        ruling = rule(*names, self._interval(), forbidden, margin=self.config.margin, per=EVERY_ROUND)
        is_trusted = ruling.verdict is not Verdict.CANNOT_TELL
        estimates = [e for name, sums in zip(names, self._policies, strict=True) for e in self._estimates(name, sums)]
        estimates = estimates[: len(estimates) // 2] if names[0] == names[1] else estimates
        return Evaluation(
            estimates=tuple(replace(e, trusted=is_trusted and e.trusted) for e in estimates),
            comparison=ruling.comparison,
            diagnostics=replace(diagnostics[0], findings=found),
            recommended_estimator="dr" if is_trusted else None,
            verdict=ruling.verdict,
            reasons=(*ruling.reasons, describe_weights(names[0], diagnostics[0], self.n_rounds), *notes_of(found)),
            looks=account(Once(), (1 - self.config.confidence) / 2, (1 - self.config.confidence) / 2),
        )

    def _findings(self, sample: LoggedDecisions) -> tuple[Finding, ...]:
        """What the sample shows, in its name; what it seems to show is asked of all rounds."""
        found = log_findings(sample, self.config)
        if len(sample) == self.n_rounds:
            return found
        is_true = {
            FindingKind.ONE_ACTION: np.count_nonzero(self._n_by_action) == 1,
            FindingKind.ZERO_REWARDS: self.n_events == 0,
            FindingKind.DUPLICATES: False,  # of two rows alike a sample seldom holds both
            FindingKind.FEW_ROUNDS: False,  # the sample is small, the log is not
        }
        kept = [f for f in found if is_true.get(f.kind, True)]
        scale = self.n_rounds / len(sample)
        return tuple(
            replace(f, n_rounds=self.n_rounds)
            if f.kind in is_true
            else replace(f, n_rounds=round(scale * f.n_rounds), text=f"in a sample of {len(sample):,} rounds: {f.text}")
            for f in kept
        )

    def _supported(self, log: LoggedDecisions) -> BoolArray | None:
        """(n_rounds, n_actions) or None where everything was tried everywhere."""
        tried = self.design.has_support
        logged = log.logged_distribution
        if tried.all() and (logged is None or bool((logged > 0).all())):
            return None
        cell = self._cell(log)
        return tried[cell] if logged is None else tried[cell] & (logged > 0)

    def _cell(self, log: LoggedDecisions) -> IntArray:
        has_cells = log.cell is not None and len(self.design.has_support) > 1
        return log.cell if has_cells and log.cell is not None else np.zeros(len(log), dtype=np.int64)

    def _interval(self) -> Interval:
        moments = self._difference.finish(self._occupied, self.n_rounds, 0.0, 0.0)
        point = point_of(ratio(moments.total), ratio_gradient(moments.total), moments)
        low, high = interval(point.value, point.spread, self.config.confidence)
        return Interval(point.value, low, high, point.spread.stderr, self.n_rounds)

    def _estimates(self, name: str, sums: _PolicySums) -> list[PolicyValueEstimate]:
        has_weight = sums.weight > 0
        return [
            estimate_value(
                estimator,
                own.finish(self._occupied, self.n_rounds, sums.weight, sums.squared_weight),
                name,
                self.config.confidence,
            )
            for estimator, own in zip(ESTIMATORS, sums.by_estimator, strict=True)
            if has_weight or not estimator.uses_weights
        ]

    def _diagnose(self, sums: _PolicySums, sample: LoggedDecisions, *, is_logged: bool) -> Diagnostics:
        moments = sums.mean_weight.finish(self._occupied, self.n_rounds, 0.0, 0.0)
        mean = point_of(ratio(moments.total), ratio_gradient(moments.total), moments)
        ess = sums.weight**2 / sums.squared_weight if sums.squared_weight > 0 else 0.0
        unsupported = {} if sums.unsupported is None else dict(zip(sample.actions.ids, sums.unsupported, strict=True))
        knows = sums.knows_behavior and sums.inverse_ess > 0
        d = Diagnostics(
            ess=ess,
            ess_share=ess / self.n_rounds,
            max_weight_share=float(sums.largest.max() / sums.weight) if sums.weight > 0 else 1.0,
            mean_weight=mean.value,
            mean_weight_stderr=mean.spread.stderr,
            support_violations=sums.n_violations,
            unsupported={action: int(n) for action, n in unsupported.items() if n},
            propensities=self.design.propensities,
            sample_ratio_p_value=sample_ratio_p_value(sample),
            expected_ess_share=self.sample_weight**2 / sums.inverse_ess / self.n_rounds if knows else None,
            tail_index=tail_index_of(sums.largest) if len(sums.largest) > MIN_TAIL else None,
        )
        outside = sums.outside / self.sample_weight
        squared = sums.squared_event_weight
        effective = sums.event_weight**2 / squared if squared > 0 else 0.0
        findings = overlap_findings(d, outside, self.config)
        if not is_logged and outside <= self.config.max_unsupported_share:
            findings += whole_mean_weight_findings(d, self.n_rounds, self.config)
        return replace(
            d, findings=findings + few_reward_findings(sample.reward_name, self.n_events, effective, self.config)
        )


def _largest(weight: FloatArray, n: int) -> FloatArray:
    return weight if len(weight) <= n else np.partition(weight, len(weight) - n)[-n:]
