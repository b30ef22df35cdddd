"""What each action did against a reference action, holding the context equal: a regression with robust errors.

Reward and action indicators are both cleared of everything linear in the encoded context, then regressed on each other
(Frisch and Waugh 1933, Econometrica 1(4)); errors are clustered by unit. A causal effect only where the context holds
all that moved the choice of the action.
"""

from dataclasses import dataclass

import numpy as np

from analysis.features import fit_encoder
from analysis.regression import fit_regression
from domain.arrays import FloatArray
from domain.log import LoggedDecisions

DETERMINED = 1e-6  # of an action's variation left by the context; less is rounding


@dataclass(frozen=True)
class ActionEffect:
    """Mean difference in reward to the reference action, with its 95 % interval."""

    action: str
    reference: str
    effect: float
    low: float
    high: float


def adjusted_effects(log: LoggedDecisions, reference: str | None = None) -> tuple[ActionEffect, ...]:
    """One effect an action other than `reference` (None = the most frequent).

    None of an action that the context determines, nor of any in a log with one action or one customer: there is
    nothing to compare.

    Raises:
        UnsupportedAction: the log does not have the reference action.
    """
    counts = np.bincount(log.action, minlength=log.n_actions)
    base = int(counts.argmax()) if reference is None else log.actions.index(reference)
    others = [a for a in range(log.n_actions) if a != base and counts[a] > 1]
    if not others or len(np.unique(log.unit)) < 2:
        return ()
    root = np.sqrt(log.sample_weight)[:, None]  # weighted least squares
    context = np.column_stack([np.ones(len(log)), fit_encoder(log.context).transform(log.context)]) * root
    taken = np.column_stack([(log.action == a).astype(np.float64) for a in others]) * root
    cleared = _clear(np.column_stack([log.reward[:, None] * root, taken]), context)
    is_free = np.linalg.norm(cleared[:, 1:], axis=0) > DETERMINED * np.linalg.norm(taken, axis=0)
    names = [log.actions.ids[a] for a, free in zip(others, is_free, strict=True) if free]
    if not names:
        return ()
    found = fit_regression(cleared[:, 0], cleared[:, 1:][:, is_free], names, clusters=log.unit)
    return tuple(
        ActionEffect(name, log.actions.ids[base], *(float(v[i]) for v in (found.coefficients, found.low, found.high)))
        for i, name in enumerate(found.names)
        if name in names
    )


def _clear(values: FloatArray, context: FloatArray) -> FloatArray:
    """(n_rounds, n) residuals of the columns of `values` on the context; redundant context columns do no harm."""
    fitted, *_ = np.linalg.lstsq(context, values)
    return np.asarray(values - context @ fitted)
