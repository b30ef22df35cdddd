"""Who may propose and approve, and the token that proves who you are."""

from typing import TYPE_CHECKING, Annotated

import typer

from commands.asking import read_token
from commands.decorators import with_workspace
from commands.options import Name
from domain.people import Role

if TYPE_CHECKING:
    from loop.answer import Answer
    from loop.wiring import Workspace


@with_workspace
def people_add(
    workspace: "Workspace",
    name: Name,
    role: Annotated[
        list[Role] | None, typer.Option(help="What the person may do; may be repeated; default the config's.")
    ] = None,
    team: Annotated[str | None, typer.Option(help="For risk tiers that ask for approvers of certain teams.")] = None,
) -> "Answer":
    """Add a person; the token is printed once and stored nowhere."""
    from loop import people as verb

    return verb.add_person(workspace, name, roles=role or (), team=team)


@with_workspace
def people_list(workspace: "Workspace") -> "Answer":
    """Everybody, with roles and team."""
    from loop import people as verb

    return verb.list_people(workspace)


@with_workspace
def people_rotate(workspace: "Workspace", name: Name) -> "Answer":
    """Give a person a new token; the old one proves nobody any more."""
    from loop import people as verb

    return verb.rotate_token(workspace, name)


@with_workspace
def people_revoke(workspace: "Workspace", name: Name) -> "Answer":
    """Let a person act no more; what was approved before stands."""
    from loop import people as verb

    return verb.revoke_person(workspace, name)


@with_workspace
def login(workspace: "Workspace") -> "Answer":
    """Keep your token where only you can read it; it is asked for, or read from stdin, never an option."""
    from loop import identity as verb

    return verb.login(read_token(), workspace)


@with_workspace
def logout(workspace: "Workspace") -> "Answer":
    """Forget the token here; `amso people rotate` ends it everywhere."""
    from loop import identity as verb

    return verb.logout(workspace)
