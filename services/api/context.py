"""What the parts of one API process share."""

import asyncio
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated, Any, Final, NoReturn, cast

from fastapi import Depends, Request

from core.clock import Clock
from core.errors import AllAccountsNeededError
from core.settings import Settings
from core.streams.port import StreamPort
from models.restricted import RestrictedPool
from models.session import Database
from services.api.figures.counted import Counting
from services.api.live.access import view_of
from services.api.live.client import Client
from services.api.live.hub import Hub
from services.api.problems import ProblemError, database_unavailable
from services.api.realized_totals import RealizedTotals
from services.api.security.audit import Refusals
from services.api.security.auth import Authenticator
from services.api.security.identity import Identity
from services.api.security.origin import HostList
from services.api.security.rates import Rates
from services.api.security.setup import SetupToken

MOST_RECEIVED_AT_ONCE: Final = 2
"""Statements that are handed in at the same time; whoever else hands one in comes again later."""


@dataclass(slots=True, kw_only=True)
class Context:
    """The process's parts, as whoever asks may see them.

    ``accounts`` are those that may be seen, ``None``: all. ``database`` shows what is of these, ``people``
    who may do what.
    ``sockets`` are the WebSocket clients that are signed in, and who they are. ``names`` are what accounts
    are called in metrics, where their numbers must not be, as they were last read.

    ``behind_live`` are the hub's own connections, that no request can take.
    ``folding`` is held by whoever folds the past: one at a time, so that the present is never kept waiting.
    ``measuring`` by whoever measures long series, for the same reason.
    ``receiving`` by whoever takes in a statement: each may take a quarter of a GiB of memory.
    """

    settings: Settings
    version: str
    clock: Clock
    database: Database
    people: Database
    behind_live: Database
    streams: StreamPort
    hub: Hub
    realized: RealizedTotals
    counting: Counting
    auth: Authenticator
    rates: Rates
    refusals: Refusals = field(default_factory=Refusals)
    setup: SetupToken
    hosts: HostList
    restricted: RestrictedPool
    accounts: frozenset[str] | None = None
    auth_seconds: float = 5.0
    queue_frames: int = 256
    sockets: dict[Client, Identity] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    folding: asyncio.Lock = field(default_factory=asyncio.Lock)
    measuring: asyncio.Lock = field(default_factory=asyncio.Lock)
    receiving: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_RECEIVED_AT_ONCE))

    def seen_by(self, identity: Identity | None) -> "Context":
        """The same as somebody may see it: with nothing in it of accounts that are none of theirs."""
        if identity is None or identity.accounts is None:
            return self
        accounts = identity.accounts
        database = self.restricted.of(accounts)
        return replace(
            self,
            accounts=accounts,
            database=database,
            behind_live=cast("Database", _WITHHELD),
            hub=cast("Hub", view_of(self.hub, accounts, database)),
            streams=cast("StreamPort", _WITHHELD),
            realized=cast("RealizedTotals", _WITHHELD),
            counting=cast("Counting", _WITHHELD),
            restricted=cast("RestrictedPool", _WITHHELD),
        )

    def need_all_accounts(self) -> None:
        """Refuse what concerns all accounts to whoever may see some only.

        Raises:
            AllAccountsNeededError: that is so.
        """
        if self.accounts is not None:
            raise AllAccountsNeededError

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


class _Withheld:
    """What tells of all accounts at once: whoever may see some only is refused when it is used."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AllAccountsNeededError


_WITHHELD: Final[Any] = _Withheld()


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context.seen_by(request.scope.get("identity"))


Shared = Annotated[Context, Depends(_context)]
"""What a route works with: the only way from a request to the database and the picture."""
