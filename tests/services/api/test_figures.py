"""What the API tells Prometheus of the portfolio: names instead of numbers, and money only if asked for."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text

from core.domain.link import STATES
from core.settings import Settings
from core.streams.redis import RedisStreams
from models import tables as t
from models.queries.watched import names_of
from models.session import Database
from services.api.figures import counted
from services.api.figures.counted import is_any_open
from tests.services.api.conftest import Api
from tests.services.api.portfolio import NOW, PAPER, USD, beat, tick
from tests.waiting import eventually

WORTH = re.compile(r"^lotkeeper_(net_liquidation|\w+_pnl)")
STATE = 'lotkeeper_link_state{{login="",state="{}"}}'
NEW_YORK = "US/Eastern"
OPEN = "20261120:0930-20261120:1600"


async def told(api: Api) -> dict[str, float]:
    text = (await api.http.get("/metrics")).text
    pairs = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {series: float(value) for series, _, value in pairs}


async def test_accounts_are_called_by_their_alias_else_counted(api: Api) -> None:
    """``Main`` is an alias; the other was seen first and has none."""
    found = await told(api)
    for name in ("Main", "account 1"):
        assert f'lotkeeper_dataset_age_seconds{{account="{name}",dataset="positions"}}' in found


def test_no_number_of_an_account_is_in_a_name_and_no_two_have_the_same() -> None:
    seen = [("U1", "both"), ("U2", "both"), ("U3", "account 1"), ("U4", "was U1"), ("U5", "  "), ("U6", "ok")]
    assert names_of(seen) == {
        **{account: f"account {place}" for place, (account, _) in enumerate(seen[:5], 1)},
        "U6": "ok",
    }


async def test_what_accounts_are_worth_is_told_only_if_that_was_asked_for(api: Api) -> None:
    assert not [series for series in await told(api) if WORTH.match(series)]
    api.context.settings = api.settings.model_copy(update={"metrics_money": True})
    found = {series: value for series, value in (await told(api)).items() if WORTH.match(series)}
    summary = await api.get(f"/api/v1/accounts/{USD}/summary")
    for name in ("net_liquidation", "daily_pnl", "unrealized_pnl", "realized_pnl"):
        series = f'lotkeeper_{name}{{account="Main",currency="USD"}}'
        assert found.get(series) == (None if summary[name] is None else float(summary[name])), name
    assert 'lotkeeper_net_liquidation{account="Main",currency="USD"}' in found
    assert not any(number in series for series in found for number in (USD, PAPER))


async def test_the_state_of_the_link_is_absent_while_the_link_says_nothing(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    assert not [series for series in await told(api) if series.startswith("lotkeeper_link_state")]
    await tick(streams, settings, beat(datetime.now(UTC)))
    found = await eventually(lambda: told(api), lambda found: STATE.format("live") in found)
    states = {state: found[STATE.format(state)] for state in STATES}
    assert sum(states.values()) == states["live"] == 1
    assert found['lotkeeper_clock_offset_seconds{login=""}'] == 0


async def test_jobs_and_what_stands_are_counted(api: Api, database: Database) -> None:
    async with database.write() as writer:
        await writer.execute(text("DELETE FROM jobs"))
        rows = [("queued", 50), ("succeeded", 1), ("succeeded", 2), ("failed", 1), ("failed", 50)]
        for number, (status, hours) in enumerate(rows):
            created = datetime.now(UTC) - timedelta(hours=hours)
            job = {"id": f"00000000-0000-0000-0000-{number:012}", "kind": "resync", "status": status}
            await writer.execute(insert(t.jobs).values(**job, created_at=created))
        await writer.execute(text("UPDATE executions SET commission_folded = true"))
        await writer.execute(
            text(
                "UPDATE executions SET commission_folded = false WHERE exec_id = (SELECT min(exec_id) "
                "FROM executions WHERE corrected_by IS NULL)"
            )
        )
    found = await told(api)
    jobs = {series: value for series, value in found.items() if series.startswith("lotkeeper_jobs{")}
    assert jobs == {
        'lotkeeper_jobs{kind="resync",status="queued"}': 1,
        'lotkeeper_jobs{kind="resync",status="succeeded"}': 2,
        'lotkeeper_jobs{kind="resync",status="failed"}': 1,
    }
    assert found["lotkeeper_provisional_executions"] == 1
    assert found['lotkeeper_reconciliation_differences{kind="missing_local"}'] >= 0


async def test_of_a_database_that_is_away_nothing_is_told_but_that(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await told(api)

    def away() -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(api.context.database, "read_one_moment", away)
    found = await told(api)
    assert found["lotkeeper_database_up"] == 0
    assert "lotkeeper_jobs_due" not in found
    # How old the data is is known without it.
    ages = {series for series in before if series.startswith("lotkeeper_dataset_age_seconds")}
    assert ages
    assert ages <= found.keys()


@pytest.mark.parametrize(
    ("hours", "is_open"),
    [
        ([(OPEN, NEW_YORK)], True),
        ([(OPEN, NEW_YORK), ("", "")], True),
        ([("20261120:CLOSED", NEW_YORK)], False),
        ([("20261120:CLOSED", NEW_YORK), ("20261127:CLOSED", NEW_YORK)], None),
        ([], None),
    ],
)
def test_the_market_is_open_where_anything_held_trades(
    hours: list[tuple[str, str]], is_open: bool | None
) -> None:
    assert is_any_open(hours, NOW) is is_open


async def test_counting_that_takes_long_is_no_database_that_is_away(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was counted before is told meanwhile, and that it is older."""
    before = await told(api)
    assert before["lotkeeper_database_counted_age_seconds"] == 0
    goes_on = asyncio.Event()
    whole = counted._read

    async def slowly(*arguments: Any) -> counted.Counted:
        await goes_on.wait()
        return await whole(*arguments)

    monkeypatch.setattr(counted, "_read", slowly)
    monkeypatch.setattr(counted, "READ_SECONDS", 0.2)
    found = await told(api)
    assert found["lotkeeper_database_up"] == 1
    assert found["lotkeeper_jobs_due"] == before["lotkeeper_jobs_due"]
    assert "lotkeeper_database_counted_age_seconds" in found
    counting = api.context.counting._counting
    assert counting is not None
    assert (await told(api))["lotkeeper_database_up"] == 1
    assert api.context.counting._counting is counting, "one at a time"
    goes_on.set()
    await counting
    assert (await told(api))["lotkeeper_jobs_due"] == before["lotkeeper_jobs_due"]
