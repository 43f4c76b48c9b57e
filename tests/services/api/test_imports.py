"""Statements over HTTP: handed in, imported by a worker, listed."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from core.errors import DatabaseUnavailableError, LotkeeperError
from models.session import Database
from models.stores.imports import File, begin_import
from models.stores.jobs_imports import MOST_TRIES, ImportJob, wait_after
from services.api.routers import imports as router
from services.statements.errors import NotXmlError
from services.statements.uploads import Uploads
from tests.services.api.conftest import Api
from tests.services.api.portfolio import TOKEN
from tests.waiting import comes

STATEMENT = b"<FlexQueryResponse/>"


class Importer:
    """Stands for the ledger's side: keeps what it is given."""

    def __init__(self) -> None:
        self.taken: list[tuple[bytes, ImportJob]] = []
        self.fails: BaseException | None = None

    async def __call__(self, path: Path, job: ImportJob) -> dict[str, Any]:
        self.taken.append((path.read_bytes(), job))
        if self.fails:
            raise self.fails
        return {"import_id": 7}


@pytest.fixture
def importer() -> Importer:
    return Importer()


class Undoer:
    """Stands for the ledger's side of taking back."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.fails: BaseException | None = None

    async def __call__(self, import_id: int) -> dict[str, Any]:
        self.taken.append(import_id)
        if self.fails:
            raise self.fails
        return {"import_id": import_id, "changed_books": 2}


@pytest.fixture
def undoer() -> Undoer:
    return Undoer()


class Hand:
    """A clock that is set by hand."""

    now = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def uploads(database: Database, importer: Importer, undoer: Undoer, clock: Hand) -> Uploads:
    return Uploads(database, importer, undoer, clock=clock)


async def hand_in(api: Api, content: bytes = STATEMENT, **query: Any) -> str:
    answer = await api.http.post("/api/v1/imports", content=content, params=query)
    assert answer.status_code == 202, answer.text
    job = answer.json()["job"]
    assert (job["kind"], job["status"]) == ("import", "queued")
    return str(job["id"])


async def test_a_statement_is_handed_in_and_its_report_is_the_jobs_result(
    api: Api, uploads: Uploads, importer: Importer
) -> None:
    job_id = await hand_in(api, name="../of/2025.xml", dry_run=True)
    assert await uploads.take()
    assert not await uploads.take()
    [(content, job)] = importer.taken
    assert content == STATEMENT
    assert (job.name, job.kind, job.dry_run) == ("2025.xml", "flex", True)
    told = (await api.get(f"/api/v1/jobs/{job_id}"))["job"]
    assert (told["status"], told["result"]) == ("succeeded", {"import_id": 7})


async def test_why_a_statement_cannot_be_used_is_the_jobs_error(
    api: Api, uploads: Uploads, importer: Importer
) -> None:
    importer.fails = NotXmlError("2025.xml", 3, "this is not XML")
    job_id = await hand_in(api)
    assert await uploads.take()
    told = (await api.get(f"/api/v1/jobs/{job_id}"))["job"]
    assert (told["status"], told["error"]) == ("failed", "2025.xml, line 3: this is not XML")
    assert told["result"] is None


async def test_what_nobody_foresaw_ends_the_job_and_no_worker(
    api: Api, uploads: Uploads, importer: Importer
) -> None:
    importer.fails = ZeroDivisionError()
    job_id = await hand_in(api)
    assert await uploads.take()
    assert "ZeroDivisionError" in (await api.get(f"/api/v1/jobs/{job_id}"))["job"]["error"]


async def test_a_job_that_was_left_in_the_middle_is_done_anew_after_a_while(
    api: Api, uploads: Uploads, importer: Importer, clock: Hand
) -> None:
    importer.fails = DatabaseUnavailableError("away")
    job_id = await hand_in(api)
    with pytest.raises(DatabaseUnavailableError):
        await uploads.take()
    importer.fails = None
    assert not await uploads.take()
    assert (await api.get(f"/api/v1/jobs/{job_id}"))["job"]["status"] == "running"
    clock.forward(wait_after(1))
    assert await uploads.take()
    assert (await api.get(f"/api/v1/jobs/{job_id}"))["job"]["status"] == "succeeded"


async def test_while_one_waits_to_be_tried_again_the_next_is_taken(
    api: Api, uploads: Uploads, importer: Importer
) -> None:
    importer.fails = DatabaseUnavailableError("away")
    await hand_in(api)
    with pytest.raises(DatabaseUnavailableError):
        await uploads.take()
    importer.fails = None
    second = await hand_in(api, b"<other/>")
    assert await uploads.take()
    assert (await api.get(f"/api/v1/jobs/{second}"))["job"]["status"] == "succeeded"


async def test_what_keeps_failing_is_given_up_with_its_reason(
    api: Api, uploads: Uploads, importer: Importer, clock: Hand
) -> None:
    importer.fails = DatabaseUnavailableError("PostgreSQL could not go on.")
    job_id = await hand_in(api)
    for tries in range(1, MOST_TRIES):
        with pytest.raises(DatabaseUnavailableError):
            await uploads.take()
        clock.forward(wait_after(tries))
    assert await uploads.take()
    assert not await uploads.take()
    told = (await api.get(f"/api/v1/jobs/{job_id}"))["job"]
    assert told["status"] == "failed"
    assert told["error"] == (
        "It was tried 5 times and could not be imported. The last time: PostgreSQL could not go on."
    )
    assert len(importer.taken) == MOST_TRIES


async def test_what_ends_the_worker_each_time_is_given_up(
    api: Api, uploads: Uploads, importer: Importer, clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await hand_in(api)
    # As a worker that is killed over it: nothing is written after the import began.
    monkeypatch.setattr(importer, "fails", asyncio.CancelledError())
    for tries in range(1, MOST_TRIES + 1):
        with pytest.raises(asyncio.CancelledError):
            await uploads.take()
        clock.forward(wait_after(tries))
    assert await uploads.take()
    assert (await api.get(f"/api/v1/jobs/{job_id}"))["job"]["error"] == (
        "It was tried 5 times and could not be imported. It ended the worker each time."
    )


async def test_a_job_that_one_worker_has_no_other_takes(
    api: Api, database: Database, clock: Hand, importer: Importer
) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_path: Path, _job: ImportJob) -> dict[str, Any]:
        began.set()
        clock.forward(timedelta(hours=1))
        await go_on.wait()
        return {}

    await hand_in(api)
    first = asyncio.create_task(Uploads(database, slow, Undoer(), clock=clock).take())
    await began.wait()
    try:
        assert not await Uploads(database, importer, Undoer(), clock=clock).take()
    finally:
        go_on.set()
    assert await first
    assert importer.taken == []


async def test_a_large_file_comes_out_as_it_went_in(api: Api, uploads: Uploads, importer: Importer) -> None:
    content = os.urandom(3 << 20) + b"<row/>" * 500_000
    await hand_in(api, content)
    assert await uploads.take()
    [(taken, _)] = importer.taken
    assert taken == content


async def test_what_is_kept_and_is_not_what_came_ends_the_job(
    api: Api, uploads: Uploads, importer: Importer, database: Database
) -> None:
    jobs = [await hand_in(api, content) for content in (b"<one/>", b"<two/>")]
    async with database.write() as writer:
        await writer.execute(text("UPDATE raw_payloads SET size_bytes = size_bytes + 1 WHERE size_bytes = 6"))
        await writer.execute(
            text(
                "UPDATE raw_payloads SET size_bytes = 3 WHERE sha256 = (SELECT max(sha256) FROM raw_payloads)"
            )
        )
    for job_id in jobs:
        assert await uploads.take()
        assert "ValueError" in (await api.get(f"/api/v1/jobs/{job_id}"))["job"]["error"]
    assert importer.taken == []


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (STATEMENT, None, "flex"),
        (b"type,account\n", None, "csv"),
        ("type;account\n".encode("utf-16"), None, "csv"),
        ("\ufeff\n<FlexQueryResponse/>".encode("utf-16"), None, "flex"),
        (b"type,account\n", "flex", "flex"),
    ],
)
async def test_its_beginning_tells_the_format_unless_it_is_said(
    api: Api, uploads: Uploads, importer: Importer, content: bytes, kind: str | None, expected: str
) -> None:
    await hand_in(api, content, name="any.dat", **({} if kind is None else {"kind": kind}))
    assert await uploads.take()
    [(_, job)] = importer.taken
    assert job.kind == expected


async def test_nothing_is_no_statement_and_too_much_is_refused(
    api: Api, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    empty = await api.http.post("/api/v1/imports", content=b"")
    assert (empty.status_code, empty.json()["code"]) == (422, "file_empty")
    monkeypatch.setattr(router, "MOST_BYTES", 10)
    large = await api.http.post("/api/v1/imports", content=STATEMENT)
    assert (large.status_code, large.json()["code"]) == (413, "file_too_large")
    monkeypatch.setattr(router, "MOST_BYTES", 1 << 30)
    monkeypatch.setattr(router, "MOST_KEPT_BYTES", 1 << 16)
    packed = await api.http.post("/api/v1/imports", content=os.urandom(1 << 17))
    assert (packed.status_code, packed.json()["code"]) == (413, "file_too_large")
    monkeypatch.setattr(router, "RATIO_FROM_BYTES", 1 << 16)
    empty_inside = await api.http.post("/api/v1/imports", content=bytes(1 << 22))
    assert (empty_inside.status_code, empty_inside.json()["code"]) == (413, "file_too_large")
    async with database.read() as reader:
        assert (await reader.execute(text("SELECT count(*) FROM raw_payloads"))).scalar_one() == 0


async def test_two_statements_are_handed_in_at_a_time_and_others_come_again(api: Api) -> None:
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield STATEMENT
        await go_on.wait()
        yield b" "

    first = [asyncio.create_task(api.http.post("/api/v1/imports", content=slowly())) for _ in range(2)]
    try:
        await comes(api.context.receiving.locked)
        refused = await api.http.post("/api/v1/imports", content=STATEMENT)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_files")
        assert int(refused.headers["retry-after"]) > 0
    finally:
        go_on.set()
    assert [(await one).status_code for one in first] == [202, 202]
    await hand_in(api)


async def test_who_sends_nothing_any_more_keeps_nobody_else_waiting(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router, "STALLED_SECONDS", 0.05)
    asked = (
        f"POST /api/v1/imports HTTP/1.1\r\nHost: {api.address}\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Length: 100\r\n\r\n<Flex"
    )
    for _ in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", api.settings.api_port)
        writer.write(asked.encode())
        answer = await reader.readuntil(b"}")
        assert b" 408 " in answer.partition(b"\r\n")[0]
        assert b"file_stalled" in answer
        writer.close()
        await writer.wait_closed()
    assert not api.context.receiving.locked()


async def test_who_sends_byte_by_byte_keeps_nobody_else_waiting(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router, "GRACE_SECONDS", 0.2)
    asked = (
        f"POST /api/v1/imports HTTP/1.1\r\nHost: {api.address}\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Length: 1000\r\n\r\n<Flex"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", api.settings.api_port)
    writer.write(asked.encode())
    answered = asyncio.create_task(reader.readuntil(b"}"))
    for _ in range(994):
        await asyncio.wait({answered}, timeout=0.01)
        if answered.done():
            break
        writer.write(b" ")
    else:
        pytest.fail("all of it was waited for")
    answer = await answered
    assert b" 408 " in answer.partition(b"\r\n")[0]
    assert b"file_too_slow" in answer
    writer.close()
    await writer.wait_closed()
    assert not api.context.receiving.locked()
    await hand_in(api)


async def test_imports_are_listed_page_by_page(api: Api, database: Database) -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    ids = []
    async with database.write() as writer:
        for number in range(3):
            file = File(f"{number}.xml", "flex", f"{number:064d}", 1, b"")
            ids.append(await begin_import(writer, file, trigger="cli", stated_at=now, now=now))
    first = await api.get("/api/v1/imports", limit=2)
    assert [one["id"] for one in first["items"]] == [ids[2], ids[1]]
    second = await api.get("/api/v1/imports", limit=2, cursor=first["next_cursor"])
    assert [one["name"] for one in second["items"]] == ["0.xml"]
    assert second["next_cursor"] is None
    one = await api.get(f"/api/v1/imports/{ids[0]}")
    assert (one["status"], one["imported_at"]) == ("done", "2026-11-20T12:00:00Z")
    for unknown in (0, 10**6, 10**30):
        answer = await api.http.get(f"/api/v1/imports/{unknown}")
        assert (answer.status_code, json.loads(answer.content)["code"]) == (404, "import_not_found")


async def test_an_import_is_taken_back_by_a_worker_and_only_once(
    api: Api, database: Database, uploads: Uploads, undoer: Undoer
) -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    async with database.write() as writer:
        file = File("a.xml", "flex", "b" * 64, 3, b"abc")
        number = await begin_import(writer, file, trigger="cli", stated_at=now, now=now)
    path = f"/api/v1/imports/{number}/undo"
    key = {"Idempotency-Key": "undo-it-once-0001"}
    answer = await api.http.post(path, headers=key)
    again = await api.http.post(path, headers=key)
    assert (answer.status_code, answer.json()["job"]["kind"]) == (202, "undo")
    assert again.json() == answer.json()
    assert await uploads.take()
    assert not await uploads.take()
    assert undoer.taken == [number]
    job = (await api.get(f"/api/v1/jobs/{answer.json()['job']['id']}"))["job"]
    assert (job["status"], job["result"]) == ("succeeded", {"import_id": number, "changed_books": 2})
    async with database.write() as writer:
        await writer.execute(
            text("UPDATE imports SET status = 'undone', undone_at = :now WHERE id = :id"),
            {"id": number, "now": now},
        )
    refused = await api.http.post(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "import_undone")
    for missing in (number + 1, 0, 1 << 70):
        answer = await api.http.post(f"/api/v1/imports/{missing}/undo")
        assert (answer.status_code, answer.json()["code"]) == (404, "import_not_found")


async def test_why_an_import_cannot_be_taken_back_is_the_jobs_error(
    api: Api, database: Database, uploads: Uploads, undoer: Undoer
) -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    async with database.write() as writer:
        file = File("a.xml", "flex", "b" * 64, 3, b"abc")
        number = await begin_import(writer, file, trigger="cli", stated_at=now, now=now)
    undoer.fails = LotkeeperError("There is no import 1 that stands.")
    asked = (await api.http.post(f"/api/v1/imports/{number}/undo")).json()["job"]["id"]
    assert await uploads.take()
    job = (await api.get(f"/api/v1/jobs/{asked}"))["job"]
    assert (job["status"], job["error"]) == ("failed", "There is no import 1 that stands.")
