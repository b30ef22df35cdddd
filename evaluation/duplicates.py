"""The same decision twice: rows alike in unit, time, action, reward, propensity and context.

Reading a log rejects repeated decision ids; this finds what carries no id, or a new id for the same decision. It needs
unit and time: without them rows may well be alike by chance.
"""

import numpy as np
import pandas as pd

from config.evaluation import EvaluationConfig
from domain.estimates import Finding, FindingKind
from domain.log import LoggedDecisions


def duplicate_findings(log: LoggedDecisions, config: EvaluationConfig) -> tuple[Finding, ...]:
    """Rows that repeat another one; forbidding from the share on at which rejected rows would."""
    if log.decided_at is None or log.panel is not None:
        return ()
    keys = pd.DataFrame({"unit": log.unit, "time": log.decided_at})
    rows = np.flatnonzero(keys.duplicated(keep=False).to_numpy())
    if not len(rows):
        return ()
    content = keys.iloc[rows].assign(action=log.action[rows], reward=log.reward[rows])
    if log.propensity is not None:
        content = content.assign(propensity=log.propensity[rows])
    for name, column in log.context.columns.items():
        content[f"x_{name}"] = column[rows]
    n = int(content.duplicated().sum())
    if not n:
        return ()
    days = log.decided_at.astype("datetime64[D]")
    is_by_day = bool((days == log.decided_at).all())  # then a customer may honestly come twice a day
    is_refusal = not is_by_day and n > config.max_rejected_share * len(log)
    text = (
        f"{n:,} rows repeat another one in everything: unit, time, action, {log.reward_name} and context: "
        "write each decision once, with a decision_id"
    )
    return (Finding(FindingKind.DUPLICATES, n, is_refusal, text),)
