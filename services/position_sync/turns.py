"""Workers that share a stream take what it holds and apply it in its order, each when it is its turn.

Nothing depends on it but how much is done twice: what comes after something later has a book folded anew, and
what another has in hand is not known yet.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from models.session import Database, Writer, is_passing, sqlstate
from models.stores.turns import go_on, take_turn
from services.position_sync.faults import unavailable

PATIENCE_SECONDS = 5.0
"""A worker that stands still keeps the others from going on for no longer."""

_MOST_WAITS = 6
"""So many times as long it can go on with what it has in hand before others do not wait for it."""

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
    async def taken(self) -> AsyncIterator[bool]:
        """Go on when it is our turn, or when it takes too long; the block is one turn.

        It yields whether it is ours: then whatever others had been given and have not dealt with, they never
        will, unless they stood still.

        Raises:
            DatabaseUnavailableError: PostgreSQL is away.
        """
        held = AsyncExitStack()
        try:
            yield await self._wait(held)
        finally:
            # Whatever became of the connection meanwhile: it has written nothing.
            with suppress(Exception):
                await held.aclose()

    async def _wait(self, held: AsyncExitStack) -> bool:
        try:
            writer = await held.enter_async_context(self._database.write())
            await take_turn(
                writer,
                self._stream,
                wait_seconds=self._patience_seconds * _MOST_WAITS,
                silence_seconds=self._patience_seconds,
            )
        except Exception as error:
            if sqlstate(error) == _WAITED_IN_VAIN:
                with suppress(Exception):
                    await held.aclose()
                return False
            raise unavailable(error) if is_passing(error) else error from error
        await held.enter_async_context(self._spoken_for(writer))
        return True

    @asynccontextmanager
    async def _spoken_for(self, writer: Writer) -> AsyncIterator[None]:
        """Let our turn last as long as we are at it."""
        is_over = asyncio.Event()
        speaking = asyncio.create_task(self._speak(writer, is_over), name="turn")
        try:
            yield
        finally:
            is_over.set()
            # A statement that is cancelled would take the connection with it.
            await speaking

    async def _speak(self, writer: Writer, is_over: asyncio.Event) -> None:
        while not is_over.is_set():
            try:
                async with asyncio.timeout(self._patience_seconds / 3):
                    await is_over.wait()
            except TimeoutError:
                await go_on(writer)
