"""Measures over HTTP: the figures of other libraries from the rows that are listed, or why there is none."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import empyrical
import numpy as np
import pandas as pd
import pytest
import pyxirr
from sqlalchemy import insert, update

from core.settings import Settings
from models import tables as t
from models.session import Database
from models.stores.groups import set_group
from tests.services.api.conftest import Api, Start
from tests.services.api.kept import seed_snapshots
from tests.services.api.measured import (
    FIRST,
    Day,
    end_of,
    new_account,
    new_import,
    random_days,
    weekdays,
    write_days,
    write_hours,
    write_levels,
    write_rates,
)
from tests.services.api.portfolio import AAPL, MSFT, NOW, PAPER, USD, position_id

PATH = "/api/v1/performance/measures"


def is_about(expected: float) -> Any:
    return pytest.approx(float(expected), rel=1e-7, abs=1e-9)


def told(figure: dict[str, Any]) -> float:
    assert figure["value"] is not None, figure
    return float(figure["value"])


async def listed(api: Api, account: str) -> list[dict[str, Any]]:
    """All rows that the list of performance has of an account, oldest first."""
    rows: list[dict[str, Any]] = []
    query: dict[str, Any] = {"account": account, "limit": 500}
    while True:
        page = await api.get("/api/v1/performance", **query)
        rows += page["items"]
        if page["next_cursor"] is None:
            return rows[::-1]
        query["cursor"] = page["next_cursor"]


def returns_of(rows: list[dict[str, Any]]) -> pd.Series:
    """As docs/reference/metrics.md has them, from what the list says."""
    returns = {}
    for before, row in pairwise(rows):
        worth, was, came = (
            float(amount)
            for amount in (row["net_liquidation"], before["net_liquidation"], row["net_contribution"])
        )
        returns[pd.Timestamp(row["day"])] = (worth - was - came) / (was + max(came, 0))
    return pd.Series(returns)


async def test_the_figures_are_those_of_empyrical_and_pyxirr_from_the_listed_rows(
    api: Api, seeded: Database
) -> None:
    await write_days(seeded, USD, random_days(5, 620))
    market = np.cumprod(1 + np.random.default_rng(8).normal(0.0003, 0.01, 620))
    levels = [Decimal(repr(round(level * 4_000, 4))) for level in market.tolist()]
    await write_levels(seeded, "SPX", zip(weekdays(620), levels, strict=True))
    rows = await listed(api, USD)
    plain, other = returns_of(rows), pd.Series([float(level) for level in levels]).pct_change()[1:]
    other.index = plain.index
    found = await api.get(PATH, account=USD, benchmark="SPX", risk_free=0.03)
    returns, risk, beside = found["returns"], found["risk"], found["benchmark"]
    free = 1.03 ** (1 / 252) - 1
    years = (weekdays(620)[-1] - FIRST).days / 365
    cagr = (1 + empyrical.cum_returns_final(plain)) ** (1 / years) - 1
    assert told(returns["time_weighted"]) == is_about(empyrical.cum_returns_final(plain))
    assert (told(returns["annualised"]), returns["annualised"]["is_annualised"]) == (is_about(cagr), True)
    assert told(found["drawdown"]["maximum"]) == is_about(empyrical.max_drawdown(plain))
    assert told(risk["volatility"]) == is_about(empyrical.annual_volatility(plain))
    assert told(risk["sharpe_ratio"]) == is_about(empyrical.sharpe_ratio(plain, risk_free=free))
    assert told(risk["sortino_ratio"]) == is_about(empyrical.sortino_ratio(plain, required_return=free))
    assert told(risk["downside_deviation"]) == is_about(empyrical.downside_risk(plain, free))
    assert told(risk["calmar_ratio"]) == is_about(cagr / -empyrical.max_drawdown(plain))
    assert told(beside["beta"]) == is_about(empyrical.beta(plain, other, free))
    yearly = (1 + told(beside["alpha"]) / 252) ** 252 - 1
    assert yearly == pytest.approx(empyrical.alpha(plain, other, free), rel=1e-5)
    assert told(beside["correlation"]) == is_about(np.corrcoef(plain, other)[0, 1])
    assert told(beside["tracking_error"]) == is_about((plain - other).std() * 252**0.5)
    excess = empyrical.excess_sharpe(plain, other) * 252**0.5
    assert told(beside["information_ratio"]) == is_about(excess)
    assert told(beside["time_weighted"]) == is_about(empyrical.cum_returns_final(other))
    months = {
        (year["year"], number): float(month["value"])
        for year in found["years"]
        for number, month in enumerate(year["months"], 1)
        if month["value"] is not None
    }
    linked = (1 + plain).resample("ME").prod() - 1
    assert months == {(at.year, at.month): is_about(value) for at, value in linked.items()}
    assert (told(returns["best_day"]), returns["best_day"]["day"]) == (
        is_about(plain.max()),
        f"{plain.idxmax():%Y-%m-%d}",
    )
    assert told(returns["positive_days"]) == is_about((plain > 0).mean())
    # Money-weighted: what the owner paid and got, a deposit at work from the start of its day.
    dates, paid = [FIRST], [-float(rows[0]["net_liquidation"])]
    for row in rows[1:]:
        came, day = float(row["net_contribution"]), date.fromisoformat(row["day"])
        dates.append(day - timedelta(days=1) if came > 0 else day)
        paid.append(-came)
    dates.append(date.fromisoformat(rows[-1]["day"]))
    paid.append(float(rows[-1]["net_liquidation"]))
    assert told(returns["money_weighted"]) == pytest.approx(pyxirr.xirr(dates, paid), rel=1e-6)
    contributed = sum(Decimal(row["net_contribution"]) for row in rows[1:])
    change = Decimal(rows[-1]["net_liquidation"]) - Decimal(rows[0]["net_liquidation"])
    assert Decimal(found["money"]["net_contribution"]["value"]) == contributed
    assert Decimal(found["money"]["gain"]["value"]) == change - contributed
    gains = [Decimal(row["daily_pnl"]) for row in rows[1:]]
    assert Decimal(found["days"]["gross_profit"]) == sum(gain for gain in gains if gain > 0)
    assert found["days"]["won"] == sum(gain > 0 for gain in gains)
    assert (found["data_quality"], found["currency"], found["span"]["points"]) == ("complete", "USD", 620)
    assert len(found["drawdown"]["worst"]) == 5
    assert found["freshness"]["reason"] == "snapshot"


async def test_of_nothing_each_figure_says_why_there_is_none(api: Api) -> None:
    found = await api.get(PATH, account=USD)
    reasons = {
        figure["reason"]
        for section in ("money", "returns", "risk")
        for name, figure in found[section].items()
        if name != "risk_free"
    }
    assert reasons == {"too_few_points"}
    assert found["drawdown"]["worst"] == []
    assert found["placement"]["gross_exposure"] == {"value": None, "reason": "no_snapshot"}
    assert found["benchmark"]["beta"] == {"value": None, "reason": "no_benchmark"}
    assert (found["data_quality"], found["years"], found["freshness"]["as_of"]) == ("incomplete", [], None)
    assert found["closed_positions"]["win_rate"] == {"value": "1", "reason": None}
    assert found["span"] == {
        "first_at": None,
        "last_at": None,
        "points": 0,
        "days": "0",
        "unknown_since": None,
    }


async def test_a_time_is_from_its_first_value_to_its_last(api: Api, seeded: Database) -> None:
    days = [Day(day, Decimal(100 + number)) for number, day in enumerate(weekdays(10))]
    await write_days(seeded, USD, days)
    bounds = {"from": end_of(days[2].day).isoformat(), "to": end_of(days[5].day).isoformat()}
    found = await api.get(PATH, account=USD, **bounds)
    assert found["money"]["start_value"]["value"] == "102"
    assert found["money"]["end_value"]["value"] == "105"
    assert float(found["returns"]["time_weighted"]["value"]) == is_about(105 / 102 - 1)
    assert found["returns"]["annualised"]["is_annualised"] is False
    assert found["risk"]["volatility"]["reason"] == "too_few_points"
    assert found["risk"]["calmar_ratio"]["reason"] == "under_a_year"
    # Two times that share a value come to the whole.
    later = await api.get(PATH, account=USD, **{"from": bounds["to"]})
    whole = (1 + told(found["returns"]["time_weighted"])) * (1 + told(later["returns"]["time_weighted"]))
    assert whole == is_about(109 / 102)


async def test_a_statements_day_counts_before_a_snapshots(api: Api, seeded: Database) -> None:
    number = await new_import(seeded)
    first, second, third = weekdays(3)
    await write_days(
        seeded, USD, [Day(first, Decimal(100), None), Day(second, Decimal(110))], import_id=number
    )
    await write_days(seeded, USD, [Day(second, Decimal(112), None), Day(third, Decimal(121), Decimal(5))])
    found = await api.get(PATH, account=USD)
    assert (found["money"]["gain"]["value"], found["span"]["points"]) == ("16", 3)
    assert found["freshness"]["reason"] == "snapshot"
    stated = await api.get(PATH, account=USD, to=end_of(second).isoformat())
    assert (stated["freshness"]["reason"], stated["money"]["gain"]["value"]) == ("statement", "10")
    assert told(found["returns"]["time_weighted"]) == is_about(1.1 * (1 + 6 / 115) - 1)


async def test_a_group_is_the_sum_of_its_accounts(api: Api, seeded: Database) -> None:
    await write_days(seeded, USD, random_days(1, 60))
    await write_days(seeded, PAPER, random_days(2, 60))
    async with seeded.write() as writer:
        await set_group(writer, "both of them", [PAPER, USD], NOW)
    groups = await api.get("/api/v1/account-groups")
    assert groups["items"] == [{"name": "both of them", "accounts": [PAPER, USD]}]
    found = await api.get(PATH, group="both of them")
    parts = [await api.get(PATH, account=one) for one in (PAPER, USD)]
    for name in ("start_value", "end_value", "gain", "net_contribution"):
        assert Decimal(found["money"][name]["value"]) == sum(
            Decimal(part["money"][name]["value"]) for part in parts
        )
    assert found["group"] == "both of them"
    assert found["freshness"]["source"] == "last_known"
    named = await api.get(PATH, account=[PAPER, USD])
    for told_of in (found, named):
        del told_of["group"], told_of["freshness"]
    assert named == found
    assert (await api.get(PATH))["money"] == found["money"]


async def test_accounts_that_have_nothing_are_no_part_of_all_but_of_a_group(
    api: Api, seeded: Database
) -> None:
    await write_days(seeded, USD, random_days(1, 60))
    everything = await api.get(PATH)
    assert [one["account"] for one in everything["accounts"]] == [USD]
    both = await api.get(PATH, account=[PAPER, USD])
    assert both["returns"]["time_weighted"] == {"value": None, "reason": "too_few_points"}
    assert [(one["account"], one["points"]) for one in both["accounts"]] == [(PAPER, 0), (USD, 60)]


EUROS = "U3333333"


@pytest.fixture
async def abroad(start: Start, settings: Settings, seeded: Database) -> Api:
    """An account in euros beside the one in dollars, with a deposit on its twenty-first day."""
    await new_account(seeded, EUROS, "EUR")
    days = weekdays(40)
    await write_days(seeded, USD, [Day(day, Decimal(1_000)) for day in days])
    euros = [Day(day, Decimal(100)) for day in days[:20]]
    euros.append(Day(days[20], Decimal(150), Decimal(50)))
    euros += [Day(day, Decimal(150)) for day in days[21:]]
    await write_days(seeded, EUROS, euros, currency="EUR")
    return await start(settings)


async def test_accounts_in_several_currencies_are_added_in_the_one_that_is_asked_for(
    abroad: Api, seeded: Database
) -> None:
    answer = await abroad.http.get(PATH)
    assert (answer.status_code, answer.json()["code"]) == (422, "currency_needed")
    assert "EUR, USD" in answer.json()["detail"]
    days = weekdays(40)
    rates = [(day, "EUR", "USD", "1.1" if number < 30 else "1.21") for number, day in enumerate(days)]
    await write_rates(seeded, await new_import(seeded), rates)
    both = await abroad.get(PATH, currency="USD")
    assert both["currency"] == "USD"
    assert (both["money"]["start_value"]["value"], both["money"]["end_value"]["value"]) == ("1110", "1181.5")
    assert both["money"]["net_contribution"]["value"] == "55"
    assert Decimal(both["money"]["gain"]["value"]) == Decimal("16.5")
    # The other way round the same rates serve, too, and one in its own currency needs none.
    turned = await abroad.get(PATH, account=USD, currency="EUR")
    assert told(turned["returns"]["time_weighted"]) == is_about(1.1 / 1.21 - 1)
    own = await abroad.get(PATH, account=EUROS)
    assert (own["currency"], own["money"]["gain"]["value"]) == ("EUR", "0")


async def test_an_account_whose_rows_do_not_name_their_currency_is_in_that_of_the_account(
    abroad: Api, seeded: Database
) -> None:
    async with seeded.write() as writer:
        await writer.execute(
            update(t.performance_metrics)
            .values(currency=None)
            .where(t.performance_metrics.c.account == EUROS)
        )
        await writer.execute(
            update(t.broker_accounts).values(base_currency="EUR").where(t.broker_accounts.c.account == EUROS)
        )
    answer = await abroad.http.get(PATH)
    assert (answer.status_code, answer.json()["code"]) == (422, "currency_needed")


async def test_a_rate_that_nobody_told_is_not_guessed(abroad: Api, seeded: Database) -> None:
    nothing = await abroad.get(PATH, account=EUROS, currency="USD")
    assert nothing["returns"]["time_weighted"] == {"value": None, "reason": "too_few_points"}
    days = weekdays(40)
    known = [day for day in days if not days[5] <= day < days[25]]
    number = await new_import(seeded)
    await write_rates(seeded, number, [(day, "EUR", "USD", "1.1") for day in known])
    # The deposit fell into the time without a rate: what it was worth in dollars nobody knows.
    broken = await abroad.get(PATH, account=EUROS, currency="USD")
    assert broken["returns"]["time_weighted"] == {"value": None, "reason": "incomplete_data"}
    assert broken["span"]["unknown_since"] == f"{end_of(days[25]):%Y-%m-%dT%H:%M:%SZ}"
    assert broken["data_quality"] == "incomplete"
    # The last rate before counts for a week.
    assert broken["span"]["points"] == len(known) + 5


async def test_a_snapshots_rates_serve_as_well(abroad: Api, seeded: Database) -> None:
    await seed_snapshots(seeded)
    as_of = NOW.date() - timedelta(days=1)
    await write_days(seeded, PAPER, [Day(as_of, Decimal(100)), Day(NOW.date(), Decimal(100))])
    found = await abroad.get(PATH, account=PAPER, currency="GBP")
    assert Decimal(found["money"]["end_value"]["value"]).quantize(Decimal("1E-8")) == Decimal("76.30675315")
    hours = await abroad.get(PATH, account=PAPER, currency="GBP", resolution="hour")
    assert hours["span"]["points"] == 0


async def test_a_benchmark_in_another_currency_is_converted_where_both_are_known(
    abroad: Api, seeded: Database
) -> None:
    days = weekdays(40)
    rates = [(day, "EUR", "USD", f"{1 + number / 100}") for number, day in enumerate(days)]
    await write_rates(seeded, await new_import(seeded), rates)
    await write_levels(seeded, "flat", [(day, Decimal(7)) for day in days], "EUR")
    await write_levels(seeded, "bare", [(day, Decimal(7)) for day in days])
    await write_levels(seeded, "short", [(day, Decimal(7)) for day in days[:9]], "USD")
    converted = (await abroad.get(PATH, account=USD, benchmark="flat"))["benchmark"]
    assert (converted["currency"], told(converted["time_weighted"])) == ("USD", is_about(0.39))
    bare = (await abroad.get(PATH, account=USD, benchmark="bare"))["benchmark"]
    assert (bare["currency"], bare["time_weighted"]["value"]) == (None, "0")
    assert bare["beta"] == {"value": None, "reason": "no_variation"}
    # What it did before the first value is no part of it.
    early = [(FIRST - timedelta(days=3), Decimal(5)), *((day, Decimal(7)) for day in days)]
    await write_levels(seeded, "early", early)
    found = (await abroad.get(PATH, account=USD, benchmark="early"))["benchmark"]
    assert found["time_weighted"]["value"] == "0"
    short = (await abroad.get(PATH, account=USD, benchmark="short"))["benchmark"]
    assert short["time_weighted"]["reason"] == "incomplete_data"
    assert short["beta"]["reason"] == "too_few_points"
    listed = (await abroad.get("/api/v1/benchmarks"))["items"]
    assert [(one["name"], one["currency"], one["levels"]) for one in listed] == [
        ("bare", None, 40),
        ("early", None, 41),
        ("flat", "EUR", 40),
        ("short", "USD", 9),
    ]


async def test_hours_whose_contribution_is_not_known_yet_are_left_out(api: Api, seeded: Database) -> None:
    first = datetime(2026, 11, 20, 9, tzinfo=UTC)
    hours = [("100", None), ("110", "0"), ("121", "0"), ("121", None), ("130", None)]
    await write_hours(seeded, USD, first, hours)
    found = await api.get(PATH, account=USD, resolution="hour")
    assert told(found["returns"]["time_weighted"]) == is_about(0.21)
    assert (found["span"]["last_at"], found["span"]["days"]) == ("2026-11-20T11:00:00Z", "0.0833")
    assert found["freshness"]["as_of"] == "2026-11-20T11:00:00Z"


async def test_of_a_snapshot_that_was_thinned_nobody_says_that_nothing_was_held(
    api: Api, seeded: Database
) -> None:
    await seed_snapshots(seeded)
    async with seeded.write() as writer:
        await writer.execute(update(t.snapshots).values(thinned_at=NOW, payload_sha256=None))
    placed = (await api.get(PATH, account=PAPER))["placement"]
    assert placed["gross_exposure"] == {"value": None, "reason": "no_snapshot"}


async def test_how_money_is_placed_is_told_by_the_last_snapshot(api: Api, seeded: Database) -> None:
    await seed_snapshots(seeded)
    placed = (await api.get(PATH, account=PAPER))["placement"]
    assert placed["as_of"] == "2026-11-20T12:59:58Z"
    assert placed["gross_exposure"]["value"] == plain(948.802 / 25000.5)
    assert (placed["concentration"]["value"], placed["largest"]["symbol"]) == ("1", "VOD")
    # Of the future that the other one holds nobody knows what it is worth.
    other = (await api.get(PATH, account=USD))["placement"]
    assert other["gross_exposure"] == {"value": None, "reason": "incomplete_data"}
    earlier = await api.get(PATH, account=PAPER, to="2026-11-20T12:00:00Z")
    assert earlier["placement"]["gross_exposure"]["reason"] == "no_snapshot"


async def test_turnover_is_what_was_bought_or_sold_of_what_is_paid_for(api: Api, seeded: Database) -> None:
    first = (NOW - timedelta(days=12)).date()
    days = [Day(first + timedelta(days=number), Decimal(30_000), Decimal(0)) for number in range(13)]
    await write_days(seeded, USD, days)
    # Bought were 100 AAPL at 150; two futures were sold, which cost nothing.
    assert (await api.get(PATH, account=USD))["placement"]["turnover"]["value"] == "0"
    async with seeded.write() as writer:
        await writer.execute(
            insert(t.executions).values(
                exec_id="0001.zz.01.01",
                exec_base_id="0001.zz.01",
                revision=1,
                account=USD,
                conid=AAPL,
                executed_at=NOW - timedelta(days=2),
                side="SLD",
                quantity=Decimal(20),
                price=Decimal(150),
                order_id=0,
                perm_id=0,
                client_id=0,
                order_ref="",
                exchange="",
                liquidity=0,
                model_code="",
                zone_assumed=False,
                source="live",
                received_at=NOW,
                epoch=1,
            )
        )
    assert (await api.get(PATH, account=USD))["placement"]["turnover"]["value"] == "0.1"
    in_pounds = await api.get(PATH, account=USD, currency="GBP")
    assert in_pounds["placement"]["turnover"]["value"] is None
    async with seeded.write() as writer:
        await writer.execute(
            update(t.instruments).where(t.instruments.c.conid == AAPL).values(sec_type="CFD")
        )
    assert (await api.get(PATH, account=USD))["placement"]["turnover"]["value"] == "0", "nothing was paid"


async def test_closed_positions_are_those_of_the_time_and_of_one_currency(api: Api, seeded: Database) -> None:
    found = (await api.get(PATH, account=USD))["closed_positions"]
    assert (found["closed"], found["currency"], found["gross_profit"]["value"]) == (2, "USD", "260")
    assert found["profit_factor"] == {"value": None, "reason": "no_loss"}
    both = (await api.get(PATH))["closed_positions"]
    assert (both["win_rate"]["value"], both["profit_factor"]["value"]) == ("0.6667", "8.595")
    long_ago = (await api.get(PATH, to="2020-01-01T00:00:00Z"))["closed_positions"]
    assert long_ago["win_rate"] == {"value": None, "reason": "nothing_closed"}
    assert long_ago["gross_profit"] == {"value": None, "reason": "nothing_closed"}
    async with seeded.write() as writer:
        await writer.execute(
            update(t.instruments).where(t.instruments.c.conid == MSFT).values(currency="EUR")
        )
        await writer.execute(
            update(t.positions)
            .where(t.positions.c.id == position_id("aapl"))
            .values(
                status="closed",
                closed_at=NOW,
                quantity=0,
                average_cost=None,
                cost_basis=None,
                realized_pnl=Decimal(-5),
            )
        )
    mixed = (await api.get(PATH))["closed_positions"]
    assert (mixed["currency"], mixed["profit_factor"]["reason"]) == (None, "several_currencies")
    assert mixed["win_rate"]["value"] == "0.5"


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"account": "U0"}, 404, "account_not_found"),
        ({"group": "nobody"}, 404, "group_not_found"),
        ({"benchmark": "nothing"}, 404, "benchmark_not_found"),
        ({"from": "2026-11-17"}, 422, "validation_failed"),
        ({"resolution": "week"}, 422, "validation_failed"),
        ({"risk_free": "nan"}, 422, "validation_failed"),
        ({"risk_free": "-1"}, 422, "validation_failed"),
        ({"group": "a\0b"}, 422, "validation_failed"),
        ({"account": "a\0b"}, 422, "validation_failed"),
    ],
)
async def test_a_wrong_question_is_answered_with_what_is_wrong(
    api: Api, query: dict[str, str], status: int, code: str
) -> None:
    answer = await api.http.get(PATH, params=query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_the_ends_of_time_can_be_asked_for(api: Api, seeded: Database) -> None:
    await write_days(seeded, USD, random_days(1, 30))
    bounds = {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"}
    found = await api.get(PATH, account=USD, currency="EUR", **bounds)
    assert found["span"]["points"] == 0
    assert (await api.get(PATH, account=USD, **bounds))["span"]["points"] == 30


def plain(number: float) -> str:
    return f"{number:.12f}".rstrip("0")
