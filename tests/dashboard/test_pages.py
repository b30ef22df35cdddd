"""Who gets in, who does not, and what every page carries."""

import re
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import pytest

from dashboard.security import POLICY
from domain.ports import DrivenClock
from loop.halts import halt
from loop.people import revoke_person
from loop.serving import decide_one
from tests.dashboard.house import HOSTILE, POINT, House, csrf_of, make_context, open_house, put_strategies, strategy_id

PAGES = ("/", "/strategies", "/proposals/pr-1", "/decisions", "/decisions/d-1", "/halt", "/audit", "/audit?check=true")
PARTS = ("/todo", "/chart/decisions.json")
FORMS = (
    f"/strategies/{strategy_id()}/propose",
    *(f"/proposals/pr-1/{act}" for act in ("approve", "reject", "withdraw", "pause", "resume", "rollback")),
    "/halt",
    "/halt/resume",
)


def n_audit_rows(house: House) -> int:
    with house.workspace.knowledge.transaction() as books:
        head = books.audit.head()
        return 0 if head is None else head.seq


def test_without_login__no_page_and_no_form_does_anything(house: House) -> None:
    house.propose()
    before, client = n_audit_rows(house), house.client()
    for path in (*PAGES, *PARTS):
        answer = client.get(path)
        assert (answer.status_code, answer.text) == (303, ""), path
        assert answer.headers["location"].startswith("/login")
    for path in FORMS:
        answer = client.post(path, data={"csrf": csrf_of(client, "/login"), "scope": "global", "reason": "x"})
        assert answer.headers["location"] == "/login", path
    assert client.get("/events").status_code == 401
    assert n_audit_rows(house) == before


@pytest.mark.parametrize("token", ["", "wrong", "x" * 5000, "ünïcode"])
def test_wrong_token__is_told_so_and_opens_no_session(house: House, token: str) -> None:
    client = house.client()
    answer = client.post("/login", data={"csrf": csrf_of(client, "/login"), "token": token})
    assert answer.status_code == 403
    assert "token" in answer.text
    assert client.get("/").status_code == 303


