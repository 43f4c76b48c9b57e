"""What is known of the sessions that listened to an account, whatever its gateway was called."""

from msgspec.structs import replace
from sqlalchemy import text

from core.domain.coverage import Span
from models.queries.gaps import said_of_links
from models.queries.reconciliation import watches
from models.session import Database
from models.stores.broker_sessions import mark_broker_session_connected
from services.position_sync.relay import Relay
from tests.services.position_sync.facts import Link, at
from tests.services.position_sync.test_logins import ONE, TWO, changed, listed, session_of


async def connected(
    database: Database, relay: Relay, login: str, accounts: str, since: float, *, after: int = 0
) -> int:
    """A session that began so many seconds into the test, listed these accounts and had a word to say."""
    epoch = await session_of(database, login, login[-1:], after=after, seconds=since)
    async with database.write() as writer:
        await mark_broker_session_connected(
            writer, epoch=epoch, now=at(since), server_version=178, time_zone="UTC"
        )
    word = replace(changed("disconnected", since + 5), reason=f"word of {login}")
    await relay.handle([Link(epoch).entry(listed(*accounts.split()), word)])
    return epoch


async def test_what_listened_to_an_account_is_known_under_every_name_of_its_gateway(
    relay: Relay, database: Database
) -> None:
    first = await connected(database, relay, "localhost:4001", "U1", 0)
    second = await connected(database, relay, ONE, "U1", 100, after=first)
    other = await connected(database, relay, TWO, "U2", 110)
    # The former name is now another login's.
    swapped = await connected(database, relay, "localhost:4001", "U2", 200, after=other)
    await connected(database, relay, ONE, "U1 U3", 300, after=second)
    assert swapped > second

    async with database.write() as writer:
        found = {account: await watches(writer, account, at(0)) for account in ("U1", "U2", "U3")}
        said = {
            account: await said_of_links(writer, account, Span(at(0), at(400)))
            for account in ("U1", "U2", "U3")
        }
    assert [(one.line, one.since) for one in found["U1"]] == [("", at(0)), ("", at(100)), ("", at(300))]
    assert [(one.line, one.since) for one in found["U2"]] == [("", at(110)), ("", at(200))]
    assert [(one.line, one.since) for one in found["U3"]] == [("", at(300))]
    assert [[line.rpartition("(")[2] for line in said[account]] for account in ("U1", "U2", "U3")] == [
        ["word of localhost:4001)", f"word of {ONE})"],
        [f"word of {TWO})", "word of localhost:4001)"],
        [f"word of {ONE})"],
    ]


async def test_sessions_from_before_lists_were_kept_go_by_their_login(
    relay: Relay, database: Database
) -> None:
    one = await connected(database, relay, ONE, "U1", 0)
    await connected(database, relay, TWO, "U2", 10)
    await connected(database, relay, "old:4001", "U9", 20, after=one)
    forget = (
        "UPDATE broker_sessions SET accounts = NULL",
        "UPDATE broker_sessions SET place = NULL WHERE login = 'old:4001'",
        "UPDATE broker_accounts SET login = NULL WHERE account = 'U2'",
    )
    async with database.write() as writer:
        for statement in forget:
            await writer.execute(text(statement))
        found = {account: await watches(writer, account, at(0)) for account in ("U1", "U2")}
    # Where nobody knows whose they are, only those of one login followed each other.
    assert [one.line for one in found["U1"]] == ["", "old:4001"]
    assert [one.line for one in found["U2"]] == [ONE, TWO, "old:4001"]
