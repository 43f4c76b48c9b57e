"""Gaps are closed by what tells of their time, as far as it does."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from models.queries.gaps import open_gaps
from models.session import Database
from models.stores.accounts import ensure_accounts
from models.stores.gaps import Gap, cover, record_gaps

NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)
DAY = NOW - timedelta(days=1)


def at(hours: float) -> datetime:
    return DAY + timedelta(hours=hours)


def gap(start: float, end: float, account: str = "A") -> Gap:
    return Gap(account, at(start), at(end), "the gateway could not be reached", NOW, 3)


async def record(database: Database, *gaps: Gap) -> list[Gap]:
    async with database.write() as writer:
        await ensure_accounts(writer, {one.account: NOW for one in gaps})
        return await record_gaps(writer, gaps)


async def close(database: Database, start: float, end: float, account: str = "A") -> int:
    async with database.write() as writer:
        return await cover(writer, account, at(start), at(end), by="statement of 2026-11-20", now=NOW)


async def standing(database: Database) -> list[tuple[float, float]]:
    async with database.read() as reader:
        return [
            ((one.started_at - DAY) / timedelta(hours=1), (one.ended_at - DAY) / timedelta(hours=1))
            for one in await open_gaps(reader)
        ]


async def closed(database: Database) -> list[tuple[float, float, str]]:
    async with database.read() as reader:
        rows = await reader.execute(
            text(
                "SELECT started_at, ended_at, closed_by FROM observation_gaps WHERE closed_at IS NOT NULL "
                "ORDER BY started_at"
            )
        )
        hour = timedelta(hours=1)
        return [((row[0] - DAY) / hour, (row[1] - DAY) / hour, row[2]) for row in rows]


async def test_the_same_gap_is_recorded_once(database: Database) -> None:
    assert await record(database, gap(1, 5), gap(1, 5)) == [gap(1, 5)]
    assert await record(database, gap(1, 5), gap(1, 6)) == [gap(1, 6)]
    assert await standing(database) == [(1, 5), (1, 6)]


async def test_a_gap_is_told_with_why_and_when_it_was_found(database: Database) -> None:
    await record(database, gap(1, 5))
    async with database.read() as reader:
        (one,) = await open_gaps(reader)
    assert (one.account, one.reason, one.detected_at) == ("A", "the gateway could not be reached", NOW)


@pytest.mark.parametrize(
    ("start", "end", "left"),
    [
        (0, 9, []),
        (2, 8, []),
        (0, 4, [(4, 8)]),
        (4, 9, [(2, 4)]),
        (4, 6, [(2, 4), (6, 8)]),
        (0, 2, [(2, 8)]),
        (8, 9, [(2, 8)]),
    ],
)
async def test_what_is_covered_is_closed_and_what_is_left_stays_open(
    database: Database, start: float, end: float, left: list[tuple[float, float]]
) -> None:
    await record(database, gap(2, 8))
    met = await close(database, start, end)
    assert await standing(database) == left
    covered = (max(start, 2), min(end, 8))
    expected = [(*covered, "statement of 2026-11-20")] if covered[0] < covered[1] else []
    assert await closed(database) == expected
    assert met == len(expected)
    assert await close(database, start, end) == 0, "a second time there is nothing to close"
    assert await standing(database) == left


async def test_a_time_can_close_one_gap_cut_another_and_leave_others_accounts_alone(
    database: Database,
) -> None:
    await record(database, gap(1, 2), gap(4, 6), gap(1, 2, account="B"))
    assert await close(database, 0, 5) == 2
    assert await standing(database) == [(5, 6), (1, 2)]


async def test_what_is_left_of_a_gap_and_was_closed_before_stays_closed(database: Database) -> None:
    await record(database, gap(4, 8))
    await close(database, 4, 8)
    await record(database, gap(2, 8))
    await close(database, 2, 4)
    assert await standing(database) == []
