"""Does the fitted market resemble customers it never saw? A market that fails is not learned in.

Asked of held-out customers: are churn rate and reward calibrated (by their prediction, period and action, and by action
under a policy that gives every action the same chance); do survival, reward a period and the distributions of the
moving columns follow the logged ones when the market plays by the logged behavior; can simulated histories be told from
logged ones; are the logged actions such as the logged propensities announce, and do they matter at all? A gap counts
when it exceeds both a band (customers, spread of the members, Bonferroni over all comparisons) and a tolerance.

Where something hidden drove the actions (env/confounding.py), the market is fitted to and judged on the log with the
answer to that: a column that stands for it, or weights.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from analysis.features import fit_encoder
from config.market import FidelityConfig, MarketConfig
from domain.arrays import FloatArray, IntArray
from domain.errors import InvalidSnapshot
from domain.log import LoggedDecisions
from domain.policy import Policy
from env.action_effect import action_effect
from env.calibration import Calibration, Trend
from env.confounding import UNKNOWN, Confounding, deconfound
from env.curves import Curve, curves
from env.fidelity_bins import CHURN, REWARD, calibrations, trends
from env.fit import first_rounds, fit_market, heldout_customers
from env.gaps import Gap, Question, ask, joint_limit
from env.layout import LayoutFeatures
from env.logged_behavior import action_surprise, fit_behavior
from env.lookalike import Lookalike, censor_like, tell_apart
from env.model import MarketModel
from env.rollout import roll_out
from env.state_shares import StateShares, state_shares

NO_EFFECT = (
    "the logged actions foretell nothing that actions drawn in their place do not: they do nothing, or stand beside "
    "the wrong rows"
)
MORE_CUSTOMERS = "collect a log of more customers, on whom several actions were tried"
MORE_CONTEXT = (
    "log what drives the difference as context columns: what the customer pays, used and was told lately, when the "
    "contract ends, season, competitors' prices"
)
RIGHT_ROWS = "write down the action and its propensities in one record when it is chosen, instead of joining them later"
EXPERIMENT = "check that the action column is what the customers met; an experiment (`amso recommend`) shows its effect"


@dataclass(frozen=True)
class FidelityReport:
    """What was compared, and why it does not do (`reasons`), if it does not."""

    n_customers: int  # held out
    confounding: Confounding
    calibrations: tuple[Calibration, ...]
    trends: tuple[Trend, ...]  # over the periods
    survival: Curve | None  # share of customers left after each period; None in a log without time
    reward_curve: Curve | None  # a period and customer who began
    states: tuple[StateShares, ...]
    lookalike: Lookalike | None
    action_surprise: float | None  # standard deviations; None without logged distributions
    action_effect: float | None  # standard errors by which the logged actions foretell better than redrawn ones
    questions: tuple[Question, ...]  # everything above that has a band, each with its worst group
    reasons: tuple[str, ...]
    remedies: tuple[str, ...]  # what would mend it

    @property
    def is_faithful(self) -> bool:
        return not self.reasons

    def calibration(self, what: str, by: str) -> Calibration | None:
        """One of them, where it was made."""
        return next((c for c in self.calibrations if (c.what, c.by) == (what, by)), None)

    def to_data(self) -> dict[str, object]:
        """JSON-able."""
        return {"is_faithful": self.is_faithful, **asdict(self)}


def check_fidelity(
    log: LoggedDecisions,
    config: MarketConfig | None = None,
    fidelity: FidelityConfig | None = None,
    *,
    rng: np.random.Generator,
    prices: Mapping[str, float] | None = None,
) -> FidelityReport:
    """Fits a market on a part of the customers and judges it on the others; a log that cannot be fitted fails.

    Args:
        log: what happened.
        config: how to fit.
        fidelity: bands and tolerances.
        rng: of the split, the fit and the simulations.
        prices: as `env.fit.fit_market` takes them: the market that is judged is the one that is learned in.
    """
    fidelity = FidelityConfig() if fidelity is None else fidelity
    answer = deconfound(log, rng=rng.spawn(1)[0])
    heldout = heldout_customers(log.unit, fidelity.heldout_share, rng)
    try:
        model = fit_market(answer.log.take(~heldout), config, rng=rng, prices=prices, hidden=answer.hidden)
    except InvalidSnapshot as error:
        return _unjudged(0, error.message, answer.confounding)
    path_weight = _path_weight(log, answer.log)[heldout]
    return judge_fidelity(
        model, answer.log.take(heldout), fidelity, rng=rng, confounding=answer.confounding, path_weight=path_weight
    )


def judge_fidelity(
    model: MarketModel,
    heldout: LoggedDecisions,
    config: FidelityConfig | None = None,
    *,
    rng: np.random.Generator,
    confounding: Confounding = UNKNOWN,
    path_weight: FloatArray | None = None,
) -> FidelityReport:
    """Judges `model` on customers that it was not fitted on.

    Args:
        model: the market.
        heldout: weighted as the log that the market was fitted to.
        config: bands and tolerances.
        rng: of simulations and bootstraps.
        confounding: what was found of the whole log.
        path_weight: (n_rounds,) of a customer's history up to the round; None = the round's own weight.
    """
    config = FidelityConfig() if config is None else config
    n_customers = len(np.unique(heldout.unit))
    if n_customers < config.min_customers:
        reason = f"{n_customers} held-out customers; fewer than {config.min_customers} cannot judge a market"
        return _unjudged(n_customers, reason, confounding)
    with threadpool_limits(1):  # as in fitting
        behavior = fit_behavior(heldout, fit_encoder(heldout.context), config.behavior_leaves)
        report = replace(
            _unjudged(n_customers, "not judged yet", confounding),
            calibrations=calibrations(model, heldout, behavior, config),
            trends=trends(model, heldout),
            action_surprise=action_surprise(heldout),
            action_effect=action_effect(model, heldout, behavior, rng.spawn(1)[0]),
        )
        if model.has_time:
            weight = heldout.sample_weight if path_weight is None else path_weight
            report = _with_histories(report, model, heldout, behavior, weight, config, rng)
    return _concluded(report, config)


def _unjudged(n_customers: int, reason: str, confounding: Confounding) -> FidelityReport:
    return FidelityReport(
        n_customers, confounding, (), (), None, None, (), None, None, None, (), (reason,), (MORE_CUSTOMERS,)
    )


def _path_weight(log: LoggedDecisions, weighted: LoggedDecisions) -> FloatArray:
    """(n_rounds,) the log's own weight times the product of the corrections up to the round."""
    if log.panel is None or weighted.weight is log.weight:
        return weighted.sample_weight
    correction = weighted.sample_weight / log.sample_weight
    correction /= correction.mean()
    order = np.lexsort((log.panel.step, log.panel.episode))
    logs = np.cumsum(np.log(np.maximum(correction[order], 1e-12)))
    first = np.flatnonzero(log.panel.step[order] == 0)
    length = np.diff(np.append(first, len(order)))
    before = np.repeat(np.concatenate([[0.0], logs])[first], length)
    product = np.empty(len(log))
    product[order] = np.exp(logs - before)
    return np.asarray(log.sample_weight * product, dtype=np.float64)


