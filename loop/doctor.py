"""`amso doctor`: what is wrong with the set-up, and what this data allows today."""

import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

import numpy as np

from config.decision_points import Mode
from config.load import load_settings
from config.settings import Settings
from domain.errors import AmsoError
from domain.log import LogRead
from domain.people import Role
from loop.logs import LogRequest, log_to_data, read_and_record, resolve_log
from loop.text import console, table
from loop.wiring import Workspace, open_workspace

T = TypeVar("T")

PACKAGES = ("numpy", "pandas", "scikit-learn", "torch", "stable-baselines3", "gymnasium", "sqlmodel", "redis")
MIN_ROUNDS_TO_EVALUATE = 1_000
MIN_ROUNDS_TO_LEARN = 2_000
MIN_DAYS_TO_FORECAST = 28


@dataclass(frozen=True)
class Check:
    """One thing looked at: ok, warn or fail, with what was found and what to do."""

    subject: str
    state: str  # ok | warn | fail
    found: str
    hint: str = ""


@dataclass(frozen=True)
class Readiness:
    """Whether the data at hand allow one thing, and what is missing for it."""

    capability: str  # describe | forecast | evaluate | learn | live
    is_ready: bool
    why: str


@dataclass(frozen=True)
class DoctorAnswer:
    checks: tuple[Check, ...]
    readiness: tuple[Readiness, ...]
    log: dict[str, object] | None

    def to_data(self) -> dict[str, object]:
        return {
            "healthy": all(c.state != "fail" for c in self.checks),
            "checks": [asdict(c) for c in self.checks],
            "readiness": [asdict(r) for r in self.readiness],
            "log": self.log,
        }

    def print(self) -> None:
        out = console()
        out.print(
            table(
                "Checks", ("subject", "state", "found"), [(c.subject, c.state, c.found) for c in self.checks], n_text=3
            )
        )
        for check in self.checks:
            if check.hint:
                out.print(f"  {check.subject}: {check.hint}")
        rows = [(r.capability, "yes" if r.is_ready else "not yet", r.why) for r in self.readiness]
        out.print(table("Readiness", ("can", "today", "why, or what is missing"), rows, n_text=3))


def doctor(config: Path | None, overrides: Sequence[str], request: LogRequest) -> DoctorAnswer:
    """The verb. Problems of the config, the stores and the log are findings, not failures."""
    checks = [_versions()]
    settings = _attempt("config", lambda: load_settings(config, overrides))
    if isinstance(settings, Check):
        return DoctorAnswer((*checks, settings), readiness(None), None)
    checks += [Check("config", "ok", _describe_settings(settings)), *_not_in_force(settings)]
    workspace = _attempt("stores", lambda: open_workspace(config, overrides))
    if isinstance(workspace, Check):
        return DoctorAnswer((*checks, workspace), readiness(None), None)
    with closing(workspace):
        checks += [_stores(workspace), _redis(workspace), *_rates(workspace), *_gated(workspace)]
        live = _live(workspace, checks)
        read = _attempt("decision log", _reader(workspace, request))
    if isinstance(read, Check):
        return DoctorAnswer((*checks, read), readiness(None, live), None)
    checks.append(Check("decision log", "ok", _describe_log(read)))
    return DoctorAnswer(tuple(checks), readiness(read, live), log_to_data(read))


def readiness(read: LogRead | None, live: Readiness | None = None) -> tuple[Readiness, ...]:
    """What a log and the settings allow today; without a log, nothing is known yet."""
    live = live or Readiness("live", False, "the settings or stores do not open")
    if read is None:
        missing = "no readable decision log; one with an action and a reward column is the first step"
        return (*(Readiness(c, False, missing) for c in ("describe", "forecast", "evaluate", "learn")), live)
    return (
        Readiness("describe", True, f"{len(read.log):,} usable rows"),
        _forecast(read),
        _evaluate(read),
        _learn(read),
        live,
    )


def _stores(workspace: Workspace) -> Check:
    return Check("stores", "ok", f"data dir {workspace.data_dir}; SQL opens and is at the newest schema")


def _redis(workspace: Workspace) -> Check:
    found = _attempt("redis", workspace.wire.check)
    return found if isinstance(found, Check) else Check("redis", "ok", f"{workspace.wire.where} answers")


def _rates(workspace: Workspace) -> list[Check]:
    """`live` needs the exchange rates that the config names, and only then."""
    found = _attempt("exchange rates", lambda: workspace.outcome_rules)
    return [found] if isinstance(found, Check) else []


