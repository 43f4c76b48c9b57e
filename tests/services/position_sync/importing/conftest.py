from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from core.domain.instruments import Instrument
from core.domain.stated import Statement
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.importing.report import Report
from services.position_sync.importing.run import run_import, undo_import
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.importing.statements import source

Import = Callable[..., Awaitable[Report]]
Undo = Callable[[Report], Awaitable[Report]]
Lots = list[tuple[datetime, Decimal, Decimal | None, bool]]
LotsOf = Callable[[Instrument], Awaitable[Lots]]


@pytest.fixture
def bring(
    database: Database, streams: RedisStreams, settings: Settings, clock: Hand, tmp_path: Path
) -> Import:
    """Import records as a file of their own."""

    async def run(*records: Statement | Exception, name: str = "a.xml", dry_run: bool = False) -> Report:
        return await run_import(
            database,
            streams,
            settings,
            source(tmp_path, *records, name=name),
            trigger="cli",
            dry_run=dry_run,
            clock=clock,
        )

    return run


@pytest.fixture
def undo(database: Database, streams: RedisStreams, settings: Settings, clock: Hand) -> Undo:
    """Take an import back."""

    async def run(report: Report) -> Report:
        assert report.import_id is not None
        return await undo_import(database, streams, settings, report.import_id, clock=clock)

    return run


@pytest.fixture
def lots_of(rows: Rows) -> LotsOf:
    """Read what an instrument's open lots are: opened when, how many, at what cost, whether provisional."""

    async def read(instrument: Instrument) -> Lots:
        found = await rows(
            "SELECT l.opened_at, l.remaining, l.remaining_cost, l.provisional FROM lots l JOIN positions p "
            "ON p.id = l.position_id WHERE p.conid = :conid AND l.remaining <> 0 ORDER BY p.ordinal, l.seq",
            conid=instrument.conid,
        )
        return [
            (one["opened_at"], *(one[name] for name in ("remaining", "remaining_cost", "provisional")))
            for one in found
        ]

    return read
