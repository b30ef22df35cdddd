"""A log read in chunks: the same rows, faults and row numbers as a log that is read whole."""

import json
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from collection import csv_chunks, jsonl_chunks, parquet_chunks
from collection.log_facts import LogFacts
from collection.log_reader import read_log
from collection.log_stream import LogStream
from collection.parquet_chunks import ParquetChunks
from collection.repeated_ids import IdHashes
from config.log_options import LogOptions
from domain.errors import InvalidSnapshot, UsageError
from domain.log import LoggedDecisions
from domain.records import QuarantinedRecord
from tests.collection.test_log_reader import make_frame

OWN = LogOptions()


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_chunks, "CHUNK_ROWS", 3)
    monkeypatch.setattr(csv_chunks, "BLOCK_BYTES", 200)
    monkeypatch.setattr(jsonl_chunks, "CHUNK_BYTES", 300)


def compare(path: Path, options: LogOptions = OWN) -> LogStream:
    """Reads both ways, and asks for the same log and the same account."""
    ours: list[QuarantinedRecord] = []
    theirs: list[QuarantinedRecord] = []
    whole = read_log(path, options, theirs.extend)
    stream = LogStream(path, options)
    is_kept = np.array([action in whole.log.actions for action in stream.actions.ids])
    if not is_kept.all():
        stream.keep_actions(is_kept)
    logs = [chunk.log for chunk in stream.chunks(ours.extend)]
    read = stream.account()
    assert sum(map(len, logs)) == len(whole.log)
    for name in ("n_rows", "rejected", "rejected_by_action", "left_out", "notes"):
        assert getattr(read, name) == getattr(whole, name), name
    assert sorted((r.source, r.row, r.reason) for r in ours) == sorted((r.source, r.row, r.reason) for r in theirs)
    assert {log.actions for log in logs} == {whole.log.actions}
    for name in ("reward", "propensity", "weight", "cost", "decided_at"):
        assert_same([getattr(log, name) for log in logs], getattr(whole.log, name))
    for name in ("action", "eligible", "logged_distribution"):
        assert_same([getattr(log, name) for log in logs], getattr(whole.log, name))
    for name, column in whole.log.context.columns.items():
        assert_same([log.context.columns[name] for log in logs], column)
    if whole.log.cell is not None:
        assert_same([cells(log) for log in logs], cells(whole.log))
    return stream


def cells(log: LoggedDecisions) -> list[str]:
    assert log.cell is not None
    return [log.cell_names[code] for code in log.cell]


def assert_same(parts: list, whole: object) -> None:  # type: ignore[type-arg]
    if whole is None:
        assert all(part is None for part in parts)
    else:
        np.testing.assert_array_equal(np.concatenate(parts), np.asarray(whole))


@pytest.mark.parametrize("name", ["log.parquet", "log.csv", "log.jsonl"])
@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"unit_id": None},
        {"decision_id": [1, 2, 3, 4, 1, 6, 7, 3, 9, 10]},
        {"decision_id": ["a", "b", "c", "d", "a", "f", "g", "c", "i", None]},
        {"decided_at": ["2026-01-01T00:00:00"] * 9 + ["2026-01-01T00:00:00Z"]},
        {"decided_at": ["2026-01-01"] * 10},
        {"cell": list("aabbccddee")},
        {"cell": [None] * 9 + ["z"]},
        {"weight": [None] * 10, "cost": [None] * 5 + [1.0] * 5},
        {"eligible": ["a|b"] * 5 + ["b"] * 5},
        {"eligible": ["a|b|never"] * 10},
        {"matured": [True, False] * 5},
        {"matured": [None] * 10},
        {"split": ["train"] * 4 + ["test"] * 6},
        {"x_plan": ["a"] * 9 + ["b"], "x_late": [None] * 8 + [2.0, np.nan]},
        {"propensity": [0.5] * 8 + [0.0, np.nan]},
        {"post_x": [1] * 10},
        {"p_a": [0.5] * 10, "p_b": [0.5] * 9 + [0.4]},
        {"p_x": [0.5] * 10},
    ],
)
def test_stream__reads_what_the_reader_reads(tmp_path: Path, name: str, columns: dict[str, object]) -> None:
    frame = make_frame(10, **{"reward": [1.0, np.nan, *range(8)], **columns})
    path = tmp_path / name
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False, row_group_size=4)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    compare(path)


