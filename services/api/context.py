"""What the parts of one API process share."""

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends, Request

from core.clock import Clock
from core.settings import Settings
from core.streams.port import StreamPort
from models.session import Database
from services.api.live.client import Client
from services.api.live.hub import Hub
from services.api.problems import ProblemError, database_unavailable
from services.api.realized_totals import RealizedTotals
from services.api.security.auth import Authenticator, Identity
from services.api.security.origin import HostList

MOST_RECEIVED_AT_ONCE: Final = 2
"""Statements that are handed in at the same time; whoever else hands one in comes again later."""


@dataclass(slots=True, kw_only=True)
class Context:
    """The process's parts. ``sockets`` are the WebSocket clients that are signed in, and who they are.

    ``folding`` is held by whoever folds the past: one at a time, so that the present is never kept waiting.
    ``measuring`` by whoever measures long series, for the same reason.
    ``receiving`` by whoever takes in a statement: each may take a quarter of a GiB of memory.
    """

    settings: Settings
    version: str
    clock: Clock
    database: Database
    streams: StreamPort
    hub: Hub
    realized: RealizedTotals
    auth: Authenticator
    hosts: HostList
    auth_seconds: float = 5.0
    queue_frames: int = 256
    sockets: dict[Client, Identity] = field(default_factory=dict)
    folding: asyncio.Lock = field(default_factory=asyncio.Lock)
    measuring: asyncio.Lock = field(default_factory=asyncio.Lock)
    receiving: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_RECEIVED_AT_ONCE))

    def picture_ready(self) -> None:
        """Refuse politely while nothing could be loaded yet.

        Raises:
            ProblemError: 503.
        """
        if not self.hub.loaded.is_set():
            raise database_unavailable()

    def known_account(self, account: str) -> str:
        """The account, if there is such a one.

        Raises:
            ProblemError: 404.
        """
        self.picture_ready()
        if account not in self.hub.picture.accounts:
            raise ProblemError(
                HTTPStatus.NOT_FOUND,
                "account_not_found",
                "There is no such account. GET /api/v1/accounts lists them.",
            )
        return account


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Shared = Annotated[Context, Depends(_context)]
