"""One form of plain data as bytes, and its hash: what approvals, audit rows and idempotency checks are bound to."""

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal


def canonical(data: object) -> bytes:
    """JSON with sorted keys and no spaces; decimals as text, times in ISO 8601.

    >>> canonical({"b": Decimal("1.50"), "a": (1, None)})
    b'{"a":[1,null],"b":"1.50"}'

    Raises:
        ValueError: a number is NaN or infinite.
        TypeError: something that has no form here.
    """
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain, ensure_ascii=False)
    return text.encode()


def content_hash(data: object) -> str:
    """sha256 of `canonical`, in hexadecimal."""
    return hashlib.sha256(canonical(data)).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date):  # datetimes too
        return value.isoformat()
    raise TypeError(f"found a {type(value).__name__}, which has no canonical form")
