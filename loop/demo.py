"""`amso demo`: the offline loop on a reference market, with what is true beside what was said.

A subscription business logs half a year of targeted, partly random offers. AMSO reads that log like anybody's: imports,
analyses, trains, judges and ranks. Only the last table knows the market's exact truth.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from domain.arrays import FloatArray
from domain.log import LoggedDecisions
from env.reference import exact
from env.reference.behavior import TargetedBehavior
from env.reference.log import panel_log, to_frame
from env.reference.parameters import SubscriptionParameters
from env.reference.subscription import subscription_market
from env.reference.tabular import TabularMarket
from loop.analyze import analyze
from loop.imports import ImportAnswer, import_file
from loop.logs import LogRequest
from loop.recommend import RecommendAnswer, recommend
from loop.text import console, interval, number, table
from loop.train import TrainAnswer, train
from loop.wiring import Workspace, open_workspace

N_CUSTOMERS = 16_000
N_PERIODS = 6  # months
RANDOM_SHARE = 0.6  # of the offers; the rest follows a rule of thumb
UPSELL_COST = 2.0  # EUR a try; nearly free, it would pay for half a year and ruin the years after, which no log shows
BASELINE = "nothing"

CONFIG = """# A subscription business whose truth is known. Written by `amso demo`.
version: 1
business: {name: demo, currency: EUR}
sources:
  offers: {kind: file, content: decision_log, path: LOG}
decision_points:
  monthly_offer:
    baseline: nothing
    reward_wait: 30d
    actions:
      nothing: {cost: 0}
      price_rise: {cost: 0}
      discount: {cost: 0, discount: 0.25}
      retention_contact: {cost: 0}
      upsell: {cost: 0}
