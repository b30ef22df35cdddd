"""A house for every test; tests that need another one open it themselves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dashboard.house import House, open_house, put_strategies


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path / "data") as opened:
        put_strategies(opened)
        yield opened
