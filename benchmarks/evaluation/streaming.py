"""How fast, and in how much memory, a log is evaluated that memory need not hold.

10 actions; columns: action (text, dictionary-encoded), propensity, reward (0/1), the candidate's ten probabilities
(cand_*), ten logged reward predictions (q_*), all float64, Parquet without compression in row groups of 1,000,000. One
thread. Timed is the whole path (`open_stream`, `evaluate_stream`): first look at the log, reading, validation, IPS,
clipped IPS, SNIPS, DM, DR, SNDR of candidate and baseline, their paired difference, diagnostics, verdict. Each size
runs in a process of its own, whose peak memory is reported; CSV and JSONL at smaller sizes for memory alone.

    OMP_NUM_THREADS=1 python -m benchmarks.evaluation.streaming [N_MILLIONS]

writes streaming.json beside this file.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from benchmarks.record import head_commit, write_record
from config.log_options import LogOptions
from loop.stream import evaluate_stream, open_stream
from policies.spec import parse_policy_spec

N_ACTIONS, PIECE, SEED, BAR = 10, 1_000_000, 0, 2_000_000
SMALL = {"csv": (200_000, 800_000), "jsonl": (100_000, 400_000)}  # rows


def piece(rng: np.random.Generator, n: int) -> pa.Table:
    """`n` rows: a click in 2 to 12 % of the rounds, a candidate that leans towards what the log leans to."""
    score = rng.normal(size=(n, N_ACTIONS))
    rate = 0.02 + 0.1 * rng.random((n, N_ACTIONS))
    behavior, candidate = _softmax(0.5 * score), _softmax(score)
    action = (rng.random((n, 1)) > behavior.cumsum(axis=1)[:, :-1]).sum(axis=1)
    rows = np.arange(n)
    names = [f"a{i}" for i in range(N_ACTIONS)]
    columns: dict[str, object] = {
        "action": pa.DictionaryArray.from_arrays(pa.array(action, pa.int32()), pa.array(names)),
        "propensity": behavior[rows, action],
        "reward": (rng.random(n) < rate[rows, action]).astype(np.float64),
    }
    columns |= {f"cand_{name}": candidate[:, i] for i, name in enumerate(names)}
    columns |= {f"q_{name}": np.clip(rate[:, i] + 0.01 * rng.normal(size=n), 0, 1) for i, name in enumerate(names)}
    return pa.table(columns)


def write_log(path: Path, n: int) -> None:
    """Piece by piece."""
    rng = np.random.default_rng(SEED)
    first = piece(rng, min(n, PIECE))
    if path.suffix == ".parquet":
        with parquet.ParquetWriter(path, first.schema, compression="none", use_dictionary=["action"]) as writer:
            writer.write_table(first)
            for _ in range(n // PIECE - 1):
                writer.write_table(piece(rng, PIECE))
    elif path.suffix == ".csv":
        csv.write_csv(first.set_column(0, "action", first["action"].cast(pa.string())), path)
    else:
        first.to_pandas().to_json(path, orient="records", lines=True)


def measure(path: Path) -> dict[str, object]:
    """One evaluation in this process."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    options = LogOptions(probability_prefixes=("cand",), prediction_prefix="q")
    before, began = time.process_time(), time.perf_counter()
    stream = open_stream(path, options)
    found = evaluate_stream(stream, parse_policy_spec("probabilities:cand"), parse_policy_spec("logged"))
    cpu, wall = time.process_time() - before, time.perf_counter() - began
    return {
        "rows": found.read.n_rows,
        "used": found.read.n_used,
        "cpu_seconds": round(cpu, 2),
        "wall_seconds": round(wall, 2),
        "rows_per_cpu_second": round(found.read.n_rows / cpu),
        "peak_memory_mb": _peak_memory_mb(),
        "verdict": found.evaluation.verdict.value,
    }


def run(path: Path) -> dict[str, object]:
    """`measure` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.evaluation.streaming", "--measure", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, object] = json.loads(done.stdout)
    return {"format": path.suffix[1:], "file_mb": round(path.stat().st_size / 1e6), **found}


def _peak_memory_mb() -> int:
    """Of this process since it was started; `ru_maxrss` would count what its parent held when it was forked."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024)


def _softmax(
    score: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    raised = np.exp(score)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def main() -> None:
    if "--measure" in sys.argv:
        print(json.dumps(measure(Path(sys.argv[-1]))))
        return
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    commit, results = head_commit(), []
    sizes = [("parquet", n * PIECE) for n in sorted({1, max(largest // 2, 1), largest})]
    sizes += [(kind, n) for kind, both in SMALL.items() for n in both]
    for kind, n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"log.{kind}"
            write_log(path, n)
            results.append(run(path))
            print(results[-1], flush=True)
    design = {"n_actions": N_ACTIONS, "seed": SEED, "bar_rows_per_cpu_second": BAR, "threads": 1}
    write_record(Path(__file__).with_suffix(".json"), results, design, commit=commit)


if __name__ == "__main__":
    main()
