"""The wheel brings one top-level name, every room, and the public API."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from amso._rooms import ROOMS

ROOT = Path(__file__).parents[2]

SESSION = """
import numpy as np, pandas as pd, warnings
warnings.simplefilter("error")
import amso, gymnasium
from sklearn.tree import DecisionTreeRegressor
rng = np.random.default_rng(0)
x, a = rng.normal(size=4000), rng.integers(0, 2, 4000)
frame = pd.DataFrame({"x_age": x, "action": np.where(a == 1, "promo", "none"), "propensity": 0.5})
frame["reward"] = (x > 0) * a - 0.3 * a + rng.normal(size=4000)
evaluation = amso.evaluate(amso.read_log(frame), "constant:promo", baseline="constant:none",
                           reward_model=DecisionTreeRegressor(max_depth=2))
assert evaluation.comparison.low < 0.2 < evaluation.comparison.high, evaluation.comparison
amso.register_envs()
env = gymnasium.make("amso/Market-v0")
observation, _ = env.reset(seed=0)
assert env.observation_space.contains(observation)
import env as room
assert "_app" in room.__file__, room.__file__
print(room.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    builder = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(builder, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (found,) = out.glob("*.whl")
    return found


def test_wheel__has_amso_as_its_only_top_level_name(wheel: Path) -> None:
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"amso"}


def test_wheel__carries_every_module_of_every_room(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    rooms = [p for room in ROOMS for p in ([ROOT / "runner.py"] if room == "runner" else (ROOT / room).rglob("*"))]
    files = [p for p in rooms if p.is_file() and "__pycache__" not in p.parts]
    missing = [str(p) for p in files if f"amso/_app/{p.relative_to(ROOT)}" not in packed]
    assert not missing


def test_public_api__works_from_the_unpacked_wheel(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-c", SESSION]
    found = subprocess.run(command, cwd=tmp_path, env=environ, check=False, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    assert str(tmp_path) in found.stdout


@pytest.mark.slow
def test_public_api__works_from_the_wheel_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    install = [python, "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=600)
    found = subprocess.run(
        [python, "-c", SESSION], cwd=tmp_path, check=False, capture_output=True, text=True, timeout=120
    )
    assert found.returncode == 0, found.stderr
