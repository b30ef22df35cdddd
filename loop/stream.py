"""A decision log larger than memory, evaluated chunk by chunk: how the stream, the policies and the answer meet."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from collection.log_stream import LogChunk, LogStream
from config.evaluation import EvaluationConfig
from config.log_options import LogOptions
from domain.arrays import BoolArray, FloatArray, IntArray
from domain.estimates import Evaluation
from domain.log import LoggedDecisions, LogRead, concatenate
from evaluation.refusals import read_findings
from evaluation.sampled_models import SampledModels
from evaluation.streaming import StreamDesign, StreamEvaluator
from evaluation.target import Target, probabilities_target
from loop.targets import resolve_target
from loop.text import Reporter
from loop.wiring import Workspace
from policies.spec import PolicySpec, SpecKind

SAMPLE_ROWS = 100_000  # about; what models are fitted on and parts of the log are looked at in
LOOKED, LEARNED = 0.1, 0.45  # shares of the progress bar
NOTE = (
    "streamed: estimators tuned on the log are left out; windows of time, segments and cells were looked at in a "
    "random sample of {n:,} rows"
)


@dataclass(frozen=True)
class Streamed:
    """What one streamed evaluation came to."""

    read: LogRead  # its log is the sample
    evaluation: Evaluation


class StreamPolicies:
    """Candidate and baseline on every chunk."""

    def __init__(self, specs: Sequence[PolicySpec], workspace: Workspace | None) -> None:
        self._specs, self._workspace = specs, workspace
        self._fixed: dict[int, Target] = {}

    def on(self, log: LoggedDecisions) -> tuple[Target, Target]:
        candidate, baseline = (self._target(i, spec, log) for i, spec in enumerate(self._specs))
        return candidate, baseline

    def _target(self, i: int, spec: PolicySpec, log: LoggedDecisions) -> Target:
        if spec.kind is SpecKind.PROBABILITIES:
            return probabilities_target(log, spec.argument)
        if i not in self._fixed:
            self._fixed[i] = resolve_target(spec, log, self._workspace)
        return self._fixed[i]


class _Sample:
    """A random sample of rows, chosen by the hash of their place."""

    def __init__(self, share: float) -> None:
        self._below = np.uint64(min(share, 1.0) * float(2**64 - 2**12))
        self._logs: list[LoggedDecisions] = []
        self._folds: list[IntArray] = []

    def add(self, chunk: LogChunk, fold: IntArray) -> None:
        chosen = chunk.row_hash <= self._below
        if chosen.any():
            self._logs.append(chunk.log.take(chosen))
            self._folds.append(fold[chosen])

    def log(self, *, has_units: bool) -> LoggedDecisions:
        log = concatenate(self._logs)
        return log if has_units else replace(log, unit=np.arange(len(log)))

    @property
    def fold(self) -> IntArray:
        return np.concatenate(self._folds)


def open_stream(path: Path | str, options: LogOptions, report: Reporter = lambda _share, _doing: None) -> LogStream:
    """Looks at the log once.

    Raises:
        UsageError: a panel, or excluded actions: what needs the whole log at once.
        InvalidSnapshot, MissingColumn: as reading in memory.
    """
    stream = LogStream(path, options, lambda share: report(LOOKED * share, "looking at the log"))
    _narrow(stream)
    return stream


def evaluate_stream(
    stream: LogStream,
    candidate: PolicySpec,
    baseline: PolicySpec,
    *,
    workspace: Workspace | None = None,
    refusals: Sequence[str] = (),
    report: Reporter = lambda _share, _doing: None,
) -> Streamed:
    """What `evaluate` says, in memory that does not grow with the log.

    Raises:
        InsufficientOverlap: no propensities are logged.
        InvalidSnapshot: no usable row.
    """
    config = EvaluationConfig()
    sample = _Sample(SAMPLE_ROWS / max(stream.facts.n_rows, 1))
    models = None
    if stream.options.prediction_prefix is None:
        stream.report = lambda share: report(LOOKED + (LEARNED - LOOKED) * share, "drawing a sample to learn from")
        for chunk in stream.chunks():
            sample.add(chunk, _fold(chunk, stream, config))
        report(LEARNED, "fitting reward models")
        models = SampledModels(sample.log(has_units=stream.has_units), sample.fold, config)
    start = LOOKED if models is None else LEARNED
    stream.report = lambda share: report(start + (1 - start) * share, "evaluating")
    policies = StreamPolicies((candidate, baseline), workspace)
    design = _design(stream)
    evaluator = _read(stream, policies, design, models, sample if models is None else None)
    chosen = evaluator.n_by_action > 0
    if not chosen.all() and not stream.columns.logged:  # some action stands in rows alone that cannot be used
        stream.keep_actions(chosen)
        return evaluate_stream(stream, candidate, baseline, workspace=workspace, refusals=refusals, report=report)
    if not np.array_equal(evaluator.tried, design.has_support):  # rejected rows alone tried something somewhere
        evaluator = _read(stream, policies, replace(design, has_support=evaluator.tried), models, None)
    names = (str(candidate), str(baseline))
    return _answer(stream, evaluator, names, sample.log(has_units=stream.has_units), refusals)


def _read(
    stream: LogStream,
    policies: StreamPolicies,
    design: StreamDesign,
    models: SampledModels | None,
    sample: _Sample | None,
) -> StreamEvaluator:
    """One reading; `sample` None = it is known already."""
    config = EvaluationConfig()
    evaluator = StreamEvaluator(design, config)
    for chunk in stream.chunks():
        fold = _fold(chunk, stream, config)
        if sample is not None:
            sample.add(chunk, fold)
        evaluator.add(chunk.log, policies.on(chunk.log), _expected(chunk.log, models, fold))
    return evaluator


def _answer(
    stream: LogStream,
    evaluator: StreamEvaluator,
    names: tuple[str, str],
    sample: LoggedDecisions,
    refusals: Sequence[str],
) -> Streamed:
    account = stream.account()
    read = LogRead(
        log=sample,
        source=account.source,
        n_rows=account.n_rows,
        rejected=account.rejected,
        rejected_by_action=account.rejected_by_action,
        notes=(*account.notes, NOTE.format(n=len(sample))),
        left_out=account.left_out,
        n_streamed=account.n_used,
    )
    kept = {action: int(n) for action, n in zip(sample.actions.ids, evaluator.n_by_action, strict=True)}
    findings = read_findings(read, n_kept=kept)
    return Streamed(read, evaluator.finish(names, sample, refusals=refusals, findings=findings))


def _narrow(stream: LogStream) -> None:
    """As a log in memory: actions that nobody chose and no logged distribution names are none."""
    if stream.columns.logged:
        return
    written = np.array([stream.facts.written.get(action, 0) > 0 for action in stream.actions.ids])
    if not written.all():
        stream.keep_actions(written)


def _design(stream: LogStream) -> StreamDesign:
    n_groups = stream.n_unit_groups if stream.has_units else None
    return StreamDesign(stream.facts.n_rows, n_groups, _support(stream), "logged")


def _support(stream: LogStream) -> BoolArray:
    """(n_cells, n_actions) tried there; without cells one row: tried at all."""
    facts, actions = stream.facts, stream.actions
    cells = sorted(facts.names.get("cell", ()))
    if not cells:
        return np.array([[facts.written.get(action, 0) > 0 for action in actions.ids]])
    return np.array([[(cell, action) in facts.tried for action in actions.ids] for cell in cells])


def _fold(chunk: LogChunk, stream: LogStream, config: EvaluationConfig) -> IntArray:
    if stream.has_units:
        return chunk.log.unit % config.n_folds
    return (chunk.row_hash % np.uint64(config.n_folds)).astype(np.int64)


def _expected(log: LoggedDecisions, models: SampledModels | None, fold: IntArray) -> FloatArray:
    if models is not None:
        return models.expected_reward(log, fold)
    assert log.predictions is not None  # the options name their columns
    return log.predictions
