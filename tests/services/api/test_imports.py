"""Statements over HTTP: handed in, imported by a worker, listed."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from core.errors import DatabaseUnavailableError
from models.session import Database
from models.stores.imports import File, begin_import
from models.stores.jobs_imports import ImportJob
from services.api.routers import imports as router
from services.statements.errors import NotXmlError
from services.statements.uploads import Uploads
from tests.services.api.conftest import Api

STATEMENT = b"<FlexQueryResponse/>"


class Importer:
    """Stands for the ledger's side: keeps what it is given."""

    def __init__(self) -> None:
        self.taken: list[tuple[bytes, ImportJob]] = []
        self.fails: Exception | None = None

    async def __call__(self, path: Path, job: ImportJob) -> dict[str, Any]:
        self.taken.append((path.read_bytes(), job))
        if self.fails:
            raise self.fails
        return {"import_id": 7}


@pytest.fixture
def importer() -> Importer:
    return Importer()


@pytest.fixture
def uploads(database: Database, importer: Importer) -> Uploads:
    return Uploads(database, importer)


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


async def test_a_job_that_was_left_in_the_middle_is_done_anew(
    api: Api, uploads: Uploads, importer: Importer
) -> None:
    importer.fails = DatabaseUnavailableError("away")
    job_id = await hand_in(api)
    with pytest.raises(DatabaseUnavailableError):
        await uploads.take()
    importer.fails = None
    assert await uploads.take()
    assert (await api.get(f"/api/v1/jobs/{job_id}"))["job"]["status"] == "succeeded"


async def test_nothing_is_no_statement_and_too_much_is_refused(
    api: Api, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    empty = await api.http.post("/api/v1/imports", content=b"")
    assert (empty.status_code, empty.json()["code"]) == (422, "file_empty")
    monkeypatch.setattr(router, "MOST_BYTES", 10)
    large = await api.http.post("/api/v1/imports", content=STATEMENT)
    assert (large.status_code, large.json()["code"]) == (413, "file_too_large")
    async with database.read() as reader:
        assert (await reader.execute(text("SELECT count(*) FROM raw_payloads"))).scalar_one() == 0


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
