"""How pages write numbers, times, segments and verdicts. No value without its interval; `cannot tell` is said."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from domain.proposals import LIVE, Scope, Status
from loop.text import interval, number

DASH = "–"
CANNOT_TELL = "cannot tell"
TONES = {
    Status.PENDING: "waiting",
    Status.APPROVED: "waiting",
    Status.CANARY: "live",
    Status.ACTIVE: "live",
    Status.PAUSED: "stopped",
    Status.ROLLING_BACK: "stopped",
    Status.ROLLED_BACK: "stopped",
    Status.REFUSED: "stopped",
    Status.REJECTED: "stopped",
}


def count(value: object) -> str:
    """
    >>> count(12345)
    '12,345'
    """
    return f"{value:,}" if isinstance(value, int) else DASH


def amount(value: object) -> str:
    return str(value) if isinstance(value, Decimal) else number(_float(value))


def span(low: object, high: object) -> str:
    return interval(_float(low), _float(high))


def told(value: object, low: object, high: object) -> str:
    """A value with its interval, or that nobody can tell.

    >>> told(1.234, 0.5, 2), told(1.2, None, None)
    ('1.234 [0.5, 2]', 'cannot tell')
    """
    if _float(value) is None or _float(low) is None or _float(high) is None:
        return CANNOT_TELL
    return f"{amount(value)} {span(low, high)}"


def share(value: object) -> str:
    """
    >>> share(0.025), share(1.0), share(None)
    ('2.5 %', '100 %', '–')
    """
    found = _float(value)
    return DASH if found is None else f"{100 * found:.3g} %"


def when(at: object) -> str:
    """
    >>> when("2026-03-01T12:00:00+00:00")
    '2026-03-01 12:00'
    """
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" if isinstance(at, datetime) else DASH


def tone(status: object) -> str:
    """The colour class of a status."""
    return TONES.get(Status(str(status)), "over")


def verdict(word: object) -> str:
    """
    >>> verdict("cannot_tell")
    'cannot tell'
    """
    return str(word).replace("_", " ") if word else CANNOT_TELL


def people(approvers: Mapping[str, int]) -> str:
    """
    >>> people({"any": 2, "legal": 1})
    '2 approvers and 1 of team legal'
    """
    words = {"any": "approvers", "auto": "by the config itself, without a person"}
    parts = []
    for who, n in approvers.items():
        if who == "auto":
            parts.append(words[who])
        else:
            parts.append(f"{n} {words['any'] if n > 1 else 'approver'}" if who == "any" else f"{n} of team {who}")
    return " and ".join(parts)


def limits(scope: Scope, currency: str) -> str:
    """
    >>> limits(Scope(0.5, Decimal("100"), None), "EUR")
    'reach 50 %, budget 100 EUR'
    """
    parts = [f"reach {share(scope.reach)}"]
    if scope.budget_amount is not None:
        parts.append(f"budget {scope.budget_amount} {currency}")
    if scope.loss_cap_amount is not None:
        parts.append(f"loss cap {scope.loss_cap_amount} {currency}")
    return ", ".join(parts)


def is_live(status: object) -> bool:
    return status in LIVE


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None


FILTERS = {f.__name__: f for f in (count, amount, share, when, tone, verdict, people)}
FUNCTIONS = {f.__name__: f for f in (span, told, limits, is_live)}
