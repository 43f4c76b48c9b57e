"""The command line, run in this process, and an API that answers as it is told."""

import asyncio
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog

from services.cli import main
from services.stack import PostgresServer
from services.stack.processes import started_at
from services.stack.runtime import Runtime, process_entry, runtime_path, write_runtime
from tests.databases import create_database, drop_database, run_sql

Sql = Callable[..., list[dict[str, Any]]]


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


def noted(lotkeeper: Callable[..., Said]) -> list[tuple[str, str, str]]:
    """What the command line left in the audit log, oldest first: what, to what, and how it went."""
    listed = lotkeeper("audit", "--json").data["entries"]
    return [(one["action"], one["target"], one["outcome"]) for one in reversed(listed)]


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command says where its log goes, for as long as its process lasts."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.contextvars.clear_contextvars()
    structlog.configure(**before)
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def lotkeeper(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Said]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOTKEEPER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["lotkeeper", *arguments])
        capsys.readouterr()
        code: Any = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        printed = capsys.readouterr()
        return Said(code, printed.out, printed.err)

    return run


@pytest.fixture
def url(postgres_server: PostgresServer, template: str) -> Iterator[str]:
    """A fresh migrated database, for tests that run a command, which has a loop of its own."""
    yield from copied(postgres_server, template)


def copied(server: PostgresServer, template: str) -> Iterator[str]:
    """A copy of a database, while it is used."""
    url = asyncio.run(create_database(server, template))
    yield url
    asyncio.run(drop_database(server, url))


@pytest.fixture
def sql(url: str) -> Sql:
    """Run statements on it; returns the rows of the last."""
    return lambda *statements: asyncio.run(run_sql(url, *statements))


@dataclass
class FakeApi:
    """Gives each question its answers (status, body) in turn, the last for ever; remembers the questions."""

    url: str = ""
    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)


def _handler(api: FakeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            question = f"{self.command} {self.path}"
            api.asked.append((question, self.headers.get("Authorization")))
            answers = api.answers.get(question, [(404, {"detail": "no such thing"})])
            status, body = answers.pop(0) if len(answers) > 1 else answers[0]
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = _answer  # noqa: N815 - the standard library's name
        do_POST = _answer  # noqa: N815 - the same

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.fixture
def fake_api(tmp_path: Path) -> Iterator[FakeApi]:
    """An API that the demo of this home runs, as its runtime file says."""
    api = FakeApi()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api))
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    write_demo_runtime(tmp_path / "home", api.url)
    yield api
    server.shutdown()
    thread.join()
    server.server_close()


def write_demo_runtime(home: Path, url: str, database_url: str = "postgresql://nowhere") -> None:
    """A runtime file as a running demo writes it; the demo is this very process."""
    token_file = home / "demo" / "api-token"
    token_file.parent.mkdir(parents=True, exist_ok=True)
    token_file.write_text("the-token\n", encoding="utf-8")
    runtime = Runtime(
        profile="demo",
        pid=os.getpid(),
        started=started_at(os.getpid()),
        since="2026-11-21T12:00:00Z",
        api_url=url,
        token_file=str(token_file),
        log_file=str(home / "demo" / "logs" / "lotkeeper.log"),
        database_url=database_url,
        redis_url="redis://nowhere",
        ports={"api": 1},
        processes={"api": process_entry(os.getpid(), 0), "worker": process_entry(None, 3)},
    )
    write_runtime(runtime_path(home, "demo"), runtime)
