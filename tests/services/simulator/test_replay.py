"""Recordings of real gateways, played unchanged to an unmodified ib_async."""

import asyncio
import json
from pathlib import Path
from typing import Any

import ib_async
import pytest

from services.simulator.replay import Recording, RecordingError, Replay, load_recording
from tests.services.simulator.clients import RawClient, ib_connected
from tests.waiting import comes

DATA = Path(__file__).parents[2] / "data" / "wire-rust-ibapi"
TSLA, AAPL = DATA / "tsla_fill_sequence_sv164.json", DATA / "aapl_fill_sequence_sv173.json"
INTERACTIONS = DATA / "tws_interactions_sv173.yaml"
UNSET = 1.7976931348623157e308


def recorded(path: Path) -> list[list[str]]:
    return [entry["fields"] for entry in json.loads(path.read_text())]


def test_the_clients_own_message_is_told_from_the_gateways() -> None:
    recording = load_recording(AAPL)
    assert [fields[0] for fields in recorded(AAPL)] == ["71", "15", "9", "5", "3", "11", "5", "3"]
    assert [fields[0] for fields in recording.story] == ["15", "9", "5", "3", "11", "5", "3"]
    assert (recording.server_version, recording.account, recording.next_valid_id) == (173, "DU1234567", "5")


@pytest.mark.parametrize(("path", "version"), [(TSLA, 164), (AAPL, 173)])
async def test_a_sequence_is_sent_field_by_field_as_recorded(path: Path, version: int) -> None:
    async with Replay.start(path) as replay, RawClient.connect(replay.port) as client:
        assert client.greeting[0] == str(version)
        assert [(await client.next())[0] for _ in range(2)] == ["15", "9"]
        await replay.play()
        said = [fields for fields in recorded(path) if fields[0] not in {"71", "15", "9"}]
        assert [await client.next() for _ in said] == said


@pytest.mark.parametrize(
    ("path", "symbol", "exec_id", "price"),
    [
        (TSLA, "TSLA", "00025b46.63f8f39c.01.01", 196.52),
        (AAPL, "AAPL", "0000e0d5.67fe667b.01.01", 201.94),
    ],
)
async def test_ib_async_books_the_recorded_fill(path: Path, symbol: str, exec_id: str, price: float) -> None:
    async with Replay.start(path) as replay, ib_connected(replay.port) as ib:
        ib.TimezoneTWS = "US/Eastern"
        reports: list[ib_async.CommissionReport] = []
        ib.wrapper.commissionReport = reports.append
        await replay.play()
        fill = await comes(lambda: next(iter(ib.fills()), None))
        assert (fill.contract.symbol, fill.execution.execId, fill.execution.price) == (symbol, exec_id, price)
        assert fill.execution.shares == 100
        await comes(lambda: ib.trades()[0].orderStatus.status == "Filled")
        if path == TSLA:
            await comes(lambda: reports)
            assert (reports[0].commission, reports[0].realizedPNL) == (1.0, UNSET)


async def test_ib_async_asks_what_was_asked_and_gets_what_was_answered() -> None:
    async with Replay.start(INTERACTIONS) as replay, ib_connected(replay.port) as ib:
        assert ib.managedAccounts() == ["ACCOUNT_ID"]
        positions = {row.contract.localSymbol: (row.position, row.avgCost) for row in ib.positions()}
        assert positions == {"AAPL": (-110.0, 201.8829709), "ESU5": (1.0, 315114.75)}
        assert int((await ib.reqCurrentTimeAsync()).timestamp()) == 1752606307
        rows: list[tuple[Any, ...]] = []
        ended: list[int] = []
        ib.wrapper.accountSummary = lambda *args: rows.append(args)
        ib.wrapper.accountSummaryEnd = ended.append
        ib.client.reqAccountSummary(9000, "All", "NetLiquidation,TotalCashValue,GrossPositionValue")
        await comes(lambda: ended == [9000])
        assert (9000, "ACCOUNT_ID", "NetLiquidation", "246447.83", "USD") in rows
        # The recorded request for profit was never answered: silence is what was recorded.
        ib.client.send(93, 9001)
        await ib.reqCurrentTimeAsync()
        assert ["93", "9001"] in replay.received
        assert len(rows) == 3


async def test_a_client_that_leaves_or_talks_nonsense_does_not_end_the_replay() -> None:
    async with Replay.start(TSLA) as replay:
        reader, writer = await asyncio.open_connection("127.0.0.1", replay.port)
        writer.write(b"API\0\xff\xff\xff\xff")
        assert await reader.read() == b""
        writer.close()
        async with RawClient.connect(replay.port) as client:
            assert client.greeting[0] == "164"
            client.send("4242")
            client.send("61", "1")
            assert (await client.until("62"))[-1] == ["62", "1"]


@pytest.mark.parametrize(("name", "text"), [("a.json", "[]"), ("a.yaml", "server_version: 173\n")])
def test_a_file_without_a_recording_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RecordingError, match=name):
        load_recording(tmp_path / name)


def test_a_sequence_without_accounts_gets_a_placeholder() -> None:
    recording = Recording(164, (["3", "13"],))
    assert (recording.account, recording.next_valid_id) == ("DU1234567", "1")
