"""Work that is asked for often and done once: what is due, what is done, what failed."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from models.queries.jobs import DueCounts, Wish, due, due_counts, overdue, waiting
from models.session import Database, Writer
from models.stores import jobs_coalesced as store
from models.tables.jobs import CHANGE, RECONCILE


@pytest.fixture
async def writer(database: Database) -> AsyncIterator[Writer]:
    async with database.write() as connection:
        yield connection


async def want(writer: Writer, trigger: str = CHANGE, *, settle: float = 0, account: str = "A") -> None:
    await store.want(writer, RECONCILE, {account: trigger}, settle)


async def finish(writer: Writer, wish: Wish, *, again: float | None = None, settle: float = 0) -> None:
    await store.finish(
        writer, RECONCILE, "A", seen=wish.wanted, again_after_seconds=again, settle_seconds=settle
    )


async def test_what_was_asked_for_many_times_is_done_once(writer: Writer) -> None:
    for _ in range(3):
        await want(writer)
    wish = await due(writer, RECONCILE, "A")
    assert wish == Wish(3, CHANGE, 0)
    await finish(writer, wish)
    assert await due(writer, RECONCILE, "A") is None


async def test_what_is_asked_for_while_it_is_done_is_done_again(writer: Writer) -> None:
    await want(writer)
    wish = await due(writer, RECONCILE, "A")
    assert wish is not None
    await want(writer)
    await finish(writer, wish)
    assert await due(writer, RECONCILE, "A") == Wish(2, CHANGE, 0)


async def test_what_is_asked_for_while_it_is_done_has_to_settle_too(
    database: Database, writer: Writer
) -> None:
    await want(writer)
    wish = await due(writer, RECONCILE, "A")
    assert wish is not None
    await want(writer, settle=100)
    await finish(writer, wish, settle=100)
    assert await due(writer, RECONCILE, "A") is None
    await writer.commit()
    async with database.read() as reader:
        ((account, left),) = await waiting(reader, RECONCILE, ["A", "B"])
    assert account == "A"
    assert 90 < left <= 100


async def test_asking_again_and_again_puts_nothing_off(writer: Writer) -> None:
    await want(writer)
    await want(writer, settle=100)
    assert await due(writer, RECONCILE, "A") is not None


async def test_nothing_is_due_before_things_have_settled(writer: Writer) -> None:
    await want(writer, settle=100)
    assert await due(writer, RECONCILE, "A") is None


async def test_a_mere_change_does_not_take_the_place_of_a_telling_reason(writer: Writer) -> None:
    await want(writer, "positions")
    await want(writer)
    wish = await due(writer, RECONCILE, "A")
    assert wish == Wish(2, "positions", 0)
    await finish(writer, wish)
    await want(writer)
    assert await due(writer, RECONCILE, "A") == Wish(3, CHANGE, 0)


async def test_what_is_done_only_for_a_while_is_wanted_again_after_it(writer: Writer) -> None:
    await want(writer)
    wish = await due(writer, RECONCILE, "A")
    assert wish is not None
    await finish(writer, wish, again=100)
    assert await due(writer, RECONCILE, "A") is None
    await writer.execute(text("UPDATE coalesced_jobs SET due_at = due_at - interval '101 s'"))
    assert await due(writer, RECONCILE, "A") == Wish(2, CHANGE, 0)


async def test_what_fails_is_due_later_each_time_and_its_error_goes_when_it_is_done(
    writer: Writer,
) -> None:
    await want(writer)
    waits = []
    for times in range(1, 12):
        assert await store.fail(writer, RECONCILE, "A", "ValueError: no") == times
        waits.append(
            (await writer.execute(text("SELECT due_at - clock_timestamp() FROM coalesced_jobs"))).scalar_one()
        )
    seconds = [round(wait.total_seconds()) for wait in waits]
    assert seconds == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    await writer.execute(text("UPDATE coalesced_jobs SET due_at = clock_timestamp()"))
    counts = await due_counts(writer)
    assert counts._replace(overdue_seconds=0) == DueCounts(due=1, overdue_seconds=0, failing=1)
    wish = await due(writer, RECONCILE, "A")
    assert wish == Wish(1, CHANGE, 11)
    await finish(writer, wish)
    row = (await writer.execute(text("SELECT attempts, error, done FROM coalesced_jobs"))).one()
    assert tuple(row) == (0, None, 1)


async def test_what_a_clock_dated_far_ahead_that_was_set_back_since_is_due_now(writer: Writer) -> None:
    await want(writer, settle=5)
    await writer.execute(text("UPDATE coalesced_jobs SET due_at = due_at + interval '1 day'"))
    assert await due(writer, RECONCILE, "A") is not None


async def test_only_what_is_due_for_longer_than_a_grace_is_overdue(
    database: Database, writer: Writer
) -> None:
    for account in ("A", "B", "C"):
        await want(writer, account=account)
    await writer.execute(
        text("UPDATE coalesced_jobs SET due_at = due_at - interval '1 min' WHERE account <> 'C'")
    )
    await writer.execute(
        text("UPDATE coalesced_jobs SET due_at = due_at - interval '1 s' WHERE account = 'B'")
    )
    await writer.commit()
    async with database.read() as reader:
        late = await overdue(reader, RECONCILE, grace_seconds=30, most=10)
        counts = await due_counts(reader)
    assert [one.account for one in late] == ["B", "A"]
    assert all(60 <= one.seconds < 90 for one in late)
    assert (counts.due, counts.failing) == (3, 0)
    assert counts.overdue_seconds >= 61


async def test_one_of_many_has_the_turn(database: Database) -> None:
    async def claim() -> bool:
        async with database.write() as writer:
            return await store.claim_turn(writer, "say_again", every_seconds=100)

    assert sorted(await asyncio.gather(*(claim() for _ in range(4)))) == [False, False, False, True]
    async with database.write() as writer:
        await writer.execute(text("UPDATE coalesced_jobs SET due_at = due_at - interval '100 s'"))
    assert sorted(await asyncio.gather(*(claim() for _ in range(4)))) == [False, False, False, True]


async def test_what_one_holds_nobody_else_has_until_it_ends(database: Database) -> None:
    async with database.write() as first, database.write() as second:
        assert await store.hold(first, RECONCILE, "A")
        assert not await store.hold(second, RECONCILE, "A")
        assert await store.hold(second, RECONCILE, "B")
        await first.rollback()
        assert await store.hold(second, RECONCILE, "A")


async def test_wishes_of_many_at_once_for_the_same_accounts_all_count(database: Database) -> None:
    accounts = [f"DU{number}" for number in range(20)]

    async def ask(names: list[str]) -> None:
        async with database.write() as writer:
            await store.want(writer, RECONCILE, dict.fromkeys(names, CHANGE), 0)

    await asyncio.gather(*(ask(accounts[::step]) for step in (1, -1) for _ in range(10)))
    async with database.read() as reader:
        wanted = (await reader.execute(text("SELECT min(wanted), max(wanted) FROM coalesced_jobs"))).one()
    assert tuple(wanted) == (20, 20)
