"""The reader on real logs; figures from the README beside the data."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from collection.log_reader import read_log
from collection.roles import guess_roles
from config.log_options import LogOptions

DATA = Path(os.environ.get("AMSO_REFERENCE_DATA", "../shared/data"))
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no reference data at {DATA}")


@pytest.mark.parametrize(
    ("name", "reward", "n_rows", "actions"),
    [
        ("hillstrom", "reward_spend", 64_000, ("mens_email", "no_email", "womens_email")),
        ("promo_train", "reward_profit", 84_534, ("none", "promo")),
        ("obd_men_bts", None, 10_000, None),
    ],
)
def test_read_log__reads_every_row(name: str, reward: str | None, n_rows: int, actions: tuple[str, ...] | None) -> None:
    read = read_log(DATA / f"{name}.parquet", LogOptions(reward=reward))
    assert (len(read.log), read.n_rejected) == (n_rows, 0)
    assert actions is None or read.log.actions.ids == actions


def test_read_log__loan_prices_without_p5_give_the_readmes_weighted_means() -> None:
    options = LogOptions(reward="reward_applied", exclude_actions=("p5_above_std",))
    log = read_log(DATA / "loan_price_wave12.parquet", options).log
    assert log.propensity is not None
    means = []
    for a in range(log.n_actions):
        rows = log.action == a
        weight = 1 / log.propensity[rows]
        assert weight.sum() == pytest.approx(len(log))
        means.append(np.average(log.reward[rows], weights=weight))
    assert log.actions.ids == ("p1_le60", "p2_60_75", "p3_75_90", "p4_90_100")
    np.testing.assert_allclose(means, [0.0982, 0.1030, 0.0879, 0.0822], atol=6e-5)


@pytest.mark.parametrize(
    ("name", "reward", "baseline"),
    [("promo_train", "reward_profit", "none"), ("hillstrom", "reward_spend", "no_email")],
)
def test_guess_roles__finds_money_baseline_and_randomisation(name: str, reward: str, baseline: str) -> None:
    frame = pd.read_parquet(DATA / f"{name}.parquet")
    roles = guess_roles(frame)
    assert (roles.action, roles.reward, roles.baseline, roles.is_randomised) == ("action", reward, baseline, True)
    assert all(name.startswith("x_") for name in roles.context)
    assert len(read_log(frame, roles.options()).log) == len(frame)
