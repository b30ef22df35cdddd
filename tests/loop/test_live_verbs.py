"""Halts, status, decisions, replay and audit chain over a live proposal, on a real SQLite file and a real Valkey."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collection.halt_store import RedisHaltMirror
from collection.status_store import RedisStatusBoard
from loop.status import BOARD, snapshot, watch
from tests.loop.gate_office import amso, answer, decide, go_live, hire, open_shop, opened, refusal, write_log

UNREACHABLE = "redis://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMSO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AMSO_UNIT_KEY", "k" * 32)  # the same units in the same arms, whenever this runs
    monkeypatch.delenv("AMSO_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    open_shop(tmp_path, exploration={"share": 0.2}, holdout={"share": 0.1})


def change_row(table: str, column: str, value: object, key: str, of: object) -> None:
    """What somebody with the file and no scruples can do."""
    with closing(sqlite3.connect("data/amso.db")) as database, database:
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            database.execute(f"DROP TRIGGER {name}")
        statement = f"UPDATE {table} SET {column} = ? WHERE {key} = ?"  # noqa: S608 # names of this test
        assert database.execute(statement, (value, of)).rowcount == 1


def test_decisions_of_a_learned_policy__replay_bit_for_bit() -> None:
    version = answer("train", "--log", write_log())["policy_version"]
    name = go_live("--policy", version)
    decided = decide()
    by_policy = [a for a in decided if a.served == "policy"]
    assert {a.action for a in by_policy} == {"none", "promo"}
    replayed = answer("replay")
    assert replayed["n_replayed"] == replayed["n_same"] == 80
    assert replayed["by_served"]["policy"] == len(by_policy)
    assert set(replayed["by_served"]) == {"policy", "baseline", "holdout"}
    shown = answer("status")
    assert shown["proposals"][0]["status"] == "CANARY"
    assert shown["proposals"][0]["share_served"] == 0.5
    assert shown["proposals"][0]["n_decisions"] == len(by_policy)
    assert name in amso("status").stdout
    assert answer("replay", "--since", "2999-01-01")["n_replayed"] == 0


def test_decisions_of_an_experiment__replay_bit_for_bit() -> None:
    rows = answer("recommend", "--log", write_log(gain=0.0))["strategies"]
    go_live(next(s["strategy_id"] for s in rows if s["action"] == "experiment" and s["segment"]["id"] == "all"))
    assert {a.propensity for a in decide() if a.served == "policy"} == {0.5}
    assert answer("replay")["n_different"] == 0


def test_decisions_of_one_action__replay_where_it_was_not_eligible_too() -> None:
    rows = answer("recommend", "--log", write_log())["strategies"]
    go_live(next(s["strategy_id"] for s in rows if s["action"] == "promo" and s["segment"]["id"] == "all"))
    served = {a.action for a in decide() if a.served == "policy"}
    masked = {a.action for a in decide(eligible=("none",), prefix="m") if a.served == "policy"}
    assert (served, masked) == ({"none", "promo"}, {"none"})
    assert answer("replay")["n_same"] == 160


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("propensity", 0.123, "propensity"),
        ("features", '{"age": 0.9}', "probability of"),
        ("action", "promo", "action: logged 'promo', computed 'none'"),
        ("numpy_version", "1.0", None),
    ],
)
def test_replay__names_what_was_tampered_with(column: str, value: object, what: str | None) -> None:
    go_live("--policy", answer("train", "--log", write_log())["policy_version"])
    victim = next(a.decision_id for a in decide() if a.served == "policy" and a.action == "none")
    change_row("decisions", column, value, "decision_id", victim)
    if what is None:
        assert answer("replay", victim)["n_same"] == 1
        return
    found = answer("replay", exit_code=1)
    assert found["n_different"] == 1
    assert found["first_difference"]["decision_id"] == victim
    assert what in found["first_difference"]["what"]
    assert victim in amso("replay").stdout


def test_replay__says_when_the_policy_is_gone() -> None:
    trained = answer("train", "--log", write_log())
    go_live("--policy", trained["policy_version"])
    decide()
    weights = Path(trained["run"], "policy", "weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    found = answer("replay", exit_code=1)
    assert "cannot be computed again" in found["first_difference"]["what"]
    assert found["n_different"] == found["by_served"]["policy"]


def test_decision__shows_everything_it_knew() -> None:
    go_live("--policy", answer("train", "--log", write_log())["policy_version"])
    first = decide()[0]
    shown = answer("decisions", "show", first.decision_id)
    assert shown["raw_unit_id"] == "unit-0"
    assert shown["unit"].startswith("u-")
    assert shown["features"] == {"age": -2.0}
    assert shown["outcomes"] == shown["rewards"] == []
    assert "unit-0" in amso("decisions", "show", first.decision_id).stdout
    assert len(answer("decisions", "list", "--limit", "3")["decisions"]) == 3
    assert "not_found" in refusal("decisions", "show", "d-0")
    assert "not_found" in refusal("replay", "d-0")


def test_halt__stops_a_live_strategy_and_goes_on_when_a_second_person_confirms() -> None:
    go_live("--policy", answer("train", "--log", write_log())["policy_version"])
    ana, ben = (answer("people", "rotate", name)["token"] for name in ("ana", "ben"))
    assert "no token" in refusal("halt")
    halted = answer("halt", "--reason", "complaints", token=ana)
    assert (halted["state"], halted["is_mirrored"]) == ("halted", True)
    with opened() as workspace:
        assert RedisHaltMirror(workspace.wire).read() == {"global": "complaints"}
    assert {a.served for a in decide()} == {"baseline", "holdout"}
    assert answer("status")["halts"][0]["reason"] == "complaints"
    assert answer("resume", "--halt", "global", token=ben)["state"] == "resume_asked"
    assert "cannot confirm" in refusal("resume", "--halt", "global", token=ben)
    assert answer("resume", "--halt", "global", token=ana)["state"] == "resumed"
    with opened() as workspace:
        assert RedisHaltMirror(workspace.wire).read() == {}
    assert "global is not halted" in refusal("resume", "--halt", "global", token=ana)


def test_halt__stands_in_sql_where_redis_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    ana = hire("ana", "proposer")
    monkeypatch.setenv("AMSO_REDIS_URL", UNREACHABLE)
    halted = answer("halt", "point:flow", token=ana)
    assert not halted["is_mirrored"]
    assert "could not be written" in halted["warning"]
    assert "warning: SQL says so" in amso("halt", "point:flow", token=ana).stdout
    assert [h["scope"] for h in answer("status")["halts"]] == ["point:flow"]


def test_halt__refuses_scopes_that_mean_nothing() -> None:
    ana = hire("ana", "proposer")
    assert "usage_error" in refusal("halt", "everything", token=ana, exit_code=2)
    assert "unknown decision point" in refusal("halt", "point:flo", token=ana, exit_code=2)
    assert "unknown policy version" in refusal("halt", "policy:p-0", token=ana)
    assert answer("status")["halts"] == []


def test_halt__of_a_policy_version_takes_a_trained_or_a_proposed_one() -> None:
    version = answer("train", "--log", write_log())["policy_version"]
    ana = hire("ana", "proposer")
    assert answer("halt", f"policy:{version}", token=ana)["scope"] == f"policy:{version}"
    assert amso("halt", f"policy:{version}", token=ana).stdout == f"policy:{version} is halted by ana\n"


def test_strategy__pauses_resumes_and_rolls_back_by_hand() -> None:
    name = go_live("--policy", answer("train", "--log", write_log())["policy_version"])
    ana, ben = (answer("people", "rotate", person)["token"] for person in ("ana", "ben"))
    strategy = answer("proposals", "show", name)["strategy_id"]
    assert answer("pause", strategy, "--reason", "odd numbers", token=ana)["status"] == "PAUSED"
    assert "policy" not in {a.served for a in decide()}
    assert "may not resume" in refusal("resume", name, token=ana)
    assert answer("resume", strategy, token=ben)["status"] == "CANARY"
    back = answer("rollback", name, "--reason", "enough", token=ana)
    assert back["status"] == "ROLLED_BACK"
    assert back["history"][-1]["actor"] == "ana"
    assert "illegal_transition" in refusal("rollback", name, token=ana)
    assert "not_found: no proposal of strategy" in refusal("pause", strategy, token=ana)
    assert answer("audit", "verify")["is_intact"]


def test_status__shows_what_live_wrote_while_it_is_fresh() -> None:
    now = datetime.now(UTC)
    assert "no `amso live`" in answer("status")["why_sql"]
    with opened() as workspace:
        board = RedisStatusBoard(workspace.wire)
        with workspace.knowledge.transaction() as books:
            written = snapshot(books, workspace.settings, now)
        board.write(BOARD, {**written, "decisions": {"policy": 7}})
        shown = answer("status")
        assert (shown["source"], shown["decisions"]) == ("redis", {"policy": 7})
        assert 0 <= shown["age_seconds"] < 10
        board.write(BOARD, {**written, "as_of": (now - timedelta(hours=1)).isoformat()})
        stale = answer("status")
        assert (stale["source"], stale["decisions"]) == ("sql", {})
        assert "s old" in stale["why_sql"]
        board.write(BOARD, {"as_of": "yesterday"})
        assert answer("status")["why_sql"] == "the status in Redis cannot be read"


def test_status__is_plain_json_and_falls_back_to_sql_without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMSO_REDIS_URL", UNREACHABLE)
    shown = answer("status")
    assert shown["source"] == "sql"
    assert "Redis:" in shown["why_sql"]
    assert json.loads(json.dumps(shown)) == shown
    assert "nothing is proposed yet" in amso("status").stdout
    assert amso("status", "--watch", "--json").exit_code == 2


def test_watch__redraws_until_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMSO_REDIS_URL", UNREACHABLE)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    with opened() as workspace:
        assert watch(workspace, sleep=sleep).source == "sql"
    assert slept == [1.0] * 3


def test_audit__finds_the_row_that_was_edited() -> None:
    ana = hire("ana", "proposer")
    answer("halt", "--reason", "one", token=ana)
    answer("halt", "--reason", "two", token=ana)
    assert answer("audit", "verify")["n_entries"] == 3
    change_row("audit", "actor", "ben", "seq", 2)
    broken = answer("audit", "verify", exit_code=1)
    assert not broken["is_intact"]
    assert broken["broken_seq"] == 2
    assert "BROKEN" in amso("audit", "verify").stdout
