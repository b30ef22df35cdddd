"""Least squares with errors that need no equal variances: HC1, or clustered where rows of a group move together.

    b = (X'X)^-1 X'y,  V = (X'X)^-1 (sum over clusters of X_g'e_g e_g'X_g) (X'X)^-1 × small-sample factor

Fixed effects are absorbed by the within transformation (group means subtracted, in turn where there are several) and
counted in the degrees of freedom, unless a group lies inside one cluster. References: MacKinnon and White (1985),
J. Econometrics 29; Cameron and Miller (2015), J. Human Resources 50(2). It describes association: it is a causal
effect only where the regressors were randomised, or as good as.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.arrays import FloatArray, IntArray
from domain.errors import InvalidSnapshot

INTERCEPT = "intercept"
MAX_SWEEPS = 1000


@dataclass(frozen=True)
class RegressionResult:
    """Coefficients with 95 % intervals (Student t)."""

    names: tuple[str, ...]
    coefficients: FloatArray  # (n_names,)
    stderr: FloatArray  # (n_names,)
    low: FloatArray  # (n_names,)
    high: FloatArray  # (n_names,)
    n: int
    r_squared: float  # of what fixed effects leave

    def coefficient(self, name: str) -> float:
        return float(self.coefficients[self.names.index(name)])


def fit_regression(
    y: FloatArray,
    X: FloatArray,
    names: Sequence[str],
    *,
    absorb: Sequence[IntArray] = (),
    clusters: IntArray | None = None,
) -> RegressionResult:
    """Regresses y on X, with an intercept unless fixed effects are absorbed.

    Args:
        y: (n_rows,) finite.
        X: (n_rows, n_names) finite.
        names: of the columns of X.
        absorb: codes (n_rows,) of groups that each get an effect of their own.
        clusters: codes (n_rows,); None = every row by itself (HC1).

    Raises:
        InvalidSnapshot: missing values, fewer rows than coefficients, or a column that the others determine.

    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> fit_regression(1 + 2 * x[:, 0] + np.array([0.1, -0.1, -0.1, 0.1]), x, ["x"]).coefficient("x").__round__(6)
    2.0
    """
    if not (np.isfinite(y).all() and np.isfinite(X).all()):
        raise InvalidSnapshot("the regression has missing or infinite values", "drop or fill those rows first")
    groups = [np.unique(g, return_inverse=True)[1] for g in absorb]
    scale = np.maximum(np.linalg.norm(X, axis=0), 1e-300)
    if groups:
        design, kept = within(np.column_stack([y, X]), groups), tuple(names)
        y, X = design[:, 0], design[:, 1:]
    else:
        X, kept = np.column_stack([np.ones(len(y)), X]), (INTERCEPT, *names)
        scale = np.r_[np.sqrt(len(y)), scale]
    n_effects = _n_absorbed(groups, clusters)
    _check_rank(X / scale, kept, n_effects)
    return _fit(y, X, kept, n_effects, clusters)


def within(values: FloatArray, groups: Sequence[IntArray]) -> FloatArray:
    """Columns of `values` without their group means, by alternating projections until nothing moves.

    Raises:
        InvalidSnapshot: the groups are so entangled that this does not settle.
    """
    demeaned = values - values.mean(axis=0)
    scale = np.maximum(demeaned.std(axis=0), 1e-300)
    for _ in range(MAX_SWEEPS):
        before = demeaned
        for codes in groups:
            demeaned = demeaned - _group_means(demeaned, codes)[codes]
        if len(groups) == 1 or (np.abs(demeaned - before) / scale).max() < 1e-10:
            return np.asarray(demeaned)
    raise InvalidSnapshot(f"{len(groups)} sets of fixed effects do not settle in {MAX_SWEEPS} sweeps", "use fewer")


def _group_means(values: FloatArray, codes: IntArray) -> FloatArray:
    n = np.bincount(codes)
    return np.column_stack([np.bincount(codes, weights=column) / n for column in values.T])


def _n_absorbed(groups: Sequence[IntArray], clusters: IntArray | None) -> int:
    """Degrees of freedom that the effects use; effects nested in clusters are paid for by the cluster factor."""
    n_effects = 1 if groups else 0
    for codes in groups:
        if clusters is None or not _is_nested(codes, clusters):
            n_effects += int(codes.max())
    return n_effects


def _is_nested(codes: IntArray, clusters: IntArray) -> bool:
    first = np.zeros(int(codes.max()) + 1, dtype=np.int64)
    first[codes] = clusters
    return bool((first[codes] == clusters).all())


def _check_rank(X: FloatArray, names: Sequence[str], n_effects: int) -> None:
    """X comes with columns of length one before the effects left it, so what is left of each is comparable."""
    n_rows, n_names = X.shape
    if n_rows <= n_names + n_effects:
        raise InvalidSnapshot(
            f"{n_rows} rows for {n_names + n_effects} coefficients and fixed effects; more rows were expected",
            "use fewer columns, or a longer history",
        )
    loose = np.abs(np.diag(np.linalg.qr(X, mode="r"))) < 1e-9
    if loose.any():
        names = [name for name, is_loose in zip(names, loose, strict=True) if is_loose]
        raise InvalidSnapshot(f"{', '.join(names)} is determined by the other columns or effects", "leave it out")


def _fit(
    y: FloatArray, X: FloatArray, names: tuple[str, ...], n_effects: int, clusters: IntArray | None
) -> RegressionResult:
    from statsmodels.api import OLS  # three seconds that only a regression should pay

    model = OLS(y, X)
    model.df_resid = len(y) - X.shape[1] - n_effects
    if clusters is None:
        fitted = model.fit(cov_type="HC1", use_t=True)
        stderr, df = fitted.bse, model.df_resid
    else:
        codes = np.unique(clusters, return_inverse=True)[1]
        if int(codes.max()) == 0:
            raise InvalidSnapshot("all rows belong to one cluster; errors need at least two", "check the unit column")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # few clusters: said by the width of the interval
            fitted = model.fit(cov_type="cluster", cov_kwds={"groups": codes, "use_correction": False}, use_t=True)
        n_clusters = int(codes.max()) + 1
        factor = n_clusters / (n_clusters - 1) * (len(y) - 1) / model.df_resid
        stderr, df = fitted.bse * np.sqrt(factor), n_clusters - 1
    coefficients = np.asarray(fitted.params, dtype=np.float64)
    margin = _t_quantile(df) * np.asarray(stderr)
    residual, total = y - X @ coefficients, y - y.mean()
    r_squared = 1 - float(residual @ residual) / max(float(total @ total), 1e-300)
    return RegressionResult(
        names, coefficients, np.asarray(stderr), coefficients - margin, coefficients + margin, len(y), r_squared
    )


def _t_quantile(df: float) -> float:
    from scipy.stats import t  # as above

    return float(t.ppf(0.975, df))
