"""What PostgreSQL shows to who may see some accounts only; nobody is ever taken for somebody else."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from core.errors import AllAccountsNeededError, RestrictionUnavailableError
from core.settings import Settings
from models import access
from models.migrate import migrate
from models.restricted import RestrictedPool, _bind
from models.session import Database
from services.stack import PostgresServer
from tests.databases import run_sql

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
ONE, OTHER = "U1", "U2"
_seen = text("SELECT account FROM broker_accounts ORDER BY account")
_gaps = text("SELECT count(*) FROM observation_gaps")
TABLES = """
SELECT c.relname AS name, c.relrowsecurity AS bound, EXISTS (SELECT FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attname IN ('account', 'accounts') AND NOT a.attisdropped) AS of_accounts,
    has_table_privilege($1, c.oid, 'SELECT') AS read, has_any_column_privilege($1, c.oid, 'SELECT') AS part,
    has_table_privilege($1, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') AS write,
    (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid AND NOT p.polpermissive) AS policies
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    AND NOT c.relispartition
"""

Make = Callable[..., Awaitable[str]]


@pytest.fixture
async def accounts(database: Database) -> Database:
    """Two accounts, each with a gap."""
    async with database.write() as writer:
        for account in (ONE, OTHER):
            await writer.execute(
                text(
                    "INSERT INTO broker_accounts (account, paper, first_seen_at, last_seen_at) "
                    "VALUES (:account, false, now(), now())"
                ),
                {"account": account},
            )
            await writer.execute(
                text(
                    "INSERT INTO observation_gaps (account, started_at, ended_at, reason, detected_at, "
                    "epoch) VALUES (:account, now() - interval '1 hour', now(), 'x', now(), 1)"
                ),
                {"account": account},
            )
    return database


@pytest.fixture
async def pool(settings: Settings, accounts: Database) -> AsyncIterator[RestrictedPool]:
    """One connection, used by everybody in turn."""
    async with _pool(settings.require_database_url(), accounts) as pool:
        yield pool


@asynccontextmanager
async def _pool(url: str, database: Database) -> AsyncIterator[RestrictedPool]:
    pool = RestrictedPool(url, database, application="test", pool_size=1)
    try:
        yield pool
    finally:
        await pool.close()


async def seen(pool: RestrictedPool, *who: str) -> list[str]:
    async with pool.of(who).read() as reader:
        return list((await reader.execute(_seen)).scalars())


async def pid(pool: RestrictedPool, *who: str) -> int:
    async with pool.of(who).read() as reader:
        found: int = (await reader.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    return found


async def test_every_table_is_said_something_of(settings: Settings, database: Database) -> None:
    async with database.read() as reader:
        role = (await access.access_of(reader)).role
    assert role is not None
    url = settings.require_database_url().replace("+asyncpg", "")
    rows = await run_sql(url, TABLES.replace("$1", f"'{role}'"))
    tables = {row["name"]: row for row in rows}
    bound = {*access.BY_ACCOUNT, *access.BY_PARENT, *access.NOTHING}
    whole, closed = {*access.OPEN}, {*access.CLOSED, *access.MASKED}
    listed = (*bound, *whole, *closed)
    assert sorted(tables) == sorted(listed), "say in models/access.py who may see the rows of a new table"
    for name, row in tables.items():
        assert (row["bound"], row["policies"]) == ((True, 1) if name in bound else (False, 0)), name
        assert row["read"] == (name in bound | whole), name
        assert row["part"] == (name not in closed), name
        assert not row["write"], name
        assert not row["of_accounts"] or name in {*access.BY_ACCOUNT, *closed}, name


async def test_each_sees_their_accounts_and_the_owner_all(pool: RestrictedPool) -> None:
    assert await seen(pool, ONE) == [ONE]
    assert await seen(pool, OTHER) == [OTHER]
    assert await seen(pool, ONE, OTHER, "U3") == [ONE, OTHER]
    assert await seen(pool) == []
    assert await seen(pool, "U1,U2", '{"U1"}', "") == []
    async with pool.of([ONE]).read_one_moment() as reader:
        assert (await reader.execute(_gaps)).scalar_one() == 1
    async with pool.whole.read() as reader:
        assert (await reader.execute(_gaps)).scalar_one() == 2


async def test_a_table_of_which_nothing_is_said_cannot_be_read(pool: RestrictedPool) -> None:
    async with pool.whole.write() as writer:
        await writer.execute(text("CREATE TABLE novelties (account text)"))
    for table in ("novelties", "user_sessions", "public.imports"):
        with pytest.raises(AllAccountsNeededError):
            async with pool.of([ONE]).read() as reader:
                await reader.execute(text(f"SELECT * FROM {table}"))  # noqa: S608 - a name of ours
    assert await seen(pool, ONE) == [ONE]


async def test_they_write_of_their_own_accounts_only_and_never_by_a_reader(pool: RestrictedPool) -> None:
    theirs = pool.of([ONE])
    for account in (OTHER, None):
        with pytest.raises(AllAccountsNeededError):
            async with theirs.write_of(account):
                pass
    with pytest.raises(AllAccountsNeededError):
        async with theirs.write():
            pass
    with pytest.raises(DBAPIError, match="read-only"):
        async with theirs.read() as reader:
            await reader.execute(text("DELETE FROM observation_gaps"))
    async with theirs.write_of(ONE) as writer:
        await writer.execute(text("DELETE FROM observation_gaps WHERE account = 'U1'"))
    async with pool.whole.read() as reader:
        assert (await reader.execute(_gaps)).scalar_one() == 1


async def test_a_connection_is_nobody_s_before_it_is_told_whose_it_is(pool: RestrictedPool) -> None:
    assert await seen(pool, ONE) == [ONE]
    _, engine = await pool._engine()
    async with engine.connect() as connection:  # what it was told before is forgotten
        with pytest.raises(DBAPIError, match="malformed array literal"):
            await connection.execute(_seen)
    await engine.dispose()
    async with engine.connect() as connection:  # and at first it was told nothing
        with pytest.raises(DBAPIError, match="unrecognized configuration parameter"):
            await connection.execute(_seen)


@pytest.mark.parametrize("how", ["read", "read_one_moment"])
async def test_nobody_is_taken_for_who_had_the_connection_before_however_that_ended(
    pool: RestrictedPool, how: str
) -> None:
    before = await pid(pool, ONE)

    async def end_badly(statement: str, ending: str) -> None:
        async with getattr(pool.of([ONE]), how)() as reader:
            assert list((await reader.execute(_seen)).scalars()) == [ONE]
            if ending == "cancelled":
                asleep.set()
            await reader.execute(text(statement))
            raise LookupError

    asleep = asyncio.Event()
    with pytest.raises(DBAPIError):
        await end_badly("SELECT 1 / 0", "failed")
    assert await seen(pool, OTHER) == [OTHER]
    with pytest.raises(LookupError):
        await end_badly("SELECT 1", "raised")
    assert await seen(pool, OTHER) == [OTHER]
    assert await pid(pool, OTHER) == before, "it is the same connection"
    task = asyncio.create_task(end_badly("SELECT pg_sleep(60)", "cancelled"))
    await asleep.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await seen(pool, OTHER) == [OTHER]
    async with pool.whole.read() as reader:
        assert list((await reader.execute(_seen)).scalars()) == [ONE, OTHER]


async def test_many_at_once_see_each_their_own(pool: RestrictedPool) -> None:
    async def one(account: str) -> None:
        assert await seen(pool, account) == [account]

    await asyncio.gather(*(one(account) for account in (ONE, OTHER) * 30))


async def test_the_role_stays_even_where_somebody_would_leave_it(pool: RestrictedPool) -> None:
    async with pool.of([ONE]).read() as reader:
        await reader.execute(text("RESET ROLE"))
        assert list((await reader.execute(_seen)).scalars()) == [ONE]


async def test_a_connection_that_is_not_of_the_role_is_refused(pool: RestrictedPool) -> None:
    role, _ = await pool._engine()
    async with pool.whole.read() as reader:
        with pytest.raises(RestrictionUnavailableError, match="proxy"):
            await _bind(reader, role, [ONE])


async def test_who_was_granted_tables_or_views_goes_on_seeing_all(
    pool: RestrictedPool, settings: Settings
) -> None:
    reports = f"reports_{uuid.uuid4().hex}"
    url = settings.require_database_url().replace("+asyncpg", "")
    rows = await run_sql(
        url,
        f"CREATE ROLE {reports}",
        f"GRANT SELECT ON observation_gaps, positions_history TO {reports}",
        f"SET ROLE {reports}",
        "SELECT (SELECT count(*) FROM observation_gaps) AS gaps, count(*) AS n FROM positions_history",
    )
    assert (rows[0]["gaps"], rows[0]["n"]) == (2, 0)
    await run_sql(url, f"DROP OWNED BY {reports}", f"DROP ROLE {reports}")
    assert await seen(pool, ONE) == [ONE]


# -- the database of somebody who may not make roles ------------------------------------------------------


@pytest.fixture
async def owned(postgres_server: PostgresServer) -> AsyncIterator[tuple[str, str]]:
    """The address of a new database for its owner, who may not make roles; and the owner's name."""
    owner, name = f"owner_{uuid.uuid4().hex}", f"test_{uuid.uuid4().hex}"
    await run_sql(
        postgres_server.url,
        f"CREATE ROLE {owner} LOGIN PASSWORD 'x'",
        f"CREATE DATABASE {name} OWNER {owner}",
    )
    url = make_url(postgres_server.url_of(name)).set(
        drivername="postgresql+asyncpg", username=owner, password="x"
    )
    yield url.render_as_string(hide_password=False), owner
    await run_sql(
        postgres_server.url,
        f"DROP DATABASE {name} WITH (FORCE)",
        f'DROP ROLE IF EXISTS "{access.role_name(name)}"',
        f"DROP ROLE {owner}",
    )


async def test_who_may_not_make_roles_is_told_what_has_to_be_run_and_all_else_works(
    postgres_server: PostgresServer, owned: tuple[str, str]
) -> None:
    url, owner = owned
    role = access.role_name(make_url(url).database or "")
    await migrate(url, "main")
    database = Database(url, application="test")
    async with _pool(url, database) as pool:
        async with database.read() as reader:
            assert list((await reader.execute(_seen)).scalars()) == []
        remedy = f'CREATE ROLE "{role}" NOLOGIN; GRANT "{role}" TO "{owner}";'
        with pytest.raises(RestrictionUnavailableError, match="lotkeeper migrate") as caught:
            await seen(pool, ONE)
        assert remedy in str(caught.value)
        made, granted, _ = remedy.split(";")
        await run_sql(postgres_server.url, made)
        await migrate(url, "main")
        with pytest.raises(RestrictionUnavailableError):
            await seen(pool, ONE)
        await run_sql(postgres_server.url, granted)
        await migrate(url, "main")
        assert await seen(pool, ONE) == []
    await database.close()


async def test_who_may_make_roles_needs_nobody(
    postgres_server: PostgresServer, owned: tuple[str, str]
) -> None:
    url, owner = owned
    await run_sql(postgres_server.url, f"ALTER ROLE {owner} CREATEROLE")
    await migrate(url, "main")
    database = Database(url, application="test")
    async with _pool(url, database) as pool:
        assert await seen(pool, ONE) == []
    await database.close()


# -- as it is kept up -------------------------------------------------------------------------------------


async def test_what_is_lost_of_it_is_made_anew_and_what_stands_is_not_touched(
    pool: RestrictedPool, settings: Settings
) -> None:
    url = settings.require_database_url()
    plain = url.replace("+asyncpg", "")
    policies = "SELECT oid::int FROM pg_policy ORDER BY oid"
    before = await run_sql(plain, policies)
    await migrate(url, "main")
    assert await run_sql(plain, policies) == before
    await run_sql(plain, f"DROP POLICY {access.POLICY} ON positions")
    with pytest.raises(RestrictionUnavailableError):
        await seen(pool, ONE)
    await migrate(url, "main")
    assert len(await run_sql(plain, policies)) == len(before)
    assert await seen(pool, ONE) == [ONE]


async def test_another_version_s_rules_are_not_relied_on(
    pool: RestrictedPool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "NOTHING", (*access.NOTHING, "benchmark_levels"))
    monkeypatch.setattr(access, "OPEN", ())
    with pytest.raises(RestrictionUnavailableError):
        await seen(pool, ONE)
    await migrate(settings.require_database_url(), "main")
    assert await seen(pool, ONE) == [ONE]


async def test_of_links_those_of_ones_own_accounts_are_seen(pool: RestrictedPool, database: Database) -> None:
    async with database.write() as writer:
        for account, login in ((ONE, "a:1"), (OTHER, "b:1")):
            await writer.execute(
                text("UPDATE broker_accounts SET login = :login WHERE account = :account"),
                {"login": login, "account": account},
            )
        for login in ("a:1", "b:1", "waits:1"):
            await writer.execute(
                text(
                    "INSERT INTO broker_links (login, gateway, ibkr, reason, since, updated_at, epoch) "
                    "VALUES (:login, 'up', 'up', '', now(), now(), 1)"
                ),
                {"login": login},
            )

    async def links(*who: str) -> list[str]:
        async with pool.of(who).read() as reader:
            return list((await reader.execute(text("SELECT login FROM broker_links ORDER BY 1"))).scalars())

    assert [await links(ONE), await links(OTHER), await links(ONE, OTHER)] == [
        ["a:1"],
        ["b:1"],
        ["a:1", "b:1"],
    ]


def test_a_role_s_name_is_short_enough_and_its_own() -> None:
    long = ["x" * 62 + end for end in "ab"]
    names = {access.role_name(name) for name in ("a", "b", *long)}
    assert len(names) == 4
    assert all(len(name) <= 63 for name in names)
