"""What a position's instrument was worth while it was held."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from models import tables as t
from models.session import Database
from models.stores.imports import File, begin_import, end_import
from models.stores.partitions import ensure_partitions
from tests.services.api.conftest import Api
from tests.services.api.kept import seed_snapshots
from tests.services.api.portfolio import AAPL, NOW, USD, VOD, position_id
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


@pytest.mark.parametrize("asked", [{"from": "9999-12-31T12:00:00Z"}, {"to": "0001-01-01T00:00:00Z"}])
async def test_a_time_far_from_its_life_is_a_moment_of_it(
    api: Api, database: Database, asked: dict[str, str]
) -> None:
    await seed_snapshots(database)
    found = await api.get(PRICES, **asked)
    assert (found["since"] == found["until"], found["items"]) == (True, [])


async def test_statements_tell_prices_too_while_they_stand(api: Api, database: Database) -> None:
    await seed_snapshots(database)
    at = NOW - timedelta(days=4)
    await mark(database, at, "155")

    async def stated(name: str, told: datetime, price: str, **more: Any) -> int:
        async with database.write() as writer:
            file = File(name, "flex", name.ljust(64, "0"), 1, b"")
            number = await begin_import(writer, file, trigger="cli", stated_at=NOW, now=NOW)
            await end_import(writer, number, {}, (USD,))
            await writer.execute(
                insert(t.stated_positions).values(
                    **{"import_id": number, "line": 1, "account": USD, "conid": AAPL, "quantity": 1}
                    | {"as_of": told, "mark_price": Decimal(price)}
                    | more
                )
            )
            return number

    await stated("a", at + timedelta(hours=6), "156")
    await stated("b", at, "999")  # the snapshot of that very moment counts
    await stated("c", at + timedelta(hours=9), "998", implied=True)
    undone = await stated("d", at + timedelta(hours=12), "997")
    async with database.write() as writer:
        await writer.execute(
            update(t.imports).where(t.imports.c.id == undone).values(status="undone", undone_at=NOW)
        )
    assert [price for _, price in await told(api)][:2] == ["155", "156"]
    assert {price for _, price in await told(api)} == {"155", "156", "160"}


async def test_nobody_is_told_prices_of_what_they_may_not_see(both: Api) -> None:
    answer = await both.http.get(PRICES, headers=bearing("theirs"))
    assert (answer.status_code, answer.json()["code"]) == (404, "position_not_found")
