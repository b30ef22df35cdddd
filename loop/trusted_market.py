"""Whether the market fitted to a log may be learned in, and what a policy is promised there."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from domain.errors import UnfaithfulMarket
from domain.log import LoggedDecisions
from domain.policy import Policy
from env.confounding import CONFOUNDED, deconfound
from env.fidelity import FidelityReport, check_fidelity
from env.fit import fit_market
from env.forecast import SimulatedValue, expected_value
from env.model import MarketModel
from loop.learners import DISCOUNT, LEARN_IN_MARKET
from loop.runs import write_json
from loop.text import number

FILE_NAME = "fidelity.json"
N_PERIODS = 60  # simulated; nearly all of a discounted value lies within
N_CUSTOMERS = 10_000


def trusted_market(
    log: LoggedDecisions,
    algorithm: str,
    *,
    seed: int,
    prices: Mapping[str, float],
    folder: Path | None = None,
    is_refused: bool = False,
) -> FidelityReport:
    """The fidelity of a market fitted to `log`, kept in `folder`.

    Where the log itself forbids a verdict already (`is_refused`), that is the answer, and nothing is raised.

    Raises:
        UnfaithfulMarket: the algorithm learns in the market, and the market does not resemble the log.
    """
    fidelity = check_fidelity(log, rng=np.random.default_rng(seed), prices=prices)
    if folder is not None:
        write_json(folder / FILE_NAME, fidelity.to_data())
    if algorithm in LEARN_IN_MARKET and log.panel is not None and not is_refused:
        refuse_unfaithful(fidelity, folder)
    return fidelity


def why_untrusted(log: LoggedDecisions, *, seed: int, prices: Mapping[str, float], folder: Path) -> str | None:
    """Why nothing is learned again from a panel; None where its market resembles it, or none is needed.

    Learning again looks for no hidden driver among live rounds, so a log that has one must not be joined with them.
    """
    if log.panel is None:
        return None
    try:
        fidelity = trusted_market(log, LEARN_IN_MARKET[0], seed=seed, prices=prices, folder=folder)
    except UnfaithfulMarket as refused:
        return f"{refused.message}; {refused.hint}"
    if fidelity.confounding.status == CONFOUNDED:
        return f"nothing is learned again beside a log with a hidden driver: {fidelity.confounding.told}"
    return None


def refuse_unfaithful(fidelity: FidelityReport, folder: Path | None = None) -> None:
    """
    Raises:
        UnfaithfulMarket: the reasons, and what data would mend it.
    """
    if fidelity.is_faithful:
        return
    where = "" if folder is None else f"; the report is kept in {folder / FILE_NAME}"
    raise UnfaithfulMarket(
        f"nothing is learned in a market that does not resemble its data: {'; '.join(fidelity.reasons)}",
        f"{'; '.join(fidelity.remedies)} (`amso market LOG` shows every comparison{where})",
    )


def promised(
    log: LoggedDecisions, policy: Policy, market: MarketModel | None, *, seed: int, prices: Mapping[str, float]
) -> SimulatedValue:
    """What `policy` earns a customer in the market, by default one fitted to the whole log."""
    if market is None:
        answer = deconfound(log, rng=np.random.default_rng(seed))
        market = fit_market(answer.log, rng=np.random.default_rng(seed), prices=prices, hidden=answer.hidden)
    rng = np.random.default_rng(seed)
    return expected_value(market, policy, horizon=N_PERIODS, n_customers=N_CUSTOMERS, rng=rng, discount=DISCOUNT)


def promise_line(promise: SimulatedValue) -> str:
    """The same for people."""
    return (
        f"promised by the fitted market over {promise.horizon} periods, discounted, a customer: "
        f"{number(promise.value)}, pessimistic {number(promise.pessimistic())}; evidence of its own kind, no estimate"
    )


def promise_to_data(promise: SimulatedValue) -> dict[str, object]:
    """The `simulated` block of `train --json`: evidence beside the held-out value, never in its place."""
    return {
        "value": promise.value,
        "pessimistic": promise.pessimistic(),
        "disagreement": promise.disagreement,
        "horizon": promise.horizon,
    }
