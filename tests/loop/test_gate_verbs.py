"""From a person to a live strategy through the command line, on a real SQLite file; and everything that is refused."""

import json
import os
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from commands import asking
from domain.errors import IllegalTransition
from domain.ports import DrivenClock
from domain.proposals import Status
from loop.gate import approve, show_proposal
from loop.wiring import open_workspace
from tests.loop.gate_office import amso, answer, hire, open_shop, refusal, write_log


@pytest.fixture(autouse=True)
def _shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMSO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AMSO_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    open_shop(tmp_path)


def recommended(action: str, *, gain: float = 1.0) -> str:
    """The id of the strategy for everyone."""
    rows = answer("recommend", "--log", write_log(gain=gain))["strategies"]
    return str(next(s["strategy_id"] for s in rows if s["action"] == action and s["segment"]["id"] == "all"))


def test_gate__takes_a_proposal_from_its_strategy_to_an_approval_by_somebody_else() -> None:
    ana, ben = hire("ana", "proposer", "approver"), hire("ben", "approver")
    strategy = recommended("promo")
    proposed = answer("propose", strategy, "--note", "spring", token=ana)
    name, seen = proposed["proposal_id"], proposed["seen_hash"]
    assert proposed["status"] == "PENDING"
    assert proposed["evidence"]["verdict"] == "promote"
    assert proposed["plan"]["decisions_per_day"] == pytest.approx(100, rel=0.05)
    assert proposed["plan"]["smallest_harm"][0] > 0
    assert proposed["missing_approvers"] == "found 0 people, expected 1"
    assert proposed["base_version"] == "constant:none"
    assert "not_permitted: ana proposed" in refusal("approve", name, "--hash", seen, token=ana)
    approved = answer("approve", name, "--hash", seen, "--reach", "0.5", "--note", "fine", token=ben)
    assert approved["status"] == "APPROVED"
    assert approved["is_covered"]
    assert approved["covered_scope"]["reach"] == 0.5
    assert [row["act"] for row in approved["history"]] == ["propose", "move", "move", "approve", "move"]
    shown = answer("status")
    assert [(p["proposal_id"], p["status"]) for p in shown["proposals"]] == [(name, "APPROVED")]
    assert shown["source"] == "sql"
    assert answer("proposals", "list")["proposals"][0]["status"] == "APPROVED"
    assert answer("audit", "verify")["is_intact"]


def test_gate__takes_an_experiment_by_its_design() -> None:
    ana, ben = hire("ana", "proposer"), hire("ben", "approver")
    proposed = answer("propose", recommended("experiment", gain=0.0), "--loss-cap", "50.25", token=ana)
    assert proposed["status"] == "PENDING"
    assert proposed["actions"] == ["none", "promo"]
    assert proposed["evidence"]["design"]["units_per_action"] == 2000
    assert proposed["scope"]["loss_cap"] == "50.25"
    design, plan = proposed["evidence"]["design"], proposed["plan"]
    assert plan["active_days"] == design["days"]
    assert plan["largest_loss_amount"] == min(
        50.25, design["largest_loss"] * (plan["active_days"] + 2) / design["days"]
    )
    assert answer("approve", proposed["proposal_id"], "--yes", token=ben)["status"] == "APPROVED"


def test_gate__takes_a_revision_under_the_rules_of_today(tmp_path: Path) -> None:
    ana, ben = hire("ana", "proposer"), hire("ben", "approver")
    strategy = recommended("promo")
    first = answer("propose", strategy, token=ana)
    open_shop(tmp_path, limits={"loss_cap": 70})
    second = answer("propose", strategy, "--revises", first["proposal_id"], token=ana)
    assert (second["proposal_id"], second["revision"]) == (first["proposal_id"], 2)
    message = refusal("approve", first["proposal_id"], "--hash", first["seen_hash"], token=ben)
    assert "is not what was looked at; what differs: revision" in message
    approved = answer("approve", first["proposal_id"], "--hash", second["seen_hash"], token=ben)
    assert approved["status"] == "APPROVED"


