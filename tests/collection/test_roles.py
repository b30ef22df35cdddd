"""Roles guessed from names and contents: what `init --from` starts with."""

import numpy as np
import pandas as pd

from collection.log_reader import read_log
from collection.roles import guess_roles


def foreign_frame(n_rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "user_id": [f"u{i}" for i in range(n_rows)],
            "shown_at": pd.date_range("2025-01-01", periods=n_rows, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ"),
            "offer": rng.choice(["control", "ten_off", "annual"], n_rows, p=[0.2, 0.3, 0.5]),
            "profit": rng.normal(size=n_rows),
            "converted": rng.integers(0, 2, n_rows),
            "prior_spend": rng.exponential(size=n_rows),
            "age": rng.integers(18, 80, n_rows),
            "plan": rng.choice(["monthly", "yearly"], n_rows),
            "refunded": rng.integers(0, 2, n_rows),
            "note": [f"text {i}" for i in range(n_rows)],
        }
    )


def test_guess_roles__foreign_names() -> None:
    roles = guess_roles(foreign_frame())
    assert (roles.action, roles.reward, roles.unit, roles.time) == ("offer", "profit", "user_id", "shown_at")
    assert roles.propensity is None
    assert roles.is_randomised is None
    assert roles.other_rewards == ("converted",)
    assert roles.context == ("prior_spend", "age", "plan")
    assert set(roles.ignored) == {"refunded", "note"}
    assert roles.baseline == "control"
    assert [name for name, _ in roles.action_shares] == ["annual", "ten_off", "control"]


def test_guess_roles__the_guess_reads_the_log() -> None:
    frame = foreign_frame()
    read = read_log(frame, guess_roles(frame).options())
    assert len(read.log) == len(frame)
    assert set(read.log.context.columns) == {"prior_spend", "age", "plan"}
    assert read.log.decided_at is not None


def test_guess_roles__what_people_must_check_is_asked() -> None:
    questions = " ".join(guess_roles(foreign_frame()).open_questions)
    for asked in ("profit", "rather than converted", "How was the action chosen", "control", "prior_spend, age, plan"):
        assert asked in questions


def test_guess_roles__constant_propensities_are_randomised_varying_ones_are_not() -> None:
    frame = pd.DataFrame({"action": ["a", "b"] * 20, "reward": 1.0, "propensity": [0.3, 0.7] * 20})
    assert guess_roles(frame).is_randomised is True
    assert guess_roles(frame.assign(propensity=np.linspace(0.1, 0.9, 40))).is_randomised is False


def test_guess_roles__nothing_recognisable_becomes_questions() -> None:
    roles = guess_roles(pd.DataFrame({"alpha": [1.5, 2.5, 3.5], "beta": [4.0, 5.0, 6.0]}))
    assert (roles.action, roles.reward, roles.baseline) == (None, None, None)
    assert "Which column says what was chosen?" in roles.open_questions
    assert any("what came of it" in question for question in roles.open_questions)


def test_guess_roles__most_frequent_action_where_none_is_named_like_nothing() -> None:
    frame = pd.DataFrame({"action": ["p1", "p2", "p2"], "reward": [1.0, 2.0, 3.0]})
    assert guess_roles(frame).baseline == "p2"


def test_guess_roles__what_only_sounds_like_a_unit_or_a_propensity_is_context() -> None:
    frame = foreign_frame().drop(columns="user_id")
    rng = np.random.default_rng(1)
    frame = frame.assign(customer_age=frame["age"], churn_probability=rng.uniform(0.1, 0.9, len(frame)))
    roles = guess_roles(frame)
    assert (roles.unit, roles.propensity) == (None, None)
    assert {"customer_age", "churn_probability"} <= set(roles.context)


def test_guess_roles__an_id_of_few_numbers_names_no_unit() -> None:
    frame = foreign_frame().drop(columns="user_id")
    assert guess_roles(frame.assign(user_plan_id=np.arange(len(frame)) % 5)).unit is None
    assert guess_roles(frame.assign(crm_user_id=np.arange(len(frame)))).unit == "crm_user_id"


def test_guess_roles__p_is_a_propensity_where_it_weights_every_action_back() -> None:
    frame = foreign_frame()
    shares = frame["offer"].map(frame["offer"].value_counts(normalize=True))
    assert guess_roles(frame.assign(p=shares)).propensity == "p"
    assert guess_roles(frame.assign(p=shares.to_numpy()[::-1])).propensity is None


def test_guess_roles__foreign_units_and_propensities_are_asked_about() -> None:
    frame = foreign_frame().assign(pscore=0.5)
    questions = " ".join(guess_roles(frame).open_questions)
    assert "Does user_id name the customer" in questions
    assert "Is pscore the probability" in questions
    ours = frame.rename(columns={"user_id": "unit_id", "pscore": "propensity"})
    questions = " ".join(guess_roles(ours).open_questions)
    assert "name the customer" not in questions
    assert "the probability with which" not in questions
