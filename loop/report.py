"""The page that `amso evaluate` leaves beside its plots: one file, no script, nothing from elsewhere, printable.

What comes from a log (names of actions, columns, levels, files) is escaped by the template, on every page and without
exception; a content security policy forbids scripts besides. The same answer gives the same bytes.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from config.evaluation import EvaluationConfig
from domain.estimates import Comparison, Diagnostics, Evaluation, LookTaken, PolicyValueEstimate, Verdict
from domain.log import LoggedDecisions, LogRead
from evaluation.checks import Check, log_checks, policy_checks
from evaluation.observations import Observations, observe, relative_gain
from evaluation.scores import Interval, PolicyScores
from evaluation.segment_gains import GroupReading, SegmentGains, segment_gains
from evaluation.target import Target
from loop.logs import LogRequest
from loop.report_figures import Histogram, Mark, Scale, histogram_of, scale_of
from loop.report_words import (
    FILTERS,
    FUNCTIONS,
    TITLES,
    business_sentence,
    legend,
    looks_words,
    policy_words,
    unit_word,
    units_word,
    verdict_sentence,
)
from loop.runs import RunDirectory

FILE_NAME = "report.html"
MAX_ROWS = 40  # groups in one table of gains; what is left out is counted
MAX_OVERLAP_ROWS = 20  # those with the least
LOGGED = "logged"
HALVES = 1  # names the stream that halves the customers, apart from the one that makes folds


@dataclass(frozen=True)
class Asked:
    """What `evaluate` was asked, for the page to repeat."""

    request: LogRequest
    policies: tuple[str, ...]
    baseline: str
    seed: int
    log_id: str
    n_bootstrap: int = 0


@dataclass(frozen=True)
class EstimateRow:
    estimate: PolicyValueEstimate
    mark: Mark
    decides: bool


@dataclass(frozen=True)
class GainRow:
    """One group; a group with too little has no mark."""

    group: GroupReading
    mark: Mark | None

    @property
    def effect(self) -> str:
        """gains, loses, or neither is proven."""
        gain = self.group.gain
        if gain is None:
            return "too little"
        return "gains" if gain.low > 0 else "loses" if gain.high < 0 else "not proven"


@dataclass(frozen=True)
class GainTable:
    rows: tuple[GainRow, ...]
    scale: Scale
    n_left_out: int  # groups without a line, where there are too many
    n_gaining: int
    n_losing: int


@dataclass(frozen=True)
class CandidateRow:
    """One of several candidates; without a mark where the log cannot tell."""

    evaluation: Evaluation
    mark: Mark | None

    @property
    def tone(self) -> str:
        return {Verdict.PROMOTE: "good", Verdict.REJECT: "bad"}.get(self.evaluation.verdict, "quiet")


@dataclass(frozen=True)
class CandidateTable:
    """All that were judged together, in the order in which they were named."""

    rows: tuple[CandidateRow, ...]
    scale: Scale


@dataclass(frozen=True)
class WeightsOfPolicy:
    name: str
    diagnostics: Diagnostics
    n: int
    histogram: Histogram | None  # None: the logged policy, every weight is 1


@dataclass(frozen=True)
class ReportPage:
    """Everything the template shows."""

    title: str
    evaluation: Evaluation
    verdict_word: str
    verdict_sentence: str
    business_sentence: str
    relative: Interval | None
    remedies: tuple[str, ...]
    unit: str  # what a value is counted in, with its article
    units: str  # many of it
    observation: str  # "rounds" | "episodes"
    config: EvaluationConfig
    read: LogRead
    log_name: str
    n_judged: int
    asked: Asked
    difference: tuple[Mark, Scale] | None
    candidates: CandidateTable
    estimates: tuple[EstimateRow, ...]
    estimate_scale: Scale
    legend: Mapping[str, str]  # estimator -> what it is
    weights: tuple[WeightsOfPolicy, ...]
    gains: SegmentGains
    known: GainTable
    found: GainTable
    overlap: tuple[GroupReading, ...]
    n_overlap_left_out: int
    checks: tuple[Check, ...]
    findings: tuple[object, ...]
    command: str
    versions: Mapping[str, str]

    @property
    def is_trusted(self) -> bool:
        return self.evaluation.verdict is not Verdict.CANNOT_TELL


def write_report(
    run: RunDirectory,
    asked: Asked,
    read: LogRead,
    log: LoggedDecisions,
    targets: tuple[Target, Target],
    evaluation: Evaluation,
    scores: PolicyScores,
    config: EvaluationConfig | None = None,
    *,
    candidates: Sequence[Evaluation] = (),
) -> Path:
    """Writes `report.html` into the run directory.

    Args:
        run: where to; its metadata tell the versions.
        asked: the question.
        read: how the log was read.
        log: its rows that may judge both policies, on which `evaluation` and `scores` rest.
        targets: candidate and baseline on those rows.
        evaluation: the answer.
        scores: of both, from `evaluate_with_scores`.
        config: what they were judged by; None = the defaults.
        candidates: all that were judged together, where there are several; `evaluation` is one of them.
    """
    config = EvaluationConfig() if config is None else config
    observations = observe(log, *targets, scores)
    gains = segment_gains(log, observations, config, np.random.default_rng([asked.seed, HALVES]))
    page = _page(asked, read, log, evaluation, candidates, observations, gains, config, versions_of(run))
    path = run.path / FILE_NAME
    path.write_bytes(render(page).encode("utf-8", "backslashreplace"))
    return path


def render(page: ReportPage) -> str:
    return render_page("report.html", page)


def render_page(template: str, page: object) -> str:
    """A template of this room with everything it shows, all of it escaped."""
    return _environment().get_template(template).render(page=page)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS)
    made.globals.update(FUNCTIONS)
    return made


def _page(
    asked: Asked,
    read: LogRead,
    log: LoggedDecisions,
    evaluation: Evaluation,
    candidates: Sequence[Evaluation],
    observations: Observations,
    gains: SegmentGains,
    config: EvaluationConfig,
    versions: Mapping[str, str],
) -> ReportPage:
    scores, c = observations.scores, evaluation.comparison
    checks = _checks(read, log, observations, config)
    is_trusted = evaluation.verdict is not Verdict.CANNOT_TELL
    overlap = sorted(gains.known, key=lambda g: g.ess_share)
    rows, scale = _estimates(evaluation)
    return ReportPage(
        title=f"May {policy_words(c.candidate)} replace {policy_words(c.baseline)}?",
        evaluation=evaluation,
        verdict_word=TITLES[evaluation.verdict],
        verdict_sentence=verdict_sentence(evaluation, config.margin),
        business_sentence=business_sentence(c, log.reward_name, scores.per),
        relative=relative_gain(scores, evaluation.looks.confidence) if is_trusted else None,
        remedies=tuple(dict.fromkeys(f"{k.subject}: {k.remedy}" for k in checks if not k.is_passed)),
        unit=unit_word(scores.per),
        units=units_word(scores.per),
        observation="episodes" if observations.is_panel else "rounds",
        config=config,
        read=read,
        log_name=_log_name(asked, read),
        n_judged=len(log),
        asked=asked,
        difference=_difference(evaluation, config.margin),
        candidates=_candidate_table(candidates, config.margin),
        estimates=rows,
        estimate_scale=scale,
        legend=legend(e.estimator for e in evaluation.estimates),
        weights=_weights(scores),
        gains=gains,
        known=_gain_table(gains.known),
        found=_gain_table(gains.found),
        overlap=tuple(overlap[:MAX_OVERLAP_ROWS]),
        n_overlap_left_out=max(len(overlap) - MAX_OVERLAP_ROWS, 0),
        checks=checks,
        findings=tuple(getattr(evaluation.diagnostics, "findings", ())),
        command=_command(asked, evaluation.looks),
        versions=versions,
    )


def _checks(
    read: LogRead, log: LoggedDecisions, observations: Observations, config: EvaluationConfig
) -> tuple[Check, ...]:
    """Those that fail first."""
    scores = observations.scores
    checks = policy_checks(log, 0, observations, config)
    if scores.names[1] != scores.names[0]:
        checks += policy_checks(log, 1, observations, config)
    checks += log_checks(read, log, scores.diagnostics[0].sample_ratio_p_value, config)
    return tuple(sorted(checks, key=lambda check: check.is_passed))


def _difference(evaluation: Evaluation, margin: float) -> tuple[Mark, Scale] | None:
    c = evaluation.comparison
    if c.difference is None or c.low is None or c.high is None:
        return None
    scale = scale_of([(c.low, c.high), (0.0, 0.0)], reference=margin)
    return scale.mark(c.low, c.difference, c.high), scale


def _candidate_table(candidates: Sequence[Evaluation], margin: float) -> CandidateTable:
    found = [e.comparison for e in candidates]
    told = [(c.low, c.high) for c in found if c.low is not None and c.high is not None]
    scale = scale_of([*told, (0.0, 0.0)], reference=margin)
    return CandidateTable(tuple(CandidateRow(e, _mark(e.comparison, scale)) for e in candidates), scale)


def _mark(c: Comparison, scale: Scale) -> Mark | None:
    if c.difference is None or c.low is None or c.high is None:
        return None
    return scale.mark(c.low, c.difference, c.high)


def _estimates(evaluation: Evaluation) -> tuple[tuple[EstimateRow, ...], Scale]:
    """What is not trusted may not squeeze what is."""
    all_estimates = evaluation.estimates
    scale = scale_of(
        [(e.low, e.high) for e in all_estimates if e.trusted], [(e.low, e.high) for e in all_estimates if not e.trusted]
    )
    decides = evaluation.recommended_estimator
    rows = (EstimateRow(e, scale.mark(e.low, e.value, e.high), e.estimator == decides) for e in all_estimates)
    return tuple(rows), scale


def _gain_table(groups: Sequence[GroupReading]) -> GainTable:
    """Ranked by gain; where there are too many the extremes stay. Groups with too little come last."""
    told = sorted((g for g in groups if g.gain is not None), key=_gain_of, reverse=True)
    untold = [g for g in groups if g.gain is None]
    kept = told if len(told) <= MAX_ROWS else [*told[: MAX_ROWS // 2], *told[-(MAX_ROWS // 2) :]]
    shown = [*kept, *untold[: MAX_ROWS // 2]]
    scale = scale_of([(g.gain.low, g.gain.high) for g in kept if g.gain is not None], reference=0.0)
    rows = tuple(
        GainRow(g, None if g.gain is None else scale.mark(g.gain.low, g.gain.value, g.gain.high)) for g in shown
    )
    return GainTable(
        rows=rows,
        scale=scale,
        n_left_out=len(groups) - len(shown),
        n_gaining=sum(g.gain is not None and g.gain.low > 0 for g in groups),
        n_losing=sum(g.gain is not None and g.gain.high < 0 for g in groups),
    )


def _gain_of(group: GroupReading) -> float:
    assert group.gain is not None
    return group.gain.value


def _weights(scores: PolicyScores) -> tuple[WeightsOfPolicy, ...]:
    n = len(scores.weight)
    policies = range(1 if scores.names[0] == scores.names[1] else 2)
    return tuple(
        WeightsOfPolicy(
            scores.names[i],
            scores.diagnostics[i],
            n,
            None if scores.names[i] == LOGGED else histogram_of(scores.importance_weight[:, i]),
        )
        for i in policies
    )


def _log_name(asked: Asked, read: LogRead) -> str:
    """As the user wrote it; a path that the config made absolute is not the reader's business."""
    return str(asked.request.path) if asked.request.path is not None else Path(read.source).name


