"""Reading decision logs for the verbs: options from the config and the command line, bad rows into the quarantine."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path

from collection.log_reader import read_log
from config.log_options import LogOptions
from config.yaml_text import read_yaml
from domain.errors import ConfigError, InvalidSnapshot, UsageError
from domain.log import LogRead
from domain.objective import Direction
from domain.records import ImportRecord, QuarantinedRecord
from loop.wiring import Workspace


@dataclass(frozen=True)
class LogRequest:
    """What the command line says about a log; None and () leave the config's word."""

    path: Path | None = None
    columns_file: Path | None = None  # YAML with `columns: {ours: theirs}`
    columns: tuple[tuple[str, str], ...] = ()  # from --action, --propensity, --unit, --time
    reward: str | None = None
    exclude_actions: tuple[str, ...] = ()
    split: str | None = None
    decision_point: str | None = None
    predictions: str | None = None  # prefix of the columns with logged reward predictions


def resolve_log(workspace: Workspace, request: LogRequest) -> tuple[Path, LogOptions]:
    """The file to read and how; the rows of a query, where a source of kind `sql` is named or is the only log.

    Raises:
        UsageError: neither the command line nor the config names a log.
        ConfigError: the objective is to be minimized, which nothing computes yet.
    """
    if workspace.settings.objective.direction is Direction.MINIMIZE:
        raise ConfigError(
            "objective.direction is minimize, but rewards can only be maximized so far",
            "log the negative of the metric as the reward, and say direction: maximize",
        )
    query = _query_of(workspace, request)
    if query is not None:
        return query
    path, options = workspace.settings.log_source(request.decision_point, request.path)
    if path is None:
        raise UsageError(
            "no decision log is named",
            "name the file (`amso evaluate FILE`, elsewhere --log FILE), or add a source of content `decision_log` "
            "to the config (`amso init --from FILE` does)",
        )
    return path, _overlay(options, request)


def _query_of(workspace: Workspace, request: LogRequest) -> tuple[Path, LogOptions] | None:
    if request.path is not None and request.path.exists():
        return None
    name = None if request.path is None else str(request.path)
    found = workspace.settings.log_query(request.decision_point, name)
    if found is None:
        return None
    return workspace.queries.log_file(found[0], found[1]), _overlay(found[2], request)


def read_and_record(
    workspace: Workspace, path: Path, options: LogOptions, *, probability_prefixes: Sequence[str] = ()
) -> LogRead:
    """Reads a log; the import and its quarantined rows are recorded once per state of the file, usable or not.

    Raises:
        InvalidSnapshot: unreadable, empty, or no usable row.
    """
    options = replace(options, probability_prefixes=tuple(probability_prefixes))
    quarantined: list[QuarantinedRecord] = []
    try:
        read = read_log(path, options, quarantined.extend)
    except InvalidSnapshot:
        if quarantined:
            rejected = Counter(record.reason for record in quarantined)
            _record(workspace, import_record(workspace, path, options, len(quarantined), 0, rejected), quarantined)
        raise
    _record(workspace, import_record(workspace, path, options, read.n_rows, len(read.log), read.rejected), quarantined)
    return read


def log_id(path: Path, options: LogOptions) -> str:
    """Names a log's content and one way to read it; another prefix of probabilities does not make another log."""
    reading = (repr(replace(options, probability_prefixes=())) + "".join(sorted(options.not_negative))).encode()
    return f"{content_hash(path)}-{hashlib.sha256(reading).hexdigest()[:8]}"


def content_hash(path: Path) -> str:
    """Of every byte of the file, or of all files of a glob."""
    digest = hashlib.sha256()
    for file in files_of(path):
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def log_to_data(read: LogRead) -> dict[str, object]:
    """The `log` block of every answer."""
    return {
        "source": read.source,
        "rows": read.n_rows,
        "used": read.n_used,
        "rejected": dict(read.rejected),
        "notes": list(read.notes),
    }


def files_of(path: Path) -> list[Path]:
    """The file, or all of a glob, in order."""
    return [path] if path.is_file() else sorted(map(Path, glob(str(path))))  # noqa: PTH207 # absolute patterns too


def import_record(
    workspace: Workspace, path: Path, options: LogOptions, n_rows: int, n_used: int, rejected: Mapping[str, int]
) -> ImportRecord:
    return ImportRecord(
        import_id=f"i-{log_id(path, options)}",
        source=str(path),
        content="decision_log",
        n_rows=n_rows,
        n_used=n_used,
        rejected=rejected,
        imported_at=workspace.clock.now(),
    )


def _record(workspace: Workspace, record: ImportRecord, quarantined: Sequence[QuarantinedRecord]) -> None:
    with workspace.knowledge.transaction() as books:
        if books.imports.add(record):
            books.quarantine.add(record.import_id, quarantined)


def _overlay(options: LogOptions, request: LogRequest) -> LogOptions:
    columns = dict(options.columns) | _columns_of(request.columns_file) | dict(request.columns)
    return replace(
        options,
        columns=columns,
        reward=request.reward or options.reward,
        exclude_actions=request.exclude_actions or options.exclude_actions,
        split=request.split or options.split,
        decision_point=request.decision_point or options.decision_point,
        prediction_prefix=request.predictions or options.prediction_prefix,
    )


def _columns_of(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}", "expected `columns: {ours: theirs}`") from error
    data, _ = read_yaml(text, str(path))
    columns = data.get("columns") if isinstance(data, dict) else None
    if not isinstance(columns, dict):
        raise UsageError(f"{path}: found no `columns:` mapping", "expected `columns: {action: offer, reward: profit}`")
    return {str(ours): str(theirs) for ours, theirs in columns.items()}
