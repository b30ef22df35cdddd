"""Whether our own verdicts come true: predicted gains beside realised ones, both with their errors.

Of a pair, z = (predicted - realised) / sqrt(stderr_predicted^2 + stderr_realised^2): the realised gain was measured
too, so it need not lie inside the predicted interval. But only what was approved is ever realised, and it was approved
because it looked good: |z| <= 1.96 holds for fewer than 95 % of honest promotions (the winner's curse: Smith and
Winkler 2006, Management Science 52(3)). So z is taken given the verdict. With w = stderr_predicted^2 / stderr^2 and
m = predicted - w error, the best guess of the truth, an honest error is independent of m and normal; `promote` says
predicted - (distance to its lower end) > margin, which cuts that normal off at

    z_low = z - (low - margin) stderr / stderr_predicted^2

and what is left of it is mapped back to a standard normal. The same for the other verdicts (conditioning on the
selection: Fithian, Sun, Taylor 2014, arXiv:1410.2597). A pair is consistent where this z lies within 1.96; of honest
intervals 95 % are, whichever verdicts people acted on. The share has a Wilson interval (Wilson 1927, JASA 22(158));
optimism, the mean of predicted - realised, a t interval, the winner's curse included.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.special import log_ndtr, ndtri, stdtrit

from domain.arrays import FloatArray
from domain.estimates import Verdict

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
FARTHEST = 8.0  # standard errors: beyond, a float64 cannot tell a share from one


@dataclass(frozen=True)
class Measured:
    """A gain with its interval at some confidence; the ends need not lie equally far away."""

    value: float
    low: float
    high: float
    confidence: float = CONFIDENCE

    def stderr(self, towards: float) -> float:
        """By the end of the interval that faces `towards`."""
        half = self.high - self.value if towards > self.value else self.value - self.low
        return half / NormalDist().inv_cdf((1 + self.confidence) / 2)


@dataclass(frozen=True)
class Outcome:
    """One prediction, the verdict it came with, and what came of it."""

    predicted: Measured
    realised: Measured
    verdict: Verdict
    margin: float = 0.0  # of the verdict

    @property
    def error(self) -> float:
        """Above zero: more was predicted than came."""
        return self.predicted.value - self.realised.value

    @property
    def stderr(self) -> float:
        """Of the error."""
        return math.hypot(self._stderr_predicted, self.realised.stderr(self.predicted.value))

    @property
    def z(self) -> float:
        if self.error == 0:
            return 0.0
        return math.copysign(math.inf, self.error) if self.stderr == 0 else self.error / self.stderr

    @property
    def z_given_verdict(self) -> float:
        """Standard normal if both intervals are honest, though the verdict decided whether anything came at all."""
        own = self._stderr_predicted
        if own == 0 or not math.isfinite(self.z):
            return self.z
        scale = self.stderr / own**2
        above_low = (self.predicted.low - self.margin) * scale
        above_high = (self.predicted.high - self.margin) * scale
        lower, upper = {
            Verdict.PROMOTE: (self.z - above_low, math.inf),
            Verdict.HOLD: (self.z - above_high, self.z - above_low),
            Verdict.REJECT: (-math.inf, self.z - above_high),
        }[self.verdict]
        return _within(self.z, lower, upper)

    @property
    def _stderr_predicted(self) -> float:
        return self.predicted.stderr(self.realised.value)


@dataclass(frozen=True)
class Calibration:
    """How predictions did, over pairs that share neither prediction nor realisation."""

    n: int
    n_consistent: int  # given their verdicts
    coverage_low: float  # 95 %, of the share that is consistent
    coverage_high: float
    optimism: float  # mean of predicted - realised, in the reward's unit a decision
    optimism_low: float  # 95 %
    optimism_high: float
    mean_z: float  # given the verdicts: above zero, more was predicted than chance and choice explain
    mean_z_low: float  # 95 %
    mean_z_high: float
    n_promoted: int
    n_gained: int  # of the promoted ones: realised > 0

    @property
    def coverage(self) -> float:
        return self.n_consistent / self.n

    @property
    def is_overconfident(self) -> bool:
        """Provably fewer are consistent than should be."""
        return self.coverage_high < CONFIDENCE

    @property
    def is_optimistic(self) -> bool:
        """Provably more is predicted than comes, beyond what choosing the promising ones explains."""
        return self.mean_z_low > 0


def calibrate(outcomes: Sequence[Outcome]) -> Calibration | None:
    """None while nothing is known.

    >>> one = Outcome(Measured(1.0, 0.5, 1.5), Measured(0.75, 0.25, 1.25), Verdict.PROMOTE)
    >>> calibrate([one]).coverage
    1.0
    """
    if not outcomes:
        return None
    from scipy.stats import binomtest  # imported late: half a second

    z = np.clip([o.z_given_verdict for o in outcomes], -FARTHEST, FARTHEST)
    n_consistent = int((np.abs(z) <= Z).sum())
    covered = binomtest(n_consistent, len(z)).proportion_ci(CONFIDENCE, method="wilson")
    optimism = _mean(np.array([o.error for o in outcomes]), outcomes[0].stderr)
    mean_z = _mean(z, 1.0)
    promoted = [o for o in outcomes if o.verdict is Verdict.PROMOTE]
    return Calibration(
        n=len(z),
        n_consistent=n_consistent,
        coverage_low=float(covered.low),
        coverage_high=float(covered.high),
        optimism=optimism.value,
        optimism_low=optimism.low,
        optimism_high=optimism.high,
        mean_z=mean_z.value,
        mean_z_low=mean_z.low,
        mean_z_high=mean_z.high,
        n_promoted=len(promoted),
        n_gained=sum(o.realised.value > 0 for o in promoted),
    )


def _within(z: float, lower: float, upper: float) -> float:
    """Where z stands in a standard normal cut off to (lower, upper), as the z of the whole one."""
    if lower > 0:  # only the left tail keeps its digits
        return -_within(-z, -upper, -lower)
    below, least = (float(np.exp(log_ndtr(edge) - log_ndtr(upper))) for edge in (z, lower))
    share = 0.5 if least >= 1 else (below - least) / (1 - least)
    return float(ndtri(min(max(share, 0.0), 1.0)))


def _mean(values: FloatArray, stderr: float) -> Measured:
    """Of (n,) values with a t interval; of one alone by its own standard error."""
    mean, half = float(values.mean()), Z * stderr
    if len(values) > 1:
        spread = values.std(ddof=1) / np.sqrt(len(values))
        half = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2) * spread)
    return Measured(mean, mean - half, mean + half)
