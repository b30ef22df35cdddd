"""The file of a frozen Thompson-sampling policy: one pair of Beta parameters an action."""

from typing import Annotated

from pydantic import Field

from config.section import Positive, Section


class ThompsonSettings(Section):
    """Lists of one length, in one order."""

    actions: Annotated[tuple[str, ...], Field(min_length=1)]  # as the log calls them, in quotes where they are numbers
    alpha: tuple[Positive, ...]  # an action: the prior's plus successes
    beta: tuple[Positive, ...]  # an action: the prior's plus failures
    position: str | None = None  # context column that counts positions from 1; left out = there is one only
