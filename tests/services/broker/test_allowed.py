"""Nothing that could trade leaves the process, whichever way it is tried."""

import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from ib_async import ExecutionFilter, LimitOrder, MarketOrder, Stock
from ib_async.order import Order
from structlog.testing import capture_logs

from core.clock import utc_now
from core.settings import Settings
from core.streams.redis import RedisStreams
from services.broker import metrics
from services.broker.allowed import ALLOWED, ForbiddenMessageError, OutgoingCheck
from services.broker.beat import Link
from services.broker.connection import Connection
from services.broker.problems import Problems
from services.broker.publish import Publisher
from services.broker.session import log
from services.broker.translate import Instruments
from services.simulator import Simulator
from services.simulator.session import Session
from tests.services.broker.conftest import SMALL, Reader, ask_resync, broker_link, quick
from tests.waiting import comes

GREETING = b"API\0\0\0\0\x09v157..178"


@dataclass
class Heard:
    """Every frame that the simulator got after the greeting."""

    frames: list[bytes] = field(default_factory=list)

    @property
    def ids(self) -> set[bytes]:
        return {frame.split(b"\0")[0] for frame in self.frames}


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    told, handle = Heard(), Session._handle

    def listen(session: Session, body: bytes) -> None:
        if session.version:
            told.frames.append(body)
        handle(session, body)

    monkeypatch.setattr(Session, "_handle", listen)
    return told


def frame(body: bytes, length: int | None = None) -> bytes:
    return struct.pack(">I", len(body) if length is None else length) + body


@asynccontextmanager
async def connected(sim: Simulator, settings: Settings, streams: RedisStreams) -> AsyncIterator[Connection]:
    """A connection as the link makes it."""
    mine = quick(settings, sim.port)
    publisher = Publisher(streams, mine)
    connection = Connection(
        mine, publisher, Link(publisher, utc_now), Instruments(), utc_now, lambda *_: None, Problems(log)
    )
    try:
        await connection.open()
        yield connection
    finally:
        connection.close()


AAPL = Stock("AAPL", "SMART", "USD", conId=265598)
ORDER = MarketOrder("BUY", 1)
HEARTBEAT = frame(b"49\x001\0")
PLACE = b"3\x007\x00265598\0"

ATTEMPTS: dict[str, Callable[[Any, Any], object]] = {
    "ib.placeOrder": lambda ib, _: ib.placeOrder(AAPL, LimitOrder("BUY", 1, 1.0)),
    "ib.cancelOrder": lambda ib, _: ib.cancelOrder(Order(orderId=1, clientId=71)),
    "ib.reqGlobalCancel": lambda ib, _: ib.reqGlobalCancel(),
    "ib.exerciseOptions": lambda ib, _: ib.exerciseOptions(AAPL, 1, 1, "DU1000001", 0),
    "ib.reqMarketDataType": lambda ib, _: ib.reqMarketDataType(3),
    "client.placeOrder": lambda _, client: client.placeOrder(7, AAPL, ORDER),
    "client.cancelOrder": lambda _, client: client.cancelOrder(7),
    "client.replaceFA": lambda _, client: client.replaceFA(1, 1, "<xml/>"),
    "client.reqAutoOpenOrders": lambda _, client: client.reqAutoOpenOrders(True),
    "client.send": lambda _, client: client.send(3, 7, AAPL, "BUY"),
    "client.send, an id as text": lambda _, client: client.send("3", 7),
    "client.send, 03": lambda _, client: client.send("03", 7),
    "client.send, a space before": lambda _, client: client.send(" 3", 7),
    "client.send, a space after": lambda _, client: client.send("3 ", 7),
    "client.send, a sign": lambda _, client: client.send("+3", 7),
    "client.send, a point": lambda _, client: client.send(3.0, 7),
    "client.send, nothing": lambda _, client: client.send(""),
    "client.send, an allowed id in other digits": lambda _, client: client.send("\u0664\u0669", 1),
    "client.sendMsg": lambda _, client: client.sendMsg("3\x007\0"),
    "conn.sendMsg": lambda _, client: client.conn.sendMsg(frame(PLACE)),
    "two frames in one write": lambda _, client: client.conn.sendMsg(HEARTBEAT + frame(PLACE)),
    "the forbidden frame first": lambda _, client: client.conn.sendMsg(frame(PLACE) + HEARTBEAT),
    "the first half of a frame": lambda _, client: client.conn.sendMsg(frame(PLACE)[:6]),
    "the first half of an allowed frame": lambda _, client: client.conn.sendMsg(HEARTBEAT[:6]),
    "half a length": lambda _, client: client.conn.sendMsg(HEARTBEAT[:2]),
    "a length that is too short": lambda _, client: client.conn.sendMsg(frame(b"49\x001\0" + PLACE, 5)),
    "a length that is too long": lambda _, client: client.conn.sendMsg(frame(b"49\x001\0", 9)),
    "a length without the end": lambda _, client: client.conn.sendMsg(frame(b"3\0", 1)),
    "an allowed id without its end": lambda _, client: client.conn.sendMsg(frame(b"49")),
    "a binary id": lambda _, client: client.conn.sendMsg(frame(struct.pack(">I", 203) + b"\x08\x07")),
    "a second greeting": lambda _, client: client.conn.sendMsg(GREETING),
    "transport.write": lambda _, client: client.conn.transport.write(frame(PLACE)),
    "transport.writelines": lambda _, client: client.conn.transport.writelines([HEARTBEAT, frame(PLACE)]),
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS.keys())
async def test_what_could_trade_never_reaches_the_gateway(
    attempt: Callable[[Any, Any], object],
    settings: Settings,
    streams: RedisStreams,
    heard: Heard,
) -> None:
    counted = metrics.FORBIDDEN._value.get()
    async with Simulator.start(SMALL) as sim, connected(sim, settings, streams) as connection:
        before = len(heard.frames)
        with capture_logs() as logs, pytest.raises(ForbiddenMessageError, match="only reads"):
            attempt(connection.ib, connection.client)
        # The connection lives on, and what is asked next is all that comes.
        connection.client.reqManagedAccts()
        await comes(lambda: heard.frames[before:])
        assert heard.frames[before:] == [b"17\x001\0"]
    assert heard.ids <= ALLOWED.keys()
    assert metrics.FORBIDDEN._value.get() == counted + 1
    assert [line["log_level"] for line in logs if line["event"] == "message_forbidden"] == ["error"]
    assert "DU1000001" not in repr(logs)


