"""Ledgers of predictions: by hand, honest ones by simulation, and planted dishonest ones that must be found."""

from functools import cache

import numpy as np
import pytest

from domain.estimates import Verdict
from evaluation.calibration import Calibration, Measured, Outcome, Z, calibrate

N, N_LEDGERS = 100, 400
NOISE = 3.0  # Monte-Carlo errors that a share may be off


def make_outcome(predicted: float, realised: float, *, half: float = 1.0) -> Outcome:
    """With the verdict that the interval gives."""
    low, high = predicted - half, predicted + half
    verdict = Verdict.PROMOTE if low > 0 else Verdict.REJECT if high < 0 else Verdict.HOLD
    return Outcome(Measured(predicted, low, high), Measured(realised, realised - half, realised + half), verdict)


def make_ledger(
    rng: np.random.Generator, *, bias: float = 0.0, narrowed: float = 1.0, chosen: Verdict | None = None
) -> Calibration:
    """Normal errors of many sizes; predictions are off by `bias` of theirs, and claim them to be smaller."""
    truth = rng.normal(scale=0.5, size=(40 * N, 1))
    error = rng.lognormal(-1.0, 0.5, size=(40 * N, 2))
    found = truth + error * (np.array([bias, 0.0]) + rng.normal(size=(40 * N, 2)))
    half = Z * error * np.array([narrowed, 1.0])
    outcomes: list[Outcome] = []
    for (predicted, realised), (half_predicted, half_realised) in zip(found, half, strict=True):
        made = make_outcome(predicted, realised, half=half_predicted)
        if chosen in (None, made.verdict):
            came = Measured(realised, realised - half_realised, realised + half_realised)
            outcomes.append(Outcome(made.predicted, came, made.verdict))
        if len(outcomes) == N:
            break
    calibration = calibrate(outcomes)
    assert calibration is not None
    return calibration


@cache
def make_ledgers(*, bias: float = 0.0, narrowed: float = 1.0, chosen: Verdict | None = None) -> list[Calibration]:
    rng = np.random.default_rng(20)
    return [make_ledger(rng, bias=bias, narrowed=narrowed, chosen=chosen) for _ in range(N_LEDGERS)]


def monte_carlo(share: float, n: int) -> float:
    return NOISE * float(np.sqrt(share * (1 - share) / n))


def test_calibration__by_hand() -> None:
    """Each error is .51, so the difference's is .72: 1 apart is consistent, 3 is not; the hold is spot on."""
    found = calibrate([make_outcome(9.0, 8.0), make_outcome(9.0, 6.0), make_outcome(0.0, 0.0)])
    assert found is not None
    assert (found.n, found.n_consistent, found.n_promoted, found.n_gained) == (3, 2, 2, 2)
    assert found.optimism == pytest.approx(4 / 3)
    assert found.optimism_high - found.optimism == pytest.approx(4.3027 * np.std([1, 3, 0], ddof=1) / 3**0.5, rel=1e-4)
    assert found.mean_z == pytest.approx(4 / 3 / (2**0.5 / Z))
    assert (found.coverage_low, found.coverage_high) == pytest.approx((0.2077, 0.9385), abs=1e-4)


def test_nothing_realised__is_no_calibration() -> None:
    assert calibrate([]) is None


def test_one_pair__has_its_own_error() -> None:
    found = calibrate([make_outcome(9.0, 8.0)])
    assert found is not None
    assert found.optimism_high - found.optimism == pytest.approx(2**0.5)
    assert not found.is_optimistic
    assert not found.is_overconfident


def test_promotion_that_was_never_in_doubt__leaves_z_as_it_is() -> None:
    sure = make_outcome(9.0, 8.0)
    assert sure.z_given_verdict == pytest.approx(sure.z) == pytest.approx(Z / 2**0.5)


def test_promotion_by_a_hair__was_bound_to_disappoint() -> None:
    hair = make_outcome(1.01, 0.0)
    assert hair.z == pytest.approx(1.01 * Z / 2**0.5)
    assert hair.z_given_verdict < 0


def test_verdicts__mirror_each_other() -> None:
    up, down = make_outcome(1.2, 0.4), make_outcome(-1.2, -0.4)
    assert (up.verdict, down.verdict) == (Verdict.PROMOTE, Verdict.REJECT)
    assert up.z_given_verdict == pytest.approx(-down.z_given_verdict)
    assert make_outcome(0.3, 0.1).z_given_verdict == pytest.approx(-make_outcome(-0.3, -0.1).z_given_verdict)


@pytest.mark.parametrize(
    ("predicted", "realised"), [(2.0, -90.0), (2.0, 90.0), (50.0, -50.0), (-2.0, 90.0), (0.5, 60.0)]
)
def test_wild_pairs__are_told_as_numbers(predicted: float, realised: float) -> None:
    found = calibrate([make_outcome(predicted, realised)])
    assert found is not None
    assert np.isfinite([found.mean_z, found.mean_z_low, found.optimism_high]).all()
    assert np.sign(found.mean_z) == np.sign(predicted - realised)


def test_skewed_interval__counts_by_the_end_that_faces_what_came() -> None:
    skewed = Measured(21.0, 20.5, 24.0)
    assert abs(Outcome(skewed, Measured(23.0, 23.0, 23.0), Verdict.PROMOTE).z) < Z
    assert abs(Outcome(skewed, Measured(20.0, 20.0, 20.0), Verdict.PROMOTE).z) > Z


def test_interval_of_another_confidence__tells_the_same_error() -> None:
    assert Measured(0.0, -2.5758, 2.5758, confidence=0.99).stderr(1.0) == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("chosen", [None, Verdict.PROMOTE, Verdict.HOLD, Verdict.REJECT])
def test_honest_ledger__covers_at_its_nominal_rate_whatever_is_chosen(chosen: Verdict | None) -> None:
    found = make_ledgers(chosen=chosen)
    assert np.mean([c.coverage for c in found]) == pytest.approx(0.95, abs=monte_carlo(0.95, N * N_LEDGERS))
    for is_accused in ([c.is_optimistic for c in found], [c.is_overconfident for c in found]):
        assert np.mean(is_accused) <= 0.025 + monte_carlo(0.025, N_LEDGERS)


def test_choosing_what_looks_good__shows_as_optimism_and_is_not_held_against_it() -> None:
    found = make_ledgers(chosen=Verdict.PROMOTE)
    assert np.mean([c.optimism_low > 0 for c in found]) > 0.9
    assert np.mean([c.is_optimistic for c in found]) < 0.05


@pytest.mark.parametrize("chosen", [None, Verdict.PROMOTE])
def test_planted_optimism__is_found(chosen: Verdict | None) -> None:
    assert np.mean([c.is_optimistic for c in make_ledgers(bias=1.0, chosen=chosen)]) >= 0.95


@pytest.mark.parametrize("chosen", [None, Verdict.PROMOTE])
def test_planted_overconfidence__is_found(chosen: Verdict | None) -> None:
    assert np.mean([c.is_overconfident for c in make_ledgers(narrowed=0.2, chosen=chosen)]) >= 0.95
