"""How people name a policy on the command line (DESIGN section 6).

constant:ACTION · uniform · logged · probabilities:PREFIX (columns of the log) · thompson:FILE · version:ID · path:DIR
"""

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from domain.errors import UsageError


class SpecKind(StrEnum):
    CONSTANT = "constant"
    UNIFORM = "uniform"
    LOGGED = "logged"
    PROBABILITIES = "probabilities"
    THOMPSON = "thompson"
    VERSION = "version"
    PATH = "path"


_ARGUMENTS = {
    SpecKind.CONSTANT: "ACTION",
    SpecKind.UNIFORM: "",
    SpecKind.LOGGED: "",
    SpecKind.PROBABILITIES: "PREFIX",
    SpecKind.THOMPSON: "FILE",
    SpecKind.VERSION: "ID",
    SpecKind.PATH: "DIR",
}


@dataclass(frozen=True)
class PolicySpec:
    """A policy by name; `argument` is empty for `uniform` and `logged`."""

    kind: SpecKind
    argument: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.argument}" if self.argument else str(self.kind)


def parse_policy_spec(text: str) -> PolicySpec:
    """Reads one SPEC.

    >>> parse_policy_spec("constant:promo")
    PolicySpec(kind=<SpecKind.CONSTANT: 'constant'>, argument='promo')

    Raises:
        UsageError: no such form; the hint lists them all and suggests the nearest.
    """
    head, colon, argument = text.strip().partition(":")
    if head not in tuple(SpecKind):
        raise UsageError(f"policy {text!r} has none of the known forms: {_forms()}", _suggestion(head, argument))
    kind = SpecKind(head)
    wanted = _ARGUMENTS[kind]
    if bool(argument) != bool(wanted) or (colon and not wanted):
        expected = f"{kind}:{wanted}" if wanted else str(kind)
        raise UsageError(f"policy {text!r} was given; expected {expected}", f"the forms are {_forms()}")
    return PolicySpec(kind, argument)


def _forms() -> str:
    return ", ".join(f"{kind}:{argument}" if argument else str(kind) for kind, argument in _ARGUMENTS.items())


def _suggestion(head: str, argument: str) -> str:
    near = get_close_matches(head.lower(), list(SpecKind), n=1)
    if not near:
        return f"did you mean constant:{head}?" if head and not argument else "use one of these forms"
    kind = SpecKind(near[0])
    rest = argument or _ARGUMENTS[kind]
    return f"did you mean {kind}:{rest}?" if _ARGUMENTS[kind] else f"did you mean {kind}?"
