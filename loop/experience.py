"""What a decision point can learn from: matured live rounds, beside what its configured log knew before."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from agents.experience import ExperienceLearner
from agents.market_learner import MarketLearner
from agents.outcome_learner import OutcomeLearner
from domain.actions import ActionSet
from domain.context import Context
from domain.errors import InvalidSnapshot
from domain.log import LoggedDecisions, concatenate
from domain.policy import Learner, Policy
from env.fit import fit_market
from loop.learners import DISCOUNT
from loop.logs import LogRequest, read_and_record, resolve_log
from loop.observed import log_of, panel_of, under_policy
from loop.points import Point
from loop.wiring import Workspace

MIN_ROUNDS = 30  # of an action, to be chosen: fewer than of a foreign log, because these were drawn by known chances


@dataclass(frozen=True)
class Experience:
    """Rounds to judge on, and the learner for their kind."""

    log: LoggedDecisions
    learner: Learner
    n_live: int  # matured live rounds among them


@dataclass(frozen=True)
class LiveMarketLearner:
    """DQN in a market fitted to all rounds it is given, replaying the live ones beside the simulated."""

    first_live_unit: int  # unit codes from here on are live customers

    @property
    def name(self) -> str:
        return "dqn"

    def fit(self, log: LoggedDecisions, rng: np.random.Generator) -> Policy:
        live = log.take(log.unit >= self.first_live_unit)
        return MarketLearner(discount=DISCOUNT, real=live).fit(log, rng)


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


def gather(workspace: Workspace, point: Point, live: LoggedDecisions, now: datetime, seed: int) -> Experience:
    """A configured panel is judged and learned from together with the live customers; a log of one period becomes a
    market to start from; without one, live rounds are all there is.
    """
    prior = prior_log(workspace, point)
    if prior is None:
        return Experience(live, OutcomeLearner(min_rounds=MIN_ROUNDS), len(live))
    prior = _over(prior, point.action_set)
    if prior.panel is None:
        market = fit_market(prior, rng=np.random.default_rng(seed))
        learner = ExperienceLearner(market=market, learner=OutcomeLearner(min_rounds=MIN_ROUNDS), now=now)
        return Experience(live, learner, len(live))
    first = int(prior.unit.max()) + 1
    both = concatenate([_with_columns_of(prior, live), _shifted(live, first, int(_episode(prior).max()) + 1)])
    return Experience(both, LiveMarketLearner(first), len(live))


def prior_log(workspace: Workspace, point: Point) -> LoggedDecisions | None:
    """The configured decision log; None where there is none."""
    path, _ = workspace.settings.log_source(point.name)
    if path is None:
        return None
    is_only_one = len(workspace.settings.decision_points) == 1  # then its log need not name it
    request = LogRequest(decision_point=None if is_only_one else point.name)
    return read_and_record(workspace, *resolve_log(workspace, request)).log


def _over(log: LoggedDecisions, actions: ActionSet) -> LoggedDecisions:
    """The log over the catalogue's actions, in its order; rounds of others are left out."""
    kept = np.array([a in actions for a in log.actions.ids])
    if log.panel is not None and not kept.all():
        gone = ", ".join(a for a, ok in zip(log.actions.ids, kept, strict=True) if not ok)
        raise InvalidSnapshot(f"the configured log holds {gone}, which the catalogue lacks", "add them, at their cost")
    log = log.take(kept[log.action])
    places = np.array([actions.index(a) if a in actions else -1 for a in log.actions.ids])
    distribution = log.logged_distribution
    return replace(
        log,
        actions=actions,
        action=places[log.action],
        logged_distribution=None if distribution is None else log.actions.align(distribution * kept, to=actions),
        eligible=None if log.eligible is None else log.actions.align_mask(log.eligible, to=actions),
        probabilities={},
    )


def _with_columns_of(log: LoggedDecisions, other: LoggedDecisions) -> LoggedDecisions:
    """Only what both know, so that they can be joined."""
    assert log.panel is not None
    panel = replace(log.panel, next_context=_columns(log.panel.next_context, other.context.columns))
    return replace(log, context=_columns(log.context, other.context.columns), panel=panel)


def _columns(context: Context, names: Mapping[str, object]) -> Context:
    missing = [name for name in context.columns if name not in names]
    if missing:
        raise InvalidSnapshot(
            f"live contexts lack {', '.join(missing)}, which the configured log has",
            "send them with every context, or leave them out of `context:`",
        )
    return Context({name: context.columns[name] for name in names if name in context.columns}, context.n_rounds)


def _shifted(log: LoggedDecisions, units: int, episodes: int) -> LoggedDecisions:
    assert log.panel is not None
    panel = replace(log.panel, episode=log.panel.episode + episodes)
    return replace(log, unit=log.unit + units, panel=panel)


def _episode(log: LoggedDecisions) -> np.ndarray:
    assert log.panel is not None
    return log.panel.episode
