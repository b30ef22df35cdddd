"""Decisions out, outcomes in: the bodies of the streams, every refusal with its reason, nothing lost or twice."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.decisions import RewardRevision
from domain.errors import NotPermitted, SourceUnavailable
from domain.ports import DrivenClock, UnitOfWork
from loop.gate import pause, rollback
from loop.halts import halt
from tests.dashboard.house import POINT, House, make_context, make_outcome, open_house, put_strategies

KEY = {"AMSO_API_KEY": "s3cret-key"}


class NoSql:
    """A database that does not answer."""

    def transaction(self) -> AbstractContextManager[UnitOfWork]:
        return self._fail()

    @contextmanager
    def _fail(self) -> Iterator[UnitOfWork]:
        raise SourceUnavailable("the database does not answer", "start it")
        yield


def decide(house: House, **changes: object) -> httpx.Response:
    return house.client().post("/v1/decide", json=make_context(**changes))  # type: ignore[arg-type] # parts of a body


def answered(house: House, **changes: object) -> dict[str, Any]:
    answer = decide(house, **changes)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def send(house: House, body: object) -> httpx.Response:
    return house.client().post("/v1/outcomes", json=body)


def reward_of(house: House, decision_id: str) -> RewardRevision | None:
    with house.workspace.knowledge.transaction() as books:
        return books.rewards.latest(decision_id)


def quarantined(house: House) -> Mapping[str, int]:
    with house.workspace.knowledge.transaction() as books:
        return books.quarantine.counts()


def test_decide__answers_the_contract_and_the_same_to_the_same_request(house: House) -> None:
    first = answered(house)
    assert set(first) >= {"decision_id", "action", "payload", "propensity", "served", "why", "policy_version"}
    assert (first["action"], first["served"], first["propensity"]) == ("nothing", "baseline", 1.0)
    assert answered(house) == first
    conflict = decide(house, unit_id="someone else")
    assert (conflict.status_code, conflict.json()["error"]["code"]) == (409, "conflict")
    assert quarantined(house) == {"the same request_id came before with another content": 1}


def test_live_proposal__decides_for_its_reach(house: House) -> None:
    house.live()
    answers = [answered(house, request_id=f"r-{i}", unit_id=f"u-{i}") for i in range(12)]
    assert {(a["served"], a["action"]) for a in answers} == {("policy", "offer"), ("baseline", "nothing")}


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def nothing_proposed(house: House) -> None:
    pass


def approved_alone(house: House) -> None:
    """Half approved, and its proposer tries to be the second."""
    proposal_id = house.propose()
    house.approve(proposal_id, "ben")
    with pytest.raises(NotPermitted):
        house.approve(proposal_id, "ana")
    house.advance(proposal_id)


def not_started(house: House) -> None:
    house.approve(house.propose(), "ben", "cleo")


def expired(house: House) -> None:
    """Nobody looked: no sweeper has moved it yet."""
    house.live()
    clock = house.workspace.clock
    assert isinstance(clock, DrivenClock)
    clock.at += timedelta(days=90, seconds=1)


def edited(house: House) -> None:
    """Somebody with the database widens what was approved."""
    house.live()
    _tamper(house, "UPDATE proposals SET proposal = replace(proposal, '\"reach\": 0.5', '\"reach\": 1.0')")


def approved_otherwise(house: House) -> None:
    house.live()
    _tamper(house, "UPDATE approvals SET proposal_hash = 'of-another-one'")


def made_live_by_hand(house: House) -> None:
    house.propose()
    _tamper(house, "UPDATE proposals SET status = 'ACTIVE'")


def rolled_back(house: House) -> None:
    rollback(house.workspace, house.tokens["ana"], house.live(), reason="enough")


def paused(house: House) -> None:
    pause(house.workspace, house.tokens["ana"], house.live(), reason="odd")


def halted(house: House) -> None:
    house.live()
    halt(house.workspace, house.tokens["ben"], f"point:{POINT}", "stop")


def _tamper(house: House, statement: str) -> None:
    with closing(sqlite3.connect(house.workspace.data_dir / "amso.db")) as connection, connection:
        assert connection.execute(statement).rowcount > 0


@pytest.mark.parametrize(
    "come_about",
    [
        nothing_proposed,
        House.propose,
        approved_alone,
        not_started,
        expired,
        edited,
        approved_otherwise,
        made_live_by_hand,
        rolled_back,
        paused,
        halted,
    ],
)
def test_what_no_approval_covers__never_leaves(tmp_path: Path, come_about: Callable[[House], object]) -> None:
    with open_house(tmp_path, clock=DrivenClock(NOON)) as house:
        put_strategies(house)
        come_about(house)
        answers = [answered(house, request_id=f"r-{i}", unit_id=f"u-{i}") for i in range(12)]
        assert {(a["served"], a["action"]) for a in answers} == {("baseline", "nothing")}
        with house.workspace.knowledge.transaction() as books:
            assert not books.outbox.n_pending()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"decision_point": "nowhere"}, "unknown decision point"),
        ({"unit_id": ""}, "empty"),
        ({"request_id": None}, "missing"),
        ({"features": [1]}, "not an object"),
        ({"features": {"x": {"nested": 1}}}, "not a number"),
        ({"surprise": 1}, "unknown key"),
    ],
)
def test_invalid_context__is_told_and_quarantined(house: House, changes: Mapping[str, object], reason: str) -> None:
    answer = house.client().post("/v1/decide", json={**make_context(), **changes})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_record")
    assert reason in answer.json()["error"]["message"]
    (told,) = quarantined(house)
    assert told == answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "",
        "null",
        '{"a": NaN}',
        '{"a": 1, "a": 2}',
        "[1]",
        '[{}], "list": [{}]',
        "ÿ",
        '{"a": "\\ud800"}',
        "[" * 9000,
    ],
)
@pytest.mark.parametrize("path", ["/v1/decide", "/v1/outcomes"])
def test_body_that_is_no_json_object__is_told_and_quarantined(house: House, path: str, text: str) -> None:
    answer = house.client().post(path, content=text.encode(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_record")
    assert sum(quarantined(house).values()) == 1
    with house.workspace.knowledge.transaction() as books:
        raw = json.loads(books.quarantine.records()[0].raw)
    assert raw["body"] == text


def test_body_of_another_kind_or_size__is_refused(house: House) -> None:
    client = house.client()
    assert client.post("/v1/decide", content=json.dumps(make_context())).status_code == 415
    assert client.post("/v1/decide", data={"request_id": "r"}).status_code == 415
    big = json.dumps(make_context(features={"x": "y" * 1_100_000})).encode()
    json_type = {"content-type": "application/json"}
    assert client.post("/v1/decide", content=big, headers=json_type).status_code == 413
    chunks = (big[i : i + 100_000] for i in range(0, len(big), 100_000))  # without a length
    assert client.post("/v1/decide", content=chunks, headers=json_type).status_code == 413
    assert client.get("/v1/decide").json()["error"]["code"] == "http_error"


def test_many_at_once_with_one_request_id__get_one_decision(house: House) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(answered(house)["decision_id"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found))) == (8, 1)


def test_outcome__becomes_a_reward_once(house: House) -> None:
    decision_id = answered(house)["decision_id"]
    assert send(house, make_outcome(decision_id)).json() == {"id": "o-1", "status": "recorded"}
    assert send(house, make_outcome(decision_id)).json() == {"id": "o-1", "status": "known"}
    revision = reward_of(house, decision_id)
    assert revision is not None
    assert (revision.amount, revision.revision) == (Decimal("9.99"), 1)
    conflict = send(house, make_outcome(decision_id, amount="8"))
    assert (conflict.status_code, conflict.json()["error"]["code"]) == (409, "conflict")
    assert reward_of(house, decision_id) == revision


def test_refund__revises_and_one_that_comes_first_waits(house: House) -> None:
    decision_id = answered(house)["decision_id"]
    refund = make_outcome(decision_id, "o-2", amount="0", corrects="o-1")
    assert send(house, refund).json()["status"] == "parked"
    send(house, make_outcome(decision_id))
    revision = reward_of(house, decision_id)
    assert revision is not None
    assert revision.amount == 0


def test_outcome_without_a_decision__belongs_to_the_units_last_one(house: House) -> None:
    decision_id = answered(house)["decision_id"]
    body = {key: value for key, value in make_outcome("x").items() if key != "decision_id"}
    assert send(house, body).json()["status"] == "recorded"
    assert reward_of(house, decision_id) is not None


def test_list_of_outcomes__takes_what_it_can_and_tells_the_rest(house: House) -> None:
    decision_id = answered(house)["decision_id"]
    exposure = {"decision_id": decision_id, "shown_action": "nothing"}
    fine = [make_outcome(decision_id), exposure, make_outcome(decision_id, "o-2", environment="sandbox")]
    answer = send(house, fine)
    assert answer.status_code == 200
    assert [r["status"] for r in answer.json()["results"]] == ["recorded", "recorded", "ignored"]
    mixed = [
        make_outcome("d-unknown", "o-3"),
        make_outcome(decision_id, "o-4"),
        make_outcome(decision_id, "o-5", amount="x"),
    ]
    answer = send(house, mixed)
    assert answer.status_code == 422
    assert [r["status"] for r in answer.json()["results"]] == ["refused", "recorded", "refused"]
    assert sum(quarantined(house).values()) == 2
    assert send(house, []).json() == {"results": []}


def test_exposure__of_an_unknown_decision_or_told_otherwise_is_refused(house: House) -> None:
    decision_id = answered(house)["decision_id"]
    assert send(house, {"decision_id": "d-unknown", "shown_action": "nothing"}).status_code == 422
    assert send(house, {"decision_id": decision_id, "shown_action": "nothing"}).json()["status"] == "recorded"
    assert send(house, {"decision_id": decision_id, "shown_action": "offer"}).status_code == 409


def test_time_of_an_outcome__is_what_it_says(house: House) -> None:
    decision_id = answered(house)["decision_id"]
    assert send(house, make_outcome(decision_id) | {"at": "2026-03-01T12:00:00+01:00"}).status_code == 200
    with house.workspace.knowledge.transaction() as books:
        (outcome,) = books.outcomes.of_decision(decision_id)
    assert outcome.observed_at.isoformat() == "2026-03-01T11:00:00+00:00"
    for wrong in ("yesterday", "2026-03-01T12:00:00", 7):
        assert send(house, make_outcome(decision_id, "o-2") | {"at": wrong}).status_code == 422


def test_key__is_asked_for_where_one_is_set(tmp_path: Path) -> None:
    with open_house(tmp_path, environ=KEY) as house:
        client = house.client()
        for given in (
            None,
            "Bearer wrong",
            "s3cret-key",
            "Basic czNjcmV0LWtleQ==",
            "Bearer s3cret-key\u00fc",
        ):
            headers = [] if given is None else [(b"authorization", given.encode())]
            for path in ("/v1/decide", "/v1/outcomes"):
                answer = client.post(path, json=make_context(), headers=headers)
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_permitted")
            assert client.get("/metrics", headers=headers).status_code in (401, 403)
        right = {"authorization": "Bearer s3cret-key"}
        assert client.post("/v1/decide", json=make_context(), headers=right).status_code == 200
        assert client.get("/metrics", headers=right).status_code == 200
        with house.workspace.knowledge.transaction() as books:
            assert sum(books.decisions.count().values()) == 1


def test_without_a_key__only_this_machine_is_served(tmp_path: Path) -> None:
    with open_house(tmp_path, came_from="10.0.0.9") as house:
        assert decide(house).status_code == 401
        assert house.client().get("/healthz").text == "ok\n"


def test_without_sql__it_says_so_as_json(tmp_path: Path) -> None:
    with open_house(tmp_path, knowledge=NoSql()) as house:
        client = house.client()
        for answer in (decide(house), send(house, make_outcome("d-1")), client.get("/metrics")):
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "source_unavailable")
        assert client.get("/healthz").status_code == 200
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["sql"], ready.json()["redis"]) == (
            503,
            "the database does not answer",
            "ok",
        )
        assert client.get("/login").status_code == 200


def test_without_redis__customers_get_the_baseline_and_are_told_why(tmp_path: Path) -> None:
    with open_house(tmp_path, stores={"data_dir": str(tmp_path), "redis": "redis://127.0.0.1:1"}) as house:
        put_strategies(house)
        house.live()
        answer = answered(house)
        assert answer["served"] == "baseline"
        assert "latch cannot be read" in answer["why"]
        assert send(house, make_outcome(answer["decision_id"])).json()["status"] == "recorded"
        ready = house.client().get("/readyz")
        assert (ready.status_code, ready.json()["sql"]) == (503, "ok")
        assert "does not answer" in ready.json()["redis"]


def test_readyz__says_so_where_both_answer(house: House) -> None:
    assert house.client().get("/readyz").json() == {"ready": True, "sql": "ok", "redis": "ok"}


def test_metrics__count_what_happened(house: House) -> None:
    decision_id = answered(house)["decision_id"]
    send(house, [make_outcome(decision_id), make_outcome("d-unknown", "o-2")])
    house.propose()
    halt(house.workspace, house.tokens["ben"], "global", "stop")
    lines = house.client().get("/metrics").text.splitlines()
    for line in (
        'amso_decisions_total{served="baseline"} 1.0',
        'amso_outcomes_total{attribution="attributed"} 1.0',
        'amso_proposals{status="PENDING"} 1.0',
        "amso_outbox_waiting 0.0",
        "amso_halts 1.0",
        "amso_missing_events 0.0",
        "amso_decide_seconds_count 1.0",
    ):
        assert line in lines
    assert [line for line in lines if line.startswith("amso_quarantined_total{")] != []


def test_point_whose_effects_a_worker_carries_out__publishes_them_once(tmp_path: Path) -> None:
    effects = {POINT: {"via": "webhook", "url": "https://shop.example/hook", "secret": "HOOK_SECRET"}}
    with open_house(tmp_path, effects=effects) as house:
        put_strategies(house)
        house.live()
        answers = [answered(house, request_id=f"r-{i}", unit_id=f"u-{i}") for i in range(10)]
        with house.workspace.knowledge.transaction() as books:
            sent = [json.loads(entry.fields["body"]) for entry in books.outbox.pending()]
        assert {e["decision_id"] for e in sent} == {a["decision_id"] for a in answers if a["served"] == "policy"}
        assert {e["action"] for e in sent} == {"offer"}
