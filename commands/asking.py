"""What is asked of the person at the terminal: a yes, a token."""

import sys
from typing import TYPE_CHECKING

import typer

from domain.errors import NotPermitted, UsageError

if TYPE_CHECKING:
    from loop.proposal_view import ProposalAnswer


def confirm_shown(shown: "ProposalAnswer") -> bool:
    """Shows a proposal and asks the person at the terminal, on stderr."""
    shown.print()
    return typer.confirm("approve it, as the second person?", err=True)


def read_token() -> str:
    """Without echo at a terminal, else the first line of stdin."""
    if not sys.stdin.isatty():
        return sys.stdin.readline()
    from getpass import getpass

    return getpass("token: ")


def is_terminal() -> bool:
    """Whether a person sees stdout and can type."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def look(shown: "ProposalAnswer", *, can_ask: bool) -> str:
    """Shows a proposal and asks; the hash of what was shown.

    Raises:
        UsageError: nobody can be asked.
        NotPermitted: the answer was no.
    """
    if not can_ask:
        raise UsageError(
            "there is no terminal to show the proposal and ask",
            "give --hash (`seen_hash` of `amso proposals show`), or --yes for as it stands now",
        )
    shown.print()
    if not typer.confirm("approve this?"):
        raise NotPermitted("not approved", "`amso reject` says no for good")
    return shown.seen_hash
