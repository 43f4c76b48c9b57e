"""What is asked for over the API and done by a worker, in two processes: one id on all lines."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.log_fields import ENDINGS
from core.settings import Settings
from tests.canaries import found_in
from tests.services.api.portfolio import TOKEN
from tests.waiting import SECONDS, eventually

ROOT = Path(__file__).parents[2]
COUNTS = {one.event: one.counts for one in ENDINGS}
PATIENCE_SECONDS = 120

Lines = list[dict[str, Any]]


class Processes:
    """An API and a worker that log as JSON, each into a file."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{settings.api_port}"
        self.folder = folder
        self._bearer = {"Authorization": f"Bearer {TOKEN}"}
        self._environment = {
            **os.environ,
            "LOTKEEPER_HOME": str(settings.home),
            "LOTKEEPER_DATABASE_URL": settings.require_database_url(),
            "LOTKEEPER_REDIS_URL": settings.require_redis_url(),
            "LOTKEEPER_STREAM_PREFIX": settings.stream_prefix,
            "LOTKEEPER_API_PORT": str(settings.api_port),
            "LOTKEEPER_API_TOKEN": TOKEN,
            "LOTKEEPER_LOG_FORMAT": "json",
        }

    def start(self, name: str) -> subprocess.Popen[bytes]:
        with (self.folder / name).open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "services.cli", name],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def lines(self, name: str) -> Lines:
        text = (self.folder / name).read_text(encoding="utf-8")
        # The last one may be half of one.
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    async def ask(self, path: str, **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=SECONDS) as client:
            return await client.post(path, headers={**self._bearer, **headers})

    async def is_up(self) -> bool:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=SECONDS) as client:
            try:
                return (await client.get("/livez")).status_code == 200
            except httpx.TransportError:
                return False


@pytest.fixture
def processes(settings: Settings, tmp_path: Path) -> Iterator[Processes]:
    both = Processes(settings, tmp_path)
    with ExitStack() as stack:
        for name in ("api", "worker"):
            process = stack.enter_context(both.start(name))
            stack.callback(process.terminate)
        yield both


async def test_a_job_has_the_id_of_its_request_on_every_line_of_both(processes: Processes) -> None:
    await eventually(processes.is_up, seconds=PATIENCE_SECONDS)
    plain = await processes.ask("/api/v1/snapshots")
    named = await processes.ask("/api/v1/issues/check", **{"X-Request-Id": "mine-of-today"})
    assert (plain.status_code, named.status_code) == (202, 202)
    jobs = {one.json()["job"]["id"]: one.json()["job"]["kind"] for one in (plain, named)}
    assert plain.headers["X-Request-Id"] == plain.json()["job"]["id"]
    assert named.headers["X-Request-Id"] == "mine-of-today"

    async def ended() -> set[str]:
        return {line["job"] for line in processes.lines("worker") if line["event"] == "job_ended"}

    await eventually(ended, lambda found: found == jobs.keys(), seconds=PATIENCE_SECONDS)
    lines = processes.lines("api") + processes.lines("worker")
    ends = {"snapshot": "snapshot_incomplete", "rules": "rules_checked"}
    for job, kind in jobs.items():
        told = {(line["service"], line["event"]) for line in lines if line.get("correlation_id") == job}
        assert told >= {("api", "request_answered"), ("worker", ends[kind]), ("worker", "job_ended")}
        assert {line["correlation_id"] for line in lines if line.get("job") == job} == {job}
    called = [line for line in lines if line.get("request_id") == "mine-of-today"]
    assert {jobs[line["correlation_id"]] for line in called} == {"rules"}
    for line in lines:
        if line["event"] in COUNTS:
            assert line["duration_ms"] >= 0
            assert {*COUNTS[line["event"]]} <= line.keys(), line
    assert found_in(json.dumps(lines)) is None
