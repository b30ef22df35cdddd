"""Section `effects`: how decisions reach the product."""

from typing import Annotated, Literal

from pydantic import Field

from config.section import Section


class HttpEffect(Section):
    """The product asks."""

    via: Literal["http"]


class WebhookEffect(Section):
    """AMSO calls."""

    via: Literal["webhook"]
    url: str
    secret: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")]  # name of the environment variable, not the secret


class FileEffect(Section):
    """AMSO writes a file."""

    via: Literal["file"]
    path: str  # {date} is filled in


Effect = Annotated[HttpEffect | WebhookEffect | FileEffect, Field(discriminator="via")]
