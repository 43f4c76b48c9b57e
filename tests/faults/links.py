"""Two links on one login: which of them is live, when the other takes over, what an old epoch may not do."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.rig import DATABASE_ERRORS, Rig
from tests.waiting import eventually

TAKEOVER_SECONDS = 15

_EPOCHS = """
SELECT 'book ' || account || ' ' || conid AS of, broker_epoch AS epoch FROM ledger_books
    WHERE broker_epoch IS NOT NULL
UNION ALL SELECT 'dataset ' || account || ' ' || dataset, epoch FROM sync_datasets
UNION ALL SELECT 'link', epoch FROM broker_links
"""


async def live_link(rig: Rig, after: int = 0) -> tuple[str, int]:
    """The live link's name and its epoch, which is newer than ``after``; no name where there is none."""
    with contextlib.suppress(*DATABASE_ERRORS, TimeoutError):
        async with rig.reading() as connection:
            rows = await connection.fetch(
                "SELECT epoch, holder FROM broker_sessions WHERE state = 'live' AND ended_at IS NULL"
            )
        assert len(rows) <= 1, "one login has one live link"
        for row in rows:
            pid = int(row["holder"].rpartition(":")[2])
            names = [name for name, child in rig.children.items() if child.pid == pid]
            if row["epoch"] > after and names:
                return names[0], row["epoch"]
    return "", 0


async def next_live_link(rig: Rig, after: int = 0) -> tuple[str, int, float]:
    """Wait for it; and the seconds which that took."""
    began = time.monotonic()

    async def live() -> tuple[str, int]:
        return await live_link(rig, after)

    name, epoch = await eventually(live, lambda one: bool(one[0]))
    return name, epoch, time.monotonic() - began


async def until_fenced(rig: Rig, *, count: int = 1) -> None:
    """Wait until so many times a link said that it stands by."""

    async def fenced() -> int:
        return await times_fenced(rig)

    await eventually(fenced, lambda times: times >= count)


async def times_fenced(rig: Rig) -> int:
    """How often a link said that it stands by."""
    return await rig.value("SELECT count(*) FROM sync_log WHERE details ->> 'to' = 'fenced'") or 0


@asynccontextmanager
async def nothing_goes_back(rig: Rig) -> AsyncIterator[None]:
    """Nothing that is known of the present may be replaced by what an older connection says."""
    newest: dict[str, int] = {}
    wrong: list[str] = []

    async def look() -> None:
        while True:
            with contextlib.suppress(*DATABASE_ERRORS, TimeoutError):
                async with rig.reading() as connection:
                    for of, epoch in await connection.fetch(_EPOCHS):
                        if epoch < newest.get(of, 0):
                            wrong.append(f"{of}: epoch {epoch} after {newest[of]}")
                        newest[of] = max(epoch, newest.get(of, 0))
            await asyncio.sleep(0.05)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    assert newest
    assert wrong == []
