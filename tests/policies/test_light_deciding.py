"""What decides for customers starts fast and small: no pandas, scikit-learn or torch behind a loaded policy."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from analysis.features import fit_encoder
from analysis.support import SupportTree
from domain.actions import ActionSet
from domain.context import Context
from policies.artifact import save_policy
from policies.exploration import Exploration, ExplorationRule
from policies.network import Layer, NetworkPolicy

ROOT = Path(__file__).parents[2]
DECIDE_ONE_ROW = """
import sys
from pathlib import Path

import numpy as np

from domain.context import Context
from policies.artifact import load_policy

row = Context({"plan": np.array(["yearly"], dtype=object), "tenure_days": np.array([50.0])}, n_rounds=1)
print(load_policy(Path(sys.argv[1])).distribution(row).tolist())
print(sorted({"pandas", "scipy", "sklearn", "torch"} & set(sys.modules)))
"""


def make_policy() -> NetworkPolicy:
    """Scores of 0 and 1; up to the mean tenure both actions are supported, beyond it only the first."""
    plan = np.array(["monthly", "yearly"] * 20, dtype=object)
    encoder = fit_encoder(Context({"plan": plan, "tenure_days": np.arange(40.0)}, n_rounds=40))
    support = SupportTree(
        feature=np.array([encoder.names.index("tenure_days"), 0, 0]),
        threshold=np.zeros(3),
        left=np.array([1, 1, 2]),
        right=np.array([2, 1, 2]),
        supported=np.array([[True, True], [True, True], [True, False]]),
    )
    layer = Layer(np.zeros((encoder.n_features, 2)), np.array([0.0, 1.0]))
    explores = Exploration(ExplorationRule.EPSILON_GREEDY, 0.2)
    return NetworkPolicy("example", ActionSet(("none", "promo")), encoder, (layer,), explores, support)


def test_a_loaded_policy_decides_one_row_without_heavy_imports(tmp_path: Path) -> None:
    save_policy(make_policy(), tmp_path / "policy", training_run="train_1")
    command = [sys.executable, "-c", DECIDE_ONE_ROW, str(tmp_path / "policy")]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout
    assert told.splitlines() == ["[[1.0, 0.0]]", "[]"]