def _gated(workspace: Workspace) -> list[Check]:
    """What keeps a decision point from acting under approval."""
    refused = _attempt("gated", workspace.settings.refuse_unenforced_modes)
    if isinstance(refused, Check):
        return [refused]
    points = workspace.settings.decision_points.items()
    gated = [name for name, point in points if point.mode is Mode.GATED]
    with workspace.knowledge.transaction() as books:
        approvers = [p.name for p in books.people.all() if p.has(Role.APPROVER)]
    if gated and not approvers:
        hint = "`amso people add NAME --role approver`; until then the baseline is served"
        return [Check("people", "warn", f"{', '.join(gated)}: gated, and nobody may approve yet", hint)]
    return []


def _live(workspace: Workspace, checks: Sequence[Check]) -> Readiness:
    """Whether contexts can be answered, and how."""
    broken = [c.subject for c in checks if c.state == "fail"]
    if broken:
        return Readiness("live", False, f"mend first: {', '.join(broken)}")
    points = workspace.settings.decision_points
    served = {name: point.mode.value for name, point in points.items() if point.actions and point.mode is not Mode.OFF}
    if not served:
        return Readiness("live", False, "no decision point names its actions: fill in decision_points.*.actions")
    return Readiness("live", True, ", ".join(f"{name} in mode {mode}" for name, mode in served.items()))


def _attempt(subject: str, act: Callable[[], T]) -> T | Check:
    try:
        return act()
    except AmsoError as error:
        return Check(subject, "fail", error.message, error.hint)


def _reader(workspace: Workspace, request: LogRequest) -> Callable[[], LogRead]:
    return lambda: read_and_record(workspace, *resolve_log(workspace, request))


def _describe_settings(settings: Settings) -> str:
    points = ", ".join(settings.decision_points)
    return f"business {settings.business.name}, {settings.business.currency}; decision points: {points}"


def _describe_log(read: LogRead) -> str:
    return f"{read.source}: {read.n_rows:,} rows, {len(read.log):,} usable, {read.n_rejected:,} rejected"


def _not_in_force(settings: Settings) -> list[Check]:
    blocks = settings.not_in_force()
    if not blocks:
        return []
    return [Check("not in force yet", "warn", ", ".join(blocks), "these lines load, but nothing enforces them yet")]


def _versions() -> Check:
    found, missing = [f"python {sys.version.split()[0]}"], []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        return Check("versions", "fail", f"missing: {', '.join(missing)}", "install AMSO again, with its dependencies")
    return Check("versions", "ok", ", ".join(found))


def _forecast(read: LogRead) -> Readiness:
    times = read.log.decided_at
    if times is None:
        return Readiness("forecast", False, "the log has no decided_at column")
    days = len(np.unique(times.astype("datetime64[D]")))
    enough = days >= MIN_DAYS_TO_FORECAST
    return Readiness("forecast", enough, f"{days} days" + ("" if enough else f" of {MIN_DAYS_TO_FORECAST} needed"))


def _evaluate(read: LogRead) -> Readiness:
    log = read.log
    used = int((np.bincount(log.action, minlength=log.n_actions) > 0).sum())
    if used < 2:
        return Readiness("evaluate", False, "only one action was ever taken: run an experiment over two or more")
    if not log.reward.any():
        return Readiness("evaluate", False, "every reward is zero")
    if len(log) < MIN_ROUNDS_TO_EVALUATE:
        return Readiness("evaluate", False, f"{len(log):,} rows; {MIN_ROUNDS_TO_EVALUATE:,} are the least")
    how = "propensities logged" if log.propensity is not None else "propensities would be estimated: a weaker verdict"
    return Readiness("evaluate", True, f"{used} actions; {how}")


def _learn(read: LogRead) -> Readiness:
    log, can_evaluate = read.log, _evaluate(read)
    if not can_evaluate.is_ready:
        return Readiness("learn", False, can_evaluate.why)
    if not log.context.columns:
        return Readiness("learn", False, "no context columns (x_*): nothing to choose by")
    if len(log) < MIN_ROUNDS_TO_LEARN:
        return Readiness("learn", False, f"{len(log):,} rows; {MIN_ROUNDS_TO_LEARN:,} are the least")
    return Readiness("learn", True, f"{len(log.context.columns)} context columns")
