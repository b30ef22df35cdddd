"""The ledger through the command line: what was predicted, what came of it live, and how far the word can be taken."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.settings import Settings
from domain.decisions import Decision, Experience
from domain.estimates import Verdict
from domain.records import RealisedGain, VerdictRecord
from loop.ledger import calibration_of, join, tell
from loop.upkeep import compare_all
from tests.loop.gate_office import CONFIG, amso, answer, decide, go_live, open_shop, opened, write_log

LATER = timedelta(days=20)


@pytest.fixture(autouse=True)
def _shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMSO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AMSO_UNIT_KEY", "k" * 32)  # the same units in the same arms, whenever this runs
    monkeypatch.delenv("AMSO_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    open_shop(tmp_path)


def earn(prefix: str) -> None:
    """The rewards of `write_log`, of decisions about a customer's age, come home and mature."""
    rng = np.random.default_rng(1)
    with opened() as workspace, workspace.knowledge.transaction() as books:
        found = [d for d in books.decisions.recent(10_000) if d.request_id.startswith(f"{prefix}-")]
        found.sort(key=lambda d: d.decision_id)
        books.replay.put([_experience(d, rng) for d in found])


def _experience(d: Decision, rng: np.random.Generator) -> Experience:
    gain = (np.sign(float(str(d.features["age"]))) + 0.5) * (d.action == "promo")
    reward = Decimal(str(round(gain + rng.normal(), 4)))
    return Experience(d.decision_id, d.decision_point, d.unit, d.decided_at, reward, 1, True, d.decided_at)


def compare(after: timedelta = LATER) -> None:
    with opened() as workspace:
        compare_all(workspace, datetime.now(UTC) + after)


def ledger(*arguments: str) -> dict[str, Any]:
    return answer("verdicts", *arguments)


# ---- every run leaves its verdict ----------------------------------------------------------------------------------


def test_no_verdict__is_said_so() -> None:
    assert ledger() == {"verdicts": [], "calibration": None, "told": ledger()["told"]}
    assert "no verdict has been given yet" in amso("verdicts").stdout


def test_evaluate__leaves_its_verdict_once() -> None:
    said = answer("evaluate", write_log(), "--policy", "constant:promo", "--baseline", "constant:none")
    answer("evaluate", "log.parquet", "--policy", "constant:promo")  # the same question: none is the baseline
    (kept,) = ledger()["verdicts"]
    assert kept["run"] == Path(said["run"]).name
    assert (kept["candidate"], kept["policy"], kept["baseline"]) == (
        "constant:promo",
        "constant:promo",
        "constant:none",
    )
    assert {name: kept[name] for name in ("difference", "low", "high")} == {
        name: said["comparison"][name] for name in ("difference", "low", "high")
    }
    assert (kept["verdict"], kept["reason"], kept["ess"]) == ("promote", said["reasons"][0], said["diagnostics"]["ess"])
    assert (kept["per"], kept["estimator"], kept["reward"], kept["realised"]) == ("round", "dr", "reward", None)
    answer("evaluate", "log.parquet", "--policy", "constant:promo", "--seed", "1")
    answer("evaluate", "log.parquet", "--policy", "uniform")
    newest = ledger()["verdicts"]
    assert [v["candidate"] for v in newest] == ["uniform", "constant:promo", "constant:promo"]
    assert newest[0]["policy"] is None
    assert len({v["verdict_id"] for v in newest}) == 3
    assert len(ledger("--limit", "2")["verdicts"]) == 2


def test_verdict_that_cannot_tell__has_no_number() -> None:
    answer("evaluate", write_log(n=30), "--policy", "constant:promo")
    (kept,) = ledger()["verdicts"]
    assert kept["verdict"] == "cannot_tell"
    assert [kept[name] for name in ("difference", "low", "high", "estimator")] == [None] * 4
    assert "cannot_tell" in amso("verdicts").stdout


def test_train__leaves_what_it_delivers_against_the_baseline_and_learning_against_constants() -> None:
    trained = answer("train", "--log", write_log())
    version = trained["policy_version"]
    kept = {v["baseline"]: v for v in ledger()["verdicts"]}
    assert set(kept) == {"constant:none", "best constant"}
    assert all(v["policy"] == version for v in kept.values())
    assert kept["constant:none"]["difference"] == trained["baseline_comparison"]["difference"]
    assert kept["best constant"]["difference"] == trained["comparison"]["difference"]
    answer("train", "--log", "log.parquet")
    assert len(ledger()["verdicts"]) == 4  # another version