def test_login__leads_to_where_one_wanted_to_go_and_never_elsewhere(house: House) -> None:
    client = house.client()
    assert client.get("/audit").headers["location"] == "/login?next=/audit"
    for wanted, expected in (
        ("/audit", "/audit"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\e", "/"),
    ):
        data = {"csrf": csrf_of(client, "/login"), "token": house.tokens["ben"], "next": wanted}
        assert client.post("/login", data=data).headers["location"] == expected
        client.cookies.clear()


def test_cookie__holds_no_token_and_is_out_of_reach(house: House) -> None:
    client = house.client()
    answer = client.post("/login", data={"csrf": csrf_of(client, "/login"), "token": house.tokens["ben"]})
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert house.tokens["ben"] not in answer.headers["set-cookie"]
    assert (cookie["httponly"], cookie["samesite"].lower(), cookie["path"]) == (True, "strict", "/")
    assert int(cookie["max-age"]) == 12 * 3600
    key = house.workspace.data_dir / "dashboard.key"
    assert key.stat().st_mode & 0o777 == 0o600


def test_forged_cookie__opens_nothing(house: House) -> None:
    name, value = next(iter(house.signed_in("ben").cookies.items()))
    for forged in (value[:-3] + "abc", value.partition(".")[0], "e30="):
        client = house.client()
        client.cookies.set(name, forged)
        assert client.get("/").status_code == 303


def test_revoked_person__is_out_at_once(house: House) -> None:
    client = house.signed_in("ben")
    assert client.get("/").status_code == 200
    revoke_person(house.workspace, "ben")
    assert client.get("/").status_code == 303
    assert client.get("/events").status_code == 401


def test_session__ends_with_the_logout_and_after_half_a_day(tmp_path: Path) -> None:
    clock = DrivenClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    with open_house(tmp_path, clock=clock) as house:
        first, second = house.signed_in("ben"), house.signed_in("ben")
        kept = dict(first.cookies)
        assert first.post("/logout", data={"csrf": csrf_of(first, "/")}).headers["location"] == "/login"
        first.cookies.update(kept)
        assert first.get("/").status_code == 303  # the old cookie proves nobody any more
        clock.at += timedelta(hours=11, minutes=59)
        assert second.get("/").status_code == 200
        clock.at += timedelta(minutes=1)
        assert second.get("/").status_code == 303


@pytest.mark.parametrize("path", FORMS)
def test_form_without_the_sessions_secret__is_refused(house: House, path: str) -> None:
    house.propose()
    client, before = house.signed_in("cleo"), n_audit_rows(house)
    others = csrf_of(house.signed_in("ben"), "/halt")
    for data in ({}, {"csrf": ""}, {"csrf": others}, {"csrf": "ü"}):
        answer = client.post(path, data=data | {"scope": "global", "reason": "x", "seen_hash": "x"})
        assert answer.status_code == 403
        assert "not of this session" in answer.text
    assert n_audit_rows(house) == before


def test_login__makes_a_new_secret(house: House) -> None:
    client = house.client()
    before = csrf_of(client, "/login")
    client.post("/login", data={"csrf": before, "token": house.tokens["ben"]})
    assert csrf_of(client, "/halt") not in ("", before)


def every_page(house: House) -> list[httpx.Response]:
    """With something on each, all of it hostile."""
    put_strategies(house, reason=HOSTILE)
    proposal_id = house.propose(note=HOSTILE)
    decide_one(house.workspace, make_context(features={"plan": HOSTILE, HOSTILE: 1}))
    halt(house.workspace, house.tokens["ben"], "global", HOSTILE)
    client = house.signed_in("cleo")
    with house.workspace.knowledge.transaction() as books:
        (decision,) = books.decisions.recent()
    paths = [p.replace("pr-1", proposal_id).replace("d-1", decision.decision_id) for p in PAGES]
    pages = [client.get(path) for path in (*paths, *PARTS)] + [house.client().get("/login")]
    assert {p.status_code for p in pages} == {200}
    return [*pages, client.get("/nowhere"), client.get(f"/decisions/{HOSTILE}"), client.get(f"/proposals/{HOSTILE}")]


def test_every_page__escapes_and_runs_nothing_inline(house: House) -> None:
    shown = 0
    for page in every_page(house):
        assert "<script>alert" not in page.text
        assert not re.search(r"<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=|javascript:|<style", page.text), page.url
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', page.text), page.url
        shown += page.text.count("&lt;script&gt;alert")
    assert shown >= 6  # strategies, proposal, halt, audit, decision, banner


def test_every_answer__carries_the_headers(house: House) -> None:
    client = house.client()
    others = [client.get("/healthz"), client.get("/static/amso.css"), client.get("/v1/decide"), client.get("/metrics")]
    for answer in (*every_page(house), *others):
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == ("no-cache" if "/static/" in str(answer.url) else "no-store")
        assert "server" not in answer.headers
    assert "unsafe" not in POLICY


def test_unknown_page__is_a_page_and_under_v1_json(house: House) -> None:
    client = house.client()
    assert client.get("/nowhere").status_code == 404
    assert "there is no such page" in client.get("/nowhere").text
    assert client.get("/v1/nowhere").json()["error"]["code"] == "http_error"
    assert client.delete("/").status_code == 405


def test_another_host_name__is_refused(house: House) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example:80", ""):
        answer = house.client().get("/login", headers={"host": host})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_host")
    assert house.client().get("/login", headers={"host": "localhost:1"}).status_code == 200


def test_strategies__stand_in_their_order_with_intervals_or_cannot_tell(house: House) -> None:
    text = house.signed_in("ana").get("/strategies").text
    assert text.index("1,234 [800, 1,700]") < text.index("cannot tell")
    assert text.count("Propose") == 2
    assert "Propose" not in house.signed_in("ben").get("/strategies").text  # no proposer


def test_overview__says_what_waits_for_whom(house: House) -> None:
    proposal_id = house.propose()
    for name, expected in (
        ("ben", f"{proposal_id} by ana waits for your judgement"),
        ("ana", f"your {proposal_id} waits for others"),
    ):
        assert expected in house.signed_in(name).get("/").text
    house.approve(proposal_id, "ben")
    assert "Nothing waits for you." in house.signed_in("ben").get("/todo").text


def test_chart__counts_the_decisions_of_each_day(house: House) -> None:
    decide_one(house.workspace, make_context())
    found = house.signed_in("ben").get("/chart/decisions.json").json()
    today = house.workspace.clock.now().date().isoformat()
    assert (len(found["days"]), found["days"][-1]) == (28, today)
    assert {s["name"]: s["values"][-1] for s in found["series"]} == {"policy": 0, "baseline": 1, "holdout": 0}


def test_decision__is_found_by_its_id_and_shows_no_raw_unit_id(house: House) -> None:
    decide_one(house.workspace, make_context())
    client = house.signed_in("ben")
    with house.workspace.knowledge.transaction() as books:
        (decision,) = books.decisions.recent()
    assert decision.decision_id in client.get("/decisions").text
    answer = client.get("/decisions", params={"id": f" {decision.decision_id} "})
    assert answer.headers["location"] == f"/decisions/{decision.decision_id}"
    page = client.get(f"/decisions/{decision.decision_id}").text
    assert POINT in page
    assert decision.unit in page
    assert "ann@example.com" not in page


def test_audit__verifies_and_tells_where_it_is_broken(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    client = house.signed_in("ben")
    assert "The chain is intact: 3 rows" in client.get("/audit?check=true").text
    assert "add_person" in client.get("/audit?before=2").text
    assert client.get("/audit?before=x").status_code == 422
    with house.workspace.knowledge.transaction() as books:
        broken = [*books.audit.entries()][1:]
    books_type = type(books.audit)
    monkeypatch.setattr(books_type, "entries", lambda *_, **__: broken)
    assert "The chain is BROKEN" in client.get("/audit?check=true").text