def _command(asked: Asked, looks: LookTaken) -> str:
    """The same question again, for a shell."""
    r = asked.request
    named = {"action": "--action", "propensity": "--propensity", "unit_id": "--unit", "decided_at": "--time"}
    parts = ["amso", "evaluate"]
    parts += [] if r.path is None else [str(r.path)]
    parts += [word for policy in asked.policies for word in ("--policy", policy)]
    parts += ["--baseline", asked.baseline, *looks_words(looks)]
    parts += [] if r.reward is None else ["--reward", r.reward]
    parts += [] if r.columns_file is None else ["--columns", str(r.columns_file)]
    parts += [word for ours, theirs in r.columns if ours in named for word in (named[ours], theirs)]
    parts += [word for action in r.exclude_actions for word in ("--exclude-action", action)]
    parts += [] if r.split is None else ["--split", r.split]
    parts += [] if r.decision_point is None else ["--decision-point", r.decision_point]
    parts += [] if r.predictions is None else ["--predictions", r.predictions]
    parts += ["--bootstrap", str(asked.n_bootstrap)] if asked.n_bootstrap else []
    return shlex.join([*parts, "--seed", str(asked.seed)])


def versions_of(run: RunDirectory) -> Mapping[str, str]:
    """Of the packages that the run used."""
    versions = json.loads((run.path / "metadata.json").read_text(encoding="utf-8"))["versions"]
    return {str(name): str(version) for name, version in versions.items()}
