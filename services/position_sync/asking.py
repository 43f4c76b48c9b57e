"""What makes comparing an account worth while: recorded with it, and told to the queue after the commit."""

from collections.abc import Awaitable, Callable, Iterable, Mapping

from core.events.facts import PositionsCompleted
from core.settings import Settings
from models.session import Writer
from models.stores.jobs_coalesced import want
from models.tables.jobs import CHANGE, POSITIONS, RECONCILE

AskForComparison = Callable[[str, str], Awaitable[None]]
"""Called with an account and what made comparing it worth while."""


class Comparisons:
    """Wishes for comparisons. The row is the truth: what the queue forgets is found by the upkeep."""

    def __init__(self, settings: Settings, ask: AskForComparison) -> None:
        self._settle_seconds = settings.settle_seconds
        self._ask = ask

    async def want(
        self, connection: Writer, differing: Iterable[str], answers: Iterable[PositionsCompleted]
    ) -> dict[str, str]:
        """Record the wish for accounts that changed, and for those of answers that ended; what to ask for.

        To be called last in a transaction: others wait for these rows until it is committed.
        """
        wanted = dict.fromkeys(differing, CHANGE)
        wanted |= {account: POSITIONS for answer in answers for account in answer.accounts}
        await want(connection, RECONCILE, wanted, self._settle_seconds)
        return wanted

    async def ask(self, wanted: Mapping[str, str]) -> None:
        """Have them looked at when they are due; to be called after the commit."""
        for account, trigger in sorted(wanted.items()):
            await self._ask(account, trigger)
