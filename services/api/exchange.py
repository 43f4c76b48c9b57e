"""What the layers around the routes, and the routes themselves, tell each other of one request."""

import uuid
from dataclasses import dataclass
from typing import Literal, cast

from starlette.requests import Request
from starlette.types import Scope

Format = Literal["csv", "ndjson", "parquet"]
"""What a whole list can be had as, besides pages of JSON. The names are the suffixes of its address, too."""


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request and its answer.

    ``format`` is the one that its address ended in. ``bodiless``: only the headers are wanted (HEAD).
    ``lasts``: the answer goes on as long as its reader stays, and how long it took says nothing.
    ``secret``: the answer shows something that is shown once; it is neither kept nor compressed.
    ``job_id`` is the id of a job that this request begins: the same again when it is repeated under the same
    Idempotency-Key. It is the ``correlation_id`` of what is logged of both, too.
    """

    request_id: str
    format: Format | None = None
    bodiless: bool = False
    lasts: bool = False
    secret: bool = False
    job_id: uuid.UUID


def exchange_of(scope: Scope) -> Exchange:
    """What is known of the request that the scope is of."""
    return cast("Exchange", scope["exchange"])


def show_once(request: Request) -> None:
    """Call this in a route whose answer shows a secret: it is not kept for repetitions, nor compressed."""
    exchange_of(request.scope).secret = True


def job_id_of(request: Request) -> uuid.UUID:
    """The id for the job that the request begins, so that repeating it begins no second one."""
    return exchange_of(request.scope).job_id
