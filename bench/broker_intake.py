"""Executions a second from the socket's bytes to encoded facts, one core, each with its commission report.

The floor is unmodified ``ib_async`` reading the same bytes, in the same run.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any

import uvloop
from ib_async import IB

from bench.report import figure
from core import logs
from core.clock import utc_now
from core.settings import load_settings
from core.streams.memory import MemoryStreams
from services.broker.beat import Link
from services.broker.connection import Connection
from services.broker.problems import Problems
from services.broker.publish import Publisher
from services.broker.translate import Instruments

EXECUTIONS = 30_000
CHUNK_BYTES = 65_536
UNSET = "1.7976931348623157E308"
CONTRACT = ("AAPL", "STK", "", "0.0", "", "", "IEX", "USD", "AAPL", "NMS")


def frame(*fields: str) -> bytes:
    payload = "".join(f"{field}\0" for field in fields).encode()
    return len(payload).to_bytes(4, "big") + payload


def recording() -> bytes:
    out = bytearray()
    for number in range(EXECUTIONS):
        exec_id, conid = f"0000e0d5.{number:08x}.01.01", str(1000 + number % 40)
        fill = (
            "IEX",
            "BOT",
            "100",
            "201.94",
            str(number),
            "0",
            "0",
            "100",
            "201.94",
            "",
            "",
            "",
            "",
            "2",
            "0",
        )
        when = "20260415 19:38:31 US/Eastern"
        out += frame("11", "-1", "0", conid, *CONTRACT, exec_id, when, "DU1234567", *fill)
        out += frame("59", "1", exec_id, "1.25", "USD", UNSET, UNSET, "")
    return bytes(out)


def ready(client: Any) -> None:
    client._apiReady = True  # noqa: SLF001 - no socket here
    client._serverVersion = client.decoder.serverVersion = 178  # noqa: SLF001 - the same


async def feed(client: Any, data: bytes) -> None:
    for start in range(0, len(data), CHUNK_BYTES):
        client.conn.hasData.emit(data[start : start + CHUNK_BYTES])
        await asyncio.sleep(0)


async def plain(data: bytes) -> float:
    ib = IB()
    ready(ib.client)
    began = time.perf_counter()
    await feed(ib.client, data)
    return EXECUTIONS / (time.perf_counter() - began)


async def ours(data: bytes) -> float:
    settings = load_settings()
    publisher = Publisher(MemoryStreams(), settings)
    link = Link(publisher, utc_now)
    problems = Problems(logs.get_logger(__name__))
    connection = Connection(
        settings, publisher, link, Instruments(), utc_now, lambda _code, _text: None, problems
    )
    ready(connection.client)
    publishing = asyncio.create_task(publisher.run())
    began = time.perf_counter()
    await feed(connection.client, data)
    await publisher.flush(60)
    seconds = time.perf_counter() - began
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)
    return EXECUTIONS / seconds


def best(*runs: Coroutine[Any, Any, float]) -> float:
    return max(uvloop.run(run) for run in runs)


def main() -> None:
    logging.getLogger("ib_async").setLevel(logging.CRITICAL)
    data = recording()
    floor = best(*(plain(data) for _ in range(3)))
    value = best(*(ours(data) for _ in range(3)))
    figure("broker_intake", value, floor, "executions/s")


if __name__ == "__main__":
    main()
