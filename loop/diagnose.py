"""`amso.diagnose`: what is wrong with a log, or missing in it, before anything is asked of it."""

from collections.abc import Sequence

from analysis.diagnosis import diagnose
from domain.actions import Action
from domain.estimates import Finding
from domain.log import LogRead
from evaluation.refusals import read_findings


def diagnose_log(read: LogRead, catalogue: Sequence[Action | str] = ()) -> tuple[Finding, ...]:
    """Every finding with its rows, what was expected and what would mend it; those with `is_refusal` forbid a verdict.

    Args:
        read: what `amso.read_log` returned.
        catalogue: the actions that can be carried out; none named = those of the log.
    """
    actions = [Action(a) if isinstance(a, str) else a for a in catalogue]
    return (*read_findings(read), *diagnose(read.log, actions))
