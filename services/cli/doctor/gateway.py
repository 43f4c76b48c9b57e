"""TWS or IB Gateway: it listens, greets as one does, and has our time. No client logs in for that."""

import asyncio
import os
import re
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.clock import utc_now
from core.settings import Settings
from services.cli.doctor.finding import Finding, clock

_ANSWER_SECONDS = 5.0
_GREETING = b"v100..178"
_HELLO: Final = b"API\0" + struct.pack(">I", len(_GREETING)) + _GREETING
_LONGEST_ANSWER = 1_000
_OLDEST_PROTOCOL = 157
_CLOCK_SECONDS = 60
_TIME = re.compile(r"(\d{8}) +(\d{2}:\d{2}:\d{2}) +(.+)")
_OPEN = (
    "Start TWS or IB Gateway there and log in; in its API settings allow socket clients, and this machine. "
    "Ports: 4001 live and 4002 paper of the Gateway, 7496 and 7497 of TWS."
)


async def gateway(settings: Settings) -> AsyncIterator[Finding]:
    """What its greeting tells: the version of the protocol, and its time."""
    place = f"{settings.ib_host}:{settings.ib_port}"
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            version, told_at = await _greet(settings.ib_host, settings.ib_port)
    except TimeoutError:
        told = f"what listens at {place} says nothing"
        yield Finding(
            "gateway", "error", told, f"It may wait for a login, or for a notice to be confirmed. {_OPEN}"
        )
        return
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        told = f"{place} cannot be reached ({why or type(error).__name__})"
        yield Finding("gateway", "error", told, _OPEN)
        return
    except (ValueError, asyncio.IncompleteReadError):
        told = f"what answers at {place} is no TWS or IB Gateway, or takes no clients from here"
        yield Finding("gateway", "error", told, _OPEN)
        return
    told = f"{place} speaks version {version} of the protocol"
    if version < _OLDEST_PROTOCOL:
        yield Finding("gateway", "error", told, "Update TWS or IB Gateway.")
    else:
        yield Finding("gateway", "ok", told)
    yield _clock(told_at)


async def _greet(host: str, port: int) -> tuple[int, str]:
    """The version and time that a gateway answers a greeting with.

    Raises:
        OSError: it cannot be reached.
        ValueError: it answers something else.
        asyncio.IncompleteReadError: it hangs up.
    """
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(_HELLO)
        (length,) = struct.unpack(">I", await reader.readexactly(4))
        if length > _LONGEST_ANSWER:
            raise ValueError(length)
        version, told_at = (await reader.readexactly(length)).decode().split("\0")[:2]
        return int(version), told_at
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _clock(told_at: str) -> Finding:
    """``told_at``: as ``20261129 10:04:23 US/Eastern``; the zone may be one that only its machine knows."""
    found = _TIME.fullmatch(told_at.strip())
    zone = None if found is None else _zone(found[3])
    if found is None or zone is None:
        todo = "Set LOTKEEPER_IB_TIMEZONE if times of executions come without a zone."
        return Finding("clock of the gateway", "note", f"it says {told_at.strip() or 'nothing'}", todo)
    at = datetime.strptime(f"{found[1]} {found[2]}", "%Y%m%d %H:%M:%S").replace(tzinfo=zone)
    ahead = (at - utc_now()).total_seconds()
    return clock("clock of the gateway", ahead, most_seconds=_CLOCK_SECONDS, where=f", in {zone.key}")


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None
