"""Broker links in processes of their own: for what happens to a process, not to a task."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from core.settings import Settings

_PROGRAM = (
    "from core.settings import load_settings; from services.broker.app import run; run(load_settings())"
)


class LinkProcess:
    """A broker link that can be killed, stopped and continued."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None


@asynccontextmanager
async def link_process(settings: Settings, **variables: Any) -> AsyncIterator[LinkProcess]:
    """Run ``lotkeeper broker`` with these settings, and end it, whatever state it is in."""
    names = ("ib_host", "ib_port", "ib_client_id", "stream_prefix", "lease_seconds", "ib_heartbeat_seconds")
    env = {f"LOTKEEPER_{name.upper()}": str(getattr(settings, name)) for name in names}
    env |= {
        "LOTKEEPER_HOME": str(settings.home),
        "LOTKEEPER_DATABASE_URL": settings.require_database_url(),
        "LOTKEEPER_REDIS_URL": settings.require_redis_url(),
        **{f"LOTKEEPER_{name.upper()}": str(value) for name, value in variables.items()},
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _PROGRAM,
        cwd=Path(__file__).parents[3],
        env={**os.environ, **env},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield LinkProcess(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
