"""Accounts looked at together: the summary, falls, the calendar, and what they hold."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert

from core.clock import utc_now
from core.domain.rules import Finding
from core.settings import Settings
from core.streams.redis import RedisStreams
from models import tables as t
from models.session import Database
from models.stores.groups import set_group
from tests.services.api.conftest import Api
from tests.services.api.kept import seed_snapshots
from tests.services.api.measured import Day, new_account, new_import, seed_groups, weekdays, write_days
from tests.services.api.portfolio import AAPL, NOW, PAPER, USD, beat, tick
from tests.services.api.test_issues import record
from tests.waiting import eventually

SUMMARY = "/api/v1/portfolio/summary"


@pytest.fixture
async def grouped(api: Api, database: Database) -> Api:
    await seed_snapshots(database)
    await seed_groups(database)
    return api


async def test_all_accounts_together_are_what_the_summary_of_all_says(grouped: Api) -> None:
    told = await grouped.get(SUMMARY)
    whole = await grouped.get("/api/v1/accounts/ALL/summary")
    for name in ("net_liquidation", "total_cash", "daily_pnl", "win_rate", "open_positions", "total_trades"):
        assert told[name] == whole[name], name
    assert [one["account"] for one in told["accounts"]] == [PAPER, USD]
    assert (told["gaps"], told["open_differences"]) == (1, 0)
    group = await grouped.get(SUMMARY, group="both")
    assert (group["group"], group["net_liquidation"]) == ("both", told["net_liquidation"])


async def test_an_account_that_came_a_moment_ago_does_not_hide_the_others(
    grouped: Api, database: Database
) -> None:
    await new_account(database, "U9", "USD")
    async with database.write() as writer:
        await set_group(writer, "new", [USD, "U9"], NOW)
    told = await grouped.get(SUMMARY, group="new")
    assert ([one["account"] for one in told["accounts"]], told["net_liquidation"]) == ([USD], "104230.75")


async def test_one_account_is_itself_with_what_of_it_is_open(grouped: Api, database: Database) -> None:
    await record(database, "broker-difference", NOW, Finding(USD, "a", "", {}), Finding(PAPER, "b", "", {}))
    async with database.write() as writer:
        await writer.execute(
            insert(t.reconciliation_differences).values(
                account=USD, conid=AAPL, kind="quantity_mismatch", since=NOW
            )
        )
    told = await grouped.get(SUMMARY, account=USD)
    assert (told["net_liquidation"], told["open_positions"]) == ("104230.75", 2)
    assert (told["open_differences"], told["open_issues"]["error"]) == (1, 1)
    assert (await grouped.get(SUMMARY, account=PAPER))["open_differences"] == 0
    assert (await grouped.get(SUMMARY))["open_issues"]["error"] == 2


async def test_exposure_is_of_the_newest_snapshots_or_has_a_reason(grouped: Api, database: Database) -> None:
    paper = (await grouped.get(SUMMARY, account=PAPER))["exposure"]
    share = Decimal("948.802") / Decimal("25000.5")
    assert abs(Decimal(paper["long"]["value"]) - share) < Decimal("1E-11")
    assert (paper["short"]["value"], paper["net"]["value"]) == ("0", paper["long"]["value"])
    usd = (await grouped.get(SUMMARY, account=USD))["exposure"]
    assert usd["gross"] == {"value": None, "reason": "incomplete_data"}, "a future without a mark"
    await new_account(database, "U9", "USD")
    grouped.context.hub.picture.accounts["U9"] = grouped.context.hub.picture.accounts[USD]
    none = (await grouped.get(SUMMARY, account="U9"))["exposure"]
    assert none["long"] == {"value": None, "reason": "no_snapshot"}
    assert none["as_of"] is None


async def test_a_summary_is_live_while_the_link_lives(
    api: Api, settings: Settings, streams: RedisStreams, database: Database
) -> None:
    async with database.write() as writer:
        await writer.execute(t.account_values.update().values(as_of=utc_now()))
    assert (await api.get(SUMMARY))["freshness"]["source"] == "last_known"
    await tick(streams, settings, beat(utc_now()))
    told = await eventually(
        lambda: api.get(SUMMARY), lambda told: told["freshness"]["links"]["gateway"] == "up"
    )
    assert told["freshness"]["reason"] in {None, "old"}


@pytest.mark.parametrize("path", ["summary", "drawdowns", "calendar", "allocation"])
async def test_nobody_s_accounts_and_groups_are_not_found(api: Api, path: str) -> None:
    for asked, code in (({"account": "U0"}, "account_not_found"), ({"group": "no"}, "group_not_found")):
        answer = await api.http.get(f"/api/v1/portfolio/{path}", params=asked)
        assert (answer.status_code, answer.json()["code"]) == (404, code)


WORTH = (100, 110, 99, 88, 112, 110, 120)
DAYS = weekdays(len(WORTH), date(2026, 11, 2))


@pytest.fixture
async def falling(api: Api, database: Database) -> Api:
    """Seven days of two falls, of which the second is the lesser."""
    await write_days(
        database,
        USD,
        [Day(day, Decimal(worth)) for day, worth in zip(DAYS, WORTH, strict=True)],
        import_id=await new_import(database),
    )
    return api


async def test_each_fall_is_told_with_its_peak_trough_and_recovery(falling: Api) -> None:
    told = await falling.get("/api/v1/portfolio/drawdowns", account=USD)
    assert (told["maximum"]["value"], told["current"]["value"]) == ("-0.2", "0")
    assert told["episodes_found"] == 2
    deep, shallow = told["episodes"]
    assert deep["depth"] == "-0.2"
    assert deep["peak_at"].startswith("2026-11-04"), "the end of the third in New York"
    assert (deep["trough_at"][:10], deep["recovered_at"][:10]) == ("2026-11-06", "2026-11-07")
    assert (deep["length_days"], deep["recovery_days"]) == ("3", "1")
    assert shallow["depth"].startswith("-0.017857")
    below = [Decimal(one["drawdown"]) for one in told["underwater"]]
    assert [float(one) for one in below] == pytest.approx([0, 0, -0.1, -0.2, 0, 110 / 112 - 1, 0])
    one = await falling.get("/api/v1/portfolio/drawdowns", account=USD, episodes=1)
    assert (len(one["episodes"]), one["episodes_found"]) == (1, 2)


async def test_a_long_time_under_water_is_drawn_by_its_lowest_points(api: Api, database: Database) -> None:
    days = weekdays(100, date(2026, 1, 1))
    worth = [100 - (number == 50) for number in range(100)]
    await write_days(
        database,
        USD,
        [Day(day, Decimal(one)) for day, one in zip(days, worth, strict=True)],
        import_id=await new_import(database),
    )
    told = await api.get("/api/v1/portfolio/drawdowns", account=USD, points=10)
    below = [one["drawdown"] for one in told["underwater"]]
    assert len(below) == 10
    assert sorted(below) == ["-0.01", *["0"] * 9]


async def test_what_cannot_be_told_of_falls_has_a_reason(api: Api) -> None:
    told = await api.get("/api/v1/portfolio/drawdowns", account=PAPER)
    assert told["maximum"] == {"value": None, "reason": "too_few_points"}
    assert (told["episodes"], told["underwater"], told["currency"]) == ([], [], "USD")


async def test_a_calendar_has_each_day_of_a_year_and_its_months(api: Api, database: Database) -> None:
    told_days = [
        Day(date(2025, 12, 31), Decimal(100)),
        Day(date(2026, 1, 2), Decimal(110)),
        Day(date(2026, 1, 5), Decimal(160), Decimal(50)),
        Day(date(2026, 1, 6), Decimal(152)),
        Day(date(2026, 2, 2), Decimal(200)),
        Day(date(2026, 2, 3), Decimal(190)),
        Day(date(2027, 1, 4), Decimal(1)),
    ]
    await write_days(database, USD, told_days, import_id=await new_import(database))
    told = await api.get("/api/v1/portfolio/calendar", account=USD, year=2026)
    days = {one["day"]: one for one in told["days"]}
    assert list(days) == ["2026-01-02", "2026-01-05", "2026-01-06", "2026-02-02", "2026-02-03"]
    assert (days["2026-01-02"]["pnl"], days["2026-01-02"]["return"]) == ("10", "0.1")
    assert (days["2026-01-05"]["pnl"], days["2026-01-05"]["net_contribution"]) == ("0", "50")
    assert days["2026-02-02"]["pnl"] is None, "a change of four weeks is no day's"
    january, february = told["months"]
    assert (january["month"], january["pnl"], january["return"]) == (1, "2", "0.045")
    assert (january["days"], january["unknown_days"]) == (3, 0)
    assert (february["pnl"], february["unknown_days"]) == (None, 1)
    assert (told["pnl"], told["unknown_days"]) == (None, 1)
    first = await api.get("/api/v1/portfolio/calendar", account=USD, year=2025)
    assert (first["days"][0]["pnl"], first["unknown_days"], first["pnl"]) == (None, 0, None)
    assert (await api.http.get("/api/v1/portfolio/calendar", params={"year": 1})).status_code == 422


async def test_without_a_year_it_is_this_one(api: Api) -> None:
    told = await api.get("/api/v1/portfolio/calendar")
    assert (told["year"], told["days"], told["months"]) == (utc_now().year, [], [])


def told_shares(found: Any) -> dict[str | None, str | None]:
    return {one["name"]: one["share"] for one in found["totals"]}


async def test_what_accounts_hold_is_summed_where_they_share_a_currency(
    grouped: Api, database: Database
) -> None:
    path = "/api/v1/portfolio/allocation"
    told = await grouped.get(path, by="instrument")
    assert told["currency"] == "USD"
    by_name = {one["name"]: one for one in told["totals"]}
    assert (by_name["AAPL"]["key"], by_name["AAPL"]["market_value"]) == (str(AAPL), "16000")
    assert Decimal(by_name["AAPL"]["share"]) == (Decimal(16000) / Decimal(50001)).quantize(Decimal("1E-12"))
    assert by_name["ES"]["market_value"] is None
    accounts = await grouped.get(path, by="account")
    assert {one["key"] for one in accounts["totals"]} == {USD, PAPER}
    few = await grouped.get(path, by="instrument", top=1)
    assert [one["rest"] for one in few["totals"]] == [False, True]
    assert (await grouped.get("/api/v1/allocation", by="account"))["totals"] == accounts["totals"]
    async with database.write() as writer:
        await writer.execute(
            t.snapshots.update().where(t.snapshots.c.account == PAPER).values(base_currency="EUR")
        )
    apart = await grouped.get(path, by="instrument")
    assert (apart["currency"], apart["totals"]) == (None, None)
    one = await grouped.get(path, by="instrument", account=PAPER)
    assert (one["currency"], {item["account"] for item in one["items"]}) == ("EUR", {PAPER})


async def test_attribution_is_the_same_under_either_name(grouped: Api) -> None:
    asked = {"account": USD}
    one = await grouped.http.get("/api/v1/performance/attribution", params=asked)
    other = await grouped.http.get("/api/v1/portfolio/attribution", params=asked)
    assert one.status_code == other.status_code
    ages = ("age_seconds", "freshness")
    assert {k: v for k, v in one.json().items() if k not in ages} == {
        k: v for k, v in other.json().items() if k not in ages
    }


async def test_accounts_groups_and_benchmarks_come_page_by_page(grouped: Api) -> None:
    first = await grouped.get("/api/v1/accounts", limit=1)
    rest = await grouped.get("/api/v1/accounts", limit=1, cursor=first["next_cursor"])
    assert [one["account"] for one in first["items"] + rest["items"]] == [PAPER, USD]
    assert rest["next_cursor"] is None
    for path in ("account-groups", "benchmarks"):
        page = await grouped.get(f"/api/v1/{path}", limit=1)
        assert (len(page["items"]), page["next_cursor"], page["freshness"]["stale"]) == (1, None, False)
        wrong = await grouped.http.get(f"/api/v1/{path}", params={"cursor": first["next_cursor"]})
        assert wrong.json()["code"] == "cursor_invalid", "a cursor of one list is none of another"


async def test_an_old_account_s_time_is_no_less(grouped: Api) -> None:
    told = await grouped.get("/api/v1/portfolio/allocation")
    oldest = min(one["asof_ts"] for one in told["accounts"])
    assert told["freshness"]["as_of"] == oldest
    assert timedelta(seconds=told["freshness"]["age_seconds"]) > timedelta(0)
