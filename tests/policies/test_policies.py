from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from analysis.features import fit_encoder
from analysis.support import SupportTree
from domain.actions import ActionSet
from domain.context import Context
from domain.errors import InvalidSnapshot, MissingColumn, UnsupportedAction, UsageError
from domain.policy import Policy
from policies.baselines import ConstantPolicy, UniformPolicy
from policies.exploration import Exploration, ExplorationRule
from policies.network import Layer, NetworkPolicy
from policies.thompson import ThompsonPolicy

ACTIONS = ActionSet(("none", "mail", "call"))
EVERYWHERE_BUT_CALL = SupportTree.everywhere([True, True, False])


def make_context(n_rounds: int = 6) -> Context:
    plan = np.array(["monthly", "yearly"] * n_rounds, dtype=object)[:n_rounds]
    return Context({"tenure_days": np.arange(float(n_rounds)), "plan": plan}, n_rounds)


def make_network(seed: int = 0, hidden: tuple[int, ...] = (8,), support: SupportTree | None = None) -> NetworkPolicy:
    rng, encoder = np.random.default_rng(seed), fit_encoder(make_context(40))
    sizes = (encoder.n_features, *hidden, len(ACTIONS))
    layers = tuple(Layer(rng.normal(size=(n, m)), rng.normal(size=m)) for n, m in pairwise(sizes))
    exploration = Exploration(ExplorationRule.EPSILON_GREEDY, 0.2)
    return NetworkPolicy("dqn", ACTIONS, encoder, layers, exploration, support)


POLICIES: list[Callable[[], Policy]] = [
    lambda: ConstantPolicy(ACTIONS, "mail"),
    lambda: ConstantPolicy(ACTIONS, "mail", fallback="none"),
    lambda: UniformPolicy(ACTIONS),
    make_network,
    lambda: make_network(hidden=()),
    lambda: make_network(support=EVERYWHERE_BUT_CALL),
    lambda: ThompsonPolicy(ACTIONS, (12.0, 31.0, 7.0), (400.0, 690.0, 380.0)),
]


@pytest.mark.parametrize("make_policy", POLICIES)
def test_every_policy_keeps_its_contract(make_policy: Callable[[], Policy]) -> None:
    policy, context = make_policy(), make_context()
    eligible = np.random.default_rng(1).random((6, 3)) < 0.6
    eligible[:, 2] |= ~eligible.any(axis=1)
    for mask in (None, eligible):
        distribution = policy.distribution(context, mask)
        assert distribution.shape == (6, 3)
        np.testing.assert_allclose(distribution.sum(axis=1), 1.0)
        assert mask is None or (distribution[~mask] == 0).all()
        assert distribution.tobytes() == policy.distribution(context, mask).tobytes()
    row = policy.distribution(context.take(np.array([3])), eligible[3:4])
    np.testing.assert_allclose(row, policy.distribution(context, eligible)[3:4], atol=1e-12)
    assert policy.distribution(make_context(0)).shape == (0, 3)


@pytest.mark.parametrize("make_policy", POLICIES)
def test_a_row_without_an_eligible_action_is_refused(make_policy: Callable[[], Policy]) -> None:
    eligible = np.ones((6, 3), dtype=np.bool_)
    eligible[4] = False
    with pytest.raises(InvalidSnapshot, match="1 of 6 rounds have no eligible action, the first is row 4"):
        make_policy().distribution(make_context(), eligible)
    with pytest.raises(UsageError, match=r"shape \(6, 2\); expected .* \(6, 3\)"):
        make_policy().distribution(make_context(), eligible[:, :2])


def test_constant__falls_back_where_its_action_is_not_eligible() -> None:
    eligible = np.array([[True, True, True], [True, False, True], [False, False, True]])
    falls_back = ConstantPolicy(ACTIONS, "mail", fallback="none").distribution(make_context(3), eligible)
    np.testing.assert_array_equal(falls_back, [[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    spreads = ConstantPolicy(ACTIONS, "mail").distribution(make_context(3), eligible)
    np.testing.assert_array_equal(spreads, [[0, 1, 0], [0.5, 0, 0.5], [0, 0, 1]])
    with pytest.raises(UnsupportedAction, match="unknown action 'letter'"):
        ConstantPolicy(ACTIONS, "letter")


def test_network__computes_the_forward_pass_one_can_do_by_hand() -> None:
    context = Context({"tenure_days": np.array([0.0, 100.0])}, n_rounds=2)  # encodes to (-1, 0) and (1, 0)
    hidden = Layer(np.array([[1.0, -1.0], [0.0, 0.0]]), np.array([0.5, 0.0]))
    outer = Layer(np.array([[2.0, 0.0, 1.0], [0.0, 3.0, 1.0]]), np.array([0.0, 0.0, -1.0]))
    policy = NetworkPolicy("dqn", ACTIONS, fit_encoder(context), (hidden, outer))
    np.testing.assert_allclose(policy.scores(context), [[0.0, 3.0, 0.0], [3.0, 0.0, 0.5]])
    np.testing.assert_array_equal(policy.distribution(context), [[0, 1, 0], [1, 0, 0]])


def test_network__chooses_the_unsupported_only_where_nothing_else_is_eligible() -> None:
    eligible = np.array([[True, True, True], [False, False, True]])
    distribution = make_network(support=EVERYWHERE_BUT_CALL).distribution(make_context(2), eligible)
    assert distribution[0, 2] == 0
    np.testing.assert_array_equal(distribution[1], [0, 0, 1])


def test_network__needs_its_columns() -> None:
    with pytest.raises(MissingColumn, match="context lacks plan"):
        make_network().distribution(Context({"tenure_days": np.zeros(2)}, n_rounds=2))


@pytest.mark.parametrize(
    ("weight", "bias", "message"),
    [
        (np.zeros((2, 4)), np.zeros(4), "4 outputs for 3 actions"),
        (np.zeros((5, 3)), np.zeros(3), r"expected \(2, n\)"),
        (np.full((2, 3), np.nan), np.zeros(3), "not finite"),
    ],
)
def test_network__refuses_layers_that_do_not_fit(weight: np.ndarray, bias: np.ndarray, message: str) -> None:
    encoder = fit_encoder(Context({"tenure_days": np.arange(30.0)}, n_rounds=30))
    with pytest.raises(ValueError, match=message):
        NetworkPolicy("dqn", ACTIONS, encoder, (Layer(weight, bias),))


def test_support_tree__sends_rows_to_their_leaf() -> None:
    tree = SupportTree(
        feature=np.array([1, 0, 0]),
        threshold=np.array([0.5, 0.0, 0.0]),
        left=np.array([1, 1, 2]),
        right=np.array([2, 1, 2]),
        supported=np.array([[True, True], [True, False], [False, True]]),
    )
    features = np.array([[9.0, 0.5], [9.0, 0.6]])
    np.testing.assert_array_equal(tree.mask(features), [[True, False], [False, True]])


def test_support_tree__refuses_a_tree_that_would_never_end() -> None:
    node = np.zeros(2, dtype=np.int64)
    with pytest.raises(ValueError, match="do not lie behind"):
        SupportTree(node, np.zeros(2), np.array([1, 0]), np.array([1, 0]), np.ones((2, 2), dtype=np.bool_))
    with pytest.raises(ValueError, match="supports no action"):
        SupportTree.everywhere([False, False])
