"""The command line: names the commands of commands/, parses, runs one of them, exits.

Exit codes: 0 done (a verdict is an answer), 1 a handled failure or an act refused, 2 usage or config, 3 worth retrying.
"""

import sys
from collections.abc import Callable

import typer

from commands import data, gate, learning, people, running
from commands.answering import write_error

# click's UsageError, wherever typer keeps it: every complaint about the words on the command line
Unparsable: type[typer.BadParameter] = typer.BadParameter.__bases__[0]

SECTIONS: dict[str, dict[str, Callable[..., None]]] = {  # in the order of `--help`
    "Start": {"demo": running.demo, "init": data.init, "doctor": data.doctor},
    "From data to a ranked list": {
        "collect": data.collect,
        "import": data.import_,
        "analyze": data.analyze,
        "market": learning.market,
        "train": learning.train,
        "evaluate": learning.evaluate,
        "recommend": learning.recommend,
        "policies list": learning.policies_list,
        "policies show": learning.policies_show,
    },
    "People and approval": {
        "login": people.login,
        "logout": people.logout,
        "propose": gate.propose,
        "approve": gate.approve,
        "reject": gate.reject,
        "withdraw": gate.withdraw,
        "proposals list": gate.proposals_list,
        "proposals show": gate.proposals_show,
        "people add": people.people_add,
        "people list": people.people_list,
        "people rotate": people.people_rotate,
        "people revoke": people.people_revoke,
    },
    "Live": {
        "live": running.live,
        "serve": running.serve,
        "status": running.status,
        "pause": gate.pause,
        "resume": gate.resume,
        "rollback": gate.rollback,
        "halt": gate.halt,
    },
    "Looking back": {
        "verdicts": running.verdicts,
        "replay": running.replay,
        "decisions list": running.decisions_list,
        "decisions show": running.decisions_show,
        "audit verify": running.audit_verify,
    },
}
GROUPS = {
    "policies": "Registered policy versions: list, show. (Promoting one is proposing it.)",
    "proposals": "What was proposed, and where it stands: list, show.",
    "people": "Who may propose and approve: add, list, rotate, revoke.\n\n"
    "An operator's act: whoever can write the data dir can do it. Where the config names `people`, only those, "
    "with its roles.",
    "decisions": "What was decided, with everything that was known: list, show.",
    "audit": "The audit chain: verify.",
}


def _make_app() -> typer.Typer:
    app = typer.Typer(
        name="amso",
        help="From a business's own records to an approved, tracked policy of which customer gets which offer.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        epilog="Exit codes: 0 done (a verdict is an answer), 1 a failure that was handled or an act refused, "
        "2 usage or config, 3 worth retrying.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    groups: dict[str, typer.Typer] = {}
    for section, commands in SECTIONS.items():
        for words, command in commands.items():
            *group, verb = words.split()
            if not group:
                app.command(verb, rich_help_panel=section)(command)
                continue
            name = group[0]
            if name not in groups:
                groups[name] = typer.Typer(help=GROUPS[name], no_args_is_help=True)
                app.add_typer(groups[name], name=name, rich_help_panel=section)
            groups[name].command(verb)(command)
    return app


app = _make_app()


def main() -> None:
    """Runs the command line; what cannot be parsed is answered like any other error, as JSON where asked."""
    try:
        code = app(standalone_mode=False)
    except typer.Abort:
        sys.exit(130)
    except Unparsable as error:
        if "--json" in sys.argv:
            write_error(
                "usage_error", error.format_message(), f"see `{error.ctx.command_path} --help`" if error.ctx else ""
            )
        else:
            error.show()
        sys.exit(error.exit_code)
    sys.exit(code or 0)


if __name__ == "__main__":
    main()
