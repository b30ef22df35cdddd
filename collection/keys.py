"""The names of everything AMSO keeps in Redis (DESIGN section 5)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Keys:
    """
    >>> Keys("amso").events
    'amso:events'
    """

    prefix: str

    @property
    def events(self) -> str:
        return f"{self.prefix}:events"

    @property
    def contexts(self) -> str:
        return f"{self.prefix}:contexts"

    @property
    def decisions(self) -> str:
        return f"{self.prefix}:decisions"

    @property
    def effects(self) -> str:
        return f"{self.prefix}:effects"

    @property
    def outcomes(self) -> str:
        return f"{self.prefix}:outcomes"

    @property
    def quarantine(self) -> str:
        return f"{self.prefix}:quarantine"

    @property
    def halt(self) -> str:
        return f"{self.prefix}:halt"

    @property
    def status_names(self) -> str:
        """The set of names under which `status` has something."""
        return f"{self.prefix}:status"

    def status(self, name: str) -> str:
        return f"{self.prefix}:status:{name}"
