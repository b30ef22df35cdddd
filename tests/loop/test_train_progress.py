from pathlib import Path

import numpy as np
import pytest

from agents.watch import TrainingProgress
from config.dqn import DqnConfig
from config.load import load_settings
from domain.log import LoggedDecisions
from env.reference.log import panel_log
from env.reference.subscription import subscription_market
from loop.train_figures import draw_curve
from loop.train_progress import journey_of, judging
from loop.training_watch import DELIVERED, HELDOUT, STAGES, LearningCurve


@pytest.fixture(scope="module")
def panel() -> LoggedDecisions:
    return panel_log(subscription_market(), 200, 4, rng=np.random.default_rng(0))


@pytest.mark.parametrize("stages", [STAGES, STAGES[1:]])
def test_progress__only_ever_moves_on_through_every_part(panel: LoggedDecisions, stages: tuple[str, ...]) -> None:
    told: list[float] = []
    journey = journey_of(panel, DqnConfig(), lambda share, _doing: told.append(share), stages)
    report = judging(journey)
    journey.tell("fidelity", 0.0, "")
    for share in (0.1, 0.2):
        report(share, "")
    for share in (0.5, 1.0):
        journey.tell(f"learn {stages[0]}", share, "")
    report(0.8, "")
    if len(stages) == 2:
        journey.tell("fit delivered", 0.0, "")
        journey.tell("learn delivered", 1.0, "")
        assert told[-1] == pytest.approx(1.0)
    assert told == sorted(told)
    assert told[0] == 0.0


def test_progress__of_a_long_training_is_that_training(panel: LoggedDecisions) -> None:
    told: list[float] = []
    journey = journey_of(panel, DqnConfig(periods=40_000), lambda share, _doing: told.append(share))
    journey.tell("learn heldout", 1.0, "")
    assert told[0] == pytest.approx(0.5, abs=0.01)


def test_budget__keeps_the_share_that_explores() -> None:
    default, half = DqnConfig(), load_settings(None, ["training.periods=400", "training.customers=64"], {}).training
    assert load_settings(None, [], {}).training.budget() == default
    budget = half.budget()
    assert (budget.periods, budget.n_customers) == (400, 64)
    assert budget.exploration_periods / budget.periods == pytest.approx(default.exploration_periods / default.periods)


@pytest.mark.parametrize("n_points", [0, 1, 2])
@pytest.mark.parametrize("score", [None, 0.5])
def test_curve__is_drawn_from_its_first_point_on(tmp_path: Path, n_points: int, score: float | None) -> None:
    points = tuple(TrainingProgress(2 * i, 40, 1.0, score, [None, 3.0][i - 1]) for i in range(1, n_points + 1))
    levels = {"logged": 1.0, "best constant: $x_1$": 1.0, "myopic": 1.0 + 1e-9}
    curve = LearningCurve(HELDOUT if score else DELIVERED, levels, points)
    draw_curve(curve, tmp_path / "curve.png", reward_name="net $ a_b", is_finished=False)
    assert (tmp_path / "curve.png").exists() is bool(points)
