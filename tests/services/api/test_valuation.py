"""What accounts were worth at a moment, over HTTP."""

from datetime import timedelta

import pytest

from core.settings import Settings
from models.session import Database
from services.snapshot.runs import Snapshots
from tests.models.holding import hold
from tests.services.api.conftest import Api, Start
from tests.services.snapshot.world import ACME, FIRST, HOUR, SECOND, VOD, Hand, seed

PATH = "/api/v1/valuation"
AT = HOUR + timedelta(minutes=30)


@pytest.fixture
async def kept(start: Start, settings: Settings, database: Database) -> Api:
    """Two accounts that were taken down at the full hour, half an hour and a minute ago."""
    await seed(database, FIRST, SECOND)
    clock = Hand()
    await Snapshots(database, settings, clock=clock).take_hour()
    await hold(database, FIRST, ACME, 100, opened_at=HOUR - timedelta(days=9), cost=15001)
    await hold(database, FIRST, VOD, 1000, opened_at=HOUR - timedelta(days=9))
    await hold(database, SECOND, ACME, 7, opened_at=HOUR + timedelta(minutes=1))
    clock.now = AT + timedelta(minutes=1)
    return await start(settings, clock=clock)


async def test_each_value_tells_from_when_its_mark_and_its_rate_are(kept: Api) -> None:
    found = await kept.get(PATH, account=FIRST, as_of="2026-11-20T15:30:00Z")
    assert found["as_of"] == "2026-11-20T15:30:00Z"
    assert (found["freshness"]["source"], found["freshness"]["reason"]) == ("last_known", "as_of")
    (one,) = found["items"]
    assert (one["account"], one["base_currency"]) == (FIRST, "USD")
    rows = {row["symbol"]: row for row in one["positions"]}
    assert rows["ACME"] | {"position_id": ""} == {
        "position_id": "",
        "conid": ACME,
        "symbol": "ACME",
        "sec_type": "STK",
        "currency": "USD",
        "quantity": "100",
        "average_cost": "150.01",
        "cost_basis": "15001",
        "mark_price": "160",
        "mark_as_of": "2026-11-20T15:00:00Z",
        "mark_age_seconds": 1800,
        "mark_source": "snapshot",
        "mark_restated": False,
        "market_value": "16000",
        "fx_rate": "1",
        "fx_as_of": None,
        "market_value_base": "16000",
        "unrealized_pnl": "999",
        "counted": "16000",
    }
    assert (rows["VOD"]["fx_rate"], rows["VOD"]["fx_as_of"]) == ("1.3105", "2026-11-20T15:00:00Z")
    assert [row["currency"] for row in one["cash"]] == ["BASE_SUMMARY", "GBP", "USD"]
    assert (one["cash_value"], one["positions_value"], one["total"]) == (
        "20482.11",
        "16948.802",
        "37430.912",
    )
    assert one["trades_apart"] == 0
    assert one["coverage"] == {"positions": 2, "valued": 2, "share": "1"}
    assert one["net_liquidation"]["amount"] == "118902.44"


async def test_several_accounts_are_asked_for_by_name_and_all_without_one(kept: Api) -> None:
    both = await kept.get(PATH, account=[SECOND, FIRST])
    assert [one["account"] for one in both["items"]] == [SECOND, FIRST]
    everything = await kept.get(PATH)
    assert [one["account"] for one in everything["items"]] == [FIRST, SECOND]
    assert everything["as_of"] == "2026-11-20T15:31:00Z", "now"
    before = await kept.get(PATH, account=SECOND, as_of="2026-11-20T15:00:59Z")
    assert before["items"][0]["positions"] == []


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"account": "U0"}, 404, "account_not_found"),
        ({"as_of": "2026-11-20T15:30:00"}, 400, "time_invalid"),
        ({"as_of": "2126-11-20T15:30:00Z"}, 400, "time_invalid"),
        ({"as_of": "yesterday"}, 422, "validation_failed"),
    ],
)
async def test_what_cannot_be_answered_is_refused(
    kept: Api, query: dict[str, str], status: int, code: str
) -> None:
    answer = await kept.http.get(PATH, params=query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_the_ends_of_time_can_be_asked_for(api: Api) -> None:
    told = await api.http.get("/api/v1/valuation", params={"as_of": "0001-01-01T00:00:00Z"})
    assert told.status_code == 200
    assert not any(one["positions"] for one in told.json()["items"])
