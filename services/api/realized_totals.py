"""How far what we say was realized is from what the broker says, for whoever watches the figures."""

import asyncio
import time
from contextlib import suppress

from core import logs
from models.queries.realized_differences import RealizedTotal, realized_totals
from models.session import Database
from services.api.live.load import DATABASE_AWAY

log = logs.get_logger(__name__)

_SECONDS = 60.0
_SHARE = 20


class RealizedTotals:
    """The totals of the whole ledger, looked up in the background while somebody asks for them.

    Going through a long history costs something: it happens once in ``seconds`` at most, takes no more than a
    twentieth of the time, and whoever asks gets what was found last and never waits.
    """

    def __init__(self, database: Database, *, seconds: float = _SECONDS) -> None:
        self.seconds = seconds
        self._database = database
        self._found: list[RealizedTotal] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._due_at = 0.0

    def latest(self) -> list[RealizedTotal] | None:
        """What was found last; ``None`` before the first time."""
        if self._looking is None and time.monotonic() >= self._due_at:
            self._looking = asyncio.create_task(self._look(), name="api-realized-totals")
        return self._found

    async def close(self) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    async def _look(self) -> None:
        began = time.monotonic()
        try:
            async with self._database.read() as reader:
                self._found = await realized_totals(reader)
        except DATABASE_AWAY as error:
            log.debug("realized_totals_not_found", reason=type(error).__name__)
        finally:
            self._due_at = began + max(self.seconds, _SHARE * (time.monotonic() - began))
            self._looking = None
