"""`amso demo`: the whole loop on a reference market, with what is true beside what was said.

A subscription business logs half a year of targeted, partly random offers. AMSO reads that log like anybody's: imports,
analyses, trains, judges and ranks. Then the market plays the business behind a real Redis: people approve, customers
get what was approved, outcomes come late, twice and refunded, the loop learns again. Only the learning curve and the
last tables know the market's exact truth.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.console import Console

from domain.log import LoggedDecisions
from domain.policy import Policy
from domain.ports import DrivenClock
from env.reference import exact
from env.reference.behavior import TargetedBehavior
from env.reference.log import panel_log, to_frame
from env.reference.parameters import SubscriptionParameters
from env.reference.subscription import subscription_market
from env.reference.tabular import TabularMarket
from loop.analyze import analyze
from loop.demo_business import BASELINE, POINT
from loop.demo_live import START, Confirm, LivePart, Stage, ask_for_approval, collect, open_stage, play
from loop.demo_offline import N_PERIODS, StrategyLine, compare_strategies, strategy_table
from loop.demo_truth import Amount, Truth, exact_score, truth_of
from loop.evaluate import EvaluateAnswer, evaluate
from loop.imports import ImportAnswer, import_file
from loop.live import say
from loop.logs import LogRequest
from loop.proposal_view import ProposalAnswer
from loop.recommend import RecommendAnswer, recommend
from loop.shelf import PolicyShelf
from loop.text import console, interval, number, progress_bar, table
from loop.train import train
from loop.train_answer import TrainAnswer
from loop.wiring import Workspace, open_workspace

N_CUSTOMERS = 24_000
RANDOM_SHARE = 0.6  # of the offers; the rest follows a rule of thumb
UPSELL_COST = 2.0  # EUR a try; nearly free, it would pay for half a year and ruin the years after, which no log shows
EXPLORATION = 0.05

CONFIG = """# A subscription business whose truth is known. Written by `amso demo`.
version: 1
business: {name: demo, currency: EUR}
stores: {data_dir: DATA}
sources:
  offers: {kind: file, content: decision_log, path: LOG}
decision_points:
  monthly_offer:
    mode: gated
    baseline: nothing
    context: [plan, tenure_months, contacts_recent, engagement, paid_price_ratio]
    reward_wait: 30d
    actions:
      nothing: {cost: 0}
      price_rise: {cost: 0}
      discount: {cost: 0, discount: 0.25}
      retention_contact: {cost: 2.5}
      upsell: {cost: 2.0}
objective: {metric: net_revenue, direction: maximize, horizon_days: 180}
holdout: {share: 0.2, permanent: true}      # large, so that a wave of customers shows what was realised
exploration: {share: 0.05, only: eligible}
limits: {loss_cap: 20000}
training: {periods: 800}                    # half the default: four trainings in four minutes
learning: {every: 240d, min_rounds: 2000, margin: 0.5}
approvals:
  tiers:
    any: {approvers: {any: 1}, decide_within: 7d, valid_for: 720d}
  canary: {steps: [0.2, 0.5], min_days: 25, min_per_action: 5}
"""

T = TypeVar("T")


@dataclass(frozen=True)
class DemoAnswer:
    """Everything the demo found, and where it lies."""

    folder: Path
    seconds: dict[str, float]
    imported: ImportAnswer
    trained: TrainAnswer
    evaluated: EvaluateAnswer
    recommended: RecommendAnswer
    lines: tuple[StrategyLine, ...]
    score: float  # of the delivered policy: 0 = at random, 1 = the optimum
    live: LivePart | None  # None where training delivered nothing to propose
    truth: Truth | None
    workspace: Workspace  # stays open for `--serve`

    def to_data(self) -> dict[str, object]:
        return {
            "folder": str(self.folder),
            "seconds": self.seconds,
            "log": self.imported.to_data(),
            "train": self.trained.to_data(),
            "evaluate": self.evaluated.to_data(),
            "recommend": self.recommended.to_data(),
            "table": [asdict(line) for line in self.lines],
            "delivered_score": self.score,
            "live": None if self.live is None else _live_to_data(self.live),
            "truth": None if self.truth is None else asdict(self.truth),
        }

    def print(self) -> None:
        out = console()
        out.print(self.recommended.ranked_list())
        out.print()
        out.print(strategy_table(self.lines))
        out.print(f"delivered: {self.trained.trained.judgement.delivered} ({self.trained.policy_version})")
        out.print(f"advice: {self.trained.trained.advice}")
        out.print()
        if self.live is not None and self.truth is not None:
            _print_live(out, self.live, self.truth)
        out.print(f"everything lies in {self.folder}; it took {sum(self.seconds.values()):.0f} s")
        out.print(f"look at it: amso serve --config {self.folder / 'amso.yaml'} (log in with ben's token, below)")
        if self.live is not None:
            out.print(f"  {self.live.tokens['ben']}", soft_wrap=True)
        out.print("with your own log: `amso init --from FILE`, then `amso doctor` and `amso train`")


def demo(*, seed: int, out: Path | None, confirm: Confirm | None = None) -> DemoAnswer:
    """The verb.

    Args:
        seed: of everything.
        out: where everything is kept; None = a fresh folder in the data dir.
        confirm: asks the second person; None = the demo's own second person says yes.
    """
    folder = _folder(out)
    seconds: dict[str, float] = {}
    market = demo_market()
    with _stage("a reference market writes half a year of logs", seconds):
        log = panel_log(market, N_CUSTOMERS, N_PERIODS, TargetedBehavior(RANDOM_SHARE), rng=np.random.default_rng(seed))
        workspace, clock = _open(folder, log, seed)
    request, baseline = LogRequest(), f"constant:{BASELINE}"
    imported = _run("import", seconds, lambda: import_file(workspace, request))
    stage = open_stage(workspace, clock, market, seed=seed, confirm=confirm or _second_person, tell=_tell)
    part = _run("collect", seconds, lambda: collect(stage))
    _run("analyze", seconds, lambda: analyze(workspace, request, seed=seed))
    trained = _run(
        "fit a market and train in it",
        seconds,
        lambda: train(
            workspace, request, baseline=baseline, heldout=None, algo=None, seed=seed, score=exact_score(market)
        ),
    )
    version = trained.policy_version
    evaluated = _run(
        "evaluate",
        seconds,
        lambda: evaluate(workspace, request, policy=f"version:{version}", baseline=baseline, seed=seed),
    )
    recommended = _run(
        "recommend", seconds, lambda: recommend(workspace, request, policies=(), baseline=baseline, seed=seed)
    )
    first = trained.trained.policy
    lines = compare_strategies(market, log, recommended, exact.distribution_of(market, first))
    live, truth = _live(stage, part, market, version, seconds)
    score = exact.score(market, first)
    return DemoAnswer(folder, seconds, imported, trained, evaluated, recommended, lines, score, live, truth, workspace)


def demo_market() -> TabularMarket:
    """The business behind the demo."""
    return subscription_market(SubscriptionParameters(upsell_cost_amount=UPSELL_COST))


def _open(folder: Path, log: LoggedDecisions, seed: int) -> tuple[Workspace, DrivenClock]:
    """A workspace like anybody's, but under a driven clock, and with pseudonyms that the seed decides."""
    to_frame(log).to_parquet(folder / "log.parquet")
    text = CONFIG.replace("LOG", str(folder / "log.parquet")).replace("DATA", str(folder))
    (folder / "amso.yaml").write_text(text)
    key = folder / "unit.key"
    key.touch(mode=0o600)
    key.write_text(sha256(f"demo {seed}".encode()).hexdigest() + "\n")
    clock = DrivenClock(START)
    return open_workspace(folder / "amso.yaml", (), {}, clock=clock), clock


