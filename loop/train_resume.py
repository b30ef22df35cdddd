"""Beginning a training run, or going on with an interrupted one: only with the very same question.

What was asked stands in the run's folder. Going on computes everything again from the same seed; only what the
checkpoints hold is not learned twice. So the answer is the uninterrupted run's, to the byte, or none.
"""

import json
import shutil
from collections.abc import Mapping

from domain.errors import Interrupted, UsageError
from domain.policy import Policy
from loop.runs import RunDirectory, open_run
from loop.training_watch import CHECKPOINTS
from loop.wiring import Workspace
from policies.artifact import save_policy

ASKED_FILE = "asked.json"
UNFINISHED = "unfinished_policy"

Asked = Mapping[str, str | int | None]  # what the run depends on beside the config


def begin_or_resume(workspace: Workspace, resume: str | None, asked: Asked, *, seed: int) -> RunDirectory:
    """A fresh run directory, or that of the run `resume`.

    Raises:
        NotFound: no such run.
        UsageError: a finished run, one of another verb, or one that was asked something else.
    """
    if resume is None:
        run = workspace.start_run("train", seed=seed)
        (run.path / ASKED_FILE).write_text(json.dumps(dict(asked), indent=2) + "\n")
        return run
    run = open_run(workspace.data_dir, resume)
    if run.verb != "train" or not (run.path / ASKED_FILE).is_file():
        raise UsageError(f"{resume} is a run of `amso {run.verb}`, expected one of `amso train`", _AFRESH)
    if run.is_finished:
        raise UsageError(f"{resume} is finished, expected a run that was interrupted", _AFRESH)
    before = json.loads((run.path / ASKED_FILE).read_text())
    differences = [*_differences(before, asked), *_differences(run.config, workspace.settings.to_data(), "config ")]
    if differences:
        raise UsageError(
            f"{resume} was begun with something else: {'; '.join(differences)}",
            "go on with what it was begun with, or leave --resume out to train afresh",
        )
    return run


def keep_unfinished(run: RunDirectory, policy: Policy | None) -> None:
    """The policy as far as it was learned: to look at, not registered and never proposed."""
    shutil.rmtree(run.path / UNFINISHED, ignore_errors=True)
    if policy is not None:
        save_policy(policy, run.path / UNFINISHED, training_run=run.name)


def drop_unfinished(run: RunDirectory) -> None:
    """What only an interrupted run needs."""
    for name in (CHECKPOINTS, UNFINISHED):
        shutil.rmtree(run.path / name, ignore_errors=True)


def interrupted(run: RunDirectory, stage: str, stopped: Interrupted) -> Interrupted:
    """The same with where everything lies and how to go on."""
    has_checkpoint = any((run.path / CHECKPOINTS).glob("*"))  # not every algorithm keeps one
    kept, then = ("the checkpoint, ", "goes on from there") if has_checkpoint else ("", "learns it again")
    return Interrupted(
        f"{stopped.message} (stage {stage}); {run.path} holds {kept}the curve and the policy so far "
        f"({UNFINISHED}, not registered)",
        f"the same command with --resume {run.name} {then}",
        policy=stopped.policy,
    )


_AFRESH = "leave --resume out to train afresh"


def _differences(before: Mapping[str, object], now: Mapping[str, object], what: str = "") -> list[str]:
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return [f"{what}{name} was {_shown(before.get(name))}, is {_shown(now.get(name))}" for name in names]


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
