"""`amso init`: a first config, from a template or guessed from a sample of one's own log."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from collection.file_source import read_table
from collection.log_reader import read_log
from collection.roles import LogRoles, guess_roles
from config.load import load_settings
from config.settings import MAIN
from config.template import NAMES, template
from domain.errors import UsageError
from domain.log import LogRead
from loop.text import console

SAMPLE_ROWS = 20_000


@dataclass(frozen=True)
class InitAnswer:
    """The file written, and what a person should still check."""

    path: Path
    open_questions: tuple[str, ...]
    read: LogRead | None  # the log it was guessed from

    def to_data(self) -> dict[str, object]:
        rows = None if self.read is None else {"rows": self.read.n_rows, "used": len(self.read.log)}
        return {"config": str(self.path), "open_questions": list(self.open_questions), "log": rows}

    def print(self) -> None:
        out = console()
        out.print(f"wrote {self.path}; it loads")
        if self.read is not None:
            out.print(
                f"{self.read.source}: {len(self.read.log):,} of {self.read.n_rows:,} rows are usable as it stands"
            )
        for question in self.open_questions:
            out.print(f"  ? {question}")
        out.print("next: `amso doctor`, then `amso train`" if self.read else "next: fill the lines marked (you)")


def init(name: str | None, source: Path | None, out: Path, *, overwrite: bool) -> InitAnswer:
    """The verb.

    Raises:
        UsageError: neither or both of template and log; the file exists already; a log without an action or a reward.
    """
    if (name is None) == (source is None):
        raise UsageError("say either --template or --from FILE", f"the templates are {', '.join(NAMES)}")
    if out.exists() and not overwrite:
        raise UsageError(f"{out} exists already", "choose another name with --out, or --force to overwrite it")
    if name is not None:
        return _write(out, template(name), ("fill in the lines marked (you)",), None)
    assert source is not None
    roles = guess_roles(read_table(source).frame.head(SAMPLE_ROWS))
    if roles.action is None or roles.reward is None:
        missing = "action" if roles.action is None else "reward"
        raise UsageError(
            f"{source}: no column looks like the {missing}: {'; '.join(roles.open_questions)}",
            "rename it (action, reward), or start with --template and fill in `columns:`",
        )
    read = read_log(source, roles.options())
    return _write(out, _config_text(source, roles, read.log.actions.ids), roles.open_questions, read)


def _write(out: Path, text: str, questions: tuple[str, ...], read: LogRead | None) -> InitAnswer:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    load_settings(out, (), {})
    return InitAnswer(out, questions, read)


def _config_text(source: Path, roles: LogRoles, actions: Sequence[str]) -> str:
    options = roles.options()
    shares = dict(roles.action_shares)
    lines = [
        f"# Guessed from {source.name} by `amso init --from`. Lines marked (?) are guesses to check,",
        "# those marked (you) are yours to fill in. `amso doctor` checks every line.",
        "version: 1",
        "",
        "business:",
        "  name: my-business                    # (you)",
        "  currency: EUR                        # (you) of every report",
        "",
        "sources:",
        "  log:",
        "    kind: file",
        "    content: decision_log",
        f"    path: {_text(str(source))}",
        f"    reward: {_text(options.reward or '')}    # (?) {_reward_note(roles)}",
    ]
    if options.columns:
        columns = ", ".join(f"{_text(ours)}: {_text(theirs)}" for ours, theirs in options.columns.items())
        lines.append(f"    columns: {{{columns}}}    # (?) ours: yours")
    lines += [
        "",
        "decision_points:",
        f"  {MAIN}:                                # (you) name the moment",
        "    mode: log",
        f"    baseline: {_text(roles.baseline or actions[0])}    # (?) what you do without AMSO",
        f"    context: [{', '.join(_text(name.removeprefix('x_')) for name in roles.context)}]",
        "    actions:                           # (you) costs per execution, discounts, who is eligible",
    ]
    lines += [f"      {_text(a)}: {{cost: 0}}    # {shares.get(a, 0.0):.1%} of the sample" for a in actions]
    lines += ["", "objective:", f"  metric: {_text(_metric(options.reward or ''))}", "  direction: maximize"]
    lines += ["", *(f"# ? {question}" for question in roles.open_questions)]
    return "\n".join(lines) + "\n"


def _reward_note(roles: LogRoles) -> str:
    if not roles.other_rewards:
        return "what counts as better"
    return f"what counts as better; also found: {', '.join(roles.other_rewards)}"


def _metric(reward: str) -> str:
    return reward.removeprefix("reward_") or "reward"


def _text(value: str) -> str:
    """A YAML scalar that stays text."""
    return value if value.isidentifier() and value not in ("true", "false", "null") else json.dumps(value)
