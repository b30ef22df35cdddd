"""What SQLAlchemy and the drivers raise, as errors that a person can act on."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, StatementError

from domain.errors import AlreadyRecorded, AmsoError, InvalidSnapshot, SourceUnavailable
from knowledge.columns import unstorable


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Turns database errors of the block into AMSO's; everything else passes."""
    try:
        yield
    except StatementError as error:  # SQLAlchemy's base of whatever went wrong with a statement, drivers included
        raise _translate(error, url.render_as_string(hide_password=True)) from error


def _translate(error: StatementError, where: str) -> AmsoError:
    words = (str(error.orig).strip() or "no reason given").splitlines()[0]
    if "not a database" in words or "malformed" in words:
        return InvalidSnapshot(f"{where} is not a usable database: {words}", "move the file away or restore a backup")
    if isinstance(error, IntegrityError):
        hint = "a key is used once, and what a record refers to must be recorded too"
        return AlreadyRecorded(f"{where} refused a record: {words}", hint)
    if isinstance(error, OperationalError):
        return SourceUnavailable(f"{where} cannot be used: {words}", "check that the server or folder is reachable")
    if isinstance(error, DBAPIError) and not isinstance(error, DataError):
        return InvalidSnapshot(f"{where} failed: {words}", "restore a backup, or report this with the message")
    return error.orig if isinstance(error.orig, AmsoError) else unstorable(words)
