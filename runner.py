"""The command line: names the commands of commands/, parses, runs one of them, exits.

Exit codes: 0 done (a verdict is an answer), 1 a handled failure or an act refused, 2 usage or config, 3 worth retrying.
"""

import sys
from collections.abc import Callable

import typer

from commands import data, gate, learning, people, running
from commands.answering import write_error

app = typer.Typer(
    name="amso",
    help="From a business's own records to an approved, tracked policy of which customer gets which offer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# click's UsageError, wherever typer keeps it: every complaint about the words on the command line
Unparsable: type[typer.BadParameter] = typer.BadParameter.__bases__[0]

COMMANDS: dict[str, Callable[..., None]] = {  # in the order of `--help`
    "init": data.init,
    "doctor": data.doctor,
    "import": data.import_,
    "analyze": data.analyze,
    "train": learning.train,
    "evaluate": learning.evaluate,
    "recommend": learning.recommend,
    "login": people.login,
    "logout": people.logout,
    "propose": gate.propose,
    "approve": gate.approve,
    "reject": gate.reject,
    "withdraw": gate.withdraw,
    "pause": gate.pause,
    "resume": gate.resume,
    "rollback": gate.rollback,
    "halt": gate.halt,
    "status": running.status,
    "replay": running.replay,
    "collect": data.collect,
    "live": running.live,
    "serve": running.serve,
    "demo": running.demo,
}


def _group(name: str, help: str, **commands: Callable[..., None]) -> None:  # noqa: A002 # typer's word
    group = typer.Typer(help=help, no_args_is_help=True)
    for verb, command in commands.items():
        group.command(verb)(command)
    app.add_typer(group, name=name)


for _name, _command in COMMANDS.items():
    app.command(_name)(_command)

_group(
    "policies",
    "Registered policy versions. (Promoting one is proposing it.)",
    list=learning.policies_list,
    show=learning.policies_show,
)
_group(
    "people",
    "Who may propose and approve. An operator's act: whoever can write the data dir can do it. "
    "Where the config names `people`, only those, with its roles.",
    add=people.people_add,
    list=people.people_list,
    rotate=people.people_rotate,
    revoke=people.people_revoke,
)
_group("proposals", "What was proposed, and where it stands.", list=gate.proposals_list, show=gate.proposals_show)
_group(
    "decisions",
    "What was decided, with everything that was known.",
    list=running.decisions_list,
    show=running.decisions_show,
)
_group("audit", "The audit chain.", verify=running.audit_verify)


def main() -> None:
    """Runs the command line; what cannot be parsed is answered like any other error, as JSON where asked."""
    try:
        code = app(standalone_mode=False)
    except typer.Abort:
        sys.exit(130)
    except Unparsable as error:
        if "--json" in sys.argv:
            write_error("usage_error", error.format_message(), "see --help")
        else:
            error.show()
        sys.exit(error.exit_code)
    sys.exit(code or 0)


if __name__ == "__main__":
    main()
