"""The tables, a file a topic. A change here needs a new file in `migrations/versions/`; a test compares the two."""

from sqlmodel import SQLModel

from knowledge.tables import control, decisions, events, offline, outcomes, people, proposals, verdicts

__all__ = ["METADATA", "control", "decisions", "events", "offline", "outcomes", "people", "proposals", "verdicts"]

METADATA = SQLModel.metadata  # whole once the modules above are imported
