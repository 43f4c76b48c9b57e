"""What a position's instrument was worth while it was held."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, select

from models import tables as t
from models.session import Database
from models.stores.partitions import ensure_partitions
from tests.services.api.conftest import Api
from tests.services.api.kept import seed_snapshots
from tests.services.api.portfolio import AAPL, NOW, VOD, position_id
from tests.services.api.restricted import bearing

PRICES = f"/api/v1/positions/{position_id('aapl')}/prices"


async def mark(database: Database, at: datetime, price: str, conid: int = AAPL) -> None:
    """A price in the first snapshot there is, told at a time of its own."""
    async with database.write() as writer:
        await ensure_partitions(writer, at, months_ahead=0)
        number = (await writer.execute(select(t.snapshots.c.id).limit(1))).scalar_one()
        await writer.execute(
            insert(t.snapshot_positions).values(
                snapshot_id=number,
                asof_ts=at + timedelta(seconds=3),
                conid=conid,
                quantity=1,
                currency="USD",
                mark_price=Decimal(price),
                mark_as_of=at,
                fresh=True,
            )
        )


async def told(api: Api, **query: Any) -> list[tuple[str, str]]:
    return [(one["ts"], one["price"]) for one in (await api.get(PRICES, **query))["items"]]


async def test_prices_are_those_of_snapshots_while_it_was_held(api: Api, database: Database) -> None:
    await seed_snapshots(database)
    await mark(database, NOW - timedelta(days=10), "99")
    await mark(database, NOW - timedelta(days=5), "155.250")
    await mark(database, NOW - timedelta(days=5), "7", VOD)
    found = await api.get(PRICES)
    assert (found["position_id"], found["currency"]) == (str(position_id("aapl")), "USD")
    assert (found["since"], found["freshness"]["source"]) == ("2026-11-11T15:00:00Z", "last_known")
    assert [(one["ts"], one["price"]) for one in found["items"]] == [
        ("2026-11-15T15:00:00Z", "155.25"),
        ("2026-11-20T12:59:58Z", "160"),
        ("2026-11-20T13:59:58Z", "160"),
    ]


async def test_of_many_the_last_of_each_part_is_told(api: Api, database: Database) -> None:
    await seed_snapshots(database)
    for hour in range(24):
        await mark(database, NOW - timedelta(days=5) + timedelta(hours=hour), str(100 + hour))
    since, until = NOW - timedelta(days=5), NOW - timedelta(days=4)
    part = {"from": since.isoformat(), "to": until.isoformat()}
    assert [price for _, price in await told(api, points=4, **part)] == ["105", "111", "117", "123"]
    every = await api.get(PRICES, points=500, **part)
    assert len(every["items"]) == 24
    assert every["stretch_seconds"] == round(86_400 / 500)
    few = await told(api, points=2)
    assert few[-1] == ("2026-11-20T13:59:58Z", "160"), "the newest is always among them"


async def test_a_time_in_which_it_was_not_held_has_none(api: Api, database: Database) -> None:
    await seed_snapshots(database)
    before = {"to": (NOW - timedelta(days=30)).isoformat()}
    assert await told(api, **before) == []
    answer = await api.http.get(PRICES, params={"points": 1})
    assert answer.status_code == 422
    answer = await api.http.get(PRICES, params={"from": "2026-11-19T00:00:00"})
    assert (answer.status_code, "zone" in answer.json()["detail"]) == (422, True)


async def test_nobody_is_told_prices_of_what_they_may_not_see(both: Api) -> None:
    answer = await both.http.get(PRICES, headers=bearing("theirs"))
    assert (answer.status_code, answer.json()["code"]) == (404, "position_not_found")
