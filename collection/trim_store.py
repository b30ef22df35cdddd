"""What each group of a stream still has to do, and the removal of what all of them have done."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis

from collection.redis_store import RedisWire
from collection.stream_source import STREAM


@dataclass(frozen=True)
class GroupState:
    """Where one consumer group of a stream stands."""

    group: str
    n_consumers: int
    n_pending: int  # handed out and not acknowledged
    lag: int | None  # not handed out yet; None where the server cannot tell
    done_before: str  # entry id: everything below it is acknowledged


@dataclass(frozen=True)
class StreamState:
    n_entries: int
    groups: Sequence[GroupState]


class StreamUpkeep:
    """For `status`, and for keeping streams short."""

    def __init__(self, wire: RedisWire) -> None:
        self._wire = wire

    def state(self, stream: str) -> StreamState:
        """No groups and no entries where there is no such stream."""
        return self._wire.command(lambda client: _state(client, stream), key=stream, expects=STREAM)

    def trim(self, stream: str) -> int:
        """Removes what every group has acknowledged, and returns how many entries that were.

        A group's acknowledgement follows the SQL commit, so nothing is removed that is not in SQL. A stream that no
        group reads keeps everything. A group that is made later at id 0 sees only what is left.
        """
        return self._wire.command(lambda client: _trim(client, stream), key=stream, expects=STREAM)


def _state(client: redis.Redis, stream: str) -> StreamState:
    n_entries: Any = client.xlen(stream)  # redis-py types answers as unions; this one also checks the type
    if not client.exists(stream):
        return StreamState(0, ())
    groups: Any = client.xinfo_groups(stream)
    return StreamState(n_entries, [_group(client, stream, group) for group in groups])


def _group(client: redis.Redis, stream: str, info: Any) -> GroupState:  # noqa: ANN401 # as redis-py answers
    done_before = info["last-delivered-id"]  # the last one delivered stays, at no cost
    if info["pending"]:
        pending: Any = client.xpending(stream, info["name"])
        done_before = pending["min"] or done_before  # all acknowledged meanwhile
    return GroupState(info["name"], info["consumers"], info["pending"], info.get("lag"), done_before)


def _trim(client: redis.Redis, stream: str) -> int:
    groups = _state(client, stream).groups
    if not groups:
        return 0
    done_before = min((group.done_before for group in groups), key=_order)
    n_removed: Any = client.xtrim(stream, minid=done_before, approximate=False)
    return int(n_removed)


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)
