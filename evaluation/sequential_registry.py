"""Every estimator of episode values; the conformance checks run over this tuple."""

from evaluation.drl import DoubleReinforcementLearning
from evaluation.fqe import FittedQEvaluation
from evaluation.pdis import PerDecisionImportanceSampling
from evaluation.sequential_dr import SequentialDoublyRobust
from evaluation.sequential_estimator import SequentialEstimator
from evaluation.snpdis import SelfNormalizedPerDecisionImportanceSampling

SEQUENTIAL_ESTIMATORS: tuple[SequentialEstimator, ...] = (
    PerDecisionImportanceSampling(),
    SelfNormalizedPerDecisionImportanceSampling(),
    FittedQEvaluation(),
    SequentialDoublyRobust(),
    DoubleReinforcementLearning(),
)
