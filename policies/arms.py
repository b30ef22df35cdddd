"""Which arm a unit is in: a salted hash, so that anyone can recompute it and nobody has to remember it.

    holdout   unit_share(holdout salt, unit) < holdout share: the same at every decision point, for ever
    policy    else, where a proposal is live: unit_share(its salt, unit) < its reach
    baseline  else

A unit's share never changes under one salt, so a wider reach keeps everybody who was in; another salt is another,
independent coin. Reach is the share of units at the canary step where the proposal stands.
"""

from dataclasses import dataclass
from hashlib import blake2b

from domain.decisions import Arm


@dataclass(frozen=True)
class Reach:
    """How far a live proposal goes now."""

    salt: str  # of the proposal; the same at every one of its steps
    share: float  # of units, in [0, 1]


def assign_arm(unit: str, *, holdout_salt: str, holdout_share: float, reach: Reach | None) -> Arm:
    """The arm of a unit.

    >>> assign_arm("u-1", holdout_salt="programme", holdout_share=0.0, reach=Reach("pr-1", 1.0)).value
    'policy'

    Args:
        unit: its pseudonym.
        holdout_salt: of the programme, across decision points.
        holdout_share: of units that never leave the baseline.
        reach: of the live proposal that covers the unit's segment; None = there is none.
    """
    if unit_share(holdout_salt, unit) < holdout_share:
        return Arm.HOLDOUT
    if reach is not None and unit_share(reach.salt, unit) < reach.share:
        return Arm.POLICY
    return Arm.BASELINE


def unit_share(salt: str, unit: str) -> float:
    """Where a unit lies in [0, 1) under a salt: the first 53 bits of BLAKE2b, all that a float can hold.

    The salt's length goes in first: without it `("a", "bc")` and `("ab", "c")` would share one coin.
    """
    digest = blake2b(f"{len(salt)}:{salt}{unit}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) * 2.0**-53
