"""Workers that share a stream apply what it holds in its order, each when it is its turn.

Nothing depends on it but how much is done twice: what comes after something later has a book folded anew, and
what another has in hand is not known yet.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from models.session import Database, is_passing, sqlstate
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
        """Go on when it is our turn, or when it takes too long; the block is one turn."""
        async with AsyncExitStack() as stack:
            held = await stack.enter_async_context(_released_quietly())
            try:
                writer = await held.enter_async_context(self._database.write())
                await take_turn(writer, self._stream, self._patience_seconds)
            except Exception as error:
                if sqlstate(error) != _WAITED_IN_VAIN:
                    raise
                await held.aclose()
            yield


@asynccontextmanager
async def _released_quietly() -> AsyncIterator[AsyncExitStack]:
    """What is entered is left, whatever became of its connection meanwhile: it holds nothing but a turn."""
    held = AsyncExitStack()
    try:
        yield held
    finally:
        try:
            await held.aclose()
        except Exception as error:
            if not is_passing(error):
                raise
