"""50,000 executions listed page by page over HTTP, from the newest to the oldest.

The floor, in the same run: the same 500 rows by their index with asyncpg, nothing joined and nothing encoded.
``python -m bench.pages [EXECUTIONS]``
"""

import asyncio
import sys
import time
from datetime import UTC, datetime

import httpx

from bench.report import figure, percentile
from bench.rig import TOKEN, process, servers, until_ready
from bench.seed import connect, seed
from core.settings import Settings
from services.stack.ports import free_port

PAGE = 500
BOOKS = 200
_SOME = 10
_QUERY = (
    "SELECT * FROM executions WHERE corrected_by IS NULL AND quantity <> 0 "
    "AND (executed_at, exec_id) < ($1, $2) ORDER BY executed_at DESC, exec_id DESC LIMIT $3"
)


async def _bare(settings: Settings) -> list[float]:
    connection = await connect(settings)
    place: tuple[object, object] = (datetime(9999, 1, 1, tzinfo=UTC), "")
    taken: list[float] = []
    while True:
        asked = time.perf_counter()
        rows = await connection.fetch(_QUERY, *place, PAGE)
        taken.append((time.perf_counter() - asked) * 1000)
        if len(rows) < PAGE:
            break
        place = (rows[-1]["executed_at"], rows[-1]["exec_id"])
    await connection.close()
    return taken


async def _listed(settings: Settings, executions: int) -> list[float]:
    base = f"http://{settings.api_host}:{settings.api_port}"
    taken: list[float] = []
    listed, cursor = 0, None
    async with httpx.AsyncClient(
        base_url=base, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60
    ) as client:
        while True:
            query = {"limit": PAGE} | ({"cursor": cursor} if cursor else {})
            asked = time.perf_counter()
            answer = await client.get("/api/v1/executions", params=query)
            taken.append((time.perf_counter() - asked) * 1000)
            page = answer.raise_for_status().json()
            listed += len(page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                break
    if listed != executions:
        raise SystemExit(f"{listed:,} of {executions:,} executions were listed")
    return taken


async def main() -> None:
    """Measure and print."""
    executions = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    async with servers(api_port=free_port()) as settings:
        await seed(settings, executions, BOOKS)
        connection = await connect(settings)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()
        with process(settings, "api"):
            await until_ready(settings)
            await _listed(settings, executions)
            floor = await _bare(settings)
            taken = await _listed(settings, executions)
    figure(
        f"a page of {executions:,} executions, p95", percentile(taken, 0.95), percentile(floor, 0.95), "ms"
    )
    figure(
        "the last pages of them beside the first",
        percentile(taken[-_SOME:], 0.5),
        percentile(taken[:_SOME], 0.5),
        "ms",
    )


if __name__ == "__main__":
    asyncio.run(main())
