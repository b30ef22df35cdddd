"""How to read a decision log: what its columns are called, which rows and actions count."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LogOptions:
    """Names and choices for one log; the defaults read a log in our own format (DESIGN section 5)."""

    columns: Mapping[str, str] = field(default_factory=dict)  # ours -> theirs
    reward: str | None = None  # which reward_* column, where there are several
    context: tuple[str, ...] | None = None  # context columns to use, without x_; None = all x_*
    exclude_actions: tuple[str, ...] = ()  # dropped; propensities renormalised inside their cell
    probability_prefixes: tuple[str, ...] = ()  # columns of `probabilities:PREFIX` to keep
    prediction_prefix: str | None = field(default=None, repr=False)  # columns PREFIX + action: logged predictions
    not_negative: tuple[str, ...] = field(default=(), repr=False)  # context columns, without x_: below 0 is a fault
    split: str | None = None  # keep only rows whose `split` has this value
    decision_point: str | None = None  # keep only this one, where the log names several