def test_train__that_delivers_a_constant_names_the_constant() -> None:
    answer("train", "--log", write_log(gain=0.0))
    answer("train", "--log", "log.parquet")  # nothing new is asked
    kept = ledger()["verdicts"]
    assert len(kept) == 2
    assert {v["policy"] for v in kept if v["baseline"] != "best constant"} < {"constant:none", "constant:promo"}


def test_verdicts__are_those_of_a_decision_point() -> None:
    answer("evaluate", write_log(), "--policy", "constant:promo")
    assert len(ledger("--decision-point", "flow")["verdicts"]) == 1
    assert ledger("--decision-point", "other")["verdicts"] == []


# ---- what came of it ------------------------------------------------------------------------------------------------


def test_verdict__meets_what_came_of_it_and_is_counted_once() -> None:
    version = answer("train", "--log", write_log())["policy_version"]
    promised = answer("evaluate", "log.parquet", "--policy", f"version:{version}")["comparison"]
    name = go_live("--policy", version)
    decide(600)
    compare()
    assert "rewards of 0 units have matured" in ledger()["verdicts"][0]["why_not"]
    assert ledger()["calibration"] is None
    earn("r")
    compare()
    found = ledger()
    evaluated, learning, delivered = sorted(found["verdicts"], key=lambda v: (v["verb"], v["baseline"]))
    came = evaluated["realised"]
    assert came == delivered["realised"]
    assert (came["proposal_id"], came["baseline"]) == (name, "constant:none")
    assert came["low_amount"] < came["amount"] < came["high_amount"]
    assert came["amount"] == pytest.approx(promised["difference"], abs=0.5)
    assert "judged against best constant, live against constant:none" in learning["why_not"]
    assert (found["calibration"]["n"], found["calibration"]["n_promoted"], found["calibration"]["n_gained"]) == (
        1,
        1,
        1,
    )
    compare()
    assert ledger()["calibration"] == found["calibration"]


def test_what_came__is_revised_while_rewards_mature() -> None:
    answer("evaluate", write_log(), "--policy", "constant:promo")
    rows = answer("recommend", "--log", "log.parquet")["strategies"]
    go_live(next(s["strategy_id"] for s in rows if s["action"] == "promo" and s["segment"]["id"] == "all"))
    for prefix in ("a", "b"):
        decide(200, prefix=prefix)
    earn("a")
    compare()
    (first,) = ledger()["verdicts"]
    earn("b")
    compare()
    (second,) = ledger()["verdicts"]
    assert second["realised"]["n_decisions"] == 2 * first["realised"]["n_decisions"]
    assert ledger()["calibration"]["n"] == 1


def test_ledger__is_told_to_people_and_in_the_status() -> None:
    answer("evaluate", write_log(), "--policy", "constant:promo")
    assert "not yet" in amso("verdicts").stdout
    assert "No verdict's outcome is known yet" in amso("verdicts").stdout
    rows = answer("recommend", "--log", "log.parquet")["strategies"]
    go_live(next(s["strategy_id"] for s in rows if s["action"] == "promo" and s["segment"]["id"] == "all"))
    decide(400)
    earn("r")
    compare()
    said = " ".join(amso("verdicts").stdout.split())
    assert "constant:promo constant:none promote evaluate_1" in said
    assert "1 of 1 realised gains agree with what was predicted" in said
    assert "of 1 promoted, 1 gained" in said
    shown = answer("status")
    assert shown["calibration"] == " ".join(ledger()["told"])
    assert shown["predictions"][0]["policy_version"] == "constant:promo"
    assert shown["predictions"][0]["realised_amount"] > 0
    assert "1 of 1 realised gains" in " ".join(amso("status").stdout.split())


# ---- what may be compared with what ---------------------------------------------------------------------------------

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SETTINGS = Settings.model_validate_json(json.dumps(CONFIG))
VERDICT = VerdictRecord(
    verdict_id="v-1",
    verb="evaluate",
    run="evaluate_1",
    made_at=NOON,
    decision_point="flow",
    log_id="l-1",
    reward="reward",
    candidate="version:p-1",
    policy="p-1",
    baseline="constant:none",
    per="round",
    estimator="dr",
    difference=1.0,
    low=0.5,
    high=1.5,
    confidence=0.95,
    margin=0.0,
    verdict=Verdict.PROMOTE,
    reason="",
    ess=500.0,
)
GAIN = RealisedGain(
    proposal_id="pr-1",
    decision_point="flow",
    segment_id="all",
    policy="p-1",
    baseline="constant:none",
    reward="net_revenue",
    exploration_share=0.0,
    has_rivals=False,
    since=NOON + timedelta(days=1),
    until=None,
    amount=0.75,
    low_amount=0.25,
    high_amount=1.25,
    n_decisions=900,
    n_units=400,
    as_of=NOON + LATER,
)


