"""One live link a login: who records, who stands by, and what becomes of both when something stops."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, text
from structlog.testing import capture_logs

from core.clock import utc_now
from core.events.facts import AccountsListed, ExecutionReported, LinkChanged
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.migrate import migrate
from models.session import Database
from models.tables import broker_sessions, sync_log
from models.tables.sync import CUT_OFF
from services.broker import backoff
from services.broker.backoff import backoff_seconds
from services.broker.lease import Claim, Lease
from services.simulator import Simulator
from services.stack import PostgresServer
from tests.services.broker.conftest import SMALL, Reader, ask_resync, broker_link, quick
from tests.services.broker.links import link_process
from tests.waiting import comes, eventually


def leased(settings: Settings, port: int, **changes: Any) -> Settings:
    """Settings of a link that can be replaced soon."""
    return quick(settings, port, **{"lease_seconds": 2.0, **changes})


async def sessions(database: Database) -> list[Any]:
    async with database.read() as connection:
        return list((await connection.execute(select(broker_sessions).order_by("epoch"))).all())


async def the_live(database: Database) -> Any:
    """The one session that is live."""

    async def live() -> list[Any]:
        return [row for row in await sessions(database) if row.connected_at and row.ended_at is None]

    (row,) = await eventually(live)
    return row


@asynccontextmanager
async def keeping(settings: Settings) -> AsyncIterator[Lease]:
    """A lease that is kept, and what it is told."""
    lease = Lease(settings, utc_now)
    task = asyncio.create_task(lease.run())
    try:
        yield lease
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await lease.close()


@pytest.mark.parametrize("second_id", [71, 72])
async def test_of_two_links_on_one_login_one_is_live_and_the_other_stands_by(
    settings: Settings, reader: Reader, database: Database, second_id: int
) -> None:
    async with Simulator.start(SMALL) as sim:
        first, second = (leased(settings, sim.port, ib_client_id=number) for number in (71, second_id))
        async with broker_link(first):
            await reader.synced()
            with capture_logs() as logs:
                async with broker_link(second):
                    await comes(
                        lambda: [line for line in logs if line.get("reason") == "fenced"],
                    )
                    # What reaches the gateway now comes from the first alone.
                    assert sim.client_ids == [71]
                    exec_id = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=1)
                    await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
                    assert (await sessions(database))[-1].epoch == reader.batches[-1].epoch
                    assert sim.client_ids == [71]
        told = [line for line in logs if line["event"] == "broker_link_down" and line["reason"] == "fenced"]
        assert len(told) == 1
        holder = (await sessions(database))[0].holder
        assert holder in told[0]["explanation"]
    assert len(await sessions(database)) == 1
    async with database.read() as connection:
        query = select(sync_log.c.details).where(sync_log.c.kind == "link", sync_log.c.epoch.is_(None))
        details = (await connection.execute(query)).scalars().all()
    assert details == [{"from": "disconnected", "to": "fenced", "reason": "fenced"}]


async def test_a_standby_takes_over_when_the_link_ends(
    settings: Settings, reader: Reader, database: Database
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(leased(settings, sim.port)) as first:
        await reader.synced()
        async with broker_link(leased(settings, sim.port)):
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await reader.synced(2)
    rows = await sessions(database)
    assert [row.end_reason for row in rows] == ["stopped", "stopped"]
    epochs = [batch.epoch for batch in reader.batches]
    assert epochs == sorted(epochs)
    assert 0 not in epochs


async def test_two_names_of_one_gateway_are_one_login(
    settings: Settings, reader: Reader, database: Database
) -> None:
    async with Simulator.start(SMALL) as sim:
        first = leased(settings, sim.port)
        other = leased(settings, sim.port, ib_host="localhost", ib_client_id=72)
        async with broker_link(first) as task:
            await reader.synced()
            with capture_logs() as logs:
                async with broker_link(other):
                    await comes(lambda: [line for line in logs if line.get("reason") == "fenced"])
                    await comes(lambda: sim.client_ids == [71])
                    # The first link's word still counts: nothing was said under a newer epoch.
                    assert {batch.epoch for batch in reader.batches} == {(await sessions(database))[-1].epoch}
                    await reader.until_beat(lambda beat: beat.state == "live")
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                    await reader.synced(2)
                    assert sim.client_ids == [72]


async def test_a_killed_link_is_replaced(settings: Settings, reader: Reader, database: Database) -> None:
    async with Simulator.start(SMALL) as sim:
        mine = leased(settings, sim.port)
        async with link_process(mine) as first:
            await reader.synced()
            async with broker_link(mine):
                first.send(signal.SIGKILL)
                await reader.synced(2)
                await reader.until_beat(lambda beat: beat.state == "live")
    first_row, second_row = await sessions(database)
    assert first_row.end_reason == CUT_OFF
    assert first_row.holder.endswith(f":{first.pid}")
    assert second_row.epoch > first_row.epoch


async def test_a_stopped_link_is_replaced_and_does_no_harm_when_it_goes_on(
    settings: Settings, reader: Reader, database: Database
) -> None:
    async with Simulator.start(SMALL) as sim:
        # Another client id: nothing but the lease keeps the first one from recording beside the second.
        mine, other = (leased(settings, sim.port, ib_client_id=number) for number in (71, 72))
        async with link_process(mine) as first:
            await reader.synced()
            old = (await the_live(database)).epoch
            first.send(signal.SIGSTOP)
            async with broker_link(other):
                await eventually(reader.fences, lambda fences: sum(fence.ok for fence in fences) >= 2)
                new = (await the_live(database)).epoch
                assert new > old
                exec_id = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=1)
                await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
                first.send(signal.SIGCONT)

                async def first_row() -> Any:
                    return (await sessions(database))[0]

                row = await eventually(first_row, lambda row: row.state == "fenced")
                assert row.state_reason == "fenced"
                await comes(lambda: sim.client_ids == [72])
                assert (await reader.until_beat(lambda beat: beat.state == "live")).complete
                assert first.is_running
            # Now it is the only one, and takes the login back under an epoch of its own.
            await reader.until(
                LinkChanged, lambda fact: (fact.before, fact.state) == ("fenced", "connecting")
            )
            await comes(lambda: sim.client_ids == [71])
            await eventually(reader.fences, lambda fences: sum(fence.ok for fence in fences) >= 3)
    newest = max(row.epoch for row in await sessions(database))
    taken_back = [
        batch.epoch
        for batch in reader.batches
        for fact in batch.facts
        if isinstance(fact, LinkChanged) and fact.before == "fenced"
    ]
    assert taken_back[-1] == newest


async def test_how_a_fenced_link_ended_is_not_said_of_the_one_that_it_replaces(
    settings: Settings, reader: Reader, database: Database
) -> None:
    async with Simulator.start(SMALL) as sim:
        mine, other = (leased(settings, sim.port, ib_client_id=number) for number in (71, 72))
        async with link_process(mine) as first:
            await reader.synced()
            first.send(signal.SIGSTOP)
            async with link_process(other) as second:
                await reader.synced(2)
                first.send(signal.SIGCONT)

                async def rows() -> list[Any]:
                    return await sessions(database)

                await eventually(rows, lambda all_: all_[0].state == "fenced")
                killed_at = utc_now()
                second.send(signal.SIGKILL)
                _, replaced, newest = await eventually(rows, lambda all_: len(all_) == 3)
    assert replaced.holder.endswith(f":{second.pid}")
    assert replaced.end_reason == CUT_OFF
    assert killed_at < replaced.ended_at <= newest.started_at


async def test_a_standby_with_the_same_client_id_is_live_as_soon_as_the_gateway_lets_go_of_the_first(
    settings: Settings, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def shortened(attempt: int, *rest: Any, **options: Any) -> float:
        asked.append(backoff_seconds(attempt + 8, *rest, **options))
        return 0.05

    monkeypatch.setattr(backoff, "backoff_seconds", shortened)
    async with Simulator.start(SMALL) as sim:
        mine = leased(settings, sim.port)
        async with link_process(mine) as first:
            await reader.synced()
            first.send(signal.SIGSTOP)
            async with broker_link(mine):
                await reader.until_beat(lambda beat: beat.reason == "client_id_in_use")
                await comes(lambda: asked, lambda waits: len(waits) > 20)
                assert max(asked) <= backoff.QUICK_MOST_SECONDS
                sim.drop_connections()
                await reader.until_beat(lambda beat: beat.state == "live")


async def test_a_link_that_stood_still_for_less_than_its_lease_asks_for_what_it_missed(
    settings: Settings, reader: Reader, database: Database
) -> None:
    async with Simulator.start(SMALL) as sim:
        mine = quick(settings, sim.port, lease_seconds=60.0, ib_heartbeat_seconds=10.0)
        async with link_process(mine) as process:
            await reader.synced()
            process.send(signal.SIGSTOP)
            stopped_at = asyncio.get_running_loop().time()
            await comes(lambda: asyncio.get_running_loop().time() > stopped_at + 3.8)
            process.send(signal.SIGCONT)

            async def triggers() -> list[str]:
                return [fence.trigger for fence in await reader.fences() if fence.ok]

            await eventually(triggers, lambda told: "paused" in told)
    assert len(await sessions(database)) == 1


@pytest.fixture
async def own_postgres(tmp_path: Path) -> AsyncIterator[PostgresServer]:
    server = PostgresServer(tmp_path / "own-postgres", durable=False)
    await asyncio.to_thread(server.start)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.stop)


@pytest.fixture
async def own_settings(settings: Settings, own_postgres: PostgresServer) -> Settings:
    """Settings with a PostgreSQL that can be stopped."""
    mine = settings.model_copy(update={"database_url": SecretStr(own_postgres.url)})
    await migrate(mine.require_database_url(), "main")
    return mine


async def test_a_restart_of_postgresql_leaves_a_live_link_alone(
    own_settings: Settings, own_postgres: PostgresServer, reader: Reader
) -> None:
    with capture_logs() as logs:
        async with (
            Simulator.start(SMALL) as sim,
            broker_link(leased(own_settings, sim.port, lease_seconds=8.0)),
        ):
            await reader.synced()
            await reader.until_beat(lambda beat: beat.state == "live")
            epoch = reader.batches[-1].epoch
            await asyncio.to_thread(own_postgres.stop)
            await comes(lambda: [line for line in logs if line["event"] == "database_away"])
            exec_id = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=1)
            await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
            await asyncio.to_thread(own_postgres.start)
            await comes(lambda: [line for line in logs if line["event"] == "database_back"])
            exec_id = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=2)
            await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
            assert [fact.state for fact in await reader.of(LinkChanged)] == ["connecting", "syncing", "live"]
            assert {batch.epoch for batch in reader.batches} == {epoch}
            async with keeping(leased(own_settings, sim.port)) as rival:
                await comes(lambda: rival.claim is Claim.TAKEN)
    events = Counter(line["event"] for line in logs)
    assert events["database_away"] == events["database_back"] == 1


async def test_recording_does_not_wait_for_postgresql_when_the_gateway_drops_meanwhile(
    own_settings: Settings, own_postgres: PostgresServer, reader: Reader
) -> None:
    with capture_logs() as logs:
        async with (
            Simulator.start(SMALL) as sim,
            broker_link(leased(own_settings, sim.port, lease_seconds=8.0)),
        ):
            await reader.synced()
            epoch = reader.batches[-1].epoch
            await asyncio.to_thread(own_postgres.stop)
            sim.drop_connections()
            await reader.synced(2)
            exec_id = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=1)
            await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
            assert {batch.epoch for batch in reader.batches} == {epoch}
            await asyncio.to_thread(own_postgres.start)
            await comes(lambda: [line for line in logs if line["event"] == "database_back"])
            # It goes on as it is; the next connection has an epoch of its own again.
            sim.drop_connections()
            await reader.synced(3)
            assert reader.batches[-1].epoch > epoch
    sequence: dict[int, int] = {}
    for batch in reader.batches:
        assert batch.first_seq == sequence.get(batch.epoch, 0)
        sequence[batch.epoch] = batch.first_seq + len(batch.facts)
    assert Counter(line["event"] for line in logs)["database_away"] == 1


async def test_a_link_whose_login_was_taken_while_postgresql_was_away_is_fenced(
    own_settings: Settings, own_postgres: PostgresServer, reader: Reader
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(leased(own_settings, sim.port, lease_seconds=8.0)):
        await reader.synced()
        rival = Lease(leased(own_settings, sim.port), utc_now)
        await asyncio.to_thread(own_postgres.stop)
        await asyncio.to_thread(own_postgres.start)
        task = asyncio.create_task(rival.run())
        rival_has_it = await comes(lambda: rival.claim, lambda claim: claim is not Claim.AWAY)
        if rival_has_it is Claim.TAKEN:  # the link was the quicker one: make it lose its connection
            await end_backends(own_postgres.url)
            await comes(lambda: rival.claim is Claim.HELD)
        await reader.until_beat(lambda beat: beat.state == "fenced")
        await comes(lambda: not sim.client_ids)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await rival.close()
        await reader.until_beat(lambda beat: beat.state == "live")


async def end_backends(url: str) -> None:
    database = Database(url.replace("postgresql://", "postgresql+asyncpg://"), application="test")
    async with database.write() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'lotkeeper-lease'"
            )
        )
    await database.close()


@pytest.mark.parametrize("name", ["127.0.0.1", "another name of it"])
async def test_a_link_that_was_replaced_for_a_while_connects_anew(
    name: str, settings: Settings, reader: Reader, database: Database
) -> None:
    """The lock is free again, but somebody recorded meanwhile: what we know may be missing that."""
    async with Simulator.start(SMALL) as sim, broker_link(leased(settings, sim.port)):
        await reader.synced()
        (account, *_) = (await reader.until(AccountsListed)).accounts
        async with database.write() as connection:
            told = {"login": f"{name}:{sim.port}", "account": account}
            await connection.execute(
                text(
                    "INSERT INTO broker_sessions (login, started_at, ended_at, end_reason) "
                    "VALUES (:login, now(), now(), 'stopped')"
                ),
                told,
            )
            await connection.execute(
                text(
                    "INSERT INTO broker_accounts (account, login, paper, first_seen_at, last_seen_at) "
                    "VALUES (:account, :login, true, now(), now())"
                ),
                told,
            )
        await end_backends(settings.require_database_url().replace("+asyncpg", ""))
        await reader.synced(2)
        lost = await reader.until(LinkChanged, lambda fact: fact.state == "disconnected")
        assert (lost.before, lost.reason) == ("live", "fenced")
        assert reader.batches[-1].epoch == (await sessions(database))[-1].epoch


async def test_our_own_dying_connection_does_not_fence_us(settings: Settings, unused_port: int) -> None:
    """After a cut cable PostgreSQL holds our lock for us, until it notices that we are gone."""
    mine = settings.model_copy(update={"ib_port": unused_port, "lease_seconds": 60.0})
    lease = Lease(mine, utc_now)
    claims: list[Claim] = []
    lease.on_change = lambda: claims.append(lease.claim)
    await lease._ask(lease._names)
    forgotten, lease._own._connection = lease._own._connection, None  # as if the cable was cut
    task = asyncio.create_task(lease.run())
    await comes(lambda: claims, lambda told: told.count(Claim.HELD) == 2)
    assert Claim.TAKEN not in claims
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await lease.close()
    assert forgotten is not None
    await forgotten.invalidate()
    await forgotten.close()


async def test_a_call_that_is_cancelled_loses_the_lock_and_says_so(
    settings: Settings, unused_port: int
) -> None:
    """The connection that had the lock is closed with the call."""
    mine = settings.model_copy(update={"ib_port": unused_port, "lease_seconds": 60.0})
    async with keeping(mine) as lease:
        await comes(lambda: lease.claim is Claim.HELD)
        claims: list[Claim] = []
        lease.on_change = lambda: claims.append(lease.claim)
        call = asyncio.create_task(lease.hold_accounts(["DU1000001"]))
        while not lease._one_at_a_time.locked():  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0)  # a look every few milliseconds would come too late
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await comes(lambda: lease.claim is Claim.HELD)
        assert claims[0] is Claim.AWAY
        async with keeping(mine) as rival:
            await comes(lambda: rival.claim is Claim.TAKEN)


async def test_without_the_connection_that_has_the_lock_there_is_no_epoch(
    settings: Settings, unused_port: int
) -> None:
    mine = settings.model_copy(update={"ib_port": unused_port, "lease_seconds": 60.0})
    lease = Lease(mine, utc_now)
    await lease._ask(lease._names)
    await lease._own.close()
    assert lease.claim is Claim.HELD
    assert await lease.open_epoch(CUT_OFF, utc_now()) == 0
    assert lease.claim is Claim.AWAY
    await lease.close()


async def test_a_lease_ends_by_postgresqls_clock_when_its_process_stands_still(
    settings: Settings, unused_port: int
) -> None:
    mine = settings.model_copy(update={"ib_port": unused_port, "lease_seconds": 1.0})
    still = Lease(mine, utc_now)
    await still._ask(still._names)
    assert still.claim is Claim.HELD
    async with keeping(mine) as next_one:
        await comes(lambda: next_one.claim is Claim.HELD)
        await still._ask(still._names)
        assert still.claim is Claim.AWAY
        await still._ask(still._names)
        assert still.claim is Claim.TAKEN
    await still.close()


async def test_locks_go_past_a_pooler(settings: Settings, unused_port: int) -> None:
    """The lease uses the direct address: that of the pool leads nowhere here."""
    direct = settings.require_database_url()
    nowhere = f"postgresql://lotkeeper@127.0.0.1:{unused_port}/lotkeeper"
    mine = settings.model_copy(
        update={"database_url": SecretStr(nowhere), "database_direct_url": SecretStr(direct)}
    )
    async with keeping(mine) as lease:
        await comes(lambda: lease.claim is Claim.HELD)
        assert await lease.alone()
        assert await lease.open_epoch(CUT_OFF, utc_now())


async def test_a_standby_leaves_what_is_asked_to_the_link_that_has_the_login(
    settings: Settings, streams: RedisStreams, reader: Reader
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(leased(settings, sim.port)):
        await reader.synced()
        with capture_logs() as logs:
            async with broker_link(leased(settings, sim.port)):
                await comes(lambda: [line for line in logs if line.get("reason") == "fenced"])
                await ask_resync(streams, settings, "00000000-0000-0000-0000-000000000001")
                await comes(lambda: len([line for line in logs if line["event"] == "resync_requested"]) == 2)
                await reader.synced(2)
    answers = [fence for fence in await reader.fences() if fence.job_id]
    assert [fence.ok for fence in answers] == [True]
