"""Instruments over HTTP: what they are across brokers."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import insert

from core.settings import Settings
from models import tables as t
from models.session import Database
from models.stores.identity import map_by_hand, refresh_mapping
from tests.services.api.conftest import Api, Start
from tests.services.api.portfolio import AAPL, MSFT, PAPER, USD, VOD
from tests.services.api.stated import seed_statements

PATH = "/api/v1/instruments"
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
ISIN = "US0378331005"
KNOWN = (
    # conid, symbol, type, currency, isin, strike
    (-7, "AAPL", "STK", "USD", "", None),
    (9, "APC", "STK", "EUR", ISIN, None),
    (265598, "AAPL", "STK", "USD", ISIN, None),
    (700001, "AAPL", "OPT", "USD", "", "150"),
    (800001, "ODD", "STK", "USD", "US0378331006", None),
)


async def store(database: Database, *rows: tuple[object, ...]) -> None:
    names = ("conid", "symbol", "sec_type", "currency", "isin", "strike")
    async with database.write() as writer:
        for row in rows:
            said = dict(zip(names, row, strict=True))
            said["strike"] = None if row[5] is None else Decimal(str(row[5]))
            said |= {"local_symbol": row[1], "multiplier": 1, "exchange": "", "trading_class": ""}
            said |= {"expiry": "20261218" if row[5] else "", "option_right": "C", "updated_at": NOW}
            await writer.execute(insert(t.instruments).values(**said))


@pytest.fixture
async def mapped(start: Start, settings: Settings, database: Database) -> Api:
    await store(database, *KNOWN)
    async with database.write() as writer:
        await refresh_mapping(writer, NOW)
        await map_by_hand(writer, -7, f"isin:{ISIN}", forced=False, by="cli:me", now=NOW)
    await store(database, (900001, "NEW", "STK", "USD", "", None))
    return await start(settings)


async def test_instruments_are_listed_page_by_page_by_conid(mapped: Api) -> None:
    first = await mapped.get(PATH, limit=1)
    assert [row["conid"] for row in first["items"]] == [-7]
    second = await mapped.get(PATH, limit=2, cursor=first["next_cursor"])
    rest = await mapped.get(PATH, cursor=second["next_cursor"])
    assert [row["conid"] for row in second["items"] + rest["items"]] == [9, 265598, 700001, 800001, 900001]
    assert rest["next_cursor"] is None
    row = second["items"][1]
    assert (row["global_instrument_id"], row["source"], row["confidence"]) == (f"isin:{ISIN}", "isin", "0.99")
    assert (row["isin"], row["review"], row["mapped_by"]) == (ISIN, None, None)


@pytest.mark.parametrize(
    ("asked", "conids"),
    [
        ({"symbol": "AAPL"}, [-7, 265598, 700001]),
        ({"isin": ISIN}, [9, 265598]),
        ({"mapping": "unmapped"}, [900001]),
        ({"mapping": "low"}, [700001, 800001]),
        ({"mapping": "review"}, [800001]),
        ({"mapping": "manual"}, [-7]),
        ({"symbol": "AAPL", "mapping": "low"}, [700001]),
    ],
)
async def test_instruments_are_narrowed_by_name_and_by_how_they_are_mapped(
    mapped: Api, asked: dict[str, str], conids: list[int]
) -> None:
    assert [row["conid"] for row in (await mapped.get(PATH, **asked))["items"]] == conids


async def test_what_is_not_mapped_yet_is_null(mapped: Api) -> None:
    (row,) = (await mapped.get(PATH, mapping="unmapped"))["items"]
    assert [row[name] for name in ("global_instrument_id", "source", "confidence", "mapped_at")] == [None] * 4


async def test_one_instrument_tells_what_it_is_and_what_else_is_the_same(mapped: Api) -> None:
    found = await mapped.get(f"{PATH}/-7")
    assert (found["source"], found["confidence"], found["mapped_by"]) == ("manual", "1", "cli:me")
    assert found["same"] == [9, 265598]
    assert found["global_instrument"]["isin"] == ISIN
    assert found["global_instrument"]["country"] == "US"
    assert found["global_instrument"]["currency"] is None
    unmapped = await mapped.get(f"{PATH}/900001")
    assert (unmapped["global_instrument"], unmapped["same"]) == (None, [])


@pytest.mark.parametrize("conid", ["1", "0", str(2**63), str(-(2**63) - 1), "9" * 40])
async def test_an_instrument_that_there_is_not_is_not_found(mapped: Api, conid: str) -> None:
    answer = await mapped.http.get(f"{PATH}/{conid}")
    assert (answer.status_code, answer.json()["code"]) == (404, "instrument_not_found")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("?cursor=x", "cursor_invalid"),
        ("?isin=US", "validation_failed"),
        ("?mapping=whim", "validation_failed"),
        ("?symbol=%00", "validation_failed"),
    ],
)
async def test_what_cannot_be_meant_is_refused(mapped: Api, query: str, code: str) -> None:
    assert (await mapped.http.get(PATH + query)).json()["code"] == code


async def test_a_cursor_of_another_list_is_refused(mapped: Api) -> None:
    cursor = (await mapped.get(PATH, limit=1))["next_cursor"]
    assert (await mapped.http.get(f"/api/v1/snapshots?cursor={cursor}")).json()["code"] == "cursor_invalid"


async def test_a_page_about_one_tells_what_became_of_it(api: Api, database: Database) -> None:
    await seed_statements(database)
    told = await api.get(f"{PATH}/{AAPL}")
    [held] = told["open_positions"]
    assert (held["account"], held["quantity"]) == (USD, "100")
    assert (told["closed_positions"], told["realized_pnl"], told["unknown_positions"]) == (0, "12.5", 0)
    assert told["income"] == [
        {
            "kind": "dividend",
            "currency": "USD",
            "amount": "21.5",
            "flows": 1,
            "last_at": "2026-11-17T17:00:00Z",
        }
    ]
    assert (told["last_mark"]["price"], told["last_mark"]["as_of"]) == ("160.5", "2026-11-20T15:00:00Z")
    assert told["last_mark"]["age_seconds"] > 0
    assert told["first_opened_at"] == held["opened_at"]
    elsewhere = await api.get(f"{PATH}/{AAPL}", account=PAPER)
    assert (elsewhere["open_positions"], elsewhere["income"], elsewhere["last_mark"]) == ([], [], None)
    assert (elsewhere["realized_pnl"], elsewhere["freshness"]["as_of"]) == ("0", "2026-11-20T15:00:00Z")


async def test_what_of_one_is_not_known_is_counted_and_no_sum(api: Api) -> None:
    sold = await api.get(f"{PATH}/{MSFT}")
    assert (sold["closed_positions"], sold["realized_pnl"], sold["open_positions"]) == (3, "229.75", [])
    unknown = await api.get(f"{PATH}/{VOD}")
    assert (unknown["realized_pnl"], unknown["unknown_positions"]) == (None, 1)
    answer = await api.http.get(f"{PATH}/{VOD}", params={"account": "U0"})
    assert answer.json()["code"] == "account_not_found"
