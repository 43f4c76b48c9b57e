"""What the worker does with files: by what is in them, and with the names that their owners gave them."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from core.clock import utc_now
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from models.stores.jobs_imports import ask_import, ask_undo
from services.cli.readers import source_of
from services.cli.statement_keeper import keep_statements
from services.position_sync.importing.source import keep
from services.statements import inbox, uploads
from tests.services.statements.statements import DATA
from tests.waiting import eventually

FLIP = DATA / "flex-ib-flex-reader" / "CL_flip_close_open.xml"
HEAD = "type,account,time,currency,amount\n"


@pytest_asyncio.fixture
async def keeper(
    settings: Settings, database: Database, streams: RedisStreams, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """It runs, and looks often."""
    monkeypatch.setattr(inbox, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(uploads, "LOOK_SECONDS", 0.01)
    task = asyncio.create_task(keep_statements(settings, database, streams))
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.usefixtures("keeper")
async def test_files_in_the_watched_folder_are_what_is_in_them_whatever_they_are_called(
    settings: Settings, database: Database
) -> None:
    folder = settings.statements_inbox_folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "flex.csv").write_bytes(FLIP.read_bytes())
    (folder / "mine.xml").write_bytes(f"{HEAD}deposit,U1,2025-01-02,USD,5\n".encode("utf-16"))
    (folder / "bad.csv").write_text(f"{HEAD}deposit,U1,2025-01-02,USD,five\n")
    os.utime(folder / "bad.csv", (1_700_000_000, 1_700_000_000))

    async def left() -> list[str]:
        return sorted(path.name for path in folder.iterdir() if path.is_file())

    await eventually(left, lambda names: not names)
    async with database.read() as reader:
        found = await reader.execute(text("SELECT name, kind, trigger FROM imports ORDER BY name"))
        assert [tuple(row) for row in found] == [
            ("flex.csv", "flex", "folder"),
            ("mine.xml", "csv", "folder"),
        ]
    reason = (folder / "refused" / "bad.csv.reason.txt").read_text()
    assert "line 2, amount: 'five' is not a number" in reason


@pytest.mark.usefixtures("keeper")
async def test_the_error_of_an_upload_names_the_file_as_its_owner_does(
    settings: Settings, database: Database, tmp_path: Any
) -> None:
    path = tmp_path / "secret-place"
    job_ids = [uuid.uuid4(), uuid.uuid4()]
    for job_id, content in zip(job_ids, (f"{HEAD}deposit,U1,2025-01-02,USD,five\n", "<Flex"), strict=True):
        path.write_text(content)
        file = keep(source_of(settings, path, name="mine.csv"))
        async with database.write() as writer:
            await ask_import(writer, job_id, file, dry_run=False, now=utc_now())

    async def errors() -> list[str]:
        async with database.read() as reader:
            rows = await reader.execute(
                text("SELECT error FROM jobs WHERE status = 'failed' ORDER BY created_at")
            )
            return [row.error for row in rows]

    first, second = await eventually(errors, lambda told: len(told) == len(job_ids))
    assert first.startswith("mine.csv has rows that cannot be used")
    assert second.startswith("mine.csv, line 1: ")


@pytest.mark.usefixtures("keeper")
async def test_an_import_that_somebody_took_back_meanwhile_is_taken_back(
    settings: Settings, database: Database
) -> None:
    """Two who ask for it, or a worker that ended right after it was: it is as was asked for."""

    async def ended(job_id: uuid.UUID) -> tuple[str, str | None]:
        async def found() -> Any:
            async with database.read() as reader:
                rows = await reader.execute(
                    text("SELECT status, error FROM jobs WHERE id = :id"), {"id": job_id}
                )
                return tuple(rows.one())

        return await eventually(found, lambda told: told[0] in {"succeeded", "failed"})

    async def undo(number: int, times: int) -> list[tuple[str, str | None]]:
        job_ids = [uuid.uuid4() for _ in range(times)]
        async with database.write() as writer:
            for job_id in job_ids:
                await ask_undo(writer, job_id, number, now=utc_now())
        return [await ended(one) for one in job_ids]

    async with database.write() as writer:
        file = keep(source_of(settings, FLIP))
        await ask_import(writer, job_id := uuid.uuid4(), file, dry_run=False, now=utc_now())
    assert await ended(job_id) == ("succeeded", None)
    async with database.read() as reader:
        number = (await reader.execute(text("SELECT id FROM imports"))).scalar_one()
    assert await undo(number, 2) == [("succeeded", None)] * 2
    [(status, error)] = await undo(number + 1, 1)
    assert (status, (error or "")[:18]) == ("failed", "There is no import")
