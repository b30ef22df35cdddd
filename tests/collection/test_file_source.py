"""Files as tables: what cannot be read is refused with its reason, a broken line costs only itself."""

import json
from pathlib import Path

import pandas as pd
import pytest

from collection.file_source import NOT_JSON, RAGGED, read_table, table_of_frame
from domain.errors import InvalidSnapshot, UsageError

ROWS = pd.DataFrame({"action": ["a", "b", "a"], "reward": [1.0, 2.0, 3.0]})


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_read_table__parquet_csv_and_jsonl_give_the_same_frame(tmp_path: Path) -> None:
    ROWS.to_parquet(tmp_path / "log.parquet")
    ROWS.to_csv(tmp_path / "log.csv", index=False)
    ROWS.to_json(tmp_path / "log.jsonl", orient="records", lines=True)
    for name in ("log.parquet", "log.csv", "log.jsonl"):
        frame = read_table(tmp_path / name, ["action"]).frame
        pd.testing.assert_frame_equal(frame, ROWS, check_dtype=False, check_index_type=False)


def test_read_table__missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no file at .*gone\.csv"):
        read_table(tmp_path / "gone.csv")


def test_read_table__folder_is_refused_with_the_pattern_to_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        read_table(tmp_path)


@pytest.mark.parametrize("name", ["log.parquet", "log.csv", "log.jsonl"])
def test_read_table__empty_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidSnapshot, match="empty"):
        read_table(write(tmp_path / name, ""))


def test_read_table__half_a_parquet_file_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    ROWS.to_parquet(whole)
    half = tmp_path / "half.parquet"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(InvalidSnapshot, match="cannot be read as parquet"):
        read_table(half)


def test_read_table__unknown_suffix_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InvalidSnapshot, match=r"\.xlsx.*known kinds are \.parquet"):
        read_table(write(tmp_path / "log.xlsx", "x"))


def test_read_table__binary_junk_named_csv_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(bytes(range(256)) * 20)
    with pytest.raises(InvalidSnapshot, match="cannot be read as csv"):
        read_table(path)


def test_read_table__prose_named_jsonl_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSnapshot, match="no JSON object in 2 lines"):
        read_table(write(tmp_path / "log.jsonl", "dear all\nplease find\n"))


def test_read_table__twice_the_same_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSnapshot, match="more than one column named action"):
        read_table(write(tmp_path / "log.csv", "action,action\na,b\n"))


def test_read_table__ragged_csv_lines_are_set_aside_with_their_text(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "log.csv", "action,reward\na,1\nb\nc,2,3\nd,4\n"))
    assert table.frame["action"].tolist() == ["a", "d"]
    assert [(b.row, b.reason, json.loads(b.raw)) for b in table.broken] == [(1, RAGGED, "b"), (2, RAGGED, "c,2,3")]
    assert table.frame.index.tolist() == [0, 3]
    assert table.n_rows == 4


def test_read_table__broken_json_lines_are_set_aside_with_their_text(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "log.jsonl", '{"action":"a","reward":1}\n{"action":\n[1]\n{"action":"b"}\n'))
    assert table.frame["action"].tolist() == ["a", "b"]
    assert [(b.row, b.reason, json.loads(b.raw)) for b in table.broken] == [
        (1, NOT_JSON, '{"action":'),
        (2, NOT_JSON, "[1]"),
    ]


def test_read_table__late_text_in_a_number_column_does_not_cost_the_file(tmp_path: Path) -> None:
    # Arrow guesses the type from the first megabyte
    lines = ["action,reward,x_age", *(f"a,{i},{i}" for i in range(200_000)), "a,oops,4"]
    frame = read_table(write(tmp_path / "log.csv", "\n".join(lines)), ["action"]).frame
    assert len(frame) == 200_001
    assert frame["reward"].iloc[-1] == "oops"
    assert frame["x_age"].sum() == sum(range(200_000)) + 4


def test_read_table__text_columns_keep_leading_zeros(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "log.csv", "action,reward\n01,1\n02,2\n"), ["action"])
    assert table.frame["action"].tolist() == ["01", "02"]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_read_table__other_delimiters_and_a_byte_order_mark_are_understood(tmp_path: Path, delimiter: str) -> None:
    text = "\ufeffaction,reward\na,1\n".replace(",", delimiter)
    assert read_table(write(tmp_path / "log.csv", text)).frame.columns.tolist() == ["action", "reward"]


def test_read_table__glob_numbers_rows_on_and_finds_their_place(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv"):
        ROWS.to_csv(tmp_path / name, index=False)
    table = read_table(str(tmp_path / "*.csv"))
    assert table.n_rows == 6
    assert table.frame.index.tolist() == list(range(6))
    assert table.place(4) == (str(tmp_path / "b.csv"), 1)


def test_table_of_frame__ignores_the_frames_own_index() -> None:
    assert table_of_frame(ROWS.set_axis([7, 7, 9])).frame.index.tolist() == [0, 1, 2]
