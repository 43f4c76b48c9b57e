"""How long a scrape of the API takes over 20,000 fills in 2,000 books, and how many samples it has.

The floor, measured in the same run: asyncpg counts the rows of the three tables that a scrape counts most
of, on a connection that is there, and the library spells out as many samples as it has.
``python -m bench.scrape [EXECUTIONS]``
"""

import asyncio
import sys

import asyncpg
import httpx
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from bench.report import figure, milliseconds
from bench.rig import TOKEN, process, servers, until_ready
from bench.seed import connect, seed
from services.stack.ports import free_port

BOOKS = 2_000
ROUNDS = 20
_COUNT = (
    "SELECT (SELECT count(*) FROM positions), (SELECT count(*) FROM executions), "
    "(SELECT count(*) FROM ledger_books)"
)


def _library(samples: int) -> CollectorRegistry:
    registry = CollectorRegistry()
    gauge = Gauge("bench", "As many samples as a scrape has.", ["number"], registry=registry)
    for number in range(samples):
        gauge.labels(str(number)).set(number)
    return registry


async def main() -> None:
    """Measure and print."""
    executions = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    async with servers(api_port=free_port()) as settings:
        await seed(settings, executions, BOOKS)
        connection: asyncpg.Connection = await connect(settings)
        base = f"http://{settings.api_host}:{settings.api_port}"
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        with process(settings, "api"):
            await until_ready(settings)
            async with httpx.AsyncClient(base_url=base, headers=bearer, timeout=60) as client:

                async def scrape() -> str:
                    answer = await client.get("/metrics")
                    answer.raise_for_status()
                    return answer.text

                samples = sum(not line.startswith("#") for line in (await scrape()).splitlines())
                ours = await milliseconds(scrape, ROUNDS)
        registry = _library(samples)

        async def floor() -> None:
            await connection.fetchrow(_COUNT)
            generate_latest(registry)

        least = await milliseconds(floor, ROUNDS)
        await connection.close()
    print(f"samples of a scrape: {samples}")
    figure(f"a scrape of the API over {executions:,} fills", ours, least, "ms")


if __name__ == "__main__":
    asyncio.run(main())
