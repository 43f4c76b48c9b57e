"""Workers that share a stream apply what it holds in its order, each when it is its turn.

Nothing depends on it but how much is done twice: what comes after something later has a book folded anew, and
what another has in hand is not known yet.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from models.session import Database, sqlstate
from models.stores.turns import take_turn

PATIENCE_SECONDS = 5.0
"""A worker that stands still keeps the others from going on for no longer."""

_WAITED_IN_VAIN = "55P03"


class Turns:
    """The turns of one worker. They come in the order in which they were asked for."""

    def __init__(
        self, database: Database, stream: str, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._database = database
        self._stream = stream
        self._patience_seconds = patience_seconds

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Go on when it is our turn, or when it takes too long; the block is one turn.

        Raises:
            Exception: PostgreSQL is away.
        """
        held = AsyncExitStack()
        try:
            await self._wait(held)
            yield
        finally:
            # Whatever became of the connection meanwhile: it has written nothing.
            with suppress(Exception):
                await held.aclose()

    async def _wait(self, held: AsyncExitStack) -> None:
        try:
            writer = await held.enter_async_context(self._database.write())
            await take_turn(writer, self._stream, self._patience_seconds)
        except Exception as error:
            if sqlstate(error) != _WAITED_IN_VAIN:
                raise
            await held.aclose()
