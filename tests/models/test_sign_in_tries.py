"""How long wrong passwords and codes make wait, by PostgreSQL's clock."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import func, select, update

from models import tables as t
from models.session import Database
from models.stores.sign_in_tries import (
    FORGOTTEN_SECONDS,
    FREE_EVERYWHERE,
    FREE_FROM_ADDRESS,
    FREE_TRIES,
    Begun,
    SignIn,
    begin_code,
    begin_sign_in,
    end_codes,
    end_sign_in,
    take_back_code,
    take_back_sign_in,
)
from tests.databases import waiting_for_locks
from tests.waiting import SECONDS, eventually

HERE, ELSEWHERE = SignIn("192.0.2.7", "anna"), SignIn("192.0.2.8", "anna")


class _WaitError(Exception):
    """Rolls back."""


async def begin(database: Database, tried: SignIn) -> int:
    """As the API does: of what has to wait nothing is kept."""
    seconds = 0
    with suppress(_WaitError):
        async with database.write() as writer:
            seconds = (await begin_sign_in(writer, tried)).seconds
            if seconds:
                raise _WaitError
    return seconds


def begun(tried: SignIn) -> Begun:
    """One that was counted everywhere."""
    return Begun(tried, 0, (*tried.buckets, tried.pair))


async def pass_seconds(database: Database, seconds: float) -> None:
    async with database.write() as writer:
        earlier = t.sign_in_tries.c.tried_at - timedelta(seconds=seconds)
        await writer.execute(update(t.sign_in_tries).values(tried_at=earlier))


async def kept(database: Database) -> dict[str, int]:
    async with database.read() as reader:
        table = t.sign_in_tries.c
        return {row.party: row.wrong for row in await reader.execute(select(table.party, table.wrong))}


def is_about(seconds: int, expected: int) -> bool:
    """A machine that is busy lets some pass."""
    return expected - 5 <= seconds <= expected


async def test_each_wrong_password_makes_a_name_wait_twice_as_long_from_there(database: Database) -> None:
    for number in range(FREE_TRIES + 9):
        await pass_seconds(database, 300)
        assert await begin(database, HERE) == 0
        wrong = (await kept(database))[HERE.pair]
        wait = await begin(database, HERE) if wrong > FREE_TRIES + 4 else 0
        if wrong > FREE_TRIES + 4:  # of short waits a busy machine may have let all pass
            assert is_about(wait, min(300, 2 ** (wrong - FREE_TRIES)))
        assert await begin(database, SignIn("192.0.2.7", f"bert{number}")) == 0
        async with database.write() as writer:
            await take_back_sign_in(writer, begun(SignIn("192.0.2.7", None)))
    assert await begin(database, ELSEWHERE) == 0
    async with database.write() as writer:
        await end_sign_in(writer, begun(HERE))
    assert await begin(database, HERE) == 0, "the right one was given"


async def test_after_an_hour_of_peace_it_begins_anew(database: Database) -> None:
    for _ in range(12):
        await begin(database, HERE)
        await pass_seconds(database, 300)
    await pass_seconds(database, 3600)
    assert await begin(database, HERE) == 0
    assert set((await kept(database)).values()) == {1}


async def test_a_name_that_is_guessed_from_everywhere_waits_everywhere_a_minute_for_each(
    database: Database,
) -> None:
    for number in range(FREE_EVERYWHERE):
        assert await begin(database, SignIn(f"198.51.100.{number}", "anna")) == 0
    # It takes some seconds to guess so often, none of them a minute.
    assert 1 <= await begin(database, ELSEWHERE) <= 60
    assert await begin(database, SignIn("192.0.2.8", "bert")) == 0
    await pass_seconds(database, 60)
    assert await begin(database, ELSEWHERE) == 0
    assert 1 <= await begin(database, HERE) <= 60
    assert (await kept(database))["* anna"] == FREE_EVERYWHERE


async def test_one_address_guesses_so_many_names_and_then_one_in_six_seconds(database: Database) -> None:
    answers = [await begin(database, SignIn("192.0.2.7", f"user{n}")) for n in range(FREE_FROM_ADDRESS)]
    assert answers == [0] * FREE_FROM_ADDRESS
    async with database.write() as writer:  # as if all were of now
        table = t.sign_in_tries
        full = update(table).where(table.c.party == "192.0.2.7 *")
        await writer.execute(full.values(wrong=FREE_FROM_ADDRESS, tried_at=func.now()))
    assert 1 <= await begin(database, HERE) <= 6
    assert 1 <= await begin(database, SignIn("192.0.2.7", None)) <= 6, "also for what no name can be"
    assert await begin(database, ELSEWHERE) == 0
    await pass_seconds(database, 6)
    assert await begin(database, HERE) == 0


async def test_what_was_no_guess_is_taken_back_here_and_everywhere(database: Database) -> None:
    for _ in range(FREE_FROM_ADDRESS + 2):
        assert await begin(database, HERE) == 0
        async with database.write() as writer:
            await take_back_sign_in(writer, begun(HERE))
    assert set((await kept(database)).values()) == {0}


async def test_what_is_tried_all_the_time_is_forgotten_all_the_same(database: Database) -> None:
    for _ in range(20):
        assert await begin(database, HERE) == 0
        await pass_seconds(database, 59)
        async with database.write() as writer:
            await take_back_sign_in(writer, Begun(HERE, 0, (HERE.pair,)))
    # One a minute is forgotten, and one in 59 seconds comes.
    assert (await kept(database))["* anna"] <= 2
    assert (await kept(database))["192.0.2.7 *"] == 1


async def test_nothing_is_given_back_where_nothing_was_counted(database: Database) -> None:
    for number in range(FREE_EVERYWHERE):
        await begin(database, SignIn(f"198.51.100.{number}", "anna"))
    async with database.write() as writer:  # as if all were of now
        table = t.sign_in_tries
        full = update(table).where(table.c.party == "* anna")
        await writer.execute(full.values(wrong=FREE_EVERYWHERE, tried_at=func.now()))
    for finish, left in ((take_back_sign_in, 0), (end_sign_in, None)):
        async with database.write() as writer:
            tried = await begin_sign_in(writer, HERE)
        assert (tried.seconds > 0, tried.counted) == (True, ("192.0.2.7 *", HERE.pair))
        async with database.write() as writer:
            await finish(writer, tried)
        now = await kept(database)
        assert (now["* anna"], now["192.0.2.7 *"], now.get(HERE.pair)) == (FREE_EVERYWHERE, 0, left)


async def test_many_at_once_do_not_outrun_the_count_and_none_is_left_hanging(
    database: Database,
) -> None:
    for _ in range(FREE_TRIES + 5):
        assert await begin(database, HERE) == 0
        await pass_seconds(database, 300)

    async def one() -> int:
        seconds = await begin(database, HERE)
        if not seconds:
            async with database.write() as writer:
                await take_back_sign_in(writer, begun(ELSEWHERE))
        return seconds

    async with asyncio.timeout(SECONDS):
        waits = await asyncio.gather(*(one() for _ in range(20)))
    assert waits.count(0) == 1


async def test_codes_of_a_user_are_counted_by_themselves(database: Database) -> None:
    async def code(user_id: int) -> int:
        async with database.write() as writer:
            return await begin_code(writer, user_id)

    assert [await code(1) for _ in range(FREE_TRIES)] == [0] * FREE_TRIES
    assert await begin(database, SignIn("192.0.2.7", "1")) == 0
    assert await code(2) == 0
    async with database.write() as writer:
        await end_codes(writer, 1)
    assert await code(1) == 0
    assert (await kept(database))["code 1"] == 1
    async with database.write() as writer:
        await take_back_code(writer, 1)
    assert ((await kept(database))["code 1"], (await kept(database))["code 2"]) == (0, 1)


async def test_who_clears_up_what_is_old_never_holds_it_while_he_waits(database: Database) -> None:
    """Two from one address: what one wants next is old, and what the other wants is what that one has."""
    bert = SignIn(HERE.network, "bert")
    for tried in (HERE, bert):
        assert await begin(database, tried) == 0
    async with database.write() as writer:
        # All but what is counted of the address.
        old = t.sign_in_tries.c.tried_at - timedelta(seconds=2 * FORGOTTEN_SECONDS)
        of_names = t.sign_in_tries.c.party.in_([HERE.pair, bert.pair])
        await writer.execute(update(t.sign_in_tries).where(of_names).values(tried_at=old))

    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as tasks:
        async with database.write() as writer:
            await writer.execute(update(t.sign_in_tries).where(~of_names).values(wrong=1))
            other = tasks.create_task(begin(database, HERE))
            await eventually(lambda: waiting_for_locks(database), lambda waiting: waiting == 1)
            assert (await begin_sign_in(writer, bert)).seconds == 0
        assert await other == 0
