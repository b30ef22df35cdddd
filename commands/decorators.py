"""What makes a function of this room a command: its log named, its workspace opened, its answer printed."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from commands.answering import answer
from commands.options import (
    ActionColumn,
    ColumnsFile,
    ConfigFile,
    DecisionPoint,
    Exclude,
    Json,
    Overrides,
    PropensityColumn,
    Require,
    Reward,
    Split,
    TimeColumn,
    UnitColumn,
)

if TYPE_CHECKING:
    from loop.answer import Answer
    from loop.logs import LogRequest
    from loop.wiring import Workspace

Found = TypeVar("Found")


def with_workspace(act: Callable[..., "Answer"]) -> Callable[..., None]:
    """Opens and closes `workspace` for an act, looks up its `token`, tells it `as_json`; prints what it answers."""
    return _on_workspace(act, inspect.signature(_common).parameters)


def with_verdict(act: Callable[..., "Answer"]) -> Callable[..., None]:
    """The same, where the answer holds a verdict that `--require` may insist on."""
    return _on_workspace(act, inspect.signature(_judged).parameters)


def reads_log(kind: object, default: object) -> Callable[[Callable[..., Found]], Callable[..., Found]]:
    """Gives an act the options of `_log_request` in place of its parameter `request`."""
    options = inspect.signature(_log_request).parameters
    log = options["log"].replace(annotation=kind, default=default)

    def decorate(act: Callable[..., Found]) -> Callable[..., Found]:
        own = [p for p in inspect.signature(act).parameters.values() if p.name != "request"]

        def command(**given: object) -> Found:
            asked = {name: given.pop(name) for name in options}
            return act(request=_log_request(**asked), **given)  # type: ignore[arg-type] # typer has checked them

        return _dressed(command, act, (log, *list(options.values())[1:], *own))

    return decorate


def open_workspace(config: Path | None, overrides: list[str] | None) -> "Workspace":
    """The workspace that `--config` and `--set` ask for."""
    from loop import wiring

    return wiring.open_workspace(config, overrides or ())


def _common(config: ConfigFile = None, overrides: Overrides = None, as_json: Json = False) -> None:
    """The options of every verb that works on a workspace."""


def _judged(
    require: Require = None, config: ConfigFile = None, overrides: Overrides = None, as_json: Json = False
) -> None:
    """The options of every verb that ends with a verdict."""


def _log_request(
    log: Path | None,
    reward: Reward = None,
    action: ActionColumn = None,
    propensity: PropensityColumn = None,
    unit: UnitColumn = None,
    time: TimeColumn = None,
    columns: ColumnsFile = None,
    exclude_action: Exclude = None,
    split: Split = None,
    decision_point: DecisionPoint = None,
) -> "LogRequest":
    """The options that every verb on a decision log takes."""
    from loop.logs import LogRequest

    named = {"action": action, "propensity": propensity, "unit_id": unit, "decided_at": time}
    return LogRequest(
        path=log,
        columns_file=columns,
        columns=tuple((ours, theirs) for ours, theirs in named.items() if theirs is not None),
        reward=reward,
        exclude_actions=tuple(exclude_action or ()),
        split=split,
        decision_point=decision_point,
    )


def _on_workspace(act: Callable[..., "Answer"], options: Mapping[str, inspect.Parameter]) -> Callable[..., None]:
    wanted = inspect.signature(act).parameters
    own = [p for p in wanted.values() if p.name not in ("workspace", "token", "as_json")]

    def command(**given: object) -> None:
        common = {name: given.pop(name) for name in options}
        as_json = bool(common["as_json"])

        def verb() -> "Answer":
            with closing(open_workspace(common["config"], common["overrides"])) as workspace:  # type: ignore[arg-type] # typer has checked them
                brought = {"workspace": workspace, "as_json": as_json}
                if "token" in wanted:
                    brought["token"] = _token(workspace)
                return act(**{name: brought[name] for name in brought if name in wanted}, **given)

        answer(verb, as_json, common.get("require"))  # type: ignore[arg-type] # typer has checked it

    return _dressed(command, act, (*own, *options.values()))


def _dressed(
    command: Callable[..., Found], act: Callable[..., object], parameters: Sequence[inspect.Parameter]
) -> Callable[..., Found]:
    """Gives a command the name and help of an act, and the parameters that typer shall see."""
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    command.__name__, command.__doc__ = act.__name__, act.__doc__
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # typer reads it
    return command


def _token(workspace: "Workspace") -> str | None:
    from loop.identity import token_of

    return token_of(workspace.environ)
