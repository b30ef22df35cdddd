"""`evaluate` with looks and several candidates: what it answers, shows, keeps, and refuses."""

from pathlib import Path

import pytest

import amso
from domain.errors import UsageError
from tests.loop.gate_office import amso as command
from tests.loop.gate_office import answer, open_shop, refusal, write_log
from tests.loop.test_report import check_self_contained


@pytest.fixture(autouse=True)
def _shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMSO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AMSO_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    open_shop(tmp_path)
    write_log()


def ask(*arguments: str) -> dict[str, object]:
    return answer("evaluate", "log.parquet", *arguments)


def page_of(data: dict[str, object]) -> str:
    return check_self_contained(Path(str(data["report"])).read_text(encoding="utf-8")).words


def test_one_look_at_one_candidate__adds_nothing_to_the_answer() -> None:
    data = ask("--policy", "constant:promo")
    assert set(data) == {
        "run", "report", "log", "reward", "estimates", "comparison", "diagnostics", "recommended_estimator", "verdict",
        "reasons",
    }  # fmt: skip
    assert "How often the data are looked at" not in page_of(data)


def test_planned_look__is_told_in_json_page_and_ledger() -> None:
    data = ask("--policy", "constant:promo", "--look", "7/28")
    looks = data["looks"]
    assert isinstance(looks, dict)
    assert (looks["kind"], looks["look"], looks["planned"]) == ("scheduled", 7, 28)
    assert looks["false_promotion_rate"] == 0.05
    assert 0 < looks["spent"] < 1e-3
    assert looks["boundary"] > 3.7
    words = page_of(data)
    assert "number 7 of 28 planned" in words
    assert "--baseline constant:none --look 7/28 --seed 0" in words
    ask("--policy", "constant:promo", "--look", "8/28")
    ask("--policy", "constant:promo", "--look", "7/28")
    ask("--policy", "constant:promo")
    ask("--policy", "constant:promo", "--anytime")
    kept = answer("verdicts")["verdicts"]
    assert len({v["verdict_id"] for v in kept}) == len(kept) == 4
    confidences = sorted(v["confidence"] for v in kept)
    assert confidences[0] == pytest.approx(0.95)
    assert confidences[-1] == pytest.approx(looks["confidence"])


def test_any_time__is_told_and_works_on_what_python_reads() -> None:
    data = ask("--policy", "constant:promo", "--anytime")
    assert isinstance(data["looks"], dict)
    assert (data["looks"]["kind"], data["looks"]["look"], data["looks"]["spent"]) == ("anytime", None, None)
    assert "at any time, as often as one likes" in page_of(data)
    read = amso.read_log("log.parquet")
    found = amso.evaluate(read, "constant:promo", baseline="constant:none", looks="anytime")
    comparison = data["comparison"]
    assert isinstance(comparison, dict)
    assert found.comparison.low == pytest.approx(comparison["low"])
    assert amso.evaluate(read, "constant:promo", looks="2/4").looks.planned == 4
    with pytest.raises(UsageError):
        amso.evaluate(read, "constant:promo", looks="5/4")


def test_candidates__are_listed_and_the_best_promoted_leads() -> None:
    data = ask("--policy", "uniform", "--policy", "constant:none", "--policy", "constant:promo")
    candidates, comparison = data["candidates"], data["comparison"]
    assert isinstance(candidates, list)
    assert isinstance(comparison, dict)
    assert [c["policy"] for c in candidates] == ["uniform", "constant:none", "constant:promo"]
    assert [c["verdict"] for c in candidates] == ["promote", "hold", "promote"]
    assert (comparison["candidate"], data["verdict"]) == ("constant:promo", "promote")
    words = page_of(data)
    assert "All candidates" in words
    assert "--policy uniform --policy constant:none --policy constant:promo --baseline" in words
    kept = answer("verdicts")["verdicts"]
    assert {v["candidate"]: v["verdict"] for v in kept} == {
        "uniform": "promote", "constant:none": "hold", "constant:promo": "promote",
    }  # fmt: skip
    assert all(v["confidence"] == pytest.approx(1 - 0.05 / 3) for v in kept)
    printed = command("evaluate", "log.parquet", "--policy", "uniform", "--policy", "constant:promo").stdout
    assert "promote: uniform − constant:none" in " ".join(printed.split())


def test_candidates_that_cannot_be_told__are_listed_without_a_number() -> None:
    write_log(n=60)
    data = ask("--policy", "uniform", "--policy", "constant:promo", "--look", "1/3")
    assert data["verdict"] == "cannot_tell"
    assert "cannot tell" in page_of(data)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--look", "3"), "is no look"),
        (("--look", "0/3"), "expected 1 to 3"),
        (("--look", "4/3"), "expected 1 to 3"),
        (("--look", "1/3", "--anytime"), "exclude each other"),
        (("--policy", "uniform"), "more than once"),
    ],
)
def test_looks_that_cannot_be__are_usage_errors(options: tuple[str, ...], told: str) -> None:
    assert told in refusal("evaluate", "log.parquet", "--policy", "uniform", *options, exit_code=2)
