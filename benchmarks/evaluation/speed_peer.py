"""obp 0.5.7 on the rounds of a file, timed: what `speed.py` runs in an environment of obp's own.

    python speed_peer.py ROUNDS.npz N_BOOTSTRAP SEED

prints JSON: estimator -> its value and the CPU seconds of its interval. Only obp's estimators are imported: the rest of
the package wants torch and plotting libraries, of which the estimators use nothing but a name in annotations.
"""

import importlib
import importlib.util
import json
import sys
import time
import types
from pathlib import Path
from typing import Any

import numpy as np

GRID = [0.5, 1.0, 2.0, 5.0, 10.0, 50.0, np.inf]
SWITCH, SHRINKAGE = 2.0, 10.0


def import_estimators() -> tuple[Any, Any]:  # modules without types
    """obp.ope.estimators and obp.ope.estimators_tuning without what else their packages import."""
    torch = types.ModuleType("torch")
    vars(torch).update(Tensor=object, tensor=object)  # what annotations mention
    sys.modules["torch"] = torch
    spec = importlib.util.find_spec("obp")
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    for name, folder in (("obp", root), ("obp.ope", root / "ope")):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    return importlib.import_module("obp.ope.estimators"), importlib.import_module("obp.ope.estimators_tuning")


def main() -> None:
    path, n_bootstrap, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    ope, tuning = import_estimators()
    estimators = {
        "ips": ope.InverseProbabilityWeighting(),
        "snips": ope.SelfNormalizedInverseProbabilityWeighting(),
        "dm": ope.DirectMethod(),
        "dr": ope.DoublyRobust(),
        "sndr": ope.SelfNormalizedDoublyRobust(),
        "switch_dr": ope.SwitchDoublyRobust(lambda_=SWITCH),
        "dros": ope.DoublyRobustWithShrinkage(lambda_=SHRINKAGE),
        "switch_dr tuned": tuning.SwitchDoublyRobustTuning(lambdas=list(GRID)),
        "dros tuned": tuning.DoublyRobustWithShrinkageTuning(lambdas=list(GRID)),
    }
    with np.load(path) as rounds:
        given = {
            "reward": rounds["reward"],
            "action": rounds["action"],
            "pscore": rounds["propensity"],
            "action_dist": rounds["distribution"][:, :, None],
            "estimated_rewards_by_reg_model": rounds["expected_reward"][:, :, None],
        }
    ope.DirectMethod().estimate_interval(**given, n_bootstrap_samples=10, random_state=seed)  # warms up
    found = {}
    for name, estimator in estimators.items():
        began = time.process_time()  # before the value: what is tuned is kept, and would not be counted
        estimator.estimate_interval(**given, n_bootstrap_samples=n_bootstrap, random_state=seed)
        taken = time.process_time() - began
        found[name] = {"value": float(estimator.estimate_policy_value(**given)), "cpu_seconds": taken}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
