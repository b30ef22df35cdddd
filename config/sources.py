"""Section `sources`: where records come from and what their columns are called."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self, TypeGuard

from pydantic import Field, model_validator

from config.quantities import DurationText
from config.section import Section


class Content(StrEnum):
    CUSTOMER = "customer"
    MARKET = "market"
    FINANCE = "finance"
    DECISION_LOG = "decision_log"
    OUTCOME = "outcome"


class SourceBase(Section):
    """What all kinds share. The last five keys speak of decision logs only."""

    content: Content
    columns: Mapping[str, str] = Field(default_factory=dict)  # ours -> theirs
    every: DurationText | None = None  # between two reads
    max_age: DurationText | None = None  # older records count as missing
    reward: str | None = None  # which reward column counts
    context: tuple[str, ...] | None = None  # columns to use; None = the decision point's, else all x_*
    exclude_actions: tuple[str, ...] = ()  # dropped; propensities renormalised inside their cell
    not_negative: tuple[str, ...] = ()  # context columns that count time or things; rows below 0 are set aside
    decision_point: str | None = None  # whose decisions these are, where there are several

    @model_validator(mode="after")
    def _log_keys_only_on_logs(self) -> Self:
        keys = ("reward", "context", "exclude_actions", "not_negative", "decision_point")
        given = [key for key in keys if getattr(self, key)]
        if given and self.content is not Content.DECISION_LOG:
            raise ValueError(f"found {', '.join(given)} beside content {self.content}, expected only on a decision_log")
        return self


class FileSource(SourceBase):
    kind: Literal["file"]
    path: str  # CSV, Parquet or JSONL, relative to the working directory; * and ? match several


class SqlSource(SourceBase):
    kind: Literal["sql"]
    query: str
    url: str | None = Field(default=None, repr=False)  # None = stores.sql; AMSO_SOURCE_<NAME>_URL wins


class RedisStreamSource(SourceBase):
    kind: Literal["redis_stream"]
    stream: str


class RedisHashSource(SourceBase):
    kind: Literal["redis_hash"]
    pattern: str  # of the keys


class RedisJsonSource(SourceBase):
    kind: Literal["redis_json"]
    key: str


Source = Annotated[
    FileSource | SqlSource | RedisStreamSource | RedisHashSource | RedisJsonSource, Field(discriminator="kind")
]


def is_log_query(source: Source) -> TypeGuard[SqlSource]:
    """Whether its rows are a decision log."""
    return isinstance(source, SqlSource) and source.content is Content.DECISION_LOG


def is_log_file(source: Source) -> TypeGuard[FileSource]:
    """Whether training and evaluation can read it today."""
    return isinstance(source, FileSource) and source.content is Content.DECISION_LOG
