"""What a decision point can learn from: matured live rounds, beside what its configured log knew before."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from agents.experience import ExperienceLearner
from agents.market_learner import MarketLearner
from agents.outcome_learner import OutcomeLearner
from config.dqn import DqnConfig
from domain.actions import ActionSet, relative_prices
from domain.arrays import FloatArray, IntArray
from domain.log import LoggedDecisions, concatenate
from domain.policy import Learner, Policy
from env.fit import fit_market
from evaluation.judgement import Evidence
from loop.evidence import read_evidence, save_evidence
from loop.joining import over, shifted, with_columns_of
from loop.learners import DISCOUNT
from loop.logs import LogRequest, log_id, read_and_record, resolve_log
from loop.observed import log_of, panel_of, under_policy
from loop.points import Point
from loop.targets import policy_directory
from loop.wiring import Workspace

MIN_ROUNDS = 30  # of an action, to be chosen: fewer than of a foreign log, because these were drawn by known chances


@dataclass(frozen=True)
class Heldout:
    """Customers of the configured panel that judged the version in force, and judge its successor on equal terms."""

    log: LoggedDecisions
    incumbent: FloatArray  # (n_rounds, n_actions) what the incumbent's rule chose there, fitted without them
    rows: IntArray  # (n_rounds,) of the configured log
    log_id: str
    actions: ActionSet  # of the configured log, in its order


@dataclass(frozen=True)
class Experience:
    """Rounds to learn from and to judge on, and the learner for their kind."""

    log: LoggedDecisions  # what is judged: cross-fitted, or learned from and judged on `heldout`
    everything: LoggedDecisions  # what a delivered policy is fitted on
    learner: Learner
    live: LoggedDecisions  # matured live rounds, as they are among them
    heldout: Heldout | None = None
    configured: LoggedDecisions | None = None  # the panel among `everything`; its market must resemble it

    @property
    def n_live(self) -> int:
        return len(self.live)

    @property
    def judged(self) -> LoggedDecisions:
        """The rounds on which policies are compared."""
        return self.log if self.heldout is None else self.heldout.log


@dataclass(frozen=True)
class LiveMarketLearner:
    """DQN in a market fitted to all rounds it is given; it may replay the live ones beside the simulated.

    No hidden driver is looked for: AMSO chose the live rounds by their context alone, and two policies in one log, each
    with its own chances, look like one.
    """

    first_live_unit: int  # unit codes from here on are live customers
    budget: DqnConfig = field(default_factory=DqnConfig)
    prices: Mapping[str, float] = field(default_factory=dict)  # as `env.fit.fit_market` takes them
    replay_share: float = 0.0  # of what is replayed; at most what share of all rounds the live ones are

    @property
    def name(self) -> str:
        return "dqn"

    def fit(self, log: LoggedDecisions, rng: np.random.Generator) -> Policy:
        live = log.take(log.unit >= self.first_live_unit)
        learner = MarketLearner(
            discount=DISCOUNT,
            dqn=replace(self.budget, prior_transitions=float(len(log) - len(live)), max_real_share=self.replay_share),
            real=live if self.replay_share else None,
            prices=self.prices,
            has_hidden_drivers=False,
        )
        return learner.fit(log, rng)


def live_rounds(workspace: Workspace, point: Point, now: datetime) -> LoggedDecisions:
    """Matured decisions of policies inside the configured window; a panel where the configured log is one."""
    learning = workspace.settings.learning
    since = None if learning.window is None else now - point.reward_wait - timedelta(seconds=learning.window.seconds)
    with workspace.knowledge.transaction() as books:
        rows = under_policy(books.replay.observed(point.name, since=since), point.action_set)
        left = books.outcomes.decisions_with(learning.left_metric)
    log = log_of(rows, point.action_set)
    is_gone = np.array([row.decision.decision_id in left for row in rows], dtype=np.bool_)
    prior = prior_log(workspace, point)
    if prior is None or prior.panel is None or not len(log):
        return log
    return panel_of(log, is_gone, n_periods=int(prior.panel.step.max()) + 1)


def gather(
    workspace: Workspace, point: Point, live: LoggedDecisions, incumbent: str, *, now: datetime, seed: int
) -> Experience:
    """What there is to learn from, by the kind of the configured log.

    A panel is learned from together with the live customers. Where the incumbent was judged on a part of it, that part
    stays out and judges the successor too. A log of one period becomes a market to start from; without one, live rounds
    are all there is.
    """
    prior = prior_log(workspace, point)
    if prior is None:
        return Experience(live, live, OutcomeLearner(min_rounds=MIN_ROUNDS), live)
    prices = relative_prices(point.actions)
    if prior.panel is None:
        market = fit_market(over(prior, point.action_set), rng=np.random.default_rng(seed), prices=prices)
        mixed = ExperienceLearner(market=market, learner=OutcomeLearner(min_rounds=MIN_ROUNDS), now=now)
        return Experience(live, live, mixed, live)
    first = int(prior.unit.max()) + 1
    later = shifted(live, first, int(prior.panel.episode.max()) + 1)
    known = with_columns_of(over(prior, point.action_set), live)
    everything = concatenate([known, later])
    settings = workspace.settings
    learner = LiveMarketLearner(first, settings.training.budget(), prices, settings.learning.replay_share)
    heldout = _heldout(workspace, point, prior, known, incumbent)
    if heldout is None:
        return Experience(everything, everything, learner, live, configured=known)
    unseen = ~np.isin(known.unit, heldout.log.unit)
    learned = concatenate([known.take(unseen), later])
    return Experience(learned, everything, learner, live, heldout, configured=known)


def keep_evidence(folder: Path, experience: Experience, distribution: FloatArray, point: Point) -> None:
    """What the successor's rule chose on the held-out customers, for its own successor."""
    held = experience.heldout
    if held is not None:
        chosen = point.action_set.align(distribution, to=held.actions)
        save_evidence(folder, Evidence(held.rows, chosen), held.log_id)


def _heldout(
    workspace: Workspace, point: Point, prior: LoggedDecisions, known: LoggedDecisions, incumbent: str
) -> Heldout | None:
    """None where the incumbent learned nothing from the configured log, or kept nothing of how it was judged."""
    if not incumbent.startswith("p-"):
        return None
    this_log = log_id(*resolve_log(workspace, _request(workspace, point)))
    evidence = read_evidence(policy_directory(workspace, incumbent).parent, this_log)
    if evidence is None:
        return None
    chosen = prior.actions.align(evidence.distribution, to=point.action_set)
    return Heldout(known.take(evidence.rows), chosen, evidence.rows, this_log, prior.actions)


def prior_log(workspace: Workspace, point: Point) -> LoggedDecisions | None:
    """The configured decision log; None where there is none."""
    path, _ = workspace.settings.log_source(point.name)
    if path is None:
        return None
    return read_and_record(workspace, *resolve_log(workspace, _request(workspace, point))).log


def _request(workspace: Workspace, point: Point) -> LogRequest:
    """Where there is but one decision point, its log need not name it."""
    is_only_one = len(workspace.settings.decision_points) == 1
    return LogRequest(decision_point=None if is_only_one else point.name)
