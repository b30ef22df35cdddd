"""Sections `business`, `units` and `stores`: whose numbers these are, who is decided for, where they are kept."""

import zoneinfo
from typing import Annotated

from pydantic import AfterValidator, Field

from config.section import Currency, Section


def _known_time_zone(name: str) -> str:
    known = zoneinfo.available_timezones()
    if known and name not in known:  # a machine without a time zone database cannot judge
        raise ValueError(f"found text {name!r}, expected a time zone such as Europe/Berlin or UTC")
    return name


class Business(Section):
    """Whose numbers these are."""

    name: str = "business"
    currency: Currency = "EUR"  # every report and cap
    time_zone: Annotated[str, AfterValidator(_known_time_zone)] = "UTC"  # of business days; storage is UTC
    environment: str = "production"  # events of another one are counted and ignored
    exchange_rates: str | None = None  # CSV of date,currency,rate


class Units(Section):
    """Who is decided for, held out and bootstrapped."""

    kind: str = "customer"
    aliases: str | None = None  # the event that says two ids are one unit


class Stores(Section):
    """Where AMSO keeps things. URLs carry passwords only from the environment, hence `repr=False`."""

    data_dir: str = "amso-data"  # AMSO_DATA_DIR wins
    sql: str | None = Field(
        default=None, repr=False
    )  # SQLAlchemy URL; None = SQLite in the data dir; AMSO_SQL_URL wins
    redis: str = Field(default="embedded", repr=False)  # `embedded` or redis://...; AMSO_REDIS_URL wins
    prefix: str = "amso"  # of every Redis key