objective: {metric: net_revenue, direction: maximize, horizon_days: 180}
"""

T = TypeVar("T")


@dataclass(frozen=True)
class DemoLine:
    """One strategy for everyone: a customer's gain over doing nothing, in EUR over the log's months."""

    strategy: str
    averages_say: float | None
    value: float | None
    low: float | None
    high: float | None
    truth: float
    verdict: str


@dataclass(frozen=True)
class DemoAnswer:
    """Everything the demo found, and where it lies."""

    folder: Path
    seconds: dict[str, float]
    imported: ImportAnswer
    trained: TrainAnswer
    recommended: RecommendAnswer
    lines: tuple[DemoLine, ...]
    score: float  # of the delivered policy: 0 = at random, 1 = the optimum

    def to_data(self) -> dict[str, object]:
        return {
            "folder": str(self.folder),
            "seconds": self.seconds,
            "log": self.imported.to_data(),
            "train": self.trained.to_data(),
            "recommend": self.recommended.to_data(),
            "table": [asdict(line) for line in self.lines],
            "delivered_score": self.score,
        }

    def print(self) -> None:
        out = console()
        out.print(self.recommended.ranked_list())
        out.print()
        rows = [
            (x.strategy, number(x.averages_say), number(x.value), interval(x.low, x.high), number(x.truth), x.verdict)
            for x in self.lines
        ]
        title = f"What a customer gains over {BASELINE} in {N_PERIODS} months, EUR"
        out.print(table(title, ("for everyone", "averages say", "we say", "interval", "truth", "verdict"), rows))
        out.print()
        delivered = f"{self.trained.trained.judgement.delivered} ({self.trained.policy_version})"
        out.print(f"delivered: {delivered}; its exact score in this market is {self.score:.2f}")
        out.print("  (0 = choosing at random, 1 = the optimum)")
        out.print(f"advice: {self.trained.trained.advice}")
        out.print(f"everything lies in {self.folder}; it took {sum(self.seconds.values()):.0f} s")
        out.print("with your own log: `amso init --from FILE`, then `amso doctor` and `amso train`")


def demo(*, seed: int, out: Path | None) -> DemoAnswer:
    """The verb."""
    folder = _folder(out)
    seconds: dict[str, float] = {}
    market = demo_market()
    with _stage("a reference market plays the business", seconds):
        log = panel_log(market, N_CUSTOMERS, N_PERIODS, TargetedBehavior(RANDOM_SHARE), rng=np.random.default_rng(seed))
        to_frame(log).to_parquet(folder / "log.parquet")
        (folder / "amso.yaml").write_text(CONFIG.replace("LOG", str(folder / "log.parquet")))
    workspace = open_workspace(folder / "amso.yaml", [f"stores.data_dir={folder}"], {})
    request = LogRequest()
    imported = _run("import", seconds, lambda: import_file(workspace, request))
    _run("analyze", seconds, lambda: analyze(workspace, request, seed=seed))
    trained = _run("train", seconds, lambda: _train(workspace, request, seed))
    recommended = _run("recommend", seconds, lambda: _recommend(workspace, request, seed))
    policy = trained.trained.policy
    lines = _compare(market, log, recommended, exact.distribution_of(market, policy))
    return DemoAnswer(folder, seconds, imported, trained, recommended, lines, exact.score(market, policy))


def demo_market() -> TabularMarket:
    """The business behind the demo."""
    return subscription_market(SubscriptionParameters(upsell_cost_amount=UPSELL_COST))


def _train(workspace: Workspace, request: LogRequest, seed: int) -> TrainAnswer:
    return train(workspace, request, baseline=f"constant:{BASELINE}", heldout=None, algo=None, seed=seed)


def _recommend(workspace: Workspace, request: LogRequest, seed: int) -> RecommendAnswer:
    return recommend(workspace, request, policies=(), baseline=f"constant:{BASELINE}", seed=seed)


def _compare(
    market: TabularMarket, log: LoggedDecisions, answer: RecommendAnswer, learned: FloatArray
) -> tuple[DemoLine, ...]:
    """What averages say, what we say, and what is true, of every strategy for everyone."""
    averages = _averages(log)
    base = _true_value(market, exact.constant(market, BASELINE))
    lines = []
    for s in answer.strategies:
        if s.strategy.segment.predicate.conditions or s.strategy.action == "experiment":
            continue
        name = s.strategy.action
        is_learned = name.startswith("policy:")
        distribution = learned if is_learned else exact.constant(market, name)
        lines.append(
            DemoLine(
                "learned policy" if is_learned else name,
                averages_say=None if is_learned else averages[name] - averages[BASELINE],
                value=_each(s.expected_value, s.n_units),
                low=_each(s.low, s.n_units),
                high=_each(s.high, s.n_units),
                truth=_true_value(market, distribution) - base,
                verdict=s.verdict.value,
            )
        )
    return tuple(lines)


def _each(total: float | None, n_units: int) -> float | None:
    return None if total is None else total / n_units


def _true_value(market: TabularMarket, distribution: FloatArray) -> float:
    return exact.value(market, distribution, horizon=N_PERIODS, discount=1.0)


def _averages(log: LoggedDecisions) -> dict[str, float]:
    """A dashboard's number: mean reward of a month with the action, times the months."""
    mean = np.bincount(log.action, weights=log.reward) / np.bincount(log.action)
    return {a: float(m) * N_PERIODS for a, m in zip(log.actions.ids, mean, strict=True)}


def _folder(out: Path | None) -> Path:
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        return out
    from config.load import load_settings

    root = load_settings().data_dir
    root.mkdir(parents=True, exist_ok=True)
    n = 1
    while True:
        try:
            (root / f"demo_{n}").mkdir()
            return root / f"demo_{n}"
        except FileExistsError:
            n += 1


def _run(name: str, seconds: dict[str, float], verb: Callable[[], T]) -> T:
    with _stage(name, seconds):
        return verb()


@contextmanager
def _stage(name: str, seconds: dict[str, float]) -> Iterator[None]:
    """Says what is going on, on stderr, and how long it took."""
    sys.stderr.write(f"{name} …\n")
    started = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - started, 1)
    sys.stderr.write(f"  {seconds[name]:.1f} s\n")