def _with_histories(
    report: FidelityReport,
    model: MarketModel,
    heldout: LoggedDecisions,
    behavior: Policy,
    weight: FloatArray,
    config: FidelityConfig,
    rng: np.random.Generator,
) -> FidelityReport:
    """The market plays on from where the held-out customers began, several times each."""
    panel = heldout.panel
    assert panel is not None
    n_periods = _carried_periods(panel.step, weight, config)
    began = np.flatnonzero(first_rounds(heldout))
    began = began[np.argsort(panel.episode[began], kind="stable")]
    n_times = max(1, -(-config.n_simulated // len(began)))
    member = rng.permutation(n_times * len(began)) % model.n_members
    start = np.tile(model.layout.encode(heldout.context.take(began)), (n_times, 1))
    played = roll_out(model, behavior, n_periods, rng, state=model.with_members(start, member))
    periods = tuple(n for n in config.state_periods if n <= n_periods)
    survival, reward_curve = curves(played, member, heldout, weight, n_periods, config.n_bootstraps, rng)
    states = state_shares(model.layout, played, member, heldout, weight, periods, config.n_bootstraps, rng)
    lookalike = None
    if (
        np.ptp(weight) == 0 or report.confounding.answer == "none"
    ):  # twins are of the customers as they were, not as weighted
        twins = played.take(played.unit < len(began))
        lookalike = _lookalike(model, heldout.take(panel.step < n_periods), twins, heldout.unit[began], rng)
    return replace(report, survival=survival, reward_curve=reward_curve, states=states, lookalike=lookalike)


def _carried_periods(step: IntArray, weight: FloatArray, config: FidelityConfig) -> int:
    """How many periods enough customers carry: by the effective number of weighted rounds; at least one."""
    n_periods = min(config.n_periods, int(step.max()) + 1)
    total = np.bincount(step, weights=weight)[:n_periods]
    ess = total**2 / np.maximum(np.bincount(step, weights=weight**2)[:n_periods], 1e-12)
    too_few = np.flatnonzero(ess < config.min_rounds_a_period)
    return max(1, int(too_few[0])) if len(too_few) else n_periods


def _lookalike(
    model: MarketModel, logged: LoggedDecisions, twins: LoggedDecisions, origin: IntArray, rng: np.random.Generator
) -> Lookalike:
    logs = (logged, censor_like(twins, logged, rng))
    columns = [model.layout.encode(log.panel.next_context) for log in logs if log.panel is not None]
    return tell_apart(LayoutFeatures(model.layout, model.encoder), (columns[0], columns[1]), logs, origin, rng)


def _concluded(report: FidelityReport, config: FidelityConfig) -> FidelityReport:
    """The report with its questions asked, and what they come to."""
    gaps, seen, surprise = _gaps(report, config), report.lookalike, report.action_surprise
    n_questions = len({gap.what for gap in gaps}) + (seen is not None) + (surprise is not None)
    alpha_each = config.alpha / max(n_questions, 1)
    questions, limit = ask(gaps, alpha_each), joint_limit(alpha_each, 1)
    found = [(reason, MORE_CONTEXT) for reason in (question.reason for question in questions) if reason is not None]
    if seen is not None and seen.is_told_apart(limit, config.max_auc):
        told = f"area under the curve {seen.auc:.2f}, at most {config.max_auc:.2f} is tolerated"
        found.append((f"simulated histories can be told from logged ones ({told})", MORE_CONTEXT))
    if surprise is not None and abs(surprise) > limit:
        told = f"{surprise:+.1f} standard deviations"
        found.append((f"logged actions do not follow the logged propensities ({told})", RIGHT_ROWS))
    if report.action_effect is not None and report.action_effect < config.min_effect_deviations:
        found.append((NO_EFFECT, EXPERIMENT))
    remedies = tuple(dict.fromkeys(remedy for _, remedy in found))
    return replace(report, questions=questions, reasons=tuple(reason for reason, _ in found), remedies=remedies)


def _gaps(report: FidelityReport, config: FidelityConfig) -> list[Gap]:
    tolerance = {CHURN: config.churn_tolerance, REWARD: config.tolerance}
    named = (("survival", report.survival), ("reward a period", report.reward_curve))
    return [
        *(gap for c in report.calibrations for gap in c.gaps(tolerance[c.what])),
        *(gap for t in report.trends for gap in t.gaps(tolerance[t.what])),
        *(gap for what, curve in named if curve is not None for gap in curve.gaps(what, config.tolerance)),
        *(gap for s in report.states for gap in s.gaps(config.share_tolerance)),
    ]
