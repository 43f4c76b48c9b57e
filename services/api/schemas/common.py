"""What every answer is made of. These types are the contract: what is sent and what is documented."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from core.domain.link import UpDown

Amount = Annotated[
    str,
    Meta(
        pattern=r"^-?[0-9]+(\.[0-9]+)?$",
        description="a decimal as text, so that no digit is lost; null where it is unknown",
        examples=["1234.56"],
    ),
]
Moment = Annotated[datetime, Meta(tz=True, description="UTC, ISO 8601, ending in Z")]
Source = Literal["live", "delayed", "last_known"]


class Links(Struct, frozen=True, kw_only=True):
    """From us to the gateway, and from the gateway to IBKR."""

    gateway: UpDown
    ibkr: UpDown


class Freshness(Struct, frozen=True, kw_only=True):
    """How far the values beside it can be trusted as current.

    ``as_of`` is the broker's time where it gives one; ``age_seconds`` is counted from it. ``reason`` says why
    the source is not live; ``as_of`` that a moment was asked for which has passed.
    """

    source: Source
    as_of: Moment | None
    received_at: Moment | None
    age_seconds: int | None
    stale: bool
    reason: str | None
    links: Links


class Coverage(Struct, frozen=True, kw_only=True):
    """How many of the open positions have a fresh mark."""

    fresh: int
    total: int


class FieldError(Struct, frozen=True, kw_only=True):
    """What is wrong with one field of a request."""

    location: str
    message: str


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457. ``code`` is stable; ``detail`` says what to do. ``request_id`` stands in the log as well."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: tuple[FieldError, ...] = ()
    request_id: str = ""


encode = msgspec.json.Encoder().encode


def example_of(value: Struct) -> Any:
    """The example as plain values, for the OpenAPI document."""
    return msgspec.json.decode(encode(value))
