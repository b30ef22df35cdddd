"""The page that `amso market` leaves: one file without a script, its pictures inside, printable.

What comes from a log is escaped by the template; a content security policy forbids scripts and anything from elsewhere.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from domain.log import LogRead
from env.fidelity import FidelityReport
from loop.market_plots import MarketFigure
from loop.report import render_page, versions_of
from loop.runs import RunDirectory

FILE_NAME = "market.html"


@dataclass(frozen=True)
class Picture:
    figure: MarketFigure
    data: str  # base64 of the PNG


@dataclass(frozen=True)
class MarketPage:
    """Everything the template shows."""

    fidelity: FidelityReport
    read: LogRead
    log_name: str
    n_customers: int
    pictures: tuple[Picture, ...]
    seed: int
    versions: Mapping[str, str]


def write_market_page(
    run: RunDirectory, read: LogRead, fidelity: FidelityReport, figures: Sequence[MarketFigure]
) -> Path:
    """Writes `market.html` beside the pictures that it holds."""
    page = MarketPage(
        fidelity=fidelity,
        read=read,
        log_name=Path(read.source).name,
        n_customers=len(np.unique(read.log.unit)),
        pictures=tuple(Picture(f, base64.b64encode((run.path / f.file).read_bytes()).decode()) for f in figures),
        seed=run.seed,
        versions=versions_of(run),
    )
    path = run.path / FILE_NAME
    path.write_bytes(render_page("market.html", page).encode("utf-8", "backslashreplace"))
    return path
