"""The forms: what the gate allows is done, what it refuses is told on the page, and nothing is done twice."""

import httpx
import pytest

from domain.proposals import Status
from loop.gate import show_proposal
from loop.serving import decide_one
from tests.dashboard.house import House, csrf_of, make_context, strategy_id
from tracker.coverage import shown_hash


def post(client: httpx.Client, path: str, **data: str) -> httpx.Response:
    return client.post(path, data={"csrf": csrf_of(client, "/halt"), **data})


def act(house: House, name: str, proposal_id: str, verb: str, **data: str) -> httpx.Response:
    return post(house.signed_in(name), f"/proposals/{proposal_id}/{verb}", **data)


def seen(house: House, proposal_id: str) -> str:
    return shown_hash(show_proposal(house.workspace, proposal_id).tracked.proposal)


def status_of(house: House, proposal_id: str) -> Status:
    return show_proposal(house.workspace, proposal_id).tracked.status


def test_approving__takes_two_people_who_saw_it_and_did_not_propose_it(house: House) -> None:
    proposal_id = house.propose()
    page = house.signed_in("ben").get(f"/proposals/{proposal_id}").text
    assert seen(house, proposal_id) in page
    answer = act(house, "ben", proposal_id, "approve", seen_hash=seen(house, proposal_id), note="fine by me")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/proposals/{proposal_id}")
    assert status_of(house, proposal_id) is Status.PENDING
    again = act(house, "ben", proposal_id, "approve", seen_hash=seen(house, proposal_id))
    assert again.status_code == 403
    assert "has approved" in again.text
    own = act(house, "ana", proposal_id, "approve", seen_hash=seen(house, proposal_id))
    assert own.status_code == 403
    assert "role approver" in own.text
    act(house, "cleo", proposal_id, "approve", seen_hash=seen(house, proposal_id))
    assert status_of(house, proposal_id) is Status.APPROVED


def test_what_was_done__is_told_once_on_the_next_page(house: House) -> None:
    client, proposal_id = house.signed_in("ben"), house.propose()
    post(client, f"/proposals/{proposal_id}/approve", seen_hash=seen(house, proposal_id))
    assert "is PENDING; still to agree" in client.get(f"/proposals/{proposal_id}").text
    assert "still to agree" not in client.get(f"/proposals/{proposal_id}").text


@pytest.mark.parametrize(("hashed", "status"), [("0" * 64, 409), ("", 422)])
def test_approving_something_else_than_what_stands__is_refused(house: House, hashed: str, status: int) -> None:
    proposal_id = house.propose()
    answer = act(house, "ben", proposal_id, "approve", seen_hash=hashed)
    assert answer.status_code == status
    assert 'role="alert"' in answer.text
    assert not show_proposal(house.workspace, proposal_id).approvals


def test_approver__may_narrow_the_limits(house: House) -> None:
    proposal_id = house.propose()
    limits = {"reach": "25 %", "budget": "1000", "loss_cap": "50.5"}
    act(house, "ben", proposal_id, "approve", seen_hash=seen(house, proposal_id), **limits)
    (approval,) = show_proposal(house.workspace, proposal_id).approvals
    found = (approval.scope.reach, str(approval.scope.budget_amount), str(approval.scope.loss_cap_amount))
    assert found == (0.25, "1000", "50.5")


@pytest.mark.parametrize(
    "limits", [{"reach": "many"}, {"reach": "0"}, {"budget": "-1"}, {"budget": "NaN"}, {"reach": "1e999"}]
)
def test_limits_that_make_no_sense__are_told(house: House, limits: dict[str, str]) -> None:
    proposal_id = house.propose()
    answer = act(house, "ben", proposal_id, "approve", seen_hash=seen(house, proposal_id), **limits)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_reject_and_withdraw__end_it(house: House) -> None:
    rejected, withdrawn = house.propose(), house.propose()
    assert act(house, "ana", rejected, "reject", reason="x").status_code == 403
    act(house, "ben", rejected, "reject", reason="too dear")
    act(house, "ana", withdrawn, "withdraw", reason="changed my mind")
    assert (status_of(house, rejected), status_of(house, withdrawn)) == (Status.REJECTED, Status.WITHDRAWN)
    assert "too dear" in house.signed_in("ana").get(f"/proposals/{rejected}").text
    again = act(house, "cleo", rejected, "reject", reason="x")
    assert again.status_code == 409
    assert "REJECTED" in again.text


def test_live_one__pauses_resumes_and_rolls_back(house: House) -> None:
    proposal_id = house.live()
    act(house, "ana", proposal_id, "pause", reason="odd numbers")
    assert status_of(house, proposal_id) is Status.PAUSED
    assert act(house, "ana", proposal_id, "resume").status_code == 403
    act(house, "ben", proposal_id, "resume", reason="explained")
    assert status_of(house, proposal_id) is Status.CANARY
    act(house, "ana", proposal_id, "rollback", reason="enough")
    assert status_of(house, proposal_id) is Status.ROLLED_BACK
    assert act(house, "ana", proposal_id, "pause").status_code == 409


def test_page__offers_what_makes_sense_for_who_looks(house: House) -> None:
    proposal_id = house.propose()

    def offered(name: str) -> set[str]:
        text = house.signed_in(name).get(f"/proposals/{proposal_id}").text
        verbs = ("approve", "reject", "withdraw", "pause", "resume", "rollback")
        return {verb for verb in verbs if f'action="/proposals/{proposal_id}/{verb}"' in text}

    assert (offered("ana"), offered("ben")) == ({"withdraw"}, {"approve", "reject", "withdraw"})
    house.approve(proposal_id, "ben", "cleo")
    house.advance(proposal_id)
    assert offered("ana") == {"pause", "rollback"}


def test_proposing_from_the_list__leads_to_the_proposal(house: House) -> None:
    path = f"/strategies/{strategy_id()}/propose"
    answer = post(house.signed_in("ana"), path, reach="50", note="try it")
    assert answer.headers["location"] == "/proposals/pr-1"
    assert status_of(house, "pr-1") is Status.PENDING
    refused = post(house.signed_in("ben"), path)
    assert refused.status_code == 403
    assert "proposer" in refused.text
    assert post(house.signed_in("ana"), "/strategies/st-none/propose").status_code == 404


def test_unknown_things__are_told(house: House) -> None:
    assert act(house, "ben", "pr-99", "approve", seen_hash="x").status_code == 404
    assert act(house, "ben", house.propose(), "promote").status_code == 422


def test_halt__stops_at_once_and_takes_two_people_to_resume(house: House) -> None:
    house.live()
    ben, cleo = house.signed_in("ben"), house.signed_in("cleo")
    assert post(ben, "/halt", scope="global", reason="numbers fell").headers["location"] == "/halt"
    assert "HALTED: global" in ben.get("/").text
    answer = decide_one(house.workspace, make_context())
    assert "numbers fell" in answer.why  # type: ignore[union-attr]
    post(ben, "/halt/resume", scope="global")
    refused = post(ben, "/halt/resume", scope="global")
    assert refused.status_code == 403
    assert "cannot confirm it" in refused.text
    assert "ben asks to resume global" in cleo.get("/todo").text
    post(cleo, "/halt/resume", scope="global")
    assert "Nothing is halted." in cleo.get("/halt").text
    assert post(cleo, "/halt/resume", scope="global").status_code == 404
    assert post(cleo, "/halt", scope="galaxy", reason="x").status_code == 422
