"""Several logins in one database: none of them unlists, replaces or holds up what is another's."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from core.clock import utc_now
from core.events.facts import AccountsListed, LinkBeat, LinkChanged, ResyncFenced, TickBatch, encode
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.queries.jobs import unanswered_resyncs
from models.queries.last_known import last_known
from models.queries.outages import link_away
from models.queries.sync import link_word
from models.session import Database
from models.stores.broker_sessions import newest_epoch, open_broker_session
from models.stores.jobs import NOT_ASKED
from models.stores.logins import end_login
from models.tables.sync import CUT_OFF
from services.position_sync.relay import Relay
from services.position_sync.ticks import TicksReader
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import Link, at

ONE, TWO = "127.0.0.1:4001", "127.0.0.1:4002"
LISTED = "SELECT account, login, listed FROM broker_accounts ORDER BY account"


async def session_of(
    database: Database, login: str, place: str | None, *, after: int = 0, seconds: float = 0
) -> int:
    async with database.write() as writer:
        opened = await open_broker_session(
            writer,
            login=login,
            client_id=71,
            holder="here:1",
            place=place,
            now=at(seconds),
            earlier=after,
            earlier_ended=CUT_OFF,
            earlier_ended_at=at(seconds),
        )
    return opened.epoch


def listed(*accounts: str) -> AccountsListed:
    return AccountsListed(received_at=at(1), accounts=accounts)


def changed(state: str, seconds: float = 0) -> LinkChanged:
    up = "up" if state == "live" else "down"
    return LinkChanged(
        received_at=at(seconds),
        gateway="up" if state == "degraded" else up,  # type: ignore[arg-type] # one of its words
        ibkr=up,  # type: ignore[arg-type] # as above
        since=at(seconds),
        reason="" if state == "live" else "gateway_unreachable",
        state=state,  # type: ignore[arg-type] # as above
    )


async def test_each_login_has_its_own_list_of_accounts_and_its_own_link(
    relay: Relay, database: Database, rows: Rows
) -> None:
    one, two = await session_of(database, ONE, "a"), await session_of(database, TWO, "b")
    first, second = Link(one), Link(two)
    await relay.handle([first.entry(listed("U1", "U2"), changed("live"))])
    await relay.handle([second.entry(listed("U3"), changed("disconnected", 5))])
    await relay.handle([first.entry(listed("U1"))])
    assert await rows(LISTED) == [
        {"account": "U1", "login": ONE, "listed": True},
        {"account": "U2", "login": ONE, "listed": False},
        {"account": "U3", "login": TWO, "listed": True},
    ]
    async with database.read() as reader:
        told = {account: await link_word(reader, account) for account in ("U1", "U3")}
        kept = {account: (await last_known(reader, account)).link for account in ("U1", "U3")}
    assert {account: word and word.state for account, word in told.items()} == {
        "U1": "live",
        "U3": "disconnected",
    }
    assert {account: link and link.epoch for account, link in kept.items()} == {"U1": one, "U3": two}


async def test_the_beats_of_each_are_kept_though_the_epochs_of_one_are_newer(
    database: Database, streams: RedisStreams, settings: Settings, rows: Rows
) -> None:
    one, two = await session_of(database, ONE, "a"), await session_of(database, TWO, "b")
    reader, now = TicksReader(database, streams, settings), utc_now()
    for epoch, login in ((two, TWO), (one, ONE), (two, TWO)):
        beat = LinkBeat(
            received_at=now, gateway="up", ibkr="up", since=now, reason="", state="live", complete=True
        )
        reader.take(encode(TickBatch(epoch=epoch, ticks=(beat,), login=login)))
    await reader.flush()
    assert await rows("SELECT login, epoch FROM broker_links ORDER BY login") == [
        {"login": ONE, "epoch": one},
        {"login": TWO, "epoch": two},
    ]


def beat_of(epoch: int, login: str, state: str) -> bytes:
    now, up = utc_now(), "up" if state == "live" else "down"
    beat = LinkBeat(received_at=now, gateway=up, ibkr=up, since=now, reason="", state=state)  # type: ignore[arg-type] # its words
    return encode(TickBatch(epoch=epoch, ticks=(beat,), login=login))


async def test_a_link_that_was_not_connected_yet_speaks_where_no_other_of_its_login_does(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, rows: Rows
) -> None:
    one, _ = await two_links(database, relay)
    reader = TicksReader(database, streams, settings)

    async def told(*beats: tuple[int, str]) -> tuple[str, int]:
        for epoch, state in beats:
            reader.take(beat_of(epoch, ONE, state))
        await reader.flush()
        (row,) = await rows("SELECT state, epoch FROM broker_links WHERE login = :login", login=ONE)
        return row["state"], row["epoch"]

    assert await told((one.epoch, "live"), (0, "needs_login")) == ("live", one.epoch)
    # Just now the other one was heard of.
    assert await told((0, "needs_login")) == ("live", one.epoch)
    await heard(database, p4001=5)
    # One that stands by says nothing of the login, which another has.
    assert await told((0, "fenced")) == ("live", one.epoch)
    assert await told((0, "needs_login")) == ("needs_login", 0)
    assert await told((0, "disconnected")) == ("disconnected", 0)
    # What is replaced stays so, and who is connected speaks at once.
    assert await told((one.epoch - 1, "live")) == ("disconnected", 0)
    assert await told((one.epoch, "live")) == ("live", one.epoch)


async def resync_of(database: Database) -> str:
    job = str(uuid4())
    async with database.write() as writer:
        statement = "INSERT INTO jobs (id, kind, status, created_at) VALUES (:id, 'resync', 'queued', now())"
        await writer.execute(text(statement), {"id": job})
    return job


def answer(job: str, error: str = "") -> ResyncFenced:
    return ResyncFenced(
        received_at=at(3), trigger="api", started_at=at(2), ok=not error, error=error, job_id=job
    )


async def heard(database: Database, **silent_seconds: int) -> None:
    """How long ago the link of each login, by its port, was heard of."""
    async with database.write() as writer:
        for port, seconds in silent_seconds.items():
            await writer.execute(
                text(
                    "UPDATE broker_links SET heard_at = clock_timestamp() - make_interval(secs => :seconds) "
                    "WHERE login LIKE '%' || :port"
                ),
                {"seconds": seconds, "port": port.removeprefix("p")},
            )


async def two_links(
    database: Database, relay: Relay, states: str = "live live", *, silent_seconds: int = 0
) -> list[Link]:
    """A link of each login, in these states; the second was heard of so long ago, the first just now."""
    links = [Link(await session_of(database, login, login)) for login in (ONE, TWO)]
    for link, state, account in zip(links, states.split(), ("U1", "U2"), strict=True):
        await relay.handle([link.entry(listed(account), changed(state))])
    await heard(database, p4001=0, p4002=silent_seconds)
    return links


@pytest.mark.parametrize(
    ("states", "silent", "first", "then"),
    [
        pytest.param("live live", 0, ("queued", None), ("succeeded", None), id="both are well"),
        pytest.param("live disconnected", 0, ("succeeded", None), None, id="one has no gateway"),
        pytest.param("live degraded", 0, ("succeeded", None), None, id="IBKR is away from one"),
        pytest.param("live live", 100, ("succeeded", None), None, id="one is not heard of"),
    ],
)
async def test_a_resync_ends_when_each_link_has_answered_that_can(
    states: str,
    silent: int,
    first: tuple[str, str | None],
    then: tuple[str, str | None] | None,
    relay: Relay,
    database: Database,
    rows: Rows,
) -> None:
    one, two = await two_links(database, relay, states, silent_seconds=silent)
    job = await resync_of(database)

    async def stands() -> tuple[str, str | None]:
        (row,) = await rows("SELECT status, error FROM jobs")
        return row["status"], row["error"]

    if states == "live disconnected":
        await relay.handle([two.entry(answer(job, "the link to the broker is down"))])
        assert await stands() == ("queued", None)
    await relay.handle([one.entry(answer(job))])
    assert await stands() == first
    if then is not None:
        # Told again, it is the same answer.
        await relay.handle([one.entry(answer(job))])
        assert await stands() == first
        await relay.handle([two.entry(answer(job))])
        assert await stands() == then
        return
    (row,) = await rows("SELECT details -> 'logins' AS logins FROM jobs")
    named = {"live disconnected": "the link to the broker is down"}.get(states, NOT_ASKED)
    assert row["logins"] == {ONE: "", TWO: named}


async def test_a_resync_goes_on_without_a_link_that_dies_before_it_answers(
    relay: Relay, database: Database, rows: Rows
) -> None:
    one, _ = await two_links(database, relay)
    job = await resync_of(database)
    await relay.handle([one.entry(answer(job))])
    async with database.write() as writer:
        statement = "UPDATE jobs SET created_at = now() - interval '1 minute'"
        await writer.execute(text(statement))
    async with database.read() as reader:
        waiting = await unanswered_resyncs(reader, age_seconds=10, most=5)
    # It is asked for again, of all of them; who has answered says the same.
    assert [str(wish.id) for wish in waiting] == [job]
    await heard(database, p4001=0, p4002=100)
    await relay.handle([one.entry(answer(job))])
    assert await rows("SELECT status, details -> 'logins' AS logins FROM jobs") == [
        {"status": "succeeded", "logins": {ONE: "", TWO: NOT_ASKED}}
    ]


async def test_an_answer_of_a_connection_that_is_not_known_any_more_counts_for_its_link(
    relay: Relay, database: Database, rows: Rows
) -> None:
    """As after a restore from before it began."""
    link = Link(await session_of(database, ONE, "a"))
    await relay.handle([link.entry(listed("U1"), changed("live"))])
    await heard(database, p4001=0)
    async with database.write() as writer:
        await writer.execute(text("DELETE FROM broker_sessions"))
    await relay.handle([link.entry(answer(await resync_of(database)))])
    assert await rows("SELECT status FROM jobs") == [{"status": "succeeded"}]


async def test_a_resync_fails_where_one_that_has_its_gateway_fails_or_none_has(
    relay: Relay, database: Database, rows: Rows
) -> None:
    one, two = await two_links(database, relay)
    job = await resync_of(database)
    await relay.handle([one.entry(answer(job)), two.entry(answer(job, "no answer came"))])
    failed = "SELECT status, error, details -> 'logins' AS logins FROM jobs WHERE id = CAST(:id AS uuid)"
    (row,) = await rows(failed, id=job)
    assert (row["status"], row["error"]) == ("failed", f"{TWO}: no answer came")
    assert row["logins"] == {ONE: "", TWO: "no answer came"}
    for link in (one, two):
        await relay.handle([link.entry(changed("disconnected", 5))])
    job = await resync_of(database)
    await relay.handle([one.entry(answer(job, "the link to the broker is down"))])
    (row,) = await rows(failed, id=job)
    assert (row["status"], row["error"]) == ("failed", f"{ONE}: the link to the broker is down")


async def test_an_installation_that_serves_another_login_serves_the_first_no_more(
    relay: Relay, database: Database, rows: Rows
) -> None:
    """As where somebody changes LOTKEEPER_IB_PORT from the paper account's to the real one's."""
    old = await session_of(database, ONE, None)  # from before installations were told apart
    other = await session_of(database, TWO, "b")
    await relay.handle([Link(old).entry(listed("DU1"), changed("live"))])
    late = Link(await session_of(database, ONE, "a", after=old))
    await relay.handle([Link(other).entry(listed("U9"), changed("live"))])
    new = await session_of(database, "127.0.0.1:7496", "a", after=late.epoch)
    # A port that was mistyped changes nothing: only what answers there does.
    assert (await rows(LISTED))[0]["listed"]
    await relay.handle([Link(new).entry(listed("U1"), changed("live"))])
    assert await rows(LISTED) == [
        {"account": "DU1", "login": ONE, "listed": False},
        {"account": "U1", "login": "127.0.0.1:7496", "listed": True},
        {"account": "U9", "login": TWO, "listed": True},
    ]
    # What it had told before, and is stored only now, changes nothing of that.
    await relay.handle([late.entry(listed("DU1"))])
    assert not (await rows(LISTED))[0]["listed"]
    # And back again, while a standby elsewhere goes on with what was left.
    await session_of(database, "127.0.0.1:7496", "c")
    again = await session_of(database, ONE, "a", after=new)
    await relay.handle([Link(again).entry(listed("DU1"))])
    assert [row["listed"] for row in await rows(LISTED)] == [True, True, True]


async def test_a_login_that_lists_other_accounts_replaces_nobody(relay: Relay, database: Database) -> None:
    one, two = await session_of(database, ONE, "a"), await session_of(database, TWO, "b")
    await relay.handle([Link(one).entry(listed("U1")), Link(two).entry(listed("U9"))])

    async def newest(login: str, *accounts: str) -> int:
        async with database.write() as writer:
            return await newest_epoch(writer, login, accounts)

    assert [await newest(ONE, "U1"), await newest(TWO, "U9")] == [one, two]
    assert await newest(ONE, "U1", "U9") == two
    # Another name of the same gateway, for all that is known.
    unknown = await session_of(database, "localhost:4001", "c")
    assert [await newest(ONE, "U1"), await newest(TWO, "U9")] == [unknown, unknown]


async def test_an_outage_is_of_a_login_until_it_is_served_no_more(relay: Relay, database: Database) -> None:
    one, two = await session_of(database, ONE, "a"), await session_of(database, TWO, "b")
    first = Link(one)
    await relay.handle([first.entry(changed("live"))])
    await relay.handle([Link(two).entry(changed("live"), changed("disconnected", 70))])
    await relay.handle([first.entry(changed("live", 100))])
    minute = timedelta(minutes=1)
    async with database.read() as reader:
        away = await link_away(reader, at(0), at(300), minute)
        assert away == {bar: ["gateway_unreachable"] for bar in range(1, 5)}
    await session_of(database, "c:1", "b", after=two, seconds=130)
    async with database.read() as reader:
        assert list(await link_away(reader, at(0), at(300), minute)) == [1, 2]


async def test_a_login_that_is_given_up_is_away_no_more_and_comes_back_by_listing_its_accounts(
    relay: Relay, database: Database, rows: Rows
) -> None:
    one, two = await session_of(database, ONE, "a"), await session_of(database, TWO, "b")
    await relay.handle([Link(one).entry(listed("U1"), changed("live"), changed("disconnected", 70))])
    await relay.handle([Link(two).entry(listed("U2"), changed("live"))])
    async with database.write() as writer:
        assert await end_login(writer, ONE, at(130)) == ["U1"]
    assert [row["listed"] for row in await rows(LISTED)] == [False, True]
    assert await rows("SELECT login FROM broker_links") == [{"login": TWO}]
    async with database.read() as reader:
        assert list(await link_away(reader, at(0), at(300), timedelta(minutes=1))) == [1, 2]
        assert await link_away(reader, at(180), at(300), timedelta(minutes=1)) == {}
    again = await session_of(database, ONE, "a", after=one, seconds=200)
    await relay.handle([Link(again).entry(listed("U1"), changed("live", 200), changed("degraded", 250))])
    assert [row["listed"] for row in await rows(LISTED)] == [True, True]
    assert await rows("SELECT login, state FROM broker_links ORDER BY login") == [
        {"login": ONE, "state": "degraded"},
        {"login": TWO, "state": "live"},
    ]
    async with database.read() as reader:
        assert list(await link_away(reader, at(180), at(300), timedelta(minutes=1))) == [1]


async def test_a_list_of_a_session_that_nobody_knows_unlists_nobody(
    relay: Relay, database: Database, rows: Rows
) -> None:
    """As after a restore, of what still waited in the stream."""
    one = await session_of(database, ONE, "a")
    await relay.handle([Link(one).entry(listed("U1"))])
    await relay.handle([Link(one + 1000).entry(listed("U2"))])
    assert await rows(LISTED) == [
        {"account": "U1", "login": ONE, "listed": True},
        {"account": "U2", "login": None, "listed": True},
    ]


async def test_a_login_is_not_away_while_its_installation_serves_another(
    relay: Relay, database: Database
) -> None:
    """From one to another and back: only what was between a word and the next session counts."""
    one = await session_of(database, ONE, "a")
    await relay.handle([Link(one).entry(changed("live"), changed("disconnected", 70))])
    two = await session_of(database, TWO, "a", after=one, seconds=130)
    await relay.handle([Link(two).entry(changed("live", 131), changed("disconnected", 250))])
    again = await session_of(database, ONE, "a", after=two, seconds=260)
    await relay.handle([Link(again).entry(changed("live", 261))])
    async with database.read() as reader:
        away = await link_away(reader, at(0), at(420), timedelta(minutes=1))
    assert sorted(away) == [1, 2, 4]
