"""amso.open: deciding and recording in process."""

from decimal import Decimal
from pathlib import Path

import pytest

import amso
from domain.errors import InvalidRecord

CONFIG = """
version: 1
decision_points:
  paywall:
    mode: log
    baseline: nothing
    actions: {nothing: {cost: 0}, offer: {cost: 1}}
"""


def test_open__decides_once_a_request_and_records_once_an_outcome(tmp_path: Path) -> None:
    config = tmp_path / "amso.yaml"
    config.write_text(CONFIG)
    with amso.open(config, [f"stores.data_dir={tmp_path / 'data'}"]) as business:
        ask = {"request_id": "r-1", "decision_point": "paywall", "unit_id": "ann", "features": {"age": 31.0}}
        answer = business.decide(**ask)  # type: ignore[arg-type] # one of each
        assert (answer.action, answer.served) == ("nothing", "baseline")
        assert business.decide(**ask) == answer  # type: ignore[arg-type] # one of each
        outcome = {"outcome_id": "o-1", "unit_id": "ann", "metric": "net_revenue", "currency": "EUR"}
        sent = {**outcome, "amount": Decimal("2.50"), "decision_id": answer.decision_id}
        assert business.record_outcome(**sent).status == "recorded"  # type: ignore[arg-type] # one of each
        assert business.record_outcome(**sent).status == "known"  # type: ignore[arg-type] # one of each
        with pytest.raises(InvalidRecord, match="came before with another"):
            business.record_outcome(**{**sent, "amount": Decimal("3")})  # type: ignore[arg-type] # one of each
        with business.workspace.knowledge.transaction() as books:
            (revision,) = books.rewards.history(answer.decision_id)
            assert revision.amount == Decimal("2.50")
