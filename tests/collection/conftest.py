"""A real embedded Valkey a test module, and a wire with a prefix of its own a test."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from collection.redis_store import RedisWire, Timeouts, open_wire

_numbers = itertools.count()


@pytest.fixture(scope="module")
def server_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data dir whose server runs as long as the module's tests."""
    folder = tmp_path_factory.mktemp("data")
    wire = open_wire("embedded", folder)
    wire.check()
    yield folder
    wire.close()


@pytest.fixture
def wire(server_dir: Path) -> Iterator[RedisWire]:
    wire = open_wire("embedded", server_dir, f"t{next(_numbers)}", timeouts=Timeouts(backoff_seconds=(0.01,)))
    yield wire
    wire.close()
