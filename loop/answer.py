"""What every verb returns: data for programs, text for people."""

from typing import Protocol


class Answer(Protocol):
    def to_data(self) -> dict[str, object]:
        """JSON-able, the contract of `--json`."""
        ...

    def print(self) -> None:
        """Human text on stdout."""
        ...
