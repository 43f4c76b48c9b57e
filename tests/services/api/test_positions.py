import uuid
from decimal import Decimal

import pytest
from sqlalchemy import update

from core.clock import utc_now
from core.settings import Settings
from core.streams.redis import RedisStreams
from models import tables as t
from models.session import Database
from tests.services.api.conftest import Api
from tests.services.api.portfolio import PAPER, USD, beat, mark, position_id, seed_comparisons, tick
from tests.waiting import eventually

NAMES = {str(position_id(name)): name for name in ("aapl", "es", "vod", "won", "lost", "again")}


async def names(api: Api, **query: object) -> list[str]:
    return [NAMES[row["id"]] for row in (await api.get("/api/v1/positions", **query))["items"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["es", "vod", "aapl"]),
        ({"status": "closed"}, ["again", "lost", "won"]),
        ({"status": "all"}, ["again", "es", "vod", "lost", "won", "aapl"]),
        ({"account": PAPER}, ["vod"]),
        ({"account": PAPER, "status": "all"}, ["vod", "lost"]),
        ({"symbol": "MSFT", "status": "all"}, ["again", "lost", "won"]),
        ({"symbol": "AAPL"}, ["aapl"]),
        ({"symbol": "NOPE"}, []),
    ],
)
async def test_positions_are_listed_newest_first_and_filtered(
    api: Api, query: dict[str, str], found: list[str]
) -> None:
    assert await names(api, **query) == found


