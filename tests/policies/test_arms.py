import numpy as np
from scipy.stats import chi2

from domain.decisions import Arm
from policies.arms import Reach, assign_arm, unit_share

N_UNITS = 20_000
UNITS = [f"u-{i}" for i in range(N_UNITS)]
ALPHA = 1e-4  # the chance that a fair hash fails one of these tests; the hash is fixed, so it is drawn once


def shares(salt: str) -> np.ndarray:
    return np.array([unit_share(salt, unit) for unit in UNITS])


def chi_square(counts: np.ndarray, expected: float) -> float:
    return float(((counts - expected) ** 2 / expected).sum())


def test_unit_share__is_uniform() -> None:
    counts, _ = np.histogram(shares("pr-1"), bins=100, range=(0, 1))
    assert counts.sum() == N_UNITS
    assert chi_square(counts, N_UNITS / 100) < chi2.ppf(1 - ALPHA, 99)


def test_unit_share__another_salt_is_an_independent_coin() -> None:
    counts, _, _ = np.histogram2d(shares("pr-1"), shares("pr-2"), bins=10, range=[(0, 1), (0, 1)])
    assert chi_square(counts.ravel(), N_UNITS / 100) < chi2.ppf(1 - ALPHA, 99)


def test_unit_share__is_the_same_for_ever_and_tells_salt_from_unit() -> None:
    assert unit_share("programme", "u-1") == 0.8514243586278282
    assert unit_share("a", "bc") != unit_share("ab", "c")
    assert unit_share("1:a", "b") != unit_share("1", "a1:b")


def test_assign_arm__widening_keeps_who_was_in() -> None:
    inside: set[str] = set()
    for share in (0.05, 0.2, 0.5, 1.0):
        reach = Reach("pr-1", share)
        now = {u for u in UNITS[:2000] if assign_arm(u, holdout_salt="h", holdout_share=0.0, reach=reach) is Arm.POLICY}
        assert inside <= now
        assert abs(len(now) - 2000 * share) <= 5 * np.sqrt(2000 * share * (1 - share))
        inside = now
    assert len(inside) == 2000


def test_assign_arm__the_holdout_comes_first_and_is_the_same_under_every_proposal() -> None:
    def held_out(reach: Reach | None) -> set[str]:
        arms = {u: assign_arm(u, holdout_salt="h", holdout_share=0.1, reach=reach) for u in UNITS[:2000]}
        return {u for u, arm in arms.items() if arm is Arm.HOLDOUT}

    everyone = held_out(Reach("pr-1", 1.0))
    assert everyone == held_out(Reach("pr-2", 0.05)) == held_out(None)
    assert abs(len(everyone) - 200) <= 5 * np.sqrt(2000 * 0.1 * 0.9)


def test_assign_arm__without_a_live_proposal_everyone_else_gets_the_baseline() -> None:
    assert assign_arm("u-1", holdout_salt="h", holdout_share=0.0, reach=None) is Arm.BASELINE
    assert assign_arm("u-1", holdout_salt="h", holdout_share=0.0, reach=Reach("pr-1", 0.0)) is Arm.BASELINE
