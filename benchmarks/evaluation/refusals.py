"""When does evaluation refuse, and does it see what was planted? Worlds whose truth is known.

Ten actions, five normal features; logs are drawn from softmax(x B / 2), B standard normal; the candidate is
softmax(x B / 2 + g x G), G standard normal, g such that ESS/n over a hundred thousand contexts is what the row says. A
world is drawn anew every ten logs. Dense rewards are x T / 2 + b + noise, all standard normal; clicks have logit
c + x T / (2 sqrt 5) + .3 b, c such that the log's rate is what the row says; revenue is a click times 20 exp(sigma z).
Half of the logs keep every action's propensity (p_*), half the chosen one's only; all keep the time.

    OMP_NUM_THREADS=1 python -m benchmarks.evaluation.refusals [N_LOGS]

writes refusals.json beside this file: for good, weak and sparse logs the share refused and the coverage of candidate -
logged (all logs; answered ones), for each planted defect the share found and the median of counted / planted rows.
"""

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import brentq

from benchmarks.record import head_commit, write_record
from config.evaluation import EvaluationConfig
from domain.actions import ActionSet
from domain.arrays import FloatArray, IntArray
from domain.context import Context
from domain.estimates import FindingKind, Verdict
from domain.log import LoggedDecisions
from evaluation.evaluate import evaluate, open_assessor
from evaluation.scores import mean_interval
from evaluation.target import Target, logged_target

N_ACTIONS, N_FEATURES = 10, 5
LOGS_A_WORLD = 10
N_CONTEXTS = 100_000  # for the truth
ACTIONS = ActionSet(tuple(f"a{i}" for i in range(N_ACTIONS)))
START = np.datetime64("2026-01-01T00:00:00", "us")


@dataclass(frozen=True)
class Scenario:
    """One kind of log."""

    name: str
    kind: str  # dense | clicks | revenue
    n_rounds: int
    ess_share: float
    rate: float = 1.0  # of rewards other than zero
    sigma: float = 1.0  # of log revenue


SCENARIOS = (
    Scenario("good: dense", "dense", 1000, 0.7),
    Scenario("good: 2 % clicks", "clicks", 10_000, 0.7, 0.02),
    Scenario("good: dense, ESS/n .2", "dense", 1000, 0.2),
    Scenario("weak: dense", "dense", 1000, 0.04),
    Scenario("weak: dense, more rows", "dense", 10_000, 0.04),
    Scenario("weak: 2 % clicks", "clicks", 10_000, 0.04, 0.02),
    Scenario("sparse: 20 purchases", "revenue", 1000, 0.7, 0.02),
    Scenario("sparse: 200 purchases", "revenue", 1000, 0.7, 0.2),
    Scenario("sparse: 200 purchases, more rows", "revenue", 10_000, 0.7, 0.02),
)


