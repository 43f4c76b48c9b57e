"""Every response field by field, against the protocol's tables and against recorded frames."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ib_async import IB
from ib_async.decoder import Decoder

from services.simulator import messages
from services.simulator.book import Position
from services.simulator.executions import Execution, Order
from services.simulator.instruments import Instrument
from services.simulator.scenario import InstrumentTable, build_instrument

D = Decimal
DATA = Path(__file__).parents[2] / "data" / "wire-rust-ibapi"
UNSET = "1.7976931348623157E308"
AT = datetime(2026, 4, 13, 19, 27, 4, tzinfo=UTC)


def instrument(**fields: Any) -> Instrument:
    table = {"conid": 76792991, "symbol": "TSLA", "mark": D(1), "exchange": "NASDAQ", "trading_class": "NMS"}
    return build_instrument(InstrumentTable(**{**table, **fields}), AT.date())


TSLA = instrument()
ES = instrument(
    conid=637533641,
    symbol="ES",
    kind="FUT",
    expiry="20250919",
    multiplier=D(50),
    exchange="CME",
    local_symbol="ESU5",
    trading_class="ES",
)
OPTION = instrument(
    kind="OPT", right="C", strike=D(250), expiry="20260619", exchange="CBOE", trading_class="TSLA"
)


def recorded_fill(**changes: Any) -> Execution:
    """The fill of the recorded TSLA order."""
    fields: dict[str, Any] = {
        "exec_id": "00025b46.63f8f39c.01.01",
        "account": "DU1234567",
        "conid": 76792991,
        "side": "BOT",
        "quantity": D(100),
        "price": D("196.52"),
        "executed_at": datetime(2023, 2, 24, 17, 4, 56, tzinfo=UTC),
        "exchange": "ISLAND",
        "order": Order(13, 1376327563, 100, D(100)),
        "filled": D(100),
        "average_price": D("196.52"),
        "commission": D(1),
        "commission_currency": "USD",
    }
    return Execution(**{**fields, **changes})


def recorded(name: str) -> list[list[str]]:
    return [entry["fields"] for entry in json.loads((DATA / name).read_text())]


def test_our_telling_of_the_recorded_fill_is_the_recording() -> None:
    fill, unset = recorded_fill(), D(0)
    expected = recorded("tsla_fill_sequence_sv164.json")
    ours = [
        messages.open_order(164, TSLA, fill, "PreSubmitted"),
        messages.order_status(fill, "PreSubmitted", unset, unset),
        messages.execution(164, -1, TSLA, fill, "US/Eastern"),
        messages.open_order(164, TSLA, fill, "Filled"),
        messages.order_status(fill, "Filled", D(100), D("196.52")),
        messages.open_order(164, TSLA, fill, "Filled", commission=True),
        messages.commission_report(fill),
    ]
    assert ours == expected


def test_our_telling_at_173_differs_from_the_recording_only_in_the_pegged_offsets() -> None:
    (recorded_order, *_) = (
        fields for fields in recorded("aapl_fill_sequence_sv173.json") if fields[0] == "5"
    )
    apple = instrument(conid=265598, symbol="AAPL")
    fill = recorded_fill(order=Order(5, 600745656, 100, D(100)), conid=265598)
    ours = messages.open_order(173, apple, fill, "PreSubmitted")
    assert len(ours) == len(recorded_order)
    differences = {index for index in range(len(ours)) if ours[index] != recorded_order[index]}
    assert differences == {132, 133}


def test_an_order_at_178_has_135_fields() -> None:
    assert len(messages.open_order(178, TSLA, recorded_fill(), "Filled", commission=True)) == 135


def test_positions_are_as_recorded() -> None:
    short = messages.position(
        "ACCOUNT_ID", instrument(conid=265598, symbol="AAPL"), Position(D(-110), D("201.8829709"))
    )
    row = "61|3|ACCOUNT_ID|265598|AAPL|STK||0.0|||NASDAQ|USD|AAPL|NMS|-110|201.8829709"
    assert short == row.split("|")
    future = messages.position("ACCOUNT_ID", ES, Position(D(1), D("315114.75")))
    assert future == [
        "61",
        "3",
        "ACCOUNT_ID",
        "637533641",
        "ES",
        "FUT",
        "20250919",
        "0.0",
        "",
        "50",
        "",
        "USD",
        "ESU5",
        "ES",
        "1",
        "315114.75",
    ]
    assert messages.position("A", ES, Position(D(0), D(0)))[-2:] == ["0", "0.0"]


EXECUTION_178 = (
    "11|-1|13|637533641|ES|FUT|20250919|0.0||50|ISLAND|USD|ESU5|ES|00025b46.63f8f39c.01.01|"
    "20260413 15:27:04 US/Eastern|DU1234567|ISLAND|BOT|100|196.52|1376327563|100|0|100|196.52|||||2|0"
)
DETAILS_178 = (
    "10|5|TSLA|OPT|20260619|250.0|C|SMART|USD|TSLA  260619C00250000|TSLA|TSLA|76792991|0.01|100|"
    "ACTIVETIM,LMT,MKT,STP|SMART,CBOE|1|0|TSLA|CBOE|202606||||US/Eastern|"
    "20260413:0930-20260413:1600|20260413:0930-20260413:1600|||0|1|||26|20260619||1|1|1"
)
ROW = "76792991|TSLA|STK||0.0|||NASDAQ|USD|TSLA|NMS"
LAYOUTS = [
    (messages.handshake(178, AT, "US/Eastern"), "178|20260413 15:27:04 US/Eastern"),
    (
        messages.handshake(173, AT, "Central European Standard Time"),
        "173|20260413 21:27:04 Central European Standard Time",
    ),
    (messages.managed_accounts(["A", "B"]), "15|1|A,B"),
    (messages.next_valid_id(7), "9|1|7"),
    (messages.error(178, 1100, "lost"), "4|2|-1|1100|lost|"),
    (messages.error(165, 321, "no", 4), "4|2|4|321|no"),
    (messages.current_time(AT), "49|1|1776108424"),
    (messages.position_end(), "62|1"),
    (
        messages.position_multi(3, "A", TSLA, Position(D("0.5"), D(1))),
        "71|1|3|A|76792991|TSLA|STK||0.0|||NASDAQ|USD|TSLA|NMS|0.5|1.0|",
    ),
    (messages.position_multi_end(3), "72|1|3"),
    (messages.account_value("A", "NetLiquidation", "1.00", "USD"), "6|2|NetLiquidation|1.00|USD|A"),
    (
        messages.portfolio("A", TSLA, Position(D(-2), D("3.5")), D(4), D(-8), D(-1), D(0)),
        f"7|8|{ROW}|-2|4.0|-8.0|3.5|-1.0|0.0|A",
    ),
    (messages.account_time(AT, "US/Eastern"), "8|1|15:27"),
    (messages.account_download_end("A"), "54|1|A"),
    (messages.account_update_multi(3, "A", "Tag", "v", "EUR"), "73|1|3|A||Tag|v|EUR"),
    (messages.account_update_multi_end(3), "74|1|3"),
    (messages.account_summary(3, "A", "Tag", "v", ""), "63|1|3|A|Tag|v|"),
    (messages.account_summary_end(3), "64|1|3"),
    (messages.pnl(3, None, D("1.5"), D(0)), f"94|3|{UNSET}|1.5|0.0"),
    (messages.pnl_single(3, D(-1), D(1), D(2), None, D(4)), f"95|3|-1|1.0|2.0|{UNSET}|4.0"),
    (messages.execution(178, -1, ES, recorded_fill(executed_at=AT), "US/Eastern"), EXECUTION_178),
    (messages.execution_end(9), "55|1|9"),
    (
        messages.commission_report(recorded_fill(realized=D("-34.74"), commission=D("2.37"))),
        f"59|1|00025b46.63f8f39c.01.01|2.37|USD|-34.74|{UNSET}|",
    ),
    (messages.open_order_end(), "53|1"),
    (messages.completed_orders_end(), "102"),
    (messages.contract_details(178, 5, OPTION, AT.date()), DETAILS_178),
    (messages.contract_details_end(5), "52|1|5"),
    (
        messages.historical_data(5, "s", "e", [["d", "1", "2", "0", "1", "9", "1", "3"]]),
        "17|5|s|e|1|d|1|2|0|1|9|1|3",
    ),
    (messages.market_data_type(5), "58|1|5|1"),
    (messages.tick_parameters(5, D("0.01")), "81|5|0.01|9c0001|3"),
    (messages.tick_price(5, 4, D("1.5"), D(100)), "1|6|5|4|1.5|100|1"),
    (messages.tick_snapshot_end(5), "57|1|5"),
]


@pytest.mark.parametrize(
    ("fields", "layout"), LAYOUTS, ids=lambda value: value[:12] if isinstance(value, str) else ""
)
def test_the_layout_is_the_protocols(fields: list[str], layout: str) -> None:
    assert fields == layout.split("|")


@pytest.mark.parametrize("version", [157, 163, 164, 178])
async def test_contract_details_of_every_version_are_read_by_ib_async(version: int) -> None:
    ib = IB()
    ib.wrapper.startReq(5, container=[])
    decoder = Decoder(ib.wrapper, version)
    decoder.interpret(messages.contract_details(version, 5, OPTION, AT.date()))
    (details,) = ib.wrapper._results[5]
    assert (details.minTick, details.orderTypes, details.priceMagnifier) == (0.01, "ACTIVETIM,LMT,MKT,STP", 1)
    assert details.contract.multiplier == "100"
    assert details.timeZoneId == "US/Eastern"
    assert details.sizeIncrement == (1 if version >= 164 else 0)