@pytest.mark.parametrize("status", ["open", "closed", "all"])
async def test_pages_follow_each_other_without_a_gap_or_a_double(api: Api, status: str) -> None:
    whole = await names(api, status=status)
    paged: list[str] = []
    cursor: str | None = None
    while True:
        query = {"status": status, "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = await api.get("/api/v1/positions", **query)
        assert len(page["items"]) <= 2
        paged += [NAMES[row["id"]] for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert paged == whole


async def test_a_position_has_all_that_the_contract_promises(api: Api) -> None:
    row = (await api.get("/api/v1/positions", symbol="ES"))["items"][0]
    assert row["quantity"] == "-2"
    assert row["side"] == "short"
    assert row["average_cost"] == "225002.37"
    assert row["cost_basis"] == "-450004.74"
    assert row["market_price"] == "4501"  # -450100 ÷ (-2 × 50)
    assert row["market_value"] == "-450100"
    assert row["unrealized_pnl"] == "-95.26"
    assert row["broker_quantity"] == "-2"
    assert row["reconciled"] is True
    assert row["description"] == "E-mini S&P 500"
    assert row["freshness"]["source"] == "last_known"


async def test_one_position_reads_the_same_alone_as_in_the_list(api: Api) -> None:
    for name in ("es", "won"):
        alone = await api.get(f"/api/v1/positions/{position_id(name)}")
        listed = [
            row
            for row in (await api.get("/api/v1/positions", status="all"))["items"]
            if row["id"] == str(position_id(name))
        ]
        for row in (alone, *listed):
            row["freshness"].pop("age_seconds")
            row.pop("holding_seconds")
        assert [row.items() <= alone.items() for row in listed] == [True]


async def test_one_position_says_what_its_page_shows_beyond_the_list(api: Api, seeded: Database) -> None:
    await seed_comparisons(seeded)
    async with seeded.write() as writer:
        await writer.execute(
            update(t.ledger_books).values(cost_method="hifo", broker_average_cost=Decimal("150.040"))
        )
    names = ("average_entry_price", "average_exit_price", "max_quantity", "cost_method")
    row = await api.get(f"/api/v1/positions/{position_id('aapl')}")
    assert [row[name] for name in names] == ["150", None, "100", "hifo"]
    assert row["broker_average_cost"] == "150.04"
    assert [(one["kind"], one["cause"], one["ours"], one["brokers"]) for one in row["differences"]] == [
        ("cost_mismatch", None, "150.01", "150.04"),
        ("quantity_mismatch", "unexplained", "90.5", "100"),
    ]
    assert {one["since"] for one in row["differences"]} == {"2026-11-20T13:00:00Z"}
    over = await api.get(f"/api/v1/positions/{position_id('won')}")
    assert [over[name] for name in names] == ["400.4", "406", "10", "hifo"]
    assert (over["broker_average_cost"], over["differences"]) == (None, [])


async def test_a_difference_stands_with_the_newest_position_of_its_instrument_alone(
    api: Api, seeded: Database
) -> None:
    await seed_comparisons(seeded)
    async with seeded.write() as writer:
        await writer.execute(update(t.reconciliation_differences).values(resolved_at=None))
    found = {
        name: [
            one["kind"] for one in (await api.get(f"/api/v1/positions/{position_id(name)}"))["differences"]
        ]
        for name in ("won", "again", "lost")
    }
    assert found == {"won": [], "again": ["missing_broker"], "lost": []}


async def test_a_position_tells_its_story_page_by_page(api: Api) -> None:
    path = f"/api/v1/positions/{position_id('aapl')}/events"
    first = await api.get(path, limit=2)
    second = await api.get(path, limit=1, cursor=first["next_cursor"])
    told = [*first["items"], *second["items"]]
    assert [(event["type"], event["quantity"], event["position_after"]) for event in told] == [
        ("opened", "60", "60"),
        ("increased", "40", "100"),
        ("corrected", "0", "100"),
    ]
    assert [event["replaced_quantity"] for event in told] == [None, None, "50"]
    assert (told[2]["exec_id"], told[2]["price"]) == ("0001.ab.01.01", "150")
    assert told[0]["id"] == f"{position_id('aapl')}:1"
    assert second["next_cursor"] is None
    assert first["freshness"]["as_of"] == "2026-11-20T15:00:00Z"


async def test_a_position_nobody_knows_is_a_problem(api: Api) -> None:
    for path in (f"/api/v1/positions/{uuid.uuid4()}", f"/api/v1/positions/{uuid.uuid4()}/events"):
        answer = await api.http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "position_not_found")
    assert (await api.http.get("/api/v1/positions/nonsense")).json()["code"] == "validation_failed"


async def test_an_account_nobody_knows_is_a_problem(api: Api) -> None:
    answer = await api.http.get("/api/v1/positions", params={"account": "U0"})
    assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("limit", [0, 501, "many"])
async def test_a_page_has_a_hard_limit(api: Api, limit: object) -> None:
    answer = await api.http.get("/api/v1/positions", params={"limit": limit})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert answer.json()["errors"][0]["location"] == "query.limit"


async def test_a_cursor_that_is_not_ours_is_refused(api: Api) -> None:
    executions = await api.get("/api/v1/executions", limit=1)
    foreign = executions["next_cursor"]
    for cursor in ("nonsense", "ÿ", "e30", "WyJwIiwgMV0", foreign):
        answer = await api.http.get("/api/v1/positions", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid"), cursor


async def test_rest_and_websocket_show_the_same_row(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    async with api.socket() as socket:
        await socket.subscribe("positions")
        await tick(streams, settings, beat(utc_now()), mark(utc_now()))
        key = str(position_id("aapl"))
        told = await socket.next(
            "delta",
            where=lambda m: any(o["key"] == key and o["value"]["market_price"] == "161" for o in m["ops"]),
        )
        row = next(op["value"] for op in told["ops"] if op["key"] == key)
        answer = (await api.get("/api/v1/positions", symbol="AAPL"))["items"][0]
        for each in (row, answer):
            each.pop("holding_seconds")
            each["freshness"].pop("age_seconds")
        assert answer == row
        assert answer["freshness"]["source"] == "live"
        assert answer["freshness"]["links"] == {"gateway": "up", "ibkr": "up"}


async def test_a_list_is_live_only_while_the_link_beats(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    async def source() -> str:
        block = (await api.get("/api/v1/positions", account=USD))["freshness"]
        return str(block["source"]) + ":" + str(block["reason"])

    await tick(streams, settings, beat(utc_now()))
    await eventually(source, lambda told: told == "live:None")
    await eventually(source, lambda told: told == "last_known:broker_link_down")
    await tick(streams, settings, beat(utc_now(), ibkr="down", reason="ib_1100"))
    await eventually(source, lambda told: told == "last_known:ib_1100")
