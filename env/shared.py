"""What all customers of a fitted market shared, as its log shows it."""

import numpy as np

from config.market import MarketConfig
from domain.arrays import FloatArray, IntArray
from domain.log import LoggedDecisions
from env.hurdle import Hurdle
from env.member import Rounds
from env.model import MarketModel
from env.process import N_SHOCKS, SIGNIFICANT, Foretold, MarketProcess, resample, series_of, shocks
from env.rules import Held


def fit_process(
    model: MarketModel, rounds: Rounds, config: MarketConfig, rng: np.random.Generator
) -> MarketProcess | None:
    """The process of `model`, fitted on the same rounds; None where nothing is shared beyond chance."""
    log = rounds.log
    if log.decided_at is None or log.panel is None:
        return None
    places = [i for i, c in enumerate(model.layout.columns) if isinstance(model.layout.rules.get(c.name), Held)]
    decided_at, period = np.unique(log.decided_at, return_inverse=True)
    history, chances = shocks_of(model, log, period, len(decided_at))
    kept = chances < SIGNIFICANT
    if not places and not kept.any():
        return None
    shared = series_of(rounds.columns[:, places], log.decided_at)
    with_columns = np.concatenate([np.broadcast_to(shared, (model.n_members, *shared.shape)), history * kept], axis=2)
    paths = np.stack([resample(h, config.path_periods, config.block_periods, rng) for h in with_columns])
    names = tuple(model.layout.columns[i].name for i in places)
    return MarketProcess(names, tuple(places), decided_at, with_columns, paths)


def shocks_of(
    model: MarketModel, log: LoggedDecisions, period: IntArray, n_periods: int
) -> tuple[FloatArray, FloatArray]:
    """What each period added for the customers of `log`, member by member, and how far that is from chance.

    Returns:
        (n_members, n_periods, N_SHOCKS), and (N_SHOCKS,) the largest of the members' chances; one without a hurdle.
    """
    hurdle = model.hurdle
    if hurdle is None:
        return np.zeros((model.n_members, n_periods, N_SHOCKS)), np.ones(N_SHOCKS)
    found = [_member_shocks(model, hurdle, k, log, period, n_periods) for k in range(model.n_members)]
    return np.stack([series for series, _ in found]), np.max([chance for _, chance in found], axis=0)


def _member_shocks(
    model: MarketModel, hurdle: Hurdle, member: int, log: LoggedDecisions, period: IntArray, n_periods: int
) -> tuple[FloatArray, FloatArray]:
    state = model.with_members(model.layout.encode(log.context), np.full(len(log), member))
    outlook = model.outlook(state, log.action)
    assert outlook.purchase_rate is not None, "a hurdle has purchases"
    assert outlook.spend is not None, "a hurdle has spend"
    assert log.panel is not None, "shocks belong to periods"
    stays = ~log.panel.terminated
    foretold = Foretold(
        purchase_rate=np.clip(outlook.purchase_rate[stays], 1e-12, 1 - 1e-12),
        spend=hurdle.expected_spend(outlook.spend[stays]),
        in_logs=hurdle.in_logs,
    )
    return shocks(foretold, hurdle.spend(log.reward, log.action)[stays], period[stays], n_periods)
