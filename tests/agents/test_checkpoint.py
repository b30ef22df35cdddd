"""A checkpoint is whole or absent whatever dies when, and going on from it changes no byte of what is learned."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents.checkpoint import Checkpoint, CheckpointStore
from agents.training import TrainedAgent, train_in_market
from config.dqn import DqnConfig
from domain.errors import InvalidSnapshot, UsageError
from env.reference.parameters import SubscriptionParameters
from env.reference.subscription import subscription_market

ROOT = Path(__file__).parents[2]
TINY = DqnConfig(
    n_customers=32,
    periods=40,
    warmup_periods=4,
    restart_periods=12,
    hidden=(16,),
    batch_size=64,
    gradient_steps=2,
    buffer_transitions=32 * 15,  # the ring has gone round twice when the training ends
    exploration_periods=20,
)
MARKET = subscription_market()
WRITER = """
import sys, numpy as np
from pathlib import Path
from agents import checkpoint
if sys.argv[2] == "in_place":
    checkpoint._write_whole = lambda path, raw: path.write_bytes(raw)
store = checkpoint.CheckpointStore(Path(sys.argv[1]))
n = 0
while True:
    n += 1
    store.write(checkpoint.Checkpoint({"a": np.full(500_000, float(n))}, {"n": n}), {"seed": "0"})
    if n == 1:
        print("writing", flush=True)
"""
TRAINER = """
import sys
from pathlib import Path
from tests.agents.test_checkpoint import train
from agents.checkpoint import CheckpointStore
train(CheckpointStore(Path(sys.argv[1]), every_seconds=0), on_progress=lambda point: print(point.period, flush=True))
"""


def train(
    store: CheckpointStore | None = None, seed: int = 0, config: DqnConfig = TINY, **asked: object
) -> TrainedAgent:
    return train_in_market(MARKET, config, discount=0.95, seed=seed, checkpoint=store, **asked)  # type: ignore[arg-type] # hooks


def weights(trained: TrainedAgent) -> bytes:
    return b"".join(layer.weight.tobytes() + layer.bias.tobytes() for layer in trained.policy.layers)


def at(period: int) -> Callable[[], bool]:
    """Asks to stop after so many questions: one a period."""
    asked = iter(range(1, 10_000))
    return lambda: next(asked) >= period


@pytest.fixture(scope="module")
def uninterrupted() -> TrainedAgent:
    return train()


@pytest.mark.parametrize("stops", [(1,), (3,), (4,), (17,), (39,), (2, 9, 10)])
def test_resuming_changes_no_byte_of_policy_and_curve(
    tmp_path: Path, uninterrupted: TrainedAgent, stops: tuple[int, ...]
) -> None:
    path = tmp_path / "training.safetensors"
    for n_periods in stops:
        stopped = train(CheckpointStore(path), stop=at(n_periods))
        assert not stopped.is_finished(TINY)
    resumed = train(CheckpointStore(path))
    assert weights(resumed) == weights(uninterrupted)
    assert resumed.curve == uninterrupted.curve
    assert resumed.is_finished(TINY)


def test_a_finished_training_is_not_trained_again(tmp_path: Path, uninterrupted: TrainedAgent) -> None:
    path = tmp_path / "training.safetensors"
    train(CheckpointStore(path))
    told: list[object] = []
    again = train(CheckpointStore(path), on_progress=told.append, stop=lambda: pytest.fail("it lived a period"))
    assert weights(again) == weights(uninterrupted)
    assert tuple(told) == uninterrupted.curve


def test_learning_on_does_not_restart_exploration(tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    stopped = train(CheckpointStore(path), stop=at(30))
    kept = CheckpointStore(path).read(json.loads(_metadata(path)["identity"]))
    assert kept is not None
    assert kept.facts["agent"]["counters"]["_n_calls"] == stopped.n_periods == 30


def _metadata(path: Path) -> dict[str, str]:
    raw = path.read_bytes()
    header: dict[str, dict[str, str]] = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    return header["__metadata__"]


def test_another_seed_config_or_market_is_refused_with_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "training.safetensors"
    train(CheckpointStore(path), stop=at(5))
    with pytest.raises(UsageError, match="seed was 0, is 1"):
        train(CheckpointStore(path), seed=1)
    with pytest.raises(UsageError, match="config batch_size was 64, is 65"):
        train(CheckpointStore(path), config=replace(TINY, batch_size=65))
    other = subscription_market(SubscriptionParameters(upsell_cost_amount=2.0))
    with pytest.raises(UsageError, match="market was"):
        train_in_market(other, TINY, discount=0.95, seed=0, checkpoint=CheckpointStore(path))


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
def test_a_damaged_file_is_refused_not_continued(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "training.safetensors"
    CheckpointStore(path).write(Checkpoint({"a": np.arange(1000.0)}, {"n": 1}), {})
    raw = bytearray(path.read_bytes())
    raw[-9] ^= 1
    path.write_bytes({"cut": bytes(raw[:-100]), "flip": bytes(raw), "empty": b"", "text": b"no checkpoint"}[damage])
    with pytest.raises(InvalidSnapshot, match="cannot be used"):
        CheckpointStore(path).read({})


def test_checkpoints_are_written_no_more_often_than_asked(tmp_path: Path) -> None:
    seconds = iter(np.arange(0.0, 1000.0, 0.5))
    written: list[int] = []

    class Counting(CheckpointStore):
        def write(self, checkpoint: Checkpoint, identity: object) -> None:
            written.append(checkpoint.facts["agent"]["counters"]["_n_calls"])
            super().write(checkpoint, identity)  # type: ignore[arg-type] # passed on

    train(Counting(tmp_path / "training.safetensors", every_seconds=5, clock=lambda: float(next(seconds))))
    assert written == [11, 21, 31, 40]  # the clock moves half a second a period


def killed_while_writing(path: Path, how: str, rng: np.random.Generator) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), how], cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ}
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.05))
        process.kill()


def is_loadable(path: Path) -> bool:
    try:
        found = CheckpointStore(path).read({"seed": "0"})
    except InvalidSnapshot:
        return False
    return found is not None and bool((found.arrays["a"] == found.facts["n"]).all())


def test_a_killed_process_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "training.safetensors"
    for _ in range(6):
        killed_while_writing(path, "aside", rng)
        assert is_loadable(path)


def test_the_same_kills_tear_a_checkpoint_that_is_written_in_place(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "training.safetensors"
    for _ in range(60):
        killed_while_writing(path, "in_place", rng)
        if not is_loadable(path):
            return
    pytest.fail("no kill hit a write: the test above proves nothing")


def test_a_killed_training_goes_on_to_the_same_bytes(tmp_path: Path, uninterrupted: TrainedAgent) -> None:
    path = tmp_path / "training.safetensors"
    with subprocess.Popen([sys.executable, "-c", TRAINER, str(path)], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 20:
                break
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    resumed = train(CheckpointStore(path))
    assert weights(resumed) == weights(uninterrupted)
    assert resumed.curve == uninterrupted.curve