def _live(
    stage: Stage, part: LivePart, market: TabularMarket, version: str, seconds: dict[str, float]
) -> tuple[LivePart | None, Truth | None]:
    """Approval and the months, if there is something to propose."""
    with _stage("propose and approve", seconds):
        ask_for_approval(stage, part, version)
    if not part.proposals:
        return part, None
    with (
        _stage("live: contexts, decisions, effects, outcomes, month by month", seconds),
        progress_bar("live") as report,
    ):
        play(stage, part, report)
    with _stage("compare with the truth", seconds):
        return part, truth_of(stage.workspace, market, part, _policies(stage, part), EXPLORATION)


def _policies(stage: Stage, part: LivePart) -> dict[str, Policy]:
    """What was served, by name."""
    shelf, actions = PolicyShelf(stage.workspace.data_dir), stage.workspace.decider.point(POINT).action_set
    versions = [p.tracked.proposal.policy_version for p in part.proposals]
    with stage.workspace.knowledge.transaction() as books:
        found = [shelf.policy(books, version, actions) for version in versions]
    return dict(zip(("first policy", "second policy"), found, strict=False))


def _second_person(shown: ProposalAnswer) -> bool:
    _tell(f"no person is asked: the demo's second person, ben, says yes to {shown.tracked.proposal.proposal_id}")
    return True


def _tell(text: str) -> None:
    say(f"  {text}")


def _live_to_data(part: LivePart) -> dict[str, object]:
    again = part.relearned
    return {
        "collected": part.collected.to_data(),
        "own_approval_refused": part.own_refusal,
        "proposals": [p.to_data() for p in part.proposals],
        "relearned": None if again is None else {"told": again.told, "n_live": again.n_live},
        "n_decisions": part.n_decisions,
        "n_outcomes_sent": part.business.n_sent,
    }


def _print_live(out: Console, part: LivePart, truth: Truth) -> None:
    out.print(f"ana approving her own proposal: refused: {part.own_refusal}")
    if part.relearned is not None:
        out.print(f"learned again: {part.relearned.told}")
    rows = [
        (
            line.policy,
            line.against,
            *_shown(line.predicted),
            number(line.true),
            *_shown(line.realised),
            number(line.true_as_served),
        )
        for line in truth.lines
    ]
    header = ("policy", "against", "predicted", "interval", "true", "realised", "interval", "true as served")
    out.print(table("Predicted, realised and true: EUR a customer over 6 months", header, rows, n_text=2))
    out.print(f"  realised: a wave of customers against its own holdout; as served: with {EXPLORATION:.0%} exploration")
    for name, score in truth.scores.items():
        out.print(f"{name}: exact score {score:.3f} (0 = choosing at random, 1 = the optimum)")
    equal = "all equal" if not truth.n_rewards_off else f"{truth.n_rewards_off:,} differ from"
    out.print(
        f"{part.n_decisions:,} decisions; of {truth.n_rewards:,} rewards {equal} the business's own ledger, to the cent"
    )


def _shown(amount: Amount) -> tuple[str, str]:
    return number(amount.value), interval(amount.low, amount.high)


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