def test_stream__chooses_rows_as_the_reader_does(tmp_path: Path) -> None:
    points = ["one"] * 6 + ["two"] * 4
    frame = make_frame(10, decision_point=points, split=["train", "test"] * 5, cell=[None] * 6 + ["z"] * 4)
    frame.to_parquet(tmp_path / "log.parquet")
    compare(tmp_path / "log.parquet", LogOptions(decision_point="one", split="test"))
    with pytest.raises(UsageError, match="the log has one, two"):
        LogStream(tmp_path / "log.parquet", OWN)
    with pytest.raises(UsageError, match="unknown split 'dev'"):
        LogStream(tmp_path / "log.parquet", LogOptions(decision_point="one", split="dev"))


def test_stream__sets_ragged_lines_aside(tmp_path: Path) -> None:
    lines = ["action,propensity,reward", *(f"a,0.5,{i}" for i in range(60))]
    lines[10] += ",ragged"
    lines[58:58] = ["b", "b"]
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    compare(tmp_path / "log.csv")


def test_stream__keeps_a_file_whose_types_were_guessed_wrong(tmp_path: Path) -> None:
    rows = [f"a,0.5,{i},{i}" for i in range(60)]
    rows[50] = "a,0.5,x,7"
    (tmp_path / "log.csv").write_text("\n".join(["action,propensity,reward,x_age", *rows]) + "\n")
    stream = compare(tmp_path / "log.csv")
    assert stream.account().rejected == {"reward not a number": 1}


def test_stream__reads_json_line_by_line_where_one_is_broken(tmp_path: Path) -> None:
    rows = [json.dumps({"action": "ab"[i % 2], "unit_id": i // 2, "reward": i, "x_n": i}) for i in range(40)]
    rows[30] = '{"action": "a", "reward": '
    rows[35] = json.dumps({"action": "a", "unit_id": "17", "reward": 1, "x_n": "many"})
    (tmp_path / "log.jsonl").write_text("\n".join(rows) + "\n")
    compare(tmp_path / "log.jsonl")


def test_stream__knows_a_unit_again_in_another_chunk(tmp_path: Path) -> None:
    make_frame(12, unit_id=[1.0, 2.0, None, 3.0] * 3).to_parquet(tmp_path / "log.parquet")
    stream = compare(tmp_path / "log.parquet")
    found = [tuple(chunk.log.unit.tolist()) for chunk in stream.chunks()]
    units = [unit for part in found for unit in part]
    assert units == units[:3] * 3
    assert len(set(units)) == 3


def test_stream__of_no_rows_or_no_usable_row_is_refused(tmp_path: Path) -> None:
    make_frame(4).iloc[:0].to_parquet(tmp_path / "none.parquet")
    with pytest.raises(InvalidSnapshot, match="has no rows"):
        LogStream(tmp_path / "none.parquet", OWN)
    make_frame(4, reward=[np.inf] * 4).to_parquet(tmp_path / "bad.parquet")
    with pytest.raises(InvalidSnapshot, match="none is usable"):
        list(LogStream(tmp_path / "bad.parquet", OWN).chunks())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 30), max_size=200))
def test_repeated__are_exactly_the_ids_that_occur_twice(ids: list[int]) -> None:
    series = pd.Series(ids, dtype="int64")
    with closing(IdHashes()) as hashes:
        for start in range(0, len(ids), 7):
            hashes.add(series.iloc[start : start + 7])
        assert len(hashes.repeated()) == int((series.value_counts() > 1).sum())


def test_repeated__is_exact_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collection.repeated_ids.PART", 64)
    ids = pd.Series([f"d-{i}" for i in [*range(500), 7, 499, 499]])
    with closing(IdHashes()) as hashes:
        hashes.add(ids)
        assert len(hashes.repeated()) == 2


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=40), st.integers(1, 39))
def test_facts__of_parts_add_up(actions: list[str], cut: int) -> None:
    parts = [LogFacts(len(part), written=Counter(part)) for part in (actions[:cut], actions[cut:])]
    whole = sum(parts, LogFacts())
    assert whole.written == Counter(actions)
    assert whole.n_rows == len(actions)


@pytest.mark.parametrize("text", [pa.string(), pa.large_string()])
def test_parquet__takes_a_column_of_ids_as_it_stands(tmp_path: Path, text: pa.DataType) -> None:
    frame = make_frame(2000, decision_id=[f"d-{i}" for i in range(2000)])
    texts = {"decision_id", "unit_id", "action"}
    schema = pa.schema([(name, text if name in texts else pa.float64()) for name in frame.columns])
    pq.write_table(pa.Table.from_pandas(frame, schema, preserve_index=False), tmp_path / "log.parquet")
    _, table = next(iter(ParquetChunks(tmp_path / "log.parquet", frozenset(texts)).chunks()))
    coded = {name for name in frame.columns if isinstance(table.frame[name].dtype, pd.CategoricalDtype)}
    assert coded == {"action"}  # a dictionary of ids takes twenty times as long as the ids
