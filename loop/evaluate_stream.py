"""`amso evaluate --stream`: the verb on a log that memory need not hold."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from collection.log_stream import LogStream
from domain.errors import UsageError
from domain.log import LogRead
from evaluation.looks import Looks, Once
from loop.evaluate import EvaluateAnswer, draw_evaluation
from loop.logs import LogRequest, files_of, import_record, log_id, resolve_log
from loop.recorded import keep_evaluations
from loop.stream import StreamPolicies, evaluate_stream, open_stream
from loop.targets import baseline_spec, prefixes_of, trained_here
from loop.text import progress_bar
from loop.threads import one_thread
from loop.wiring import Workspace
from policies.spec import parse_policy_spec

LARGE_BYTES = 1_000_000_000  # a log whose files are larger is streamed unless somebody says otherwise


def is_large(workspace: Workspace, request: LogRequest) -> bool:
    """Whether the files of a log are too large to be read whole without being asked to."""
    path, _ = resolve_log(workspace, request)
    return sum(file.stat().st_size for file in files_of(path)) > LARGE_BYTES


@one_thread
def evaluate(
    workspace: Workspace,
    request: LogRequest,
    *,
    policies: Sequence[str],
    baseline: str | None,
    seed: int,
    looks: Looks,
    n_bootstrap: int,
) -> EvaluateAnswer:
    """The verb: looks at the log, then reads it chunk by chunk; no page, as that needs the rows.

    Raises:
        UsageError: several policies, or looks that need the rows.
    """
    if len(policies) > 1 or n_bootstrap or not isinstance(looks, Once):
        raise UsageError(
            "several policies, --look, --anytime and --bootstrap need the rows in memory, but the log is streamed",
            "ask about one policy, once; or say --no-stream where memory holds the log",
        )
    (policy,) = policies
    path, options = resolve_log(workspace, request)
    options = replace(options, probability_prefixes=prefixes_of((policy, baseline)))
    this_log = log_id(path, options)
    with progress_bar("evaluate") as report:
        stream = open_stream(path, options, report)
        against, notes = baseline_spec(workspace, baseline, stream.actions, request.decision_point)
        specs = (parse_policy_spec(policy), parse_policy_spec(against))
        run = workspace.start_run("evaluate", seed=seed)
        refusals = trained_here(specs, workspace, this_log)
        found = evaluate_stream(stream, *specs, workspace=workspace, refusals=refusals, report=report)
        _record(workspace, path, stream, found.read)
    evaluation = replace(found.evaluation, reasons=(*found.evaluation.reasons, *notes))
    sample = found.read.log
    draw_evaluation(sample, StreamPolicies(specs, workspace).on(sample)[0], evaluation, run.path)
    answer = EvaluateAnswer(found.read, evaluation, run.path, None)
    workspace.finish_run(run, answer.to_data())
    keep_evaluations(
        workspace,
        (evaluation,),
        sample,
        candidates=(policy,),
        baseline=against,
        decision_point=request.decision_point,
        log_id=this_log,
        seed=seed,
        looks=looks,
        run=run.path,
        is_streamed=True,
    )
    return answer


def _record(workspace: Workspace, path: Path, stream: LogStream, read: LogRead) -> None:
    """The import, and what was rejected: read once more, so that no bad row has to be kept in memory."""
    record = import_record(workspace, path, stream.options, read.n_rows, read.n_used, read.rejected)
    with workspace.knowledge.transaction() as books:
        if books.imports.add(record) and read.rejected:
            for _ in stream.chunks(lambda records: books.quarantine.add(record.import_id, records)):
                pass
