"""What accounts were worth before anybody recorded it, over HTTP."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert

from models import tables as t
from models.session import Database
from models.stores.performance import note_extremes
from tests.services.api.conftest import Api
from tests.services.api.portfolio import USD
from tests.services.api.stated import seed_statements


@pytest.fixture
async def told(seeded: Database, api: Api) -> Api:
    await seed_statements(seeded)
    return api


async def test_the_days_are_listed_newest_first_page_by_page(told: Api) -> None:
    first = await told.get("/api/v1/performance", account=USD, limit=2)
    assert [(row["day"], row["net_liquidation"], row["twr"]) for row in first["items"]] == [
        ("2026-11-18", "10094", "-0.000594059406"),
        ("2026-11-17", "10300", "0.019801980198"),
    ]
    second = await told.get("/api/v1/performance", account=USD, limit=2, cursor=first["next_cursor"])
    [row] = second["items"]
    assert (row["day"], row["daily_pnl"], row["net_contribution"]) == ("2026-11-16", None, None)
    assert (row["source"], row["resolution"], row["data_quality"]) == ("statement", "day", "incomplete")
    assert second["next_cursor"] is None


async def test_what_a_statement_tells_is_never_live(told: Api) -> None:
    block = (await told.get("/api/v1/performance"))["freshness"]
    assert (block["source"], block["reason"], block["stale"]) == ("last_known", "statement", True)
    assert block["as_of"] == "2026-11-19T05:00:00Z"
    empty = await told.get("/api/v1/performance", resolution="hour")
    assert (empty["items"], empty["freshness"]["as_of"]) == ([], None)


async def test_days_are_chosen_by_when_they_ended(told: Api) -> None:
    bounds = {"from": "2026-11-18T05:00:00Z", "to": "2026-11-19T05:00:00Z"}
    assert [row["day"] for row in (await told.get("/api/v1/performance", **bounds))["items"]] == [
        "2026-11-17"
    ]


async def test_a_cursor_belongs_to_its_resolution_and_an_account_has_to_exist(told: Api) -> None:
    cursor = (await told.get("/api/v1/performance", limit=1))["next_cursor"]
    for query in ({"resolution": "hour", "cursor": cursor}, {"cursor": "x"}):
        answer = await told.http.get("/api/v1/performance", params=query)
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")
    assert (await told.http.get("/api/v1/performance", params={"account": "U0"})).status_code == 404


FIRST = datetime(2026, 1, 5, 3, tzinfo=UTC)


async def keep(database: Database, rows: list[dict[str, Any]], resolution: str = "hour") -> None:
    async with database.write() as writer:
        await writer.execute(
            insert(t.performance_metrics),
            [
                {
                    "account": USD,
                    "resolution": resolution,
                    "source": "snapshot",
                    "day": row["ts"].date(),
                    "data_quality": "complete",
                    **row,
                }
                for row in rows
            ],
        )
        await note_extremes(writer, USD, [rows[0]["ts"], rows[-1]["ts"]])


def walk(hours: int) -> list[dict[str, Any]]:
    """Values and returns that go their own ways; some returns are not known."""
    chance = random.Random(4)  # noqa: S311 - a repeatable script, not a secret
    return [
        {
            "ts": FIRST + timedelta(hours=number),
            "net_liquidation": Decimal(chance.randrange(90_000, 110_000)),
            "twr": None if number % 50 == 7 else Decimal(chance.randrange(-500, 500)) / 1000,
        }
        for number in range(hours)
    ]


@pytest.mark.parametrize(
    ("hours", "points", "stretch_hours"),
    [(90, 100, None), (900, 100, 39.08), (2400, 100, 120), (2400, 24, 24 * 7 * 4), (2400, 10, 24 * 7 * 15)],
)
@pytest.mark.parametrize("cut", [False, True])
async def test_of_each_stretch_the_lowest_and_highest_survive(
    told: Api, seeded: Database, hours: int, points: int, stretch_hours: float | None, cut: bool
) -> None:
    rows = walk(hours)
    await keep(seeded, rows)
    bounds = {}
    if cut:
        rows = rows[5:-3]
        bounds = {
            "from": f"{rows[0]['ts']:%Y-%m-%dT%H:%M:%SZ}",
            "to": f"{rows[-1]['ts'] + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}",
        }
    answer = await told.get("/api/v1/performance", account=USD, resolution="hour", points=points, **bounds)
    found = {datetime.fromisoformat(row["ts"]): row for row in answer["items"]}
    assert len(found) <= points
    assert [row["ts"] for row in answer["items"]] == sorted(
        (row["ts"] for row in answer["items"]), reverse=True
    )
    assert {rows[0]["ts"], rows[-1]["ts"]} <= set(found)
    seconds = answer["stretch_seconds"]
    if stretch_hours is None:
        assert (seconds, len(found)) == (None, len(rows))
        return
    width = timedelta(seconds=seconds)
    if not cut:
        assert seconds == pytest.approx(stretch_hours * 3600, rel=0.3)
    begin = datetime(2001, 1, 1, tzinfo=UTC)
    unit = next((one for one in (timedelta(days=7), timedelta(days=1)) if width >= one), None)
    origin = rows[0]["ts"] if unit is None else begin + (rows[0]["ts"] - begin) // unit * unit
    stretches: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        stretches.setdefault((row["ts"] - origin) // width, []).append(row)
    for ones in stretches.values():
        for name in ("net_liquidation", "twr"):
            known = [one for one in ones if one[name] is not None]
            for choose in (min, max):
                assert choose(known, key=lambda one: one[name])["ts"] in found, name


async def test_auto_takes_hours_where_they_go_back_as_far_as_days(told: Api, seeded: Database) -> None:
    answer = await told.get("/api/v1/performance", account=USD, resolution="auto")
    assert (answer["resolution"], answer["stretch_seconds"], len(answer["items"])) == ("day", None, 3)
    assert answer["freshness"]["reason"] == "statement"
    await keep(seeded, walk(9))
    answer = await told.get("/api/v1/performance", account=USD, resolution="auto")
    assert (answer["resolution"], len(answer["items"])) == ("hour", 9)
    assert answer["freshness"]["reason"] == "snapshot"
    until = "2026-01-01T00:00:00Z"
    nothing = await told.get("/api/v1/performance", account=USD, resolution="auto", to=until)
    assert (nothing["items"], nothing["resolution"]) == ([], "day")


async def test_a_day_is_listed_once_unless_one_source_is_asked_for(told: Api, seeded: Database) -> None:
    ends = [datetime(2026, 11, day, 5, tzinfo=UTC) for day in (18, 19, 20)]
    await keep(seeded, [{"ts": at, "net_liquidation": Decimal(7)} for at in ends], "day")
    for more in ({}, {"points": 10}):
        both = (await told.get("/api/v1/performance", account=USD, **more))["items"]
        assert [(row["ts"][8:10], row["source"]) for row in both] == [
            ("20", "snapshot"),
            ("19", "statement"),
            ("18", "statement"),
            ("17", "statement"),
        ]
        kept = (await told.get("/api/v1/performance", account=USD, source="snapshot", **more))["items"]
        assert [row["ts"][8:10] for row in kept] == ["20", "19", "18"]


async def test_points_are_of_one_account_and_come_in_one_answer(told: Api) -> None:
    cursor = (await told.get("/api/v1/performance", limit=1))["next_cursor"]
    for query, code in (
        ({"points": 100}, "account_needed"),
        ({"points": 100, "account": USD, "cursor": cursor}, "cursor_invalid"),
    ):
        answer = await told.http.get("/api/v1/performance", params=query)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    answer = await told.http.get("/api/v1/performance", params={"account": USD, "points": 9})
    assert answer.status_code == 422
