"""What accounts together were worth, drawn point by point."""

from datetime import date
from decimal import Decimal

import pytest

from models.session import Database
from tests.services.api.conftest import Api
from tests.services.api.measured import (
    Day,
    new_import,
    random_days,
    weekdays,
    write_days,
    write_hours,
    write_levels,
)
from tests.services.api.portfolio import NOW, PAPER, USD

PATH = "/api/v1/portfolio/history"
DAYS = weekdays(5, date(2026, 11, 2))


@pytest.fixture
async def two(api: Api, database: Database) -> Api:
    """Five days of two accounts; the first of them was brought 50 on the third day."""
    statement = await new_import(database)
    mine = [(100, 0), (110, 0), (160, 50), (152, 0), (160, 0)]
    told = [Day(day, Decimal(worth), Decimal(came)) for day, (worth, came) in zip(DAYS, mine, strict=True)]
    await write_days(database, USD, told, import_id=statement)
    await write_days(database, PAPER, [Day(day, Decimal(40)) for day in DAYS], import_id=statement)
    return api


async def test_each_point_has_its_value_what_came_and_what_was_returned(two: Api) -> None:
    told = await two.get(PATH, account=USD)
    points = told["points"]
    assert [one["net_liquidation"] for one in points] == ["100", "110", "160", "152", "160"]
    assert [one["net_contribution"] for one in points] == ["0", "0", "50", "0", "0"]
    assert [one["return"] for one in points[:4]] == ["0", "0.1", "0.1", "0.045"]
    assert [one["drawdown"] for one in points] == ["0", "0", "0", "-0.05", "0"]
    assert [one["benchmark"] for one in points] == [None] * 5
    assert points[0]["at"].startswith("2026-11-03"), "the end of the day in New York"
    assert [one["day"] for one in points] == [day.isoformat() for day in DAYS]
    assert (told["points_found"], told["currency"], told["data_quality"]) == (5, "USD", "complete")


async def test_accounts_are_added_up_and_agree_with_the_measures(two: Api) -> None:
    told = await two.get(PATH)
    assert [one["net_liquidation"] for one in told["points"]] == ["140", "150", "200", "192", "200"]
    measures = await two.get("/api/v1/performance/measures")
    last = told["points"][-1]
    assert last["return"] == measures["returns"]["time_weighted"]["value"]
    assert min(one["drawdown"] for one in told["points"][1:-1]) <= "-0.04"
    assert (await two.get("/api/v1/portfolio/drawdowns"))["maximum"]["value"] == told["points"][3]["drawdown"]


async def test_a_part_is_drawn_of_the_whole(two: Api) -> None:
    whole = (await two.get(PATH, account=USD))["points"]
    part = {"part_from": "2026-11-05T00:00:00Z", "part_to": "2026-11-06T12:00:00Z"}
    told = await two.get(PATH, account=USD, **part)
    assert told["points"] == whole[2:4], "returns and drawdowns are those since the beginning"
    begun = await two.get(PATH, account=USD, **{"from": "2026-11-05T00:00:00Z"})
    assert (begun["points"][0]["return"], begun["points"][1]["drawdown"]) == ("0", "-0.05")
    none = await two.get(PATH, account=USD, part_from="2027-01-01T00:00:00Z")
    assert (none["points"], none["points_found"]) == ([], 0)


async def test_a_long_history_keeps_its_extremes_and_every_contribution(api: Api, database: Database) -> None:
    days = random_days(3, 400)
    await write_days(database, USD, days, import_id=await new_import(database))
    whole = await api.get(PATH, account=USD)
    few = await api.get(PATH, account=USD, points=50)
    assert (len(whole["points"]), few["points_found"]) == (400, 400)
    assert len(few["points"]) <= 50
    assert all(one["at"] in {each["at"] for each in whole["points"]} for one in few["points"])
    worth = [Decimal(one["net_liquidation"]) for one in few["points"]]
    assert (max(worth), min(worth)) == (max(one.worth for one in days), min(one.worth for one in days))
    assert min(Decimal(one["drawdown"]) for one in few["points"]) == min(
        Decimal(one["drawdown"]) for one in whole["points"]
    )
    came = sum(Decimal(one["net_contribution"]) for one in few["points"])
    assert came == sum(one.came or 0 for one in days[1:])


async def test_a_benchmark_is_drawn_from_the_same_day(two: Api, database: Database) -> None:
    levels = [(DAYS[0], "50"), (DAYS[1], "55"), (DAYS[3], "60"), (DAYS[4], "45")]
    await write_levels(database, "SPX", [(day, Decimal(level)) for day, level in levels])
    told = await two.get(PATH, account=USD, benchmark="SPX")
    assert [one["benchmark"] for one in told["points"]] == ["0", "0.1", "0.1", "0.2", "-0.1"]
    measures = await two.get("/api/v1/performance/measures", account=USD, benchmark="SPX")
    assert measures["benchmark"]["time_weighted"]["value"] == "-0.1"
    late = [(day, Decimal(level)) for day, level in levels[1:]]
    await write_levels(database, "late", late)
    told = await two.get(PATH, account=USD, benchmark="late")
    assert {one["benchmark"] for one in told["points"]} == {None}, "it has no level of the first day"
    unknown = await two.http.get(PATH, params={"benchmark": "nothing"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "benchmark_not_found")


async def test_hours_and_what_is_not_known(api: Api, database: Database) -> None:
    await write_hours(database, USD, NOW, [("100", "0"), ("110", None), ("121", "0")])
    told = await api.get(PATH, account=USD, resolution="hour")
    assert [one["net_contribution"] for one in told["points"]] == ["0", None, "0"]
    assert [one["return"] for one in told["points"]] == ["0", None, None]
    assert {one["drawdown"] for one in told["points"]} == {None}
    assert told["data_quality"] == "incomplete"
    assert {one["day"] for one in told["points"]} == {NOW.date().isoformat()}
    empty = await api.get(PATH, account=PAPER)
    assert (empty["points"], empty["data_quality"]) == ([], "incomplete")
