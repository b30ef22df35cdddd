import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.features import fit_encoder
from analysis.support import SupportTree
from domain.actions import ActionSet
from domain.context import Context
from domain.errors import CorruptPolicy, UsageError
from domain.policy import Policy
from policies.artifact import CARD_FILE, WEIGHTS_FILE, load_policy, read_policy_card, save_policy
from policies.baselines import ConstantPolicy, UniformPolicy
from policies.exploration import Exploration, ExplorationRule
from policies.network import Layer, NetworkPolicy

ACTIONS = ActionSet(("none", "café"))


def make_context() -> Context:
    text = np.array([None, "a", "b", "c"] * 20, dtype=object)
    return Context({"tenure_days": np.linspace(0, 1 / 3, 80), "plan": text}, n_rounds=80)


def make_network() -> NetworkPolicy:
    rng, encoder = np.random.default_rng(0), fit_encoder(make_context(), interactions=True)
    hidden = Layer(rng.normal(size=(encoder.n_features, 3)), rng.normal(size=3))
    layers = (hidden, Layer(rng.normal(size=(3, 2)), rng.normal(size=2)))
    support = SupportTree.everywhere([True, True])
    return NetworkPolicy("dqn", ACTIONS, encoder, layers, Exploration(ExplorationRule.SOFTMAX, 1 / 3), support)


POLICIES: list[Callable[[], Policy]] = [
    make_network,
    lambda: ConstantPolicy(ACTIONS, "café", fallback="none"),
    lambda: UniformPolicy(ACTIONS),
]


@pytest.mark.parametrize("make_policy", POLICIES)
def test_a_saved_policy_decides_as_before_to_the_last_bit(make_policy: Callable[[], Policy], tmp_path: Path) -> None:
    policy = make_policy()
    version = save_policy(policy, tmp_path / "a" / "p", training_run="train_1", parent="p-0")
    loaded = load_policy(tmp_path / "a" / "p")
    assert loaded.name == policy.name
    assert loaded.distribution(make_context()).tobytes() == policy.distribution(make_context()).tobytes()
    card = read_policy_card(tmp_path / "a" / "p")
    assert (card.policy_version, card.training_run, card.parent) == (version, "train_1", "p-0")
    assert card.numpy_version == np.__version__


def test_the_version_names_the_content(tmp_path: Path) -> None:
    first = save_policy(make_network(), tmp_path / "a", training_run="t")
    assert first.startswith("p-")
    assert len(first) == 14
    assert save_policy(make_network(), tmp_path / "b", training_run="t") == first
    assert save_policy(make_network(), tmp_path / "a", training_run="t") == first
    assert save_policy(make_network(), tmp_path / "c", training_run="u") != first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "c"]


def test_a_version_is_never_overwritten(tmp_path: Path) -> None:
    save_policy(make_network(), tmp_path / "a", training_run="t")
    with pytest.raises(UsageError, match="already holds something else"):
        save_policy(UniformPolicy(ACTIONS), tmp_path / "a", training_run="t")
    assert load_policy(tmp_path / "a").name == "dqn"


@settings(max_examples=100, deadline=None)
@given(file=st.sampled_from([CARD_FILE, WEIGHTS_FILE]), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found(file: str, place: float, bit: int) -> None:
    with TemporaryDirectory() as folder:
        directory = Path(folder) / "p"
        save_policy(make_network(), directory, training_run="t")
        raw = bytearray((directory / file).read_bytes())
        raw[int(place * len(raw))] ^= 1 << bit
        (directory / file).write_bytes(raw)
        with pytest.raises(CorruptPolicy):
            load_policy(directory)
        with pytest.raises(CorruptPolicy):
            read_policy_card(directory)


@pytest.mark.parametrize("file", [CARD_FILE, WEIGHTS_FILE])
def test_a_missing_or_shortened_file_is_named(file: str, tmp_path: Path) -> None:
    save_policy(make_network(), tmp_path / "p", training_run="t")
    raw = (tmp_path / "p" / file).read_bytes()
    (tmp_path / "p" / file).write_bytes(raw[: len(raw) // 2])
    with pytest.raises(CorruptPolicy):
        load_policy(tmp_path / "p")
    (tmp_path / "p" / file).unlink()
    with pytest.raises(CorruptPolicy, match=f"{file} is missing"):
        load_policy(tmp_path / "p")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "holds a list"),
        (b"{}", "format None"),
        (b'{"format": 2}', "format 2; this version reads format 1"),
        (b'{"format": 1}', "states hash None"),
    ],
)
def test_garbage_is_refused_with_what_was_found(content: bytes, message: str, tmp_path: Path) -> None:
    save_policy(make_network(), tmp_path / "p", training_run="t")
    (tmp_path / "p" / CARD_FILE).write_bytes(content)
    with pytest.raises(CorruptPolicy, match=message):
        load_policy(tmp_path / "p")


def test_a_card_written_differently_is_not_the_card_that_was_hashed(tmp_path: Path) -> None:
    save_policy(UniformPolicy(ACTIONS), tmp_path / "p", training_run="t")
    card = json.loads((tmp_path / "p" / CARD_FILE).read_bytes())
    (tmp_path / "p" / CARD_FILE).write_text(json.dumps(card))
    with pytest.raises(CorruptPolicy, match="written differently"):
        load_policy(tmp_path / "p")


def test_what_cannot_be_loaded_again_is_not_saved(tmp_path: Path) -> None:
    class Strange:
        name, actions = "strange", ACTIONS
        distribution = UniformPolicy(ACTIONS).distribution

    with pytest.raises(UsageError, match="a Strange cannot be saved"):
        save_policy(Strange(), tmp_path / "p", training_run="t")
    assert not (tmp_path / "p").exists()
