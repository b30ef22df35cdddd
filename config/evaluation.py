"""How sure offline evaluation must be, and what makes it refuse."""

from dataclasses import dataclass

from domain.errors import ConfigError

MIN_BOOTSTRAP = 100


@dataclass(frozen=True)
class EvaluationConfig:
    """Settings of evaluation; shares and probabilities are 0..1."""

    confidence: float = 0.95  # nominal coverage of every interval
    false_promotion_rate: float = 0.05  # over all looks, planned or any; the same on the side of rejecting
    n_bootstrap: int = 0  # resamples of customers for the intervals of estimates, not of the difference; 0: analytic
    n_folds: int = 5  # cross-fitting folds, by unit
    margin: float = 0.0  # reward a round (a panel: an episode); promote needs low > margin
    discount: float = 1.0  # of a panel's rewards, a step; (0, 1]
    propensity_floor: float = 0.01  # smallest estimated propensity; logged ones are never clipped
    min_ess: float = 100.0  # effective rounds; below, the normal approximation is not to be trusted
    min_ess_share: float = 0.01  # the same as a share of the rounds
    min_tailed_ess: float = 200.0  # effective rounds where weights have a tail that the log shows only in part ...
    min_tailed_ess_share: float = 0.15  # ... and the same as a share of the rounds ...
    tailed_from: float = 0.0  # ... their tail index lies above this; bounded weights have a lower one, or none
    max_weight_share: float = 0.1  # of all weight that one round may carry
    min_step_ess: float = 10.0  # of a panel's weakest step: its marginalised weights are no products (our benchmark)
    max_step_weight_share: float = 0.35  # of all weight of a panel's step that one round may carry
    mean_weight_z: float = 4.0  # standard errors that the mean weight may lie from 1 ...
    mean_weight_slack: float = 0.02  # ... if it also lies further than this from 1
    max_unsupported_share: float = 0.01  # of a policy's choices that fall on actions never logged there
    min_nonzero_rewards: float = 20.0  # effective number of rounds with a reward other than zero
    min_sample_ratio_p_value: float = 1e-4  # below, shares contradict the logged propensities
    min_part_p_value: float = 1e-4  # the same for the worst part of a log, over all its parts; for weights and counts
    note_p_value: float = 1e-3  # below, drift is mentioned; it forbids nothing
    max_rejected_share: float = 0.01  # of all rows, or of one action's, that validation may reject

    def __post_init__(self) -> None:
        for name in ("confidence", "discount"):
            value = getattr(self, name)
            if not 0 < value <= 1 or (value == 1 and name != "discount"):
                raise ConfigError(f"evaluation.{name} is {value}; expected a number between 0 and 1")
        if self.n_bootstrap and self.n_bootstrap < MIN_BOOTSTRAP:
            raise ConfigError(
                f"{self.n_bootstrap} bootstrap samples are asked for; quantiles need at least {MIN_BOOTSTRAP}",
                "say --bootstrap 1000, or leave it out",
            )
        if not 0 < self.false_promotion_rate < 0.5:
            raise ConfigError(
                f"evaluation.false_promotion_rate is {self.false_promotion_rate}; expected a number between 0 and 0.5"
            )
        if self.n_folds < 2:
            raise ConfigError(f"evaluation.n_folds is {self.n_folds}; cross-fitting needs at least 2")
