"""Everything AMSO refuses, by cause. A message says what was found and what was expected; the hint says what to do.

AmsoError                      exit 1, a handled failure
├── UsageError                 exit 2, wrong option or argument
│   ├── ConfigError            a setting is unknown, missing or contradicts another
│   ├── UnsupportedAction      an action that the log or the catalogue does not have
│   └── MissingColumn          a column that the log must have
├── InvalidSnapshot            data that cannot be used as a whole: unreadable, empty, no usable row
├── CorruptPolicy              a policy directory whose content does not match its hash
├── InsufficientOverlap        the log cannot carry the question
├── UnfaithfulMarket           a fitted market that does not resemble its data
├── NotFound                   a version, run or name that the knowledge base does not hold
├── AlreadyRecorded            a record whose key the knowledge base holds already, or one that refers to nothing
├── InvalidRecord              one record that cannot be taken in: it goes to the quarantine with this as its reason
├── NotPermitted               an act that the gate refuses: no token, the wrong role, one's own proposal
├── IllegalTransition          a proposal cannot go where it was sent
├── StaleProposal              what was looked at is not what stands there now
├── Interrupted                exit 130, a person stopped it: what was done until then is kept
└── SourceUnavailable          exit 3, worth retrying
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domain.policy import Policy


class AmsoError(Exception):
    """A failure that a person can act on."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def code(self) -> str:
        """The class name in snake_case, stable for programs that read `--json`."""
        name = type(self).__name__
        return "".join("_" + c.lower() if c.isupper() and i else c.lower() for i, c in enumerate(name))

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(AmsoError):
    exit_code = 2


class ConfigError(UsageError):
    pass


class UnsupportedAction(UsageError):
    pass


class MissingColumn(UsageError):
    pass


class InvalidSnapshot(AmsoError):
    pass


class CorruptPolicy(AmsoError):
    pass


class InsufficientOverlap(AmsoError):
    pass


class UnfaithfulMarket(AmsoError):
    pass


class NotFound(AmsoError):
    pass


class AlreadyRecorded(AmsoError):
    pass


class InvalidRecord(AmsoError):
    pass


class NotPermitted(AmsoError):
    pass


class IllegalTransition(AmsoError):
    pass


class StaleProposal(AmsoError):
    pass


class Interrupted(AmsoError):
    exit_code = 130  # as of any program that Ctrl-C ends

    def __init__(self, message: str, hint: str = "", *, policy: "Policy | None" = None) -> None:
        super().__init__(message, hint)
        self.policy = policy  # as far as it was learned


class SourceUnavailable(AmsoError):
    exit_code = 3
