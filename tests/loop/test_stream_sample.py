"""What is looked at in a sample of a streamed log is not claimed of the log, and rejected rows support nothing."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import loop.stream
from collection.log_reader import read_log
from config.log_options import LogOptions
from domain.estimates import FindingKind, Verdict
from loop.evaluate import evaluate_log
from loop.queries import _plain
from tests.loop.test_stream import OPTIONS, make_frame, streamed, write

N = 20_000


@pytest.fixture(autouse=True)
def _small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop.stream, "SAMPLE_ROWS", 1000)


def test_rare_rewards__are_not_said_to_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop.stream, "SAMPLE_ROWS", 50)
    frame = make_frame(N)
    frame["reward"] = 0.0
    frame.loc[::700, "reward"] = 50.0  # none in the sample
    found = streamed(write(frame, tmp_path / "rare.parquet")).evaluation
    memory = evaluate_log(read_log(frame, OPTIONS), "probabilities:cand")
    assert FindingKind.ZERO_REWARDS not in {f.kind for f in found.diagnostics.findings}
    assert found.verdict is memory.verdict


def test_rare_action__is_not_said_to_be_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop.stream, "SAMPLE_ROWS", 20)
    frame = make_frame(N)[["action", "propensity", "reward", "x_usage"]]
    frame["action"] = np.where(np.arange(N) % 500, "none", "mild")
    frame["propensity"] = np.where(np.arange(N) % 500, 0.998, 0.002)
    found = streamed(write(frame, tmp_path / "one.parquet"), LogOptions(), policy="constant:none").evaluation
    assert FindingKind.ONE_ACTION not in {f.kind for f in found.diagnostics.findings}


def test_faulty_propensities__are_found_in_the_sample_and_said_to_be(tmp_path: Path) -> None:
    frame = make_frame(N)
    frame["propensity"] /= 3
    found = streamed(write(frame, tmp_path / "third.parquet")).evaluation
    assert found.verdict is Verdict.CANNOT_TELL
    (inverse,) = [f for f in found.diagnostics.findings if f.kind is FindingKind.INVERSE_PROPENSITY]
    assert inverse.text.startswith("in a sample of ")
    assert inverse.n_rounds > 5000  # rounds of the log, not of the sample


def test_whole_log_in_the_sample__needs_no_such_words(tmp_path: Path) -> None:
    frame = make_frame(900)
    frame["propensity"] /= 3
    found = streamed(write(frame, tmp_path / "small.parquet")).evaluation
    assert not any("in a sample" in f.text for f in found.diagnostics.findings)


def test_rejected_rows__give_no_support(tmp_path: Path) -> None:
    frame = make_frame(N)
    frame["cell"] = np.where(np.arange(N) % 100, "many", "few")
    frame.loc[(frame["cell"] == "few") & (frame["action"] == "mild"), "reward"] = np.nan
    found = streamed(write(frame, tmp_path / "cells.parquet")).evaluation
    memory = evaluate_log(read_log(frame, OPTIONS), "probabilities:cand")
    assert found.diagnostics.support_violations == memory.diagnostics.support_violations > 100
    assert found.diagnostics.unsupported == memory.diagnostics.unsupported


def test_decimals_of_a_query__stay_numbers() -> None:
    assert _plain(Decimal("9.95")) == 9.95
