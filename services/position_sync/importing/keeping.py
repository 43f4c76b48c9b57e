"""Keep a large file beside other work: it is deflated while PostgreSQL matches what was read of it.

Until then both cores are busy: one reads, and one takes in.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from models.session import Writer
from models.stores import imports as store
from models.stores.imports import File
from services.position_sync.importing.source import Opened


class Keeping:
    """A file whose import has begun. Of one that came with its content nothing is left to be kept."""

    def __init__(self, connection: Writer, opened: Opened, file: File) -> None:
        self._connection = connection
        self._file = file
        self._deflating: asyncio.Future[bytes] | None = None
        if not file.deflated:
            self._deflating = asyncio.ensure_future(asyncio.to_thread(opened.deflated, file))

    async def end(self) -> None:
        """Store the content, and wait for it if need be.

        Raises:
            FileChangedError: it is no longer what it was.
            OSError: it can no longer be read.
        """
        if self._deflating is not None:
            deflated = await asyncio.shield(self._deflating)
            self._deflating = None
            await store.complete_file(self._connection, self._file.sha256, deflated)

    async def settle(self) -> None:
        """Wait for the thread, whatever comes of it."""
        if self._deflating is not None:
            await asyncio.gather(self._deflating, return_exceptions=True)


@asynccontextmanager
async def keeping(connection: Writer, opened: Opened, file: File) -> AsyncIterator[Keeping]:
    """Keep a file until the block ends. A thread cannot be stopped, but what it is at can be."""
    kept = Keeping(connection, opened, file)
    try:
        yield kept
        await kept.end()
    except BaseException:
        opened.close()
        raise
    finally:
        await kept.settle()
