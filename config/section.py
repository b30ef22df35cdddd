"""What every section of the file shares: frozen, strict, and no key that it does not know."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

Share = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]  # ISO 4217
Amount = Annotated[Decimal, Field(ge=0), PlainSerializer(float, return_type=float)]  # money at rest
Scalar = str | int | float | bool


class Section(BaseModel):
    """Base of all settings. Validate from JSON, where a list becomes a tuple and nothing else is converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