def test_gate__expires_what_nobody_decided_even_though_the_act_is_refused() -> None:
    ana, ben = hire("ana", "proposer"), hire("ben", "approver")
    name = answer("propose", recommended("promo"), token=ana)["proposal_id"]
    later = DrivenClock(datetime.now(UTC) + timedelta(days=8))
    with closing(open_workspace(Path("amso.yaml"), clock=later)) as workspace:
        with pytest.raises(IllegalTransition):
            approve(workspace, ben, name)
        assert show_proposal(workspace, name).tracked.status is Status.EXPIRED


def test_gate__takes_a_trained_policy_with_what_its_run_measured() -> None:
    ana = hire("ana", "proposer")
    trained = answer("train", "--log", write_log())
    proposed = answer("propose", "--policy", trained["policy_version"], token=ana)
    assert proposed["status"] == "PENDING"
    assert proposed["evidence"]["run"] == Path(trained["run"]).name
    assert proposed["evidence"]["low"] == trained["baseline_comparison"]["low"]
    assert proposed["what"] == f"policy:{trained['policy_version']}"


def test_gate__refuses_what_its_evidence_does_not_carry_with_the_reasons() -> None:
    ana = hire("ana", "proposer")
    refused = answer("propose", recommended("promo", gain=0.0), token=ana, exit_code=1)
    assert refused["status"] == "REFUSED"
    assert refused["refusals"] == ["its evidence says hold, expected promote"]
    assert "refused: its evidence says hold" in amso("proposals", "show", refused["proposal_id"]).stdout


def test_gate__refuses_evidence_against_something_else_than_what_serves() -> None:
    ana = hire("ana", "proposer")
    rows = answer("recommend", "--log", write_log(), "--baseline", "logged")["strategies"]
    strategy = next(s["strategy_id"] for s in rows if s["action"] == "promo" and s["segment"]["id"] == "all")
    message = refusal("propose", strategy, token=ana)
    assert message.startswith("stale_proposal")
    assert "judged against logged, but constant:none serves all now" in message


def test_gate__refuses_whoever_may_not() -> None:
    ana, ben, cleo = hire("ana", "proposer"), hire("ben", "approver"), hire("cleo", "proposer")
    strategy = recommended("promo")
    assert "not_permitted: no token" in refusal("propose", strategy)
    assert "not_permitted: the token belongs to nobody" in refusal("propose", strategy, token="guess")  # noqa: S106 # nobody has it
    assert "may not propose" in refusal("propose", strategy, token=ben)
    name = answer("propose", strategy, token=ana)["proposal_id"]
    assert "may not approve" in refusal("approve", name, "--yes", token=cleo)
    assert "may not reject" in refusal("reject", name, token=cleo)
    assert "cannot withdraw" in refusal("withdraw", name, token=cleo)
    answer("people", "revoke", "ben")
    assert "ben was revoked" in refusal("approve", name, "--yes", token=ben)
    assert answer("withdraw", name, "--reason", "too early", token=ana)["status"] == "WITHDRAWN"
    assert "illegal_transition" in refusal("withdraw", name, token=ana)


def test_gate__refuses_a_hash_of_something_else_and_rules_that_changed(tmp_path: Path) -> None:
    ana, ben = hire("ana", "proposer"), hire("ben", "approver")
    name = answer("propose", recommended("promo"), token=ana)["proposal_id"]
    assert "stale_proposal" in refusal("approve", name, "--hash", "0" * 64, token=ben)
    open_shop(tmp_path, limits={"loss_cap": 7})
    message = refusal("approve", name, "--yes", token=ben)
    assert "stale_proposal" in message
    assert "limits" in message
    assert answer("proposals", "show", name)["status"] == "PENDING"


