"""One door to judging a learner: by cross-fitting, by held-out customers, or on another log."""

from collections.abc import Callable, Sequence

import numpy as np

from config.evaluation import EvaluationConfig
from domain.log import LoggedDecisions
from domain.policy import Learner
from evaluation.crossfit import judge_crossfit
from evaluation.folds import assign_folds
from evaluation.holdout import judge_holdout
from evaluation.judgement import Judgement, Report
from evaluation.target import Target


def judge_learner(
    log: LoggedDecisions,
    learner: Learner,
    baseline: Callable[[LoggedDecisions], Target],
    *,
    config: EvaluationConfig | None = None,
    rng: np.random.Generator,
    heldout: LoggedDecisions | None = None,
    refusals: Sequence[str] = (),
    report: Report = lambda _share, _doing: None,
) -> Judgement:
    """Whether learning gains over the best constant action, and what delivering the winner gains over the baseline.

    Args:
        log: what may be learned from.
        learner: fitted several times, each time on rows of other customers than it is judged on.
        baseline: gives the baseline's target on the rows that judge.
        config: confidence, folds, margin, limits of refusal.
        rng: draws folds and whatever the learner draws.
        heldout: another log to judge on; None = cross-fitting, on a panel held-out customers.
        refusals: reasons known beforehand for which nothing can be decided.
        report: told how far it is.

    Raises:
        InsufficientOverlap: no constant action has support.
    """
    config = EvaluationConfig() if config is None else config
    if heldout is not None:
        train, test, rows, method = log, heldout, np.arange(len(heldout)), "file"
    elif log.panel is not None:
        is_test = assign_folds(log.unit, 2, rng) == 1
        train, test, rows, method = log.take(~is_test), log.take(is_test), np.flatnonzero(is_test), "units"
    else:
        return judge_crossfit(log, learner, baseline(log), config=config, rng=rng, refusals=refusals, report=report)
    return judge_holdout(
        train, test, rows, learner, baseline(test),
        method=method, config=config, rng=rng, refusals=refusals, report=report,
    )  # fmt: skip
