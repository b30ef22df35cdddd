"""A business with a gated decision point, people with tokens, and the verbs as the command line calls them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from typer.testing import CliRunner, Result

import runner
from domain.decisions import Answer
from domain.events import DecisionRequest
from domain.proposals import Status
from loop.wiring import Workspace, open_workspace
from tracker.rollout import advance

CONFIG: Mapping[str, object] = {
    "version": 1,
    "business": {"name": "shop", "currency": "EUR"},
    "decision_points": {
        "flow": {
            "mode": "gated",
            "baseline": "none",
            "reward_wait": "14d",
            "actions": {"none": {}, "promo": {"discount": 0.1, "cost": 0.1}},
        }
    },
    "approvals": {
        "tiers": {"all": {"approvers": {"any": 1}, "decide_within": "7d", "valid_for": "90d"}},
        "canary": {"steps": [0.5, 1.0], "min_days": 1, "min_per_action": 5},
    },
    "limits": {"loss_cap": 100000},
}


def open_shop(folder: Path, **changes: object) -> None:
    """Writes the config; JSON is YAML."""
    (folder / "amso.yaml").write_text(json.dumps({**CONFIG, **changes}))


def write_log(name: str = "log.parquet", *, n: int = 4000, gain: float = 1.0) -> str:
    """Promo gains where x_age > 0 and loses elsewhere, a little more than it loses; forty days of traffic."""
    rng = np.random.default_rng(0)
    age, promo = rng.normal(size=n), rng.integers(0, 2, n)
    reward = gain * (np.sign(age) + 0.5) * promo + rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "unit_id": np.arange(n),
            "decided_at": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(n) * 40 / n, unit="D"),
            "action": np.where(promo == 1, "promo", "none"),
            "propensity": 0.5,
            "reward": reward,
            "x_age": age,
        }
    )
    frame.to_parquet(name)
    return name


def amso(*arguments: str, token: str | None = None, text: str | None = None) -> Result:
    """One call of the command line, as whom the token proves."""
    return CliRunner().invoke(runner.app, [*arguments], input=text, env={"AMSO_TOKEN": token})


def answer(*arguments: str, token: str | None = None, exit_code: int = 0) -> dict[str, Any]:
    """What `--json` prints."""
    result = amso(*arguments, "--json", token=token)
    assert result.exit_code == exit_code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def refusal(*arguments: str, token: str | None = None, exit_code: int = 1) -> str:
    """The message of an act that was refused."""
    error: dict[str, str] = answer(*arguments, token=token, exit_code=exit_code)["error"]
    return f"{error['code']}: {error['message']}"


def hire(name: str, *roles: str) -> str:
    """A new person's token."""
    options = [part for role in roles for part in ("--role", role)]
    return str(answer("people", "add", name, *options)["token"])


@contextmanager
def opened() -> Iterator[Workspace]:
    with closing(open_workspace(Path("amso.yaml"))) as workspace:
        yield workspace


def go_live(*arguments: str) -> str:
    """Proposes, approves by a second person, and starts the canary."""
    ana, ben = hire("ana", "proposer"), hire("ben", "approver")
    name = str(answer("propose", *arguments, token=ana)["proposal_id"])
    answer("approve", name, "--yes", token=ben)
    with opened() as workspace, workspace.knowledge.transaction() as books:
        stands, now = books.proposals.get(name), datetime.now(UTC)
        live = advance(books, stands, settings=workspace.settings, tally={}, reading=None, now=now)
        assert live.status is Status.CANARY
    return name


def decide(n: int = 80, *, eligible: tuple[str, ...] | None = None, prefix: str = "r") -> list[Answer]:
    """Answers of units of every age."""
    ages = [4 * (i - n / 2) / n for i in range(n)]
    requests = [
        DecisionRequest(f"{prefix}-{i}", "flow", f"unit-{i}", {"age": age}, eligible) for i, age in enumerate(ages)
    ]
    with opened() as workspace, workspace.knowledge.transaction() as books:
        found = workspace.decider.answer(books, requests, datetime.now(UTC))
    assert all(isinstance(a, Answer) for a in found)
    return [a for a in found if isinstance(a, Answer)]
