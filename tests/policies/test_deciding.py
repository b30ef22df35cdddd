import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.features import fit_encoder
from analysis.support import SupportTree
from domain.actions import ActionSet
from domain.arrays import BoolArray
from domain.context import Context
from domain.errors import InvalidSnapshot, MissingColumn, UsageError
from domain.events import Features
from policies.artifact import load_policy, save_policy
from policies.baselines import ConstantPolicy, UniformPolicy
from policies.deciding import Drawn, RowPolicy, decide, row_context
from policies.exploration import GREEDY, Exploration, ExplorationRule
from policies.network import Layer, NetworkPolicy

ACTIONS = ActionSet(("none", "mail", "call", "gift"))
EVERYTHING = np.ones(4, dtype=np.bool_)
RULES = [
    GREEDY,
    Exploration(ExplorationRule.EPSILON_GREEDY, 0.3),
    Exploration(ExplorationRule.SOFTMAX, 0.5),
    Exploration(ExplorationRule.INVERSE_GAP, 4.0),
]


def make_features(n: int = 1, seed: int = 0) -> list[Features]:
    rng = np.random.default_rng(seed)
    plans = ["monthly", "yearly", None]
    return [
        {
            "tenure_days": float(rng.exponential(90)),
            "plan": plans[rng.integers(3)],
            "is_mobile": bool(rng.random() < 0.5),
        }
        for _ in range(n)
    ]


def make_context(rows: list[Features]) -> Context:
    columns = {
        "tenure_days": np.array([row["tenure_days"] for row in rows], dtype=np.float64),
        "plan": np.array([row["plan"] for row in rows], dtype=object),
        "is_mobile": np.array([row["is_mobile"] for row in rows], dtype=np.float64),
    }
    return Context(columns, len(rows))


def make_network(exploration: Exploration = GREEDY, *, hidden: tuple[int, ...] = (64, 64)) -> NetworkPolicy:
    """Gifts were only tried on customers of more than the mean tenure."""
    rng, encoder = np.random.default_rng(0), fit_encoder(make_context(make_features(200)))
    sizes = (encoder.n_features, *hidden, len(ACTIONS))
    layers = tuple(Layer(rng.normal(0, 0.3, (n, m)), rng.normal(size=m)) for n, m in pairwise(sizes))
    support = SupportTree(
        feature=np.array([encoder.names.index("tenure_days"), 0, 0]),
        threshold=np.zeros(3),
        left=np.array([1, 1, 2]),
        right=np.array([2, 1, 2]),
        supported=np.array([EVERYTHING, [True, True, True, False], EVERYTHING]),
    )
    return NetworkPolicy("dqn", ACTIONS, encoder, layers, exploration, support)


def make_masks(n: int, seed: int = 1) -> BoolArray:
    mask = np.random.default_rng(seed).random((n, 4)) < 0.6
    mask[:, 0] = True
    return mask


POLICIES: list[RowPolicy] = [
    ConstantPolicy(ACTIONS, "gift"),
    ConstantPolicy(ACTIONS, "gift", fallback="none"),
    UniformPolicy(ACTIONS),
    make_network(hidden=()),
    *(make_network(rule) for rule in RULES),
]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_row_has_the_distribution_of_its_row_in_a_batch(policy: RowPolicy) -> None:
    rows, masks = make_features(300, seed=2), make_masks(300)
    batch = policy.distribution(make_context(rows), masks)  # type: ignore[attr-defined] # all of them are Policies too
    for row, mask, expected in zip(rows, masks, batch, strict=True):
        drawn = decide(policy, row_context(row), mask, exploration_share=0.0, draw=0.5)
        np.testing.assert_allclose(drawn.distribution, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("exploration", RULES)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1e-6, 1.0, 1e6]))
