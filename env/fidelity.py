"""Does the fitted market resemble customers it never saw? A market that fails is not learned in.

Four questions on held-out customers: is the hazard calibrated (over its range, and over time), is the reward, do
survival and reward per period follow the logged curves when the market plays by the logged behavior, and are the logged
actions such as the logged propensities announce? A gap counts when it exceeds both a band (bootstrap of customers,
spread of the members, Bonferroni over all comparisons) and a tolerance.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import NormalDist

import numpy as np

from config.market import FidelityConfig, MarketConfig
from domain.arrays import FloatArray
from domain.errors import InvalidSnapshot
from domain.log import LoggedDecisions
from env.calibration import CalibrationBin, calibrate, quantile_groups
from env.curves import Curve, curves
from env.fit import first_rounds, fit_market, heldout_customers
from env.logged_behavior import action_surprise, fit_behavior
from env.model import MarketModel
from env.rollout import roll_out


@dataclass(frozen=True)
class FidelityReport:
    """What was compared, and why it does not do (`reasons`), if it does not."""

    n_customers: int  # held out
    churn_calibration: tuple[CalibrationBin, ...]  # in groups of similar predicted hazard
    churn_by_step: tuple[CalibrationBin, ...]  # the same rounds by period of the episode
    reward_calibration: tuple[CalibrationBin, ...]
    survival: Curve | None  # share of customers left after each period; None in a log without time
    reward_curve: Curve | None  # a period and customer who began
    action_surprise: float | None  # standard deviations; None without logged distributions
    reasons: tuple[str, ...]

    @property
    def is_faithful(self) -> bool:
        return not self.reasons

    def to_data(self) -> dict[str, object]:
        """JSON-able."""
        return {"is_faithful": self.is_faithful, **asdict(self)}


def check_fidelity(
    log: LoggedDecisions,
    config: MarketConfig | None = None,
    fidelity: FidelityConfig | None = None,
    *,
    rng: np.random.Generator,
) -> FidelityReport:
    """Fits a market on a part of the customers and judges it on the others; a log that cannot be fitted fails."""
    fidelity = FidelityConfig() if fidelity is None else fidelity
    heldout = heldout_customers(log.unit, fidelity.heldout_share, rng)
    try:
        model = fit_market(log.take(~heldout), config, rng=rng)
    except InvalidSnapshot as error:
        return _unjudged(0, error.message)
    return judge_fidelity(model, log.take(heldout), fidelity, rng=rng)


def judge_fidelity(
    model: MarketModel, heldout: LoggedDecisions, config: FidelityConfig | None = None, *, rng: np.random.Generator
) -> FidelityReport:
    """Judges `model` on customers that it was not fitted on."""
    config = FidelityConfig() if config is None else config
    n_customers = len(np.unique(heldout.unit))
    if n_customers < config.min_customers:
        reason = f"{n_customers} held-out customers; fewer than {config.min_customers} cannot judge a market"
        return _unjudged(n_customers, reason)
    by_hazard, by_step = _churn_calibration(model, heldout, config.n_bins)
    report = FidelityReport(
        n_customers=n_customers,
        churn_calibration=by_hazard,
        churn_by_step=by_step,
        reward_calibration=_reward_calibration(model, heldout, config.n_bins),
        survival=None,
        reward_curve=None,
        action_surprise=action_surprise(heldout),
        reasons=(),
    )
    if model.has_time:
        survival, reward_curve = _compare_curves(model, heldout, config, rng)
        report = replace(report, survival=survival, reward_curve=reward_curve)
    return replace(report, reasons=_reasons(report, config))


def _unjudged(n_customers: int, reason: str) -> FidelityReport:
    return FidelityReport(n_customers, (), (), (), None, None, None, (reason,))


def _churn_calibration(
    model: MarketModel, log: LoggedDecisions, n_bins: int
) -> tuple[tuple[CalibrationBin, ...], tuple[CalibrationBin, ...]]:
    """By predicted hazard, and by step: a hazard that drifts while the context stays shows in the second."""
    if log.panel is None or not log.panel.terminated.any():
        return (), ()
    predicted, left = _by_member(model, log)[0], log.panel.terminated.astype(np.float64)
    by_hazard = calibrate(predicted, left, log.unit, quantile_groups(predicted, n_bins))
    return by_hazard, calibrate(predicted, left, log.unit, log.panel.step)


def _reward_calibration(model: MarketModel, log: LoggedDecisions, n_bins: int) -> tuple[CalibrationBin, ...]:
    predicted = _by_member(model, log)[1]
    return calibrate(predicted, log.reward, log.unit, quantile_groups(predicted, n_bins))


def _by_member(model: MarketModel, log: LoggedDecisions) -> tuple[FloatArray, FloatArray]:
    """Churn rate and expected reward of each logged round, each (n_members, n_rounds)."""
    columns = model.layout.encode(log.context)
    outlooks = [
        model.outlook(model.with_members(columns, np.full(len(log), member)), log.action)
        for member in range(model.n_members)
    ]
    return np.stack([o.churn_rate for o in outlooks]), np.stack([o.expected_reward for o in outlooks])


def _compare_curves(
    model: MarketModel, heldout: LoggedDecisions, config: FidelityConfig, rng: np.random.Generator
) -> tuple[Curve, Curve]:
    """Survival and reward per period: the held-out customers, and the market playing on from where they began."""
    assert heldout.panel is not None
    n_periods = min(config.n_periods, int(heldout.panel.step.max()) + 1)
    behavior = fit_behavior(heldout, model.encoder, config.behavior_leaves)
    began = model.layout.encode(heldout.context)[first_rounds(heldout)]
    started = began[rng.integers(len(began), size=config.n_simulated)]
    member = np.arange(config.n_simulated) % model.n_members
    simulated = roll_out(model, behavior, n_periods, rng, state=model.with_members(started, member))
    return curves(simulated, member, heldout, n_periods, config.n_bootstraps, rng)


def _reasons(report: FidelityReport, config: FidelityConfig) -> tuple[str, ...]:
    bins = (*report.churn_calibration, *report.churn_by_step, *report.reward_calibration)
    curve_list = [c for c in (report.survival, report.reward_curve) if c is not None]
    n_compared = len(bins) + sum(len(c.logged) for c in curve_list) + (report.action_surprise is not None)
    limit = NormalDist().inv_cdf(1 - config.alpha / 2 / max(n_compared, 1))
    found = [
        *_bin_reasons("churn rate", report.churn_calibration, limit, config.tolerance),
        *_bin_reasons("churn rate by period", report.churn_by_step, limit, config.tolerance),
        *_bin_reasons("reward", report.reward_calibration, limit, config.tolerance),
        *_curve_reasons("survival", report.survival, limit, config.tolerance),
        *_curve_reasons("reward a period", report.reward_curve, limit, config.tolerance),
    ]
    if report.action_surprise is not None and abs(report.action_surprise) > limit:
        found.append(
            f"logged actions do not follow the logged propensities ({report.action_surprise:+.1f} standard deviations)"
        )
    return tuple(found)


def _bin_reasons(what: str, bins: Sequence[CalibrationBin], limit: float, tolerance: float) -> list[str]:
    scale = float(np.average([abs(b.observed) for b in bins], weights=[b.n_rounds for b in bins])) if bins else 0.0
    off = [b for b in bins if abs(b.predicted - b.observed) > max(limit * b.stderr, tolerance * scale)]
    if not off:
        return []
    worst = max(off, key=lambda b: abs(b.predicted - b.observed) / max(b.stderr, 1e-12))
    where = f"{len(off)} of {len(bins)} groups of held-out rounds"
    return [f"{what} is off in {where}, at worst {worst.predicted:.3g} predicted and {worst.observed:.3g} logged"]


def _curve_reasons(what: str, curve: Curve | None, limit: float, tolerance: float) -> list[str]:
    if curve is None:
        return []
    gap = np.abs(np.array(curve.simulated) - np.array(curve.logged))
    band = np.maximum(limit * np.array(curve.stderr), tolerance * np.abs(np.array(curve.logged)))
    off = np.flatnonzero(gap > band)
    if not len(off):
        return []
    worst = int(off[np.argmax(gap[off] / band[off])])
    where = f"{len(off)} of {len(gap)} periods, at worst in period {worst + 1}"
    return [
        f"{what} leaves its band in {where}: {curve.simulated[worst]:.3g} simulated, {curve.logged[worst]:.3g} logged"
    ]