class World:
    """Drawn parameters, the candidate and the truth about it."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        rng = np.random.default_rng([15, seed])
        self.scenario = scenario
        self.logged, self.other = (rng.normal(size=(N_FEATURES, N_ACTIONS)) for _ in range(2))
        self.taste, self.level = rng.normal(size=(N_FEATURES, N_ACTIONS)), rng.normal(size=N_ACTIONS)
        x = rng.normal(size=(N_CONTEXTS, N_FEATURES))
        self.gap = float(brentq(lambda g: self._ess_share(x, g) - scenario.ess_share, 0.0, 20.0, xtol=1e-3))
        self.intercept = 0.0
        if scenario.kind != "dense":
            self.intercept = float(brentq(lambda c: self._rate(x, c) - scenario.rate, -15.0, 10.0, xtol=1e-4))
        self.truth = float(((self.candidate(x) - self.behavior(x)) * self.mean(x)).sum(axis=1).mean())

    def behavior(self, x: FloatArray) -> FloatArray:
        return _softmax(x @ self.logged / 2)

    def candidate(self, x: FloatArray, gap: float | None = None) -> FloatArray:
        return _softmax(x @ self.logged / 2 + (self.gap if gap is None else gap) * (x @ (self.other - self.logged)))

    def mean(self, x: FloatArray) -> FloatArray:
        if self.scenario.kind == "dense":
            return np.asarray(x @ self.taste / 2 + self.level)
        paid = 20 * np.exp(self.scenario.sigma**2 / 2) if self.scenario.kind == "revenue" else 1.0
        return paid * self._click(x, self.intercept)

    def log(self, rng: np.random.Generator, *, is_full: bool) -> tuple[LoggedDecisions, Target]:
        n = self.scenario.n_rounds
        x = rng.normal(size=(n, N_FEATURES))
        behavior = self.behavior(x)
        action = draw(behavior, rng)
        log = LoggedDecisions(
            ACTIONS,
            action,
            self._reward(x, action, rng),
            "reward",
            Context({f"x{j}": x[:, j] for j in range(N_FEATURES)}, n),
            np.arange(n),
            behavior[np.arange(n), action],
            logged_distribution=behavior if is_full else None,
            decided_at=START + np.arange(n).astype("timedelta64[m]"),
        )
        return log, Target("candidate", distribution=self.candidate(x))

    def _reward(self, x: FloatArray, action: IntArray, rng: np.random.Generator) -> FloatArray:
        own = np.arange(len(x)), action
        if self.scenario.kind == "dense":
            return np.asarray(self.mean(x)[own] + rng.normal(size=len(x)))
        click = (rng.random(len(x)) < self._click(x, self.intercept)[own]).astype(np.float64)
        is_paid = self.scenario.kind == "revenue"
        return click * 20 * np.exp(self.scenario.sigma * rng.normal(size=len(x))) if is_paid else click

    def _click(self, x: FloatArray, intercept: float) -> FloatArray:
        return np.asarray(1 / (1 + np.exp(-intercept - x @ self.taste / (2 * np.sqrt(N_FEATURES)) - 0.3 * self.level)))

    def _rate(self, x: FloatArray, intercept: float) -> float:
        return float((self.behavior(x) * self._click(x, intercept)).sum(axis=1).mean())

    def _ess_share(self, x: FloatArray, gap: float) -> float:
        return float(1 / (self.candidate(x, gap) ** 2 / self.behavior(x)).sum(axis=1).mean())


@dataclass(frozen=True)
class Refusals:
    """One scenario."""

    scenario: Scenario
    n_logs: int
    refused: float
    by_kind: dict[str, float]
    coverage: float  # of all logs, also where the verdict says nothing
    answered_coverage: float | None
    mean_width: float


def measure(scenario: Scenario, seeds: range) -> Refusals:
    """Refusals and coverage; the interval is the one that the verdict rests on, computed also where it is withheld."""
    rows, kinds = [], []
    for seed in seeds:
        world = _world(scenario, seed // LOGS_A_WORLD)
        rng = np.random.default_rng([16, SCENARIOS.index(scenario), seed])
        log, target = world.log(rng, is_full=seed % 2 == 0)
        answer = evaluate(log, target, logged_target(), rng=np.random.default_rng(seed))
        assessor = open_assessor(log, EvaluationConfig(), np.random.default_rng(seed))
        new, old = assessor.assess(target), assessor.assess(logged_target())
        d = mean_interval(new.scores - old.scores, assessor.weight, assessor.cluster, 0.95)
        rows.append((answer.verdict is Verdict.CANNOT_TELL, d.low <= world.truth <= d.high, d.high - d.low))
        kinds.append({f.kind.value for f in answer.diagnostics.findings if f.is_refusal})
    refused, covers, width = np.array(rows, dtype=np.float64).T
    answered = covers[refused == 0]
    return Refusals(
        scenario,
        len(seeds),
        round(float(refused.mean()), 4),
        {k: round(float(np.mean([k in found for found in kinds])), 4) for k in sorted(set().union(*kinds))},
        round(float(covers.mean()), 4),
        round(float(answered.mean()), 4) if len(answered) else None,
        round(float(width.mean()), 4),
    )


# Planted defects, in the good log of 10,000 rounds with clicks

Plant = Callable[[LoggedDecisions, IntArray, np.random.Generator], LoggedDecisions]


def _redrawn(log: LoggedDecisions, rows: IntArray, rng: np.random.Generator) -> LoggedDecisions:
    """Actions drawn evenly while the log goes on writing the old propensities."""
    assert log.logged_distribution is not None
    action = log.action.copy()
    action[rows] = rng.integers(0, N_ACTIONS, len(rows))
    return replace(log, action=action, propensity=log.logged_distribution[np.arange(len(log)), action])


def _halved(log: LoggedDecisions, rows: IntArray, _: np.random.Generator) -> LoggedDecisions:
    return _scaled(log, rows, 0.5)


def _doubled(log: LoggedDecisions, rows: IntArray, _: np.random.Generator) -> LoggedDecisions:
    return _scaled(log, rows, 2.0)


def _scaled(log: LoggedDecisions, rows: IntArray, factor: float) -> LoggedDecisions:
    """Only the chosen action's propensity is known, and wrong by a factor."""
    assert log.propensity is not None
    propensity = log.propensity.copy()
    propensity[rows] = np.minimum(propensity[rows] * factor, 1.0)
    return replace(log, propensity=propensity, logged_distribution=None)


