"""What makes comparing an account worth while: recorded with it, and told to the queue after the commit."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime

from core.events.facts import PositionsCompleted
from core.settings import Settings
from models.session import Writer
from models.stores.jobs_coalesced import want
from models.stores.performance import want_renewal
from models.stores.statement_differences import accounts_concerned
from models.tables.jobs import CHANGE, POSITIONS, RECONCILE, STATEMENTS
from services.position_sync.booking import Booked

AskForComparison = Callable[[str, str], Awaitable[None]]
"""Called with an account and what made comparing it worth while."""


_SETTLE_SECONDS = 15.0
"""Comparing with statements goes through all of an account: it waits until a batch is through."""


async def want_statements(connection: Writer, restated: Mapping[str, datetime | None]) -> None:
    """Have accounts compared with their statements where something is another now of what those tell of.

    Hours that were reckoned of it are reckoned anew, too.

    ``restated`` says from when on; ``None``: from the start. To be called last in a transaction.
    """
    if restated:
        accounts = await accounts_concerned(connection, restated)
        await want(connection, STATEMENTS, dict.fromkeys(accounts, CHANGE), _SETTLE_SECONDS)
        await want_renewal(connection, restated)


class Comparisons:
    """Wishes for comparisons. The row is the truth: what the queue forgets is found by the upkeep."""

    def __init__(self, settings: Settings, ask: AskForComparison) -> None:
        self._settle_seconds = settings.settle_seconds
        self._ask = ask

    async def want(
        self, connection: Writer, booked: Iterable[Booked], answers: Iterable[PositionsCompleted]
    ) -> dict[str, str]:
        """Record the wish for accounts that changed, and for those of answers that ended; what to ask for.

        Where what statements tell of was folded anew, comparing with them is wished for, too.

        To be called last in a transaction: others wait for these rows until it is committed.
        """
        booked = list(booked)
        differing = {account for one in booked for account in one.differing_accounts}
        wanted = dict.fromkeys(differing, CHANGE)
        wanted |= {account: POSITIONS for answer in answers for account in answer.accounts}
        await want(connection, RECONCILE, wanted, self._settle_seconds)
        restated: dict[str, datetime | None] = {}
        for account, since in (item for one in booked for item in one.restated.items()):
            known = restated.get(account, since)
            restated[account] = None if known is None or since is None else min(known, since)
        await want_statements(connection, restated)
        return wanted

    async def ask(self, wanted: Mapping[str, str]) -> None:
        """Have them looked at when they are due; to be called after the commit."""
        for account, trigger in sorted(wanted.items()):
            await self._ask(account, trigger)
