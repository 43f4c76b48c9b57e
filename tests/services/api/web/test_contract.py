"""What the replay plays is what the API sends."""

from typing import Any

import msgspec

from services.api.schemas.accounts import Account, Summary
from services.api.schemas.positions import Position, PositionEvent
from services.api.schemas.snapshots import Snapshot, SnapshotRun
from services.api.schemas.sync import Job
from tests.services.api.web.book import fill
from tests.services.api.web.replay import Replay


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
