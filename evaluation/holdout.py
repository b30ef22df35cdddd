"""Judging a learner on rows set apart: the customers of a panel, or another log.

Panels: the learner sees the other customers; sequential scores of held-out ones compare what it learned with the
constant that was best among the customers it saw. A file: the same, with the whole log to learn from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from config.evaluation import EvaluationConfig
from domain.arrays import FloatArray, IntArray
from domain.errors import InsufficientOverlap, InvalidSnapshot
from domain.log import LoggedDecisions
from domain.policy import Learner, Policy
from evaluation.best_constant import supported_constants
from evaluation.evaluate import score_policies
from evaluation.gate import Ruling, describe_propensities, describe_weights, rule
from evaluation.judgement import (
    Evidence,
    Judgement,
    Report,
    Rival,
    confidence_of_each,
    constant_value,
    delivered,
    describe_delivery,
    rule_value,
)
from evaluation.scores import Interval, PolicyScores
from evaluation.target import Target, target_of_policy
from policies.baselines import ConstantPolicy


def judge_holdout(
    train: LoggedDecisions,
    test: LoggedDecisions,
    test_rows: IntArray,
    learner: Learner,
    baseline: Target,
    *,
    method: str,
    config: EvaluationConfig,
    rng: np.random.Generator,
    refusals: Sequence[str] = (),
    report: Report,
) -> Judgement:
    """`baseline` is a target on the rows of `test`, which are `test_rows` (n,) of the log that they come from.

    Raises:
        UnsupportedAction: the learned policy chooses an action that `test` lacks.
    """
    constants = [_constant(train, action) for action in supported_constants(train, config)]
    report(0.1, "comparing constant actions")
    best = _best(score_policies(train, constants, config=config, rng=rng))
    report(0.2, f"learning from {len(train):,} rounds")
    policy, untaught = _teach(learner, train, best, rng)
    report(0.8, f"judging on {len(test):,} rounds")
    learned = target_of_policy(policy, "learned")
    judged = [_constant(test, c.name) for c in constants if c.name in test.actions.ids]
    judged.sort(key=lambda c: c.name != best)  # the best one first, where the judging log has it
    targets = [learned, Target("baseline", baseline.policy, baseline.distribution), *judged]
    scores = score_policies(test, targets, config=config, rng=rng)
    lacking = () if best in test.actions.ids else (_lacking(best),)
    jury = _Jury(scores, config, (*refusals, *untaught, *lacking))
    best_at = 0 if lacking else 2  # where it is lacking, the refusal keeps every number back
    ruling = jury.rule(0, best_at, "learned", "best constant")
    decided = delivered(ruling.verdict, best)
    chosen = 0 if decided == "learned" else best_at
    each = confidence_of_each(config.confidence, len(judged))
    rivals = tuple(
        Rival(c.name, jury.compare(best_at, j, each)) for j, c in enumerate(judged, start=2) if c.name != best
    )
    return Judgement(
        comparison=ruling.comparison,
        verdict=ruling.verdict,
        heldout=rule_value(method, jury.value(chosen), jury.trusts(chosen)),
        best_constant=constant_value(best, jury.value(best_at), jury.trusts(best_at)),
        baseline_comparison=jury.rule(chosen, 1, decided, baseline.name).comparison,
        delivered=decided,
        reasons=(*describe_delivery(ruling, best, rivals), *_dropped(constants, test, best), *_notes(scores)),
        diagnostics=scores.diagnostics[0],
        evidence=Evidence(test_rows, _chosen(learned, test)),
        learned_comparison=jury.rule(0, 1, "learned", baseline.name).comparison,
        policy=policy,
    )


def _teach(
    learner: Learner, train: LoggedDecisions, best: str, rng: np.random.Generator
) -> tuple[Policy, tuple[str, ...]]:
    """What was learned; where the learner finds too little to learn from, the best constant, and why."""
    try:
        return learner.fit(train, rng), ()
    except (InsufficientOverlap, InvalidSnapshot) as error:
        return ConstantPolicy(train.actions, best), (error.message,)


@dataclass(frozen=True)
class _Jury:
    """Rules on pairs of policies scored on the same held-out rows."""

    scores: PolicyScores
    config: EvaluationConfig
    refusals: tuple[str, ...]

    def rule(self, candidate: int, base: int, name: str, base_name: str) -> Ruling:
        forbidden = (*self.refusals, *self.scores.refusals[candidate], *self.scores.refusals[base])
        difference = self.scores.difference(candidate, base, confidence=self.config.confidence)
        unique = tuple(dict.fromkeys(forbidden))
        return rule(name, base_name, difference, unique, margin=self.config.margin, per=self.scores.per)

    def compare(self, best: int, other: int, confidence: float) -> Ruling:
        """A proven difference, however small, whatever the margin."""
        names = self.scores.names
        config = replace(self.config, margin=0.0, confidence=confidence)
        return replace(self, config=config).rule(best, other, names[best], names[other])

    def value(self, policy: int) -> Interval:
        return self.scores.value(policy, confidence=self.config.confidence)

    def trusts(self, policy: int) -> bool:
        return not self.refusals and not self.scores.refusals[policy]


def _chosen(learned: Target, test: LoggedDecisions) -> FloatArray:
    distribution = learned.on(test)
    assert distribution is not None  # only the logged policy has none
    return distribution


def _lacking(best: str) -> str:
    return f"the log that judges lacks {best}, the best constant of the log that teaches: no comparison with it"


def _dropped(constants: Sequence[Target], test: LoggedDecisions, best: str) -> tuple[str, ...]:
    names = [c.name for c in constants if c.name not in test.actions.ids and c.name != best]
    return (f"not compared, as the log that judges lacks them: {', '.join(names)}",) if names else ()


def _notes(scores: PolicyScores) -> tuple[str, ...]:
    diagnostics = scores.diagnostics[0]
    return (describe_weights("learned", diagnostics, len(scores.weight)), *describe_propensities(diagnostics))


def _constant(log: LoggedDecisions, action: str) -> Target:
    return target_of_policy(ConstantPolicy(log.actions, action), action)


def _best(scores: PolicyScores) -> str:
    """The highest lower bound among the constants that can be trusted; among all, where none can."""
    trusted = [j for j, refusals in enumerate(scores.refusals) if not refusals]
    return scores.names[max(trusted or range(len(scores.names)), key=lambda j: scores.value(j).low)]
