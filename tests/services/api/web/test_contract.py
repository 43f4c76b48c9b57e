"""What the replay plays and what the page's types say is what the API sends."""

import re
from typing import Any

import msgspec
import pytest

from services.api.schemas.accounts import Account, Summary
from services.api.schemas.common import Freshness
from services.api.schemas.positions import Position, PositionEvent
from services.api.schemas.snapshots import Snapshot, SnapshotFailure, SnapshotRun
from services.api.schemas.sync import Job
from tests.services.api.web.book import fill
from tests.services.api.web.replay import STATIC, Replay

CONTRACT = STATIC.parent / "web" / "src" / "lib" / "contract.ts"


@pytest.mark.parametrize(
    "kind",
    [
        *(Account, Summary, Position, PositionEvent, Freshness),
        *(Job, Snapshot, SnapshotRun, SnapshotFailure),
    ],
)
def test_the_pages_types_name_the_fields_of_the_api(kind: type[msgspec.Struct]) -> None:
    declared = re.search(rf"export interface {kind.__name__} {{(.*?)\n}}", CONTRACT.read_text(), re.DOTALL)
    assert declared is not None
    names = set(re.findall(r"^\t(\w+)\??:", declared.group(1), re.MULTILINE))
    assert names == set(kind.__struct_fields__)


async def test_the_replayed_rows_are_rows_of_the_api() -> None:
    async with Replay() as replay:
        fill(replay)
        rows: list[tuple[type[msgspec.Struct], Any]] = [
            (Position, list(replay.rows["positions"].values())),
            (Summary, list(replay.rows["summary"].values())),
            (Account, replay.accounts),
            (PositionEvent, [event for events in replay.events.values() for event in events]),
            (Snapshot, replay.snapshots),
            (SnapshotRun, replay.runs),
            (Job, [replay.job("job-1", "queued")]),
        ]
    for kind, values in rows:
        for value in values:
            msgspec.convert(value, kind)
            assert set(value) == set(kind.__struct_fields__)