def test_what_can_be_compared__is_joined() -> None:
    assert join(VERDICT, [GAIN], SETTINGS).gain == GAIN
    assert join(replace(VERDICT, reward="reward_net_revenue"), [GAIN], SETTINGS).gain == GAIN
    logged, product = replace(VERDICT, baseline="logged"), replace(GAIN, baseline="baseline")
    assert join(logged, [product], SETTINGS).gain == product


def test_reward__may_be_called_as_the_config_calls_it() -> None:
    source = {"kind": "file", "content": "decision_log", "path": "log.csv", "columns": {"reward": "profit"}}
    settings = Settings.model_validate_json(json.dumps({**CONFIG, "sources": {"log": source}}))
    profit = replace(VERDICT, reward="profit")
    assert join(profit, [GAIN], settings).gain == GAIN
    assert join(profit, [GAIN], SETTINGS).why_not == "pr-1: judged by profit, live by net_revenue"


@pytest.mark.parametrize(
    ("verdict", "gain", "why"),
    [
        ({"made_at": NOON + LATER}, {}, "younger than what came"),
        ({}, {"segment_id": "s-1"}, "about one segment"),
        ({"baseline": "p-0"}, {}, "judged against p-0, live against constant:none"),
        ({"baseline": "logged"}, {}, "judged against logged"),
        ({"reward": "clicks"}, {}, "judged by clicks"),
        ({"per": "episode"}, {}, "judged an episode"),
        ({}, {"exploration_share": 0.05}, "5% of its decisions"),
        ({}, {"has_rivals": True}, "another proposal decided for a segment"),
        ({}, {"n_units": 29}, "29 units"),
    ],
)
def test_what_cannot_be_compared__says_why(verdict: dict[str, Any], gain: dict[str, Any], why: str) -> None:
    entry = join(replace(VERDICT, **verdict), [replace(GAIN, **gain)], SETTINGS)
    assert entry.gain is None
    assert why in str(entry.why_not)
    assert calibration_of([entry]) is None


def test_another_policy_or_point__has_nothing_to_do_with_it() -> None:
    for other in (replace(GAIN, policy="p-2"), replace(GAIN, decision_point="renewal")):
        entry = join(VERDICT, [other], SETTINGS)
        assert (entry.gain, entry.why_not) == (None, None)


def make_entries() -> Iterator[Any]:
    """Two proposals of one version: of the first the newest of two verdicts counts, of the second its own one."""
    second = replace(GAIN, proposal_id="pr-2", since=NOON + timedelta(days=10), amount=-0.1, low_amount=-1.0)
    verdicts = [
        VERDICT,
        replace(VERDICT, verdict_id="v-2", made_at=NOON + timedelta(hours=1), difference=1.1),
        replace(VERDICT, verdict_id="v-3", made_at=NOON + timedelta(hours=2), difference=None, low=None, high=None),
        replace(VERDICT, verdict_id="v-4", made_at=NOON + timedelta(days=9)),
    ]
    for verdict in verdicts:
        yield join(verdict, [second, GAIN], SETTINGS)


def test_outcome__is_counted_once_by_the_newest_verdict_with_a_number() -> None:
    entries = list(make_entries())
    assert [e.gain.proposal_id for e in entries] == ["pr-1", "pr-1", "pr-1", "pr-2"]
    found = calibration_of(entries)
    assert found is not None
    assert found == calibration_of(entries[::-1])
    assert (found.n, found.n_promoted, found.n_gained) == (2, 2, 1)
    assert found.optimism == pytest.approx((1.1 - 0.75 + 1.0 + 0.1) / 2)


def test_ledger_of_promises_that_never_came__says_so() -> None:
    entries = [
        join(
            replace(VERDICT, verdict_id=f"v-{i}", policy=f"p-{i}", difference=3.0, low=2.5, high=3.5 + i / 100),
            [replace(GAIN, proposal_id=f"pr-{i}", policy=f"p-{i}", amount=0.1 + i / 100, low_amount=-0.4)],
            SETTINGS,
        )
        for i in range(20)
    ]
    agree, promised = tell(calibration_of(entries), "EUR")
    assert agree.startswith("0 of 20")
    assert "provably fewer" in agree
    assert "provably more than choosing the promising ones explains" in promised
    assert promised.endswith("of 20 promoted, 20 gained.")