def test_gate__asks_in_a_terminal_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    ana, ben = hire("ana", "proposer"), hire("ben", "approver")
    name = answer("propose", recommended("promo"), token=ana)["proposal_id"]
    assert "usage_error: there is no terminal" in refusal("approve", name, token=ben, exit_code=2)
    monkeypatch.setattr(asking, "is_terminal", lambda: True)
    no = amso("approve", name, token=ben, text="n\n")
    assert no.exit_code == 1
    assert "against constant:none" in no.stdout
    assert "not approved" in no.stderr
    yes = amso("approve", name, token=ben, text="y\n")
    assert yes.exit_code == 0
    assert "APPROVED" in yes.stdout


def test_gate__rejects_and_says_so_for_good() -> None:
    ana, ben = hire("ana", "proposer"), hire("ben", "approver")
    name = answer("propose", recommended("promo"), token=ana)["proposal_id"]
    rejected = answer("reject", name, "--reason", "not before summer", token=ben)
    assert rejected["status"] == "REJECTED"
    assert rejected["history"][-1]["reason"] == "not before summer"
    assert "illegal_transition" in refusal("approve", name, "--yes", token=ben)


def test_gate__refuses_nonsense_as_a_mistake_of_use() -> None:
    ana = hire("ana", "proposer")
    assert "usage_error" in refusal("propose", token=ana, exit_code=2)
    assert "a reach of 2" in refusal("propose", "st-1", "--reach", "2", token=ana, exit_code=2)
    assert "not_found: unknown strategy" in refusal("propose", "st-1", token=ana)
    assert "not_found: unknown policy version" in refusal("propose", "--policy", "p-1", token=ana)
    assert "not_found: unknown proposal" in refusal("approve", "pr-9", "--yes", token=ana)
    assert amso("propose", "st-1", "--budget", "much", token=ana).exit_code == 2
    assert "usage_error" in refusal("resume", token=ana, exit_code=2)


def test_people__are_those_of_the_config_where_it_names_them(tmp_path: Path) -> None:
    ana, ben = hire("ana", "proposer"), hire("ben", "approver")
    named = {"ana": {"roles": ["approver"], "team": "pricing"}, "cleo": {"roles": ["proposer"]}}
    open_shop(tmp_path, people=named)
    assert "may not propose" in refusal("propose", recommended("promo"), token=ana)
    assert "not_permitted: ben is none of the people" in refusal("halt", token=ben)
    assert "the config names ana, cleo" in refusal("people", "add", "dan", "--role", "approver", exit_code=2)
    assert "the config gives cleo" in refusal("people", "add", "cleo", "--role", "approver", exit_code=2)
    assert answer("people", "add", "cleo")["roles"] == ["proposer"]
    rows = {p["name"]: (p["roles"], p["team"], p["may_act"]) for p in answer("people", "list")["people"]}
    assert rows["ana"] == (["approver"], "pricing", True)
    assert not rows["ben"][2]


def test_people__get_a_token_once_and_a_new_one_ends_the_old() -> None:
    old = hire("ana", "proposer")
    assert old not in json.dumps(answer("people", "list"))
    assert "already_recorded" in refusal("people", "add", "ana", "--role", "proposer")
    assert "usage_error: ben has no role" in refusal("people", "add", "ben", exit_code=2)
    new = answer("people", "rotate", "ana")["token"]
    assert "belongs to nobody" in refusal("propose", "st-1", token=old)
    assert "unknown strategy" in refusal("propose", "st-1", token=new)


def test_login__keeps_the_token_where_only_its_owner_can_read_it(tmp_path: Path) -> None:
    token = hire("ana", "proposer")
    wrong = amso("login", text="guess\n")
    assert wrong.exit_code == 1
    done = amso("login", text=f"{token}\n")
    assert done.exit_code == 0, done.output
    assert token not in done.output
    path = tmp_path / "home" / "amso" / "token"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "unknown strategy" in refusal("propose", "st-1")
    path.chmod(0o644)
    assert "can be read by others" in refusal("propose", "st-1", exit_code=2)
    assert amso("logout").exit_code == 0
    assert not path.exists()
    assert "no token" in refusal("propose", "st-1")
    assert "AMSO_TOKEN" not in os.environ
