"""What a session leans on, each by itself: the gate, the register, the watch, one connection's opening."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from core.clock import utc_now
from core.domain.link import LinkEvent
from core.events.facts import LinkChanged, ResyncFenced
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database, Writer
from services.broker import gate, metrics, watch
from services.broker.beat import Link
from services.broker.connection import Connection
from services.broker.gate import Gate
from services.broker.problems import Problems
from services.broker.publish import Publisher
from services.broker.recorded import Recorded
from services.broker.register import Register
from services.broker.resync import Resync
from services.broker.session import Session, log
from services.broker.translate import Instruments
from services.broker.watch import Watch
from services.simulator import Simulator
from tests.services.broker.conftest import SMALL, Reader, broker_link, quick
from tests.waiting import comes


def value(metric: Any) -> float:
    return float(metric._value.get())


@pytest.fixture
def publisher(streams: RedisStreams, settings: Settings) -> Publisher:
    return Publisher(streams, settings)


@pytest.fixture
def link(publisher: Publisher) -> Link:
    return Link(publisher, utc_now)


@pytest.fixture
async def connection(settings: Settings, publisher: Publisher, link: Link, unused_port: int) -> Connection:
    """One that is not open."""
    return Connection(
        quick(settings, unused_port, ib_connect_timeout_seconds=0.2),
        Gate(publisher),
        link,
        Instruments(),
        utc_now,
        lambda *_: None,
        Problems(log),
    )


async def test_a_gate_keeps_so_many_facts_and_leaves_the_rest_to_the_comparison(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "WAITING_MOST_FACTS", 2)
    mine: Any = Gate(publisher)
    dropped = value(metrics.GATE_DROPPED)
    for number in range(3):
        mine.put(number)
    assert (value(metrics.GATE_FACTS), value(metrics.GATE_DROPPED) - dropped) == (2, 1)
    mine.open()
    assert (publisher.waiting_facts, value(metrics.GATE_FACTS)) == (2, 0)


async def test_nothing_passes_a_closed_gate_not_even_a_farm_that_is_down(
    settings: Settings, publisher: Publisher, link: Link, database: Database, connection: Connection
) -> None:
    session = Session(settings, publisher, link, Register(database, utc_now), Recorded(database), utc_now)
    session._connection = connection
    connection.listener.accounts = ("DU1000001",)
    session._heard_code(2103, "Market data farm connection is broken:usfarm")
    assert publisher.waiting_facts == 0
    session._gate.open()
    assert publisher.waiting_facts == 1
    session._gate.close()
    session._heard_code(2103, "Market data farm connection is broken:eufarm")
    assert publisher.waiting_facts == 1


async def test_the_register_keeps_one_note_an_epoch_and_kind_while_postgresql_is_away(
    unused_port: int, link: Link
) -> None:
    nowhere = Database(f"postgresql+asyncpg://nobody@127.0.0.1:{unused_port}/nothing", application="test")
    register = Register(nowhere, utc_now)
    change = link.apply(LinkEvent.FENCED, "fenced")
    assert change is not None
    for _ in range(20):
        register.fenced(1, change)
        register.connected(1, 173, "UTC")
    register.connected(2, 173, "UTC")
    assert value(metrics.REGISTER_WAITING) == 3
    await register.end(0, "stopped", 0.01)
    await nowhere.close()


async def test_a_note_that_postgresql_refuses_is_told_and_holds_up_no_other(database: Database) -> None:
    register = Register(database, utc_now)
    written = asyncio.Event()

    async def refused(writer: Writer) -> None:
        await writer.execute(text("SELECT nothing FROM nowhere"))

    async def good(writer: Writer) -> None:
        await writer.execute(text("SELECT 1"))
        written.set()

    with capture_logs() as logs:
        register._begin(1, "fenced", refused)
        register._begin(1, "connected", good)
        await comes(written.is_set)
        await comes(lambda: value(metrics.REGISTER_WAITING) == 0)
    assert [line["event"] for line in logs] == ["session_not_noted"]


async def test_a_machine_that_was_suspended_asks_for_what_it_missed(
    settings: Settings, link: Link, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    suspended = 0.0
    monkeypatch.setattr(watch, "_now", lambda: time.monotonic() + suspended)
    mine = Watch(connection, link, settings, ask=asked.append, ibkr_is_up=lambda: True)
    task = asyncio.create_task(mine.pauses())
    await asyncio.sleep(0)
    suspended = 3600.0
    await comes(lambda: asked == ["paused"])
    task.cancel()


def test_the_clock_that_tells_pauses_goes_on_in_suspend() -> None:
    assert getattr(time, "CLOCK_BOOTTIME", None) in {None, watch._CLOCK}


async def test_an_opening_that_is_cancelled_while_it_gives_up_is_cancelled(connection: Connection) -> None:
    giving_up, release = asyncio.Event(), asyncio.Event()

    async def stubborn(*_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            giving_up.set()
            await release.wait()

    connection.client.connectAsync = stubborn
    opening = asyncio.create_task(connection.open())
    await giving_up.wait()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    release.set()
    connection.close()


async def test_a_comparison_during_which_ibkr_was_away_makes_no_link_live(
    settings: Settings, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Resync._profit_and_loss
    async with Simulator.start(SMALL) as sim:
        interruptions: list[Callable[[], object]] = [sim.connectivity_restored, sim.connectivity_lost]

        async def interrupted(self: Resync) -> None:
            while interruptions:
                interruptions.pop()()
                state = "syncing" if not interruptions else "degraded"
                await comes(lambda state=state: self._link.state == state)
            await original(self)

        monkeypatch.setattr(Resync, "_profit_and_loss", interrupted)
        async with broker_link(quick(settings, sim.port)):
            await reader.until(LinkChanged, lambda fact: fact.state == "live")
    told = [fact for fact in await reader.read() if isinstance(fact, LinkChanged | ResyncFenced)]
    live = next(n for n, fact in enumerate(told) if isinstance(fact, LinkChanged) and fact.state == "live")
    fences = [(fact.trigger, fact.ok) for fact in told[:live] if isinstance(fact, ResyncFenced)]
    assert fences == [("connect", False), ("ib_1102", True)]
