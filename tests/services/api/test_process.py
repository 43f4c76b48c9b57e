import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from core.errors import PortInUseError, SettingsError
from core.settings import Settings
from models.session import Database
from services.api.server import listen
from tests.services.api.portfolio import TOKEN
from tests.waiting import eventually, eventually_now

ROOT = Path(__file__).parents[3]
START = "from core.settings import load_settings; from services.api.app import run; run(load_settings())"


@pytest.fixture
async def process(settings: Settings, seeded: Database) -> AsyncIterator[subprocess.Popen[str]]:
    assert seeded
    environment = {
        **os.environ,
        "LOTKEEPER_HOME": str(settings.home),
        "LOTKEEPER_DATABASE_URL": settings.require_database_url(),
        "LOTKEEPER_REDIS_URL": settings.require_redis_url(),
        "LOTKEEPER_STREAM_PREFIX": settings.stream_prefix,
        "LOTKEEPER_API_PORT": str(settings.api_port),
        "LOTKEEPER_API_TOKEN": TOKEN,
    }
    process = subprocess.Popen(  # noqa: ASYNC220 - starting it takes no time, and its end is polled
        [sys.executable, "-c", START],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{settings.api_port}", trust_env=False
        ) as client:

            async def up() -> bool:
                assert process.poll() is None, process.stdout and process.stdout.read()
                try:
                    return (await client.get("/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(up)
        yield process
    finally:
        process.kill()
        process.communicate()


async def test_told_to_stop_it_says_bye_and_ends_within_two_seconds(
    process: subprocess.Popen[str], settings: Settings
) -> None:
    url = f"ws://127.0.0.1:{settings.api_port}/api/v1/stream"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with connect(url, additional_headers=headers, compression=None, proxy=None) as stream:
        assert json.loads(await stream.recv())["type"] == "hello"
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        told = []
        with suppress(ConnectionClosed):
            while True:
                told.append(json.loads(await stream.recv()))
        assert told[-1]["type"] == "bye"
        assert told[-1]["retry_after_ms"] > 0
        assert stream.close_code == 1012
    code = eventually_now(process.poll, lambda code: code is not None)
    took = time.monotonic() - began
    log = process.stdout.read() if process.stdout else ""
    assert code == 0, log
    assert took < 10, "two seconds on a machine of its own"
    assert "Traceback" not in log
    assert "api_stopped" in log
    assert TOKEN not in log


async def test_interrupted_it_ends_well_too(process: subprocess.Popen[str], settings: Settings) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.api_port}", trust_env=False) as client:
        process.send_signal(signal.SIGINT)
        eventually_now(process.poll, lambda code: code is not None)
        assert process.returncode == 0
        with pytest.raises(httpx.TransportError):
            await client.get("/livez")


def test_a_port_that_is_taken_is_named(unused_port: int) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", unused_port))
        holder.listen()
        with pytest.raises(PortInUseError, match=f"Port {unused_port} on 127.0.0.1"):
            listen("127.0.0.1", unused_port)


def test_a_host_that_is_not_ours_names_the_setting(unused_port: int) -> None:
    with pytest.raises(SettingsError, match=r"LOTKEEPER_API_HOST=192\.0\.2\.1"):
        listen("192.0.2.1", unused_port)