def _lost(log: LoggedDecisions, rows: IntArray, _: np.random.Generator) -> LoggedDecisions:
    """Rows of one action are gone."""
    return log.take(np.setdiff1d(np.arange(len(log)), rows))


def _repeated(log: LoggedDecisions, rows: IntArray, _: np.random.Generator) -> LoggedDecisions:
    return log.take(np.concatenate([np.arange(len(log)), rows]))


def _immature(log: LoggedDecisions, rows: IntArray, rng: np.random.Generator) -> LoggedDecisions:
    """Seven of ten rewards have not come in yet."""
    reward = log.reward.copy()
    reward[rows[rng.random(len(rows)) < 0.7]] = 0.0
    return replace(log, reward=reward)


def _drifted(log: LoggedDecisions, rows: IntArray, rng: np.random.Generator) -> LoggedDecisions:
    """Rewards double."""
    reward = log.reward.copy()
    reward[rows] = np.maximum(reward[rows], rng.random(len(rows)) < log.reward.mean())
    return replace(log, reward=reward)


def _window(log: LoggedDecisions, rng: np.random.Generator) -> IntArray:
    """A tenth of the time."""
    start = int(rng.integers(0, 9 * len(log) // 10))
    return np.arange(start, start + len(log) // 10)


def _segment(log: LoggedDecisions, _: np.random.Generator) -> IntArray:
    """The quarter of the log with the largest x0."""
    x = log.context.column("x0").astype(np.float64)
    return np.flatnonzero(x >= np.quantile(x, 0.75))


def _end(log: LoggedDecisions, _: np.random.Generator) -> IntArray:
    return np.arange(85 * len(log) // 100, len(log))


def _of_one_action(log: LoggedDecisions, rng: np.random.Generator) -> IntArray:
    """A third of the most frequent action's rows."""
    rows = np.flatnonzero(log.action == np.bincount(log.action).argmax())
    return np.sort(rng.choice(rows, len(rows) // 3, replace=False))


def _anywhere(log: LoggedDecisions, rng: np.random.Generator) -> IntArray:
    return np.sort(rng.choice(len(log), len(log) // 50, replace=False))


@dataclass(frozen=True)
class Defect:
    """What is planted where, and the kinds that count as having seen it."""

    name: str
    plant: Plant
    where: Callable[[LoggedDecisions, np.random.Generator], IntArray]
    kinds: tuple[FindingKind, ...]


PROPENSITIES = (
    FindingKind.CALIBRATION,
    FindingKind.MEAN_WEIGHT,
    FindingKind.INVERSE_PROPENSITY,
    FindingKind.SAMPLE_RATIO,
)
DEFECTS = (
    Defect("drawn otherwise than logged, a tenth of the time", _redrawn, _window, PROPENSITIES),
    Defect("propensities halved, a tenth of the time", _halved, _window, PROPENSITIES),
    Defect("propensities doubled, a tenth of the time", _doubled, _window, PROPENSITIES),
    Defect("propensities doubled, a quarter by x0", _doubled, _segment, PROPENSITIES),
    Defect("a third of one action's rows lost", _lost, _of_one_action, (FindingKind.SAMPLE_RATIO,)),
    Defect("2 % of the rows twice", _repeated, _anywhere, (FindingKind.DUPLICATES,)),
    Defect("last 15 % immature", _immature, _end, (FindingKind.IMMATURE,)),
    Defect("last 15 % earn twice", _drifted, _end, (FindingKind.REWARD_DRIFT,)),
)


@dataclass(frozen=True)
class Detection:
    """One defect."""

    defect: str
    n_logs: int
    found: float
    refused: float
    counted: float | None  # median of counted / planted rows


def detect(defect: Defect, seeds: range) -> Detection:
    scenario = SCENARIOS[1]
    found, refused, counted = [], [], []
    for seed in seeds:
        rng = np.random.default_rng([17, DEFECTS.index(defect), seed])
        log, target = _world(scenario, seed // LOGS_A_WORLD).log(rng, is_full=True)
        rows = defect.where(log, rng)
        broken = defect.plant(log, rows, rng)
        same = np.concatenate([np.arange(len(log)), rows]) if defect.plant is _repeated else np.arange(len(log))
        kept = np.setdiff1d(same, rows) if defect.plant is _lost else same
        assert target.distribution is not None
        answer = evaluate(broken, replace(target, distribution=target.distribution[kept]), logged_target(), rng=rng)
        seen = [f for f in answer.diagnostics.findings if f.kind in defect.kinds]
        found.append(bool(seen))
        refused.append(any(f.is_refusal for f in seen))
        counted += [seen[0].n_rounds / len(rows)] if seen else []
    middle = round(float(np.median(counted)), 3) if counted else None
    return Detection(defect.name, len(seeds), float(np.mean(found)), float(np.mean(refused)), middle)


_WORLDS: dict[tuple[Scenario, int], World] = {}


def _world(scenario: Scenario, seed: int) -> World:
    if (scenario, seed) not in _WORLDS:
        _WORLDS[scenario, seed] = World(scenario, seed)
    return _WORLDS[scenario, seed]


def draw(distribution: FloatArray, rng: np.random.Generator) -> IntArray:
    edges = distribution.cumsum(axis=1)
    return np.asarray((rng.random(len(distribution))[:, None] > edges[:, :-1]).sum(axis=1))


def _softmax(logits: FloatArray) -> FloatArray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def main() -> None:
    n_logs = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    commit = head_commit()
    refusals = [measure(scenario, range(n_logs)) for scenario in SCENARIOS]
    detections = [detect(defect, range(max(n_logs // 8, 4))) for defect in DEFECTS]
    results = {"refusals": [asdict(r) for r in refusals], "planted": [asdict(d) for d in detections]}
    write_record(Path(__file__).with_suffix(".json"), results, {"n_logs": n_logs, "nominal": 0.95}, commit=commit)
    show(refusals, detections)


def show(refusals: list[Refusals], detections: list[Detection]) -> None:
    for r in refusals:
        answered = "–" if r.answered_coverage is None else f"{r.answered_coverage:.3f}"
        print(f"{r.scenario.name:34} refused {r.refused:.3f} coverage {r.coverage:.3f} answered {answered} {r.by_kind}")
    for d in detections:
        print(f"{d.defect:50} found {d.found:.2f} refused {d.refused:.2f} counted / planted {d.counted}")


if __name__ == "__main__":
    main()
