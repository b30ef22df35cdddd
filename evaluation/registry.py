"""Every estimator of one-period values; the conformance checks run over both tuples."""

from evaluation.clipped_ips import ClippedInversePropensityScoring
from evaluation.dm import DirectMethod
from evaluation.dr import DoublyRobust
from evaluation.dros import ShrunkDoublyRobust
from evaluation.estimator import Estimator
from evaluation.ips import InversePropensityScoring
from evaluation.slope import Family
from evaluation.sndr import SelfNormalizedDoublyRobust
from evaluation.snips import SelfNormalizedInversePropensityScoring
from evaluation.switch_dr import SwitchDoublyRobust

ESTIMATORS: tuple[Estimator, ...] = (
    InversePropensityScoring(),
    ClippedInversePropensityScoring(),
    SelfNormalizedInversePropensityScoring(),
    DirectMethod(),
    DoublyRobust(),
    SelfNormalizedDoublyRobust(),
)
FAMILIES: tuple[Family, ...] = (SwitchDoublyRobust, ShrunkDoublyRobust)  # SLOPE tunes their hyperparameter on the log
