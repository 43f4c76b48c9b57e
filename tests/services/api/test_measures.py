"""Measures over HTTP: the figures of other libraries from the rows that are listed, or why there is none."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import empyrical
import numpy as np
import pandas as pd
import pytest
import pyxirr
from sqlalchemy import insert

from models import tables as t
from models.session import Database
from models.stores.groups import set_group
from tests.services.api.conftest import Api
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
from tests.services.api.portfolio import AAPL, NOW, PAPER, USD

PATH = "/api/v1/performance/measures"
HALF_A_UNIT = 6e-13
"""Twelve digits are told."""


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
    for before, row in zip(rows, rows[1:], strict=False):
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
    await write_days(
        seeded, USD, [Day(second, Decimal(112), None), Day(third, Decimal(121), Decimal(5))]
    )
    found = await api.get(PATH, account=USD)
    assert (found["money"]["gain"]["value"], found["span"]["points"]) == ("16", 3)
    assert told(found["returns"]["time_weighted"]) == is_about(1.1 * (1 + 6 / 115) - 1)


async def test_a_group_is_the_sum_of_its_accounts(api: Api, seeded: Database) -> None:
    await write_days(seeded, USD, random_days(1, 60))
    await write_days(seeded, PAPER, random_days(2, 60))
    async with seeded.write() as writer:
        await set_group(writer, "both of them", [PAPER, USD], NOW)
    groups = await api.get("/api/v1/account-groups")
    assert groups == {"items": [{"name": "both of them", "accounts": [PAPER, USD]}]}
    found = await api.get(PATH, group="both of them")
    parts = [await api.get(PATH, account=one) for one in (PAPER, USD)]
    for name in ("start_value", "end_value", "gain", "net_contribution"):
        assert Decimal(found["money"][name]["value"]) == sum(
            Decimal(part["money"][name]["value"]) for part in parts
        )
    assert found["group"] == "both of them"
    assert await api.get(PATH, account=[PAPER, USD]) == {**found, "group": None}
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


@pytest.fixture
async def abroad(api: Api, seeded: Database) -> Api:
    """An account in euros beside the one in dollars; of its third day there is no rate."""
    await new_account(seeded, "U3333333", "EUR")
    api.context.hub.reload()
    days = weekdays(40)
    await write_days(seeded, USD, [Day(day, Decimal(1_000)) for day in days])
    euros = [Day(day, Decimal(100), Decimal(0)) for day in days]
    euros[20] = Day(days[20], Decimal(150), Decimal(50))
    euros[21:] = [Day(day, Decimal(150)) for day in days[21:]]
    await write_days(seeded, "U3333333", euros, currency="EUR")
    return api
