"""Units become pseudonyms at the edge."""

import re
import threading
from pathlib import Path

import pytest

from collection.pseudonym import load_or_make_key, unit_pseudonym
from domain.errors import ConfigError


def test_pseudonym__depends_on_unit_and_key_only() -> None:
    one = unit_pseudonym(b"k" * 32, "ann")
    assert re.fullmatch(r"u-[0-9a-f]{20}", one)
    assert one == unit_pseudonym(b"k" * 32, "ann")
    assert len({one, unit_pseudonym(b"k" * 32, "bob"), unit_pseudonym(b"j" * 32, "ann")}) == 3


def test_key__is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    key = load_or_make_key(tmp_path / "data", {})
    assert load_or_make_key(tmp_path / "data", {"AMSO_UNIT_KEY": ""}) == key
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["unit.key"]
    assert (tmp_path / "data" / "unit.key").stat().st_mode & 0o777 == 0o600


def test_key__made_by_many_at_once_is_one(tmp_path: Path) -> None:
    keys: list[bytes] = []
    threads = [threading.Thread(target=lambda: keys.append(load_or_make_key(tmp_path, {}))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


def test_key__of_the_environment_wins(tmp_path: Path) -> None:
    assert load_or_make_key(tmp_path, {"AMSO_UNIT_KEY": "x" * 32}) == b"x" * 32
    assert list(tmp_path.iterdir()) == []


def test_key__that_is_short_or_open_to_others_is_refused_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has 1 characters") as caught:
        load_or_make_key(tmp_path, {"AMSO_UNIT_KEY": "x"})
    assert "another pseudonym" in caught.value.hint
    path = tmp_path / "unit.key"
    path.touch(0o600)
    with pytest.raises(ConfigError, match="has 0 characters"):
        load_or_make_key(tmp_path, {})
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others"):
        load_or_make_key(tmp_path, {})
