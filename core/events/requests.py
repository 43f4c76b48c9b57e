"""What someone asks: of the broker link (its own stream), or of the workers (names of arq jobs)."""

import msgspec
from msgspec import Struct

VERSION = 1

REQUESTS_KEPT = 1_000
"""Entries: the requests stream is bounded, whoever writes to it. What is lost so is asked again."""


class ResyncRequested(Struct, frozen=True, kw_only=True, tag_field="type", tag="resync"):
    """Compare everything with the broker now. Answered by a ``ResyncFenced`` fact carrying ``job_id``."""

    job_id: str
    requested_by: str = ""


class InstrumentsRequested(Struct, frozen=True, kw_only=True, tag_field="type", tag="instruments"):
    """Fetch contract details of these conids."""

    conids: tuple[int, ...]


Request = ResyncRequested | InstrumentsRequested


class RequestEnvelope(Struct, frozen=True, kw_only=True):
    """One entry of the requests stream."""

    request: Request
    v: int = VERSION


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(RequestEnvelope).decode

RECONCILE_JOB = "reconcile_account"
"""arq: compare an account's books with the broker's last complete word, if that is due. Argument: account."""
