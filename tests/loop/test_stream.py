"""A streamed log says what the same log says in memory: same numbers, same faults, same verdict."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import runner
from collection.log_reader import read_log
from config.log_options import LogOptions
from domain.errors import AmsoError, InsufficientOverlap
from domain.estimates import Evaluation, Verdict
from loop.evaluate import evaluate_log
from loop.stream import Streamed, evaluate_stream, open_stream
from policies.spec import parse_policy_spec

N = 150_000  # more than two chunks, and more than the sample
IDS = np.array(["none", "mild", "strong"])
OPTIONS = LogOptions(probability_prefixes=("cand",), prediction_prefix="q")


def make_frame(n: int = N, *, seed: int = 0, gain: float = 0.1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    behavior = rng.dirichlet([4.0, 4.0, 4.0], n)
    action = (rng.random((n, 1)) > behavior.cumsum(axis=1)[:, :-1]).sum(axis=1)
    rate = 0.3 + gain * np.column_stack([-x.clip(-1, 1), 0 * x, x.clip(-1, 1)])
    candidate = np.exp(2 * rate / max(gain, 0.1))
    candidate /= candidate.sum(axis=1, keepdims=True)
    columns: dict[str, object] = {
        "action": IDS[action],
        "propensity": behavior[np.arange(n), action],
        "reward": (rng.random(n) < rate[np.arange(n), action]).astype(float),
        "x_usage": x,
        "x_plan": np.where(x > 0, "pro", "free"),
    }
    columns |= {f"cand_{a}": candidate[:, i] for i, a in enumerate(IDS)}
    columns |= {f"q_{a}": rate[:, i] + 0.01 * rng.normal(size=n) for i, a in enumerate(IDS)}
    return pd.DataFrame(columns)


def write(frame: pd.DataFrame, path: Path) -> Path:
    writers: dict[str, Callable[[], object]] = {
        ".parquet": lambda: frame.to_parquet(path, row_group_size=40_000),
        ".csv": lambda: frame.to_csv(path, index=False),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True, double_precision=15),
    }
    writers[path.suffix]()
    return path


def streamed(path: Path, options: LogOptions = OPTIONS, policy: str = "probabilities:cand") -> Streamed:
    return evaluate_stream(open_stream(path, options), parse_policy_spec(policy), parse_policy_spec("logged"))


def values(evaluation: Evaluation) -> dict[tuple[str, str], tuple[float, float, float]]:
    return {(e.policy, e.estimator): (e.value, e.low, e.high) for e in evaluation.estimates}


def assert_same(one: Evaluation, other: Evaluation, *, rel: float) -> None:
    mine, theirs = values(one), values(other)
    assert {name for _, name in mine} == {"ips", "ips_clipped(10)", "snips", "dm", "dr", "sndr"}
    for key, found in mine.items():
        assert found == pytest.approx(theirs[key], rel=rel), key
    c, d = one.comparison, other.comparison
    assert (c.difference, c.low, c.high) == pytest.approx((d.difference, d.low, d.high), rel=rel, abs=rel)
    assert one.verdict is other.verdict
    assert one.diagnostics.ess == pytest.approx(other.diagnostics.ess, rel=1e-6)
    assert one.diagnostics.mean_weight == pytest.approx(other.diagnostics.mean_weight, rel=1e-6)
    assert one.diagnostics.tail_index == pytest.approx(other.diagnostics.tail_index, rel=1e-4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("streamed")


def test_logged_predictions__every_format_says_exactly_what_memory_says(folder: Path) -> None:
    frame = make_frame()
    memory = evaluate_log(read_log(frame, OPTIONS), "probabilities:cand")
    assert memory.verdict is Verdict.PROMOTE
    for suffix in (".parquet", ".csv", ".jsonl"):
        found = streamed(write(frame, folder / f"log{suffix}"))
        assert_same(found.evaluation, memory, rel=1e-6 if suffix == ".jsonl" else 1e-9)
        assert found.read.n_used == N


def test_fitted_models__differ_by_no_more_than_their_folds_and_sample(folder: Path) -> None:
    frame, options = make_frame(), LogOptions(probability_prefixes=("cand",))
    memory = evaluate_log(read_log(frame, options), "probabilities:cand")
    found = streamed(write(frame, folder / "fitted.parquet"), options).evaluation
    assert found.verdict is memory.verdict
    assert found.comparison.difference == pytest.approx(memory.comparison.difference, rel=0.02)
    assert found.comparison.low == pytest.approx(memory.comparison.low, rel=0.03)


def test_units_in_many_chunks__are_clusters(folder: Path) -> None:
    frame = pd.concat([make_frame(40_000)] * 4, ignore_index=True)  # every customer four times, far apart
    once = evaluate_log(read_log(make_frame(40_000), OPTIONS), "probabilities:cand")
    frame["unit_id"] = [f"u{i}" for i in range(40_000)] * 4
    found = streamed(write(frame, folder / "units.parquet")).evaluation
    for key, (value, low, high) in values(found).items():
        there = values(once)[key]
        assert value == pytest.approx(there[0], rel=1e-9)
        assert high - low == pytest.approx(there[2] - there[1], rel=0.06)  # of 4,096 groups the spread is known to 1 %


def test_bad_rows__are_counted_and_judged_as_in_memory(folder: Path) -> None:
    frame = make_frame(100_000)
    frame.loc[[5, 70_000], "reward"] = np.nan
    frame.loc[99_999, "propensity"] = 1.5
    frame.loc[[10, 80_000], "cand_none"] += 0.1
    frame["decision_id"] = [f"d{i}" for i in range(len(frame))]
    frame.loc[90_000] = frame.loc[3]  # the same decision again, in another chunk
    memory = read_log(frame, OPTIONS)
    for suffix in (".parquet", ".csv", ".jsonl"):
        found = streamed(write(frame, folder / f"bad{suffix}"))
        assert dict(found.read.rejected) == dict(memory.rejected)
        assert found.read.n_rows == memory.n_rows
        assert found.read.n_used == len(memory.log)
    frame.loc[:2000, "reward"] = np.nan
    answer = streamed(write(frame, folder / "worse.parquet")).evaluation
    assert answer.verdict is Verdict.CANNOT_TELL
    assert answer.comparison.difference is None
    assert not any(e.trusted for e in answer.estimates)


def test_rare_action_missing_in_most_chunks__has_support_all_the_same(folder: Path) -> None:
    frame = make_frame(140_000)[["action", "propensity", "reward", "x_usage", "x_plan"]]
    frame.loc[:200, "action"] = "rare"
    found = streamed(write(frame, folder / "rare.parquet"), LogOptions(), policy="uniform").evaluation
    memory = evaluate_log(read_log(frame), "uniform")
    assert found.diagnostics.support_violations == memory.diagnostics.support_violations == 0


def test_action_of_unusable_rows_alone__is_none(folder: Path) -> None:
    frame = make_frame(20_000)[["action", "propensity", "reward"]]
    frame.loc[[3, 4], "action"], frame.loc[[3, 4], "propensity"] = "ghost", -1.0
    found = streamed(write(frame, folder / "ghost.parquet"), LogOptions(), policy="uniform").evaluation
    memory = evaluate_log(read_log(frame), "uniform")
    assert found.diagnostics.mean_weight == pytest.approx(memory.diagnostics.mean_weight)
    assert found.verdict is memory.verdict is Verdict.CANNOT_TELL  # every row of ghost was rejected
    assert found.reasons[0] == memory.reasons[0]


def test_a_handful_of_rows__is_answered_and_one_customer_is_not(folder: Path) -> None:
    frame = make_frame(3)[["action", "propensity", "reward"]]
    assert streamed(write(frame, folder / "few.csv"), LogOptions(), "uniform").evaluation.verdict is Verdict.CANNOT_TELL
    one = make_frame(50)[["action", "propensity", "reward"]].assign(unit_id="u")
    with pytest.raises(AmsoError, match="1 unit"):
        streamed(write(one, folder / "one.csv"), LogOptions(), "uniform")


def test_what_cannot_be_streamed__says_what_to_do(folder: Path) -> None:
    bare = make_frame(1000).drop(columns="propensity")
    with pytest.raises(InsufficientOverlap, match="no propensities"):
        streamed(write(bare, folder / "bare.parquet"))
    panel = make_frame(1000).assign(episode_id=range(1000), step=0)
    with pytest.raises(AmsoError, match="panel"):
        streamed(write(panel, folder / "panel.parquet"))


def test_verb__answers_like_the_one_in_memory_and_keeps_bad_rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMSO_DATA_DIR", str(folder / "data"))
    frame = make_frame(20_000)
    frame.loc[7, "reward"] = np.nan
    path = write(frame, folder / "verb.csv")
    asked = ["evaluate", str(path), "--policy", "probabilities:cand", "--predictions", "q", "--json"]
    answers = []
    for how in ("--stream", "--no-stream"):
        result = CliRunner().invoke(runner.app, [*asked, how])
        assert result.exit_code == 0, result.output
        answers.append(json.loads(result.stdout))
    one, other = answers
    assert set(one) == set(other)
    assert one["verdict"] == other["verdict"]
    assert one["log"]["rejected"] == other["log"]["rejected"] == {"reward missing or NaN": 1}
    assert one["log"]["used"] == other["log"]["used"] == 19_999
    assert one["comparison"]["difference"] == pytest.approx(other["comparison"]["difference"], rel=1e-9)
    assert one["report"] is None
    assert "random sample" in " ".join(one["log"]["notes"])


def test_memory__does_not_grow_with_the_log(folder: Path) -> None:
    program = (
        "import sys\nfrom tests.loop.test_stream import OPTIONS, streamed\nfrom pathlib import Path\n"
        "streamed(Path(sys.argv[1]))\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    peaks = []
    for copies in (2, 12):
        frame = pd.concat([make_frame()] * copies, ignore_index=True)
        path = write(frame, folder / f"long_{copies}.parquet")
        done = subprocess.run([sys.executable, "-c", program, str(path)], check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout) / 1024)
    in_memory_mb = 10 * N * 11 * 8 / 2**20  # what the longer log has more of
    assert peaks[1] - peaks[0] < 0.4 * in_memory_mb
