"""Every estimator of one-period values; the conformance checks run over this tuple."""

from evaluation.dm import DirectMethod
from evaluation.dr import DoublyRobust
from evaluation.estimator import Estimator
from evaluation.ips import InversePropensityScoring
from evaluation.snips import SelfNormalizedInversePropensityScoring

ESTIMATORS: tuple[Estimator, ...] = (
    InversePropensityScoring(),
    SelfNormalizedInversePropensityScoring(),
    DirectMethod(),
    DoublyRobust(),
)
