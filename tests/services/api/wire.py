"""HTTP byte by byte, where a client would not send what is to be sent."""

import asyncio

from tests.services.api.conftest import Api
from tests.services.api.portfolio import TOKEN
from tests.waiting import SECONDS

FORGED = "x\r\nset-cookie: a=b\r\n\r\n2026-01-01T00:00:00Z [info] signed_in"
"""Has lines of its own."""


async def raw(api: Api, sent: bytes, *, until: bytes | None = None) -> bytes:
    """What comes back for these very bytes, to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.settings.api_port)
    try:
        writer.write(sent)
        async with asyncio.timeout(SECONDS):
            return await (reader.read() if until is None else reader.readuntil(until))
    finally:
        writer.close()


def head(api: Api, line: str, *more: str) -> bytes:
    lines = (f"{line} HTTP/1.1", f"Host: {api.address}", f"Authorization: Bearer {TOKEN}", *more, "", "")
    return "\r\n".join(lines).encode()