def test_each_rule_says_the_same_in_floats_and_in_arrays(exploration: Exploration, seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    scores, allowed = np.round(rng.normal(0, scale, 6), 6), rng.random(6) < 0.5
    allowed[rng.integers(6)] = True
    expected = exploration.distribution(scores[None], allowed[None])[0]
    found = exploration.row_distribution(scores.tolist(), allowed.tolist())
    np.testing.assert_allclose(found, expected, atol=1e-12, rtol=0)


@given(seed=st.integers(0, 2**32 - 1))
def test_support_tree__one_row_ends_where_its_batch_does(seed: int) -> None:
    tree, features = make_network().support, np.random.default_rng(seed).normal(size=(5, 8))
    assert tree is not None
    assert [tree.row_mask(row) for row in features] == tree.mask(features).tolist()


@pytest.mark.parametrize("policy", POLICIES)
def test_a_thousand_logged_decisions_replay_bit_for_bit(policy: RowPolicy, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    version = tmp_path / "policy"
    save_policy(policy, version, training_run="train_1")  # type: ignore[arg-type] # all of them are Policies too
    logged = []
    for row, mask in zip(make_features(1000, seed=4), make_masks(1000), strict=True):
        draw = float(rng.random())
        drawn = decide(policy, row_context(row), mask, exploration_share=0.05, draw=draw)
        logged.append(json.dumps([row, mask.tolist(), draw, drawn]))
    loaded = load_policy(version)
    for line in logged:
        row, mask, draw, (action, propensity, distribution) = json.loads(line)
        allowed = np.array(mask)
        again = decide(loaded, row_context(row), allowed, exploration_share=0.05, draw=draw)
        assert again == Drawn(action, propensity, tuple(distribution))


def test_encoded_features_and_their_context_give_the_same_decision() -> None:
    policy, row = make_network(RULES[2]), make_features(1)[0]
    features = policy.encoder.transform(row_context(row))[0]
    from_context = decide(policy, row_context(row), EVERYTHING, exploration_share=0.1, draw=0.7)
    assert decide(policy, features, EVERYTHING, exploration_share=0.1, draw=0.7) == from_context


def test_network__the_memory_order_of_its_weights_does_not_matter() -> None:
    policy = make_network(RULES[2])
    turned = tuple(Layer(np.asfortranarray(layer.weight), layer.bias) for layer in policy.layers)
    for row in make_features(50):
        decided = [
            decide(p, row_context(row), EVERYTHING, exploration_share=0.0, draw=0.5)
            for p in (policy, replace(policy, layers=turned))
        ]
        assert decided[0] == decided[1]


def test_exploration_spreads_over_what_is_allowed_and_supported() -> None:
    policy = make_network()  # new customers have no support for gifts
    new: Features = {"tenure_days": 0.0, "plan": "monthly", "is_mobile": False}
    allowed = np.array([True, True, False, True])
    drawn = decide(policy, row_context(new), allowed, exploration_share=0.2, draw=0.0)
    assert sorted(drawn.distribution) == [0.0, 0.0, 0.1, 0.9]
    assert drawn.distribution[2] == drawn.distribution[3] == 0.0
    only_gift = np.array([False, False, False, True])
    assert decide(policy, row_context(new), only_gift, exploration_share=0.2, draw=0.9) == (3, 1.0, (0, 0, 0, 1))


@pytest.mark.parametrize("policy", POLICIES)
def test_only_the_baseline_allowed_is_a_point_mass_on_it(policy: RowPolicy) -> None:
    allowed = np.array([True, False, False, False])
    drawn = decide(policy, row_context(make_features(1)[0]), allowed, exploration_share=0.3, draw=0.999)
    assert drawn == (0, 1.0, (1.0, 0.0, 0.0, 0.0))


@given(draw=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 15), share=st.floats(0, 1))
def test_the_action_drawn_has_its_propensity_and_never_probability_zero(draw: float, mask: int, share: float) -> None:
    allowed = np.array([bool(mask >> i & 1) for i in range(4)])
    drawn = decide(ConstantPolicy(ACTIONS, "mail"), np.empty(0), allowed, exploration_share=share, draw=draw)
    assert drawn.propensity == drawn.distribution[drawn.action] > 0
    assert allowed[drawn.action]
    below = sum(drawn.distribution[: drawn.action])
    assert below <= draw + 1e-12
    assert draw < below + drawn.propensity + 1e-12


def test_a_draw_beyond_the_rounded_sum_goes_to_the_last_positive_action() -> None:
    allowed = np.array([True, True, True, False])
    highest = float(np.nextafter(1.0, 0.0))
    drawn = decide(UniformPolicy(ACTIONS), np.empty(0), allowed, exploration_share=0.0, draw=highest)
    assert drawn.action == 2


def test_what_cannot_be_decided_is_refused() -> None:
    policy, row = make_network(), row_context(make_features(1)[0])
    with pytest.raises(InvalidSnapshot, match="no action is allowed"):
        decide(policy, row, np.zeros(4, dtype=np.bool_), exploration_share=0.0, draw=0.0)
    with pytest.raises(InvalidSnapshot, match="2 rows, expected one"):
        decide(policy, make_context(make_features(2)), EVERYTHING, exploration_share=0.0, draw=0.0)
    with pytest.raises(InvalidSnapshot, match=r"shape \(3,\)"):
        decide(policy, np.zeros(3), EVERYTHING, exploration_share=0.0, draw=0.0)
    with pytest.raises(InvalidSnapshot, match="expected finite"):
        decide(policy, np.full(policy.encoder.n_features, np.nan), EVERYTHING, exploration_share=0.0, draw=0.0)
    with pytest.raises(MissingColumn, match="lacks plan"):
        decide(
            policy, row_context({"tenure_days": 1.0, "is_mobile": True}), EVERYTHING, exploration_share=0.0, draw=0.0
        )
    for share, draw, allowed in ((1.1, 0.0, EVERYTHING), (0.0, 1.0, EVERYTHING), (0.0, 0.0, EVERYTHING[:3])):
        with pytest.raises(UsageError, match="exploration share"):
            decide(policy, row, allowed, exploration_share=share, draw=draw)
