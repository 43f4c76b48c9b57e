"""Frames recorded from real gateways, and hand-made ones, through a real ib_async client with our hooks."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from core import logs
from core.clock import utc_now
from core.events.facts import (
    AccountValueReported,
    CommissionReported,
    DatasetCompleted,
    ExecutionReported,
    FrameUnreadable,
    InstrumentDescribed,
    MarkReported,
    PnlReported,
    PositionReported,
    decode_facts,
    decode_ticks,
)
from core.settings import Settings, load_settings
from core.streams.memory import MemoryStreams
from core.streams.port import START
from services.broker.beat import Link
from services.broker.connection import Connection
from services.broker.problems import Problems
from services.broker.publish import Publisher
from services.broker.translate import Instruments
from tests.waiting import eventually

RECORDED = Path(__file__).parents[2] / "data" / "wire-rust-ibapi"
UNSET = "1.7976931348623157E308"


def frame(*fields: str) -> bytes:
    payload = "".join(f"{field}\0" for field in fields).encode()
    return len(payload).to_bytes(4, "big") + payload


def fill(
    exec_id: str = "0000e0d5.1.01.01", when: str = "20260415 19:38:31 US/Eastern", **changes: str
) -> list[str]:
    contract = ["265598", "AAPL", "STK", "", "0.0", "", "", "IEX", "USD", "AAPL", "NMS"]
    order = ["IEX", "BOT", "100", "201.94", "600745656", "0", "0", "100", "201.94", "", "", "", "", "2", "0"]
    fields = ["11", "-1", "2147483647", *contract, exec_id, when, "DU1234567", *order]
    for index, value in changes.items():
        fields[int(index.removeprefix("at_"))] = value
    return fields


class Fed:
    """A connection that is fed bytes by hand instead of a socket."""

    def __init__(self, settings: Settings, version: int) -> None:
        self.settings = settings
        self.streams = MemoryStreams()
        self.publisher = Publisher(self.streams, settings)
        self.connection = Connection(
            settings,
            self.publisher,
            Link(self.publisher, utc_now),
            Instruments(),
            utc_now,
            lambda _code, _text: None,
            Problems(logs.get_logger("test")),
        )
        self.client: Any = self.connection.client
        self.client.connState = self.client.CONNECTED
        self.sent: list[tuple[Any, ...]] = []
        self.client.send = lambda *fields, **_: self.sent.append(fields)
        self.feed(frame(str(version), "20260405 23:49:26 Central European Standard Time"))
        self.feed(frame("15", "1", "DU1234567,ACCOUNT_ID"))
        self.feed(frame("9", "1", "5"))

    def feed(self, data: bytes) -> None:
        self.client.conn.hasData.emit(data)

    async def facts(self, kind: type[Any]) -> list[Any]:
        assert await self.publisher.flush(5)
        entries = await self.streams.tail(self.settings.facts_stream, START, count=1000, block_ms=1)
        every = [fact for entry in entries for fact in decode_facts(entry.data).facts]
        return [fact for fact in every if isinstance(fact, kind)]

    async def ticks(self, kind: type[Any]) -> list[Any]:
        async def found() -> list[Any]:
            entries = await self.streams.tail(self.settings.ticks_stream, START, count=1000, block_ms=1)
            every = [tick for entry in entries for tick in decode_ticks(entry.data).ticks]
            return [tick for tick in every if isinstance(tick, kind)]

        return await eventually(found)


@pytest.fixture
async def make() -> AsyncIterator[Any]:
    tasks: list[asyncio.Task[None]] = []

    def build(version: int = 178, **changes: Any) -> Fed:
        fed = Fed(load_settings(**changes), version)
        tasks.append(asyncio.create_task(fed.publisher.run()))
        return fed

    yield build
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("file", "version", "exec_id", "price", "executed_at"),
    [
        ("aapl_fill_sequence_sv173.json", 173, "0000e0d5.67fe667b.01.01", "201.94", "2025-04-15T17:38:31"),
        ("tsla_fill_sequence_sv164.json", 164, "00025b46.63f8f39c.01.01", "196.52", "2023-02-24T11:04:56"),
    ],
)
async def test_a_recorded_fill(
    make: Any, file: str, version: int, exec_id: str, price: str, executed_at: str
) -> None:
    fed = make(version)
    for message in json.loads((RECORDED / file).read_text()):
        if message["fields"][0] != "71":
            fed.feed(frame(*message["fields"]))
    (told,) = await fed.facts(ExecutionReported)
    assert (told.exec_id, told.account, told.side) == (exec_id, "DU1234567", "BOT")
    assert (told.quantity, told.price) == (Decimal(100), Decimal(price))
    assert told.executed_at == datetime.fromisoformat(executed_at).replace(tzinfo=UTC)
    assert told.zone_assumed
    for report in await fed.facts(CommissionReported):
        assert (report.exec_id, report.realized_pnl) == (exec_id, None)
        assert report.commission > 0
    assert await fed.facts(FrameUnreadable) == []
    # Nothing is kept that grows until the link ends.
    assert not fed.connection.ib.fills()
    assert not fed.connection.ib.trades()


async def test_recorded_positions_values_and_times(make: Any) -> None:
    fed = make(173)
    recording = yaml.safe_load((RECORDED / "tws_interactions_sv173.yaml").read_text())
    for interaction in recording["interactions"]:
        for response in interaction["responses"]:
            fed.feed(frame(*response["raw"].removesuffix("\0").split("\0")))
    held = {fact.instrument.local_symbol: fact for fact in await fed.facts(PositionReported)}
    assert held["AAPL"].quantity == -110
    assert held["AAPL"].average_cost == Decimal("201.8829709")
    assert (held["ESU5"].instrument.multiplier, held["ESU5"].average_cost) == (50, Decimal("315114.75"))
    values = {fact.key: fact.value for fact in await fed.facts(AccountValueReported)}
    assert values["NetLiquidation"] == "246447.83"
    assert await fed.facts(FrameUnreadable) == []


async def test_unset_and_nan_are_none_and_never_zero(make: Any) -> None:
    fed = make()
    listener = fed.connection.listener
    listener.account_of_pnl[7] = "DU1234567"
    listener.key_of_single[8] = ("DU1234567", 265598)
    fed.feed(frame("59", "1", "a.01", "1.25", "USD", UNSET, UNSET, "2147483647"))
    fed.feed(frame("59", "1", "b.01", "-0.5", "USD", "0.0", "", ""))
    fed.feed(frame("59", "1", "c.01", "1.25", "USD", "", "", ""))
    opening, zero, empty = await fed.facts(CommissionReported)
    assert (opening.realized_pnl, zero.realized_pnl, empty.realized_pnl) == (None, Decimal("0.0"), None)
    assert zero.commission == Decimal("-0.5")
    fed.feed(frame("94", "7", "NaN", UNSET, ""))
    (pnl,) = await fed.ticks(PnlReported)
    assert (pnl.daily_pnl, pnl.unrealized_pnl, pnl.realized_pnl) == (None, None, None)
    fed.feed(frame("95", "8", "100", "12.5", UNSET, "NaN", "22802.0"))
    (mark,) = await fed.ticks(MarkReported)
    assert (mark.daily_pnl, mark.unrealized_pnl, mark.market_value) == (Decimal("12.5"), None, 22802)
    # Nobody described the instrument: its magnifier, and so its price, is unknown.
    assert mark.market_price is None
    fed.feed(frame("94", "4711", "1", "2", "3"))
    fed.feed(frame("95", "4711", "1", "2", "3", "4", "5"))


@pytest.mark.parametrize(
    ("when", "utc"),
    [
        ("20260415 19:38:31 US/Eastern", "2026-04-15T23:38:31"),
        ("20260415 19:38:31 Central European Standard Time", "2026-04-15T17:38:31"),
        ("20260415 19:38:31 Eastern Standard Time", "2026-04-15T23:38:31"),
        ("20260115 19:38:31 Greenwich Mean Time", "2026-01-15T19:38:31"),
        ("20260415 19:38:31 JST", "2026-04-15T10:38:31"),
        ("20260415-19:38:31", "2026-04-15T19:38:31"),
        ("1776281911", "2026-04-15T19:38:31"),
        ("20260415  19:38:31", "2026-04-15T17:38:31"),
    ],
)
async def test_times_in_every_form(make: Any, when: str, utc: str) -> None:
    fed = make()
    fed.feed(frame(*fill(when=when)))
    (told,) = await fed.facts(ExecutionReported)
    assert told.executed_at == datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert told.zone_assumed == ("  " in when)


async def test_the_setting_wins_over_the_gateways_zone(make: Any) -> None:
    fed = make(ib_timezone="Asia/Tokyo")
    fed.feed(frame(*fill(when="20260415  19:38:31")))
    (told,) = await fed.facts(ExecutionReported)
    assert told.executed_at == datetime(2026, 4, 15, 10, 38, 31, tzinfo=UTC)
    assert fed.connection.zone_name == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("spoiled", "category"),
    [
        (fill(at_18="LENT"), "validation"),
        (fill(at_19="NaN"), "validation"),
        (fill(at_19=""), "validation"),
        (fill(at_19="0"), "validation"),
        (fill(at_20=""), "validation"),
        (fill(at_20=UNSET), "validation"),
        (fill(at_3="0"), "validation"),
        (fill(at_3="many"), "parsing"),
        (fill(at_14=""), "validation"),
        (fill(when="20261345 99:00:00 US/Eastern"), "validation"),
        (fill(when="yesterday"), "parsing"),
        (fill(when="99999999999999999999"), "validation"),
        (fill()[:12], "parsing"),
        (["59", "1", "", "1", "USD", "0", "", ""], "validation"),
        (["59", "1", "a.01"], "parsing"),
        (["61", "3", "", "1", "A", "STK", "", "0", "", "", "", "USD", "A", "A", "1", "1"], "validation"),
        (["61", "3", "DU1234567"], "parsing"),
        (["73", "1", "5"], "parsing"),
        (["94", "x", "1", "2", "3"], "parsing"),
        ([""], "parsing"),
        ([], "parsing"),
    ],
)
async def test_what_cannot_be_read_is_kept_whole(make: Any, spoiled: list[str], category: str) -> None:
    fed = make()
    fed.feed(frame(*spoiled))
    fed.feed(frame(*spoiled))
    fed.feed(frame(*fill("good.01")))
    (dead,) = await fed.facts(FrameUnreadable)
    assert json.loads(dead.frame) == spoiled
    assert dead.category == category
    assert "DU1234567" not in dead.reason
    assert [fact.exec_id for fact in await fed.facts(ExecutionReported)] == ["good.01"]


async def test_an_unreadable_figure_makes_its_dataset_incomplete_until_a_good_one(make: Any) -> None:
    fed = make()
    fed.connection.listener.account_of_pnl[7] = "DU1234567"
    fed.feed(frame("94", "7", "1", "2", "3"))
    fed.feed(frame("94", "7", "1", "two", "3"))
    fed.feed(frame("94", "7", "1", "2", "3"))
    told = [fact for fact in await fed.facts(DatasetCompleted) if fact.account == "DU1234567"]
    assert [(fact.dataset, fact.complete) for fact in told] == [("pnl", True), ("pnl", False), ("pnl", True)]


async def test_details_bring_the_magnifier_and_a_rename_keeps_it(make: Any) -> None:
    fed = make()
    details = ["10", "99", "ZC", "FUT", "20261214", "0", "", "CBOT", "USD", "ZCZ6", "ZC", "ZC", "700", "0.25"]
    more = [
        "5000",
        "",
        "",
        "100",
        "0",
        "Corn Futures",
        "",
        "202612",
        "",
        "",
        "",
        "US/Central",
        "",
        "",
        "",
        "0",
    ]
    last = [
        *("2", "ISIN", "US0000000001", "CUSIP", "000000000"),
        "",
        "ZC",
        "IND",
        "",
        "20261214",
        "",
        "1",
        "1",
        "1",
    ]
    fed.feed(frame(*details, *more, *last))
    (described,) = await fed.facts(InstrumentDescribed)
    assert (described.instrument.price_magnifier, described.instrument.multiplier) == (100, 5000)
    assert (described.instrument.isin, described.instrument.cusip) == ("US0000000001", "000000000")
    row = ["FUT", "20261214", "0.0", "", "5000", "", "USD", "ZCZ26", "ZC", "2", "21500"]
    fed.feed(frame("61", "3", "DU1234567", "700", "ZC", *row))
    (held,) = await fed.facts(PositionReported)
    assert (held.instrument.local_symbol, held.instrument.price_magnifier) == ("ZCZ26", 100)
    assert held.instrument.isin == "US0000000001"
    fed.connection.listener.key_of_single[8] = ("DU1234567", 700)
    fed.feed(frame("95", "8", "2", "0", "0", "0", "43550"))
    (mark,) = await fed.ticks(MarkReported)
    assert mark.market_price == Decimal("435.5")


async def test_the_accounts_of_a_model_portfolio_are_not_told_twice(make: Any) -> None:
    fed = make()
    row = ["265598", "AAPL", "STK", "", "0", "", "", "NASDAQ", "USD", "AAPL", "NMS", "5", "200"]
    fed.feed(frame("71", "1", "5", "DU1234567", *row, ""))
    fed.feed(frame("71", "1", "5", "DU1234567", *row, "growth"))
    fed.feed(frame("73", "1", "6", "DU1234567", "growth", "NetLiquidation", "5", "USD"))
    fed.feed(frame("63", "1", "6", "DU1234567", "NetLiquidation", "7", "USD"))
    assert len(await fed.facts(PositionReported)) == 1
    assert [fact.value for fact in await fed.facts(AccountValueReported)] == ["7"]


async def test_bytes_in_any_portions_make_the_same_messages(make: Any) -> None:
    fed = make()
    data = b"".join(frame(*fill(f"{number}.01")) for number in range(20))
    for start in range(0, len(data), 7):
        fed.feed(data[start : start + 7])
    assert [fact.exec_id for fact in await fed.facts(ExecutionReported)] == [f"{n}.01" for n in range(20)]


async def test_a_length_that_makes_no_sense_ends_the_connection(make: Any) -> None:
    fed = make()
    fed.feed((2**31 - 1).to_bytes(4, "big") + b"49\x001")
    fed.feed(frame(*fill()))
    lost = await fed.connection.lost()
    assert lost.reason == "gateway_unreachable"
    assert await fed.facts(ExecutionReported) == []


async def test_garbage_before_the_connection_is_ready_does_not_stop_it() -> None:
    other = Fed(load_settings(), 178)
    other.client._apiReady = False
    other.feed(frame("what", "is", "this"))
    other.feed(frame("15", "1", "DU1234567"))
    other.feed(frame("9", "1", "5"))
    assert other.client.isReady()


@pytest.mark.parametrize(
    ("code", "reason"), [(326, "client_id_in_use"), (10141, "needs_login"), (1300, "gateway_unreachable")]
)
async def test_codes_that_end_a_connection(make: Any, code: int, reason: str) -> None:
    fed = make()
    fed.feed(frame("4", "2", "-1", str(code), "some text about U1234567", ""))
    assert (await fed.connection.lost()).reason == reason


async def test_no_account_number_reaches_the_log(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger("ib_async").setLevel(logging.WARNING)
        fed = make()
        fed.feed(frame(*fill()))
        fed.feed(frame(*fill(when="20260415 19:38:31 Nowhere Standard Time")))
        fed.feed(frame("3", "1", "Filled", "1", "0", "1.0", "5", "0", "1.0", "0", "", "0"))
        fed.feed(frame("61", "3", "DU1234567", "what"))
        await fed.facts(ExecutionReported)
    assert "DU1234567" not in caplog.text