async def test_the_transport_itself_is_not_within_reach(settings: Settings, streams: RedisStreams) -> None:
    async with Simulator.start(SMALL) as sim, connected(sim, settings, streams) as connection:
        transport = connection.client.conn.transport
        assert {name for name in dir(transport) if not name.startswith("_")} == {
            "abort",
            "close",
            "is_closing",
            "pause_reading",
            "resume_reading",
            "write",
            "write_eof",
            "writelines",
        }


async def test_a_frame_split_over_two_writes_is_refused_twice(
    settings: Settings, streams: RedisStreams, heard: Heard
) -> None:
    async with Simulator.start(SMALL) as sim, connected(sim, settings, streams) as connection:
        before = len(heard.frames)
        for part in (frame(PLACE)[:7], frame(PLACE)[7:]):
            with pytest.raises(ForbiddenMessageError):
                connection.client.conn.sendMsg(part)
        connection.client.reqExecutions(1, ExecutionFilter())
        await comes(lambda: heard.frames[before:])
        assert [told.split(b"\0")[0] for told in heard.frames[before:]] == [b"7"]


async def test_what_waits_for_the_throttle_is_checked_too(
    settings: Settings, streams: RedisStreams, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    async with Simulator.start(SMALL) as sim, connected(sim, settings, streams) as connection:
        connection.client.RequestsInterval = 0.2
        for _ in range(connection.client.MaxRequests):
            connection.client.reqCurrentTime()
        connection.client.placeOrder(7, AAPL, ORDER)
        counted = metrics.FORBIDDEN._value.get()
        await comes(lambda: metrics.FORBIDDEN._value.get() > counted)
        connection.client.reqManagedAccts()
        await comes(lambda: b"17" in heard.ids)
    assert heard.ids <= ALLOWED.keys()
    assert "ForbiddenMessageError" in caplog.text


@pytest.mark.parametrize(
    "first",
    [
        HEARTBEAT,
        b"API\0",
        GREETING + frame(PLACE),
        GREETING[4:],
        b"API\0\0\0\0\x07v157..178",
        b"API\0" + frame(b"v157..178 \0" + PLACE),
    ],
)
def test_the_first_words_are_the_greeting_and_nothing_else(first: bytes) -> None:
    check = OutgoingCheck()
    with pytest.raises(ForbiddenMessageError):
        check.check(first)
    check.check(GREETING)
    check.check(HEARTBEAT + HEARTBEAT)


@pytest.mark.parametrize("accounts", [1, 2, 51])
async def test_a_link_says_everything_it_has_to_and_only_what_it_may(
    settings: Settings, streams: RedisStreams, reader: Reader, heard: Heard, accounts: int
) -> None:
    scenario = {
        **SMALL,
        "accounts": [
            {"id": f"DU{number:07}", "cash": {"USD": "1000"}, "holdings": {"AAPL": "1 @ 200"}}
            for number in range(1, accounts + 1)
        ],
    }
    async with Simulator.start(scenario) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        await ask_resync(streams, settings, "00000000-0000-0000-0000-000000000001")
        await reader.synced(2)
        await sim.fill(account="DU0000001", conid=265598, side="SLD", quantity=1)
        sim.send_error(1101)
        wanted = {1: {b"6"}, 2: {b"76", b"77"}, 51: {b"62", b"63", b"74", b"75"}}[accounts]
        always = {b"71", b"49", b"17", b"7", b"9", b"92"}
        often = {b"94", b"95", b"93"}
        await comes(lambda: heard.ids >= wanted | always | often)
    assert heard.ids <= ALLOWED.keys()
