"""What an API process sees for those who tell people: everything, and of accounts no more than is wanted."""

from datetime import timedelta
from decimal import Decimal

from sqlalchemy import insert, update

from core.clock import utc_now
from core.domain.rules import Finding
from core.events.facts import MarkReported
from core.settings import Settings
from core.streams.redis import RedisStreams
from models import tables as t
from models.session import Database
from services.api.attention import Watch
from services.api.context import Context
from tests.services.api.conftest import Api
from tests.services.api.portfolio import AAPL, NOW, PAPER, USD, beat, tick
from tests.services.api.test_alerts import told
from tests.services.api.test_issues import record
from tests.waiting import eventually


async def seen(context: Context) -> dict[str, str]:
    found = await Watch(context).look()
    assert found is not None
    return {one.id: one.summary for one in found.conditions}


async def test_it_sees_what_the_list_of_alerts_tells_and_what_kind_of_link_it_is(api: Api) -> None:
    alerts = await eventually(lambda: told(api), lambda found: "link" in found)
    found = await Watch(api.context).look()
    assert found is not None
    assert {one.id for one in found.conditions} == set(alerts)
    [link] = [one for one in found.conditions if one.source == "link"]
    assert link.kind in {"link:broker_link_down", "link:not_yet_synced"}
    assert (list(found.accounts), found.prices) == ([], {}), "what is not live meets no limit"


async def test_a_live_link_shows_accounts_and_prices(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    await tick(streams, settings, beat(utc_now()))
    mark = MarkReported(
        received_at=utc_now(),
        account=USD,
        conid=AAPL,
        quantity=Decimal(100),
        market_price=Decimal("187.5"),
        market_value=Decimal(18750),
        daily_pnl=None,
        unrealized_pnl=None,
        realized_pnl=None,
    )
    await tick(streams, settings, mark)

    async def price() -> Decimal | None:
        await tick(streams, settings, beat(utc_now()))
        found = await Watch(api.context).look()
        assert found is not None
        return found.prices[AAPL].price if AAPL in found.prices else None

    await eventually(price, lambda found: found == Decimal("187.5"))
    found = await Watch(api.context).look()
    assert found is not None
    names = {one.account: one.name for one in found.accounts}
    assert names[USD] == "Main"
    assert names[PAPER] == "...222"
    assert all(one.net_liquidation is not None for one in found.accounts)


async def test_no_account_number_and_no_amount_leaves_unless_that_is_wanted(
    api: Api, database: Database
) -> None:
    await record(database, "dead-fact", NOW, Finding(None, "x", f"{USD} lost 1,234.56 EUR", {}))
    summaries = await seen(api.context)
    assert summaries
    assert not any(USD in one or PAPER in one for one in summaries.values())
    assert not any("1,234.56" in one for one in summaries.values())
    api.context.settings = api.context.settings.model_copy(update={"alerts_details": True})
    assert any("1,234.56" in one for one in (await seen(api.context)).values())
    assert Watch(api.context)._name(USD) == USD


async def test_whether_markets_are_open_is_told_by_what_is_held(api: Api, database: Database) -> None:
    async def opened() -> bool | None:
        found = await Watch(api.context).look()
        assert found is not None
        return found.markets_open

    async with database.write() as writer:
        await writer.execute(update(t.instruments).values(liquid_hours="", time_zone=""))
    assert await opened() is None
    now = utc_now()
    for hours, expected in (("0000-2359", True), ("CLOSED", False)):
        days = [f"{now + timedelta(days=n):%Y%m%d}:{hours}" for n in (-1, 0, 1)]
        async with database.write() as writer:
            await writer.execute(update(t.instruments).values(liquid_hours=";".join(days), time_zone="UTC"))
        if f"{now:%H%M}" != "2359":
            assert await opened() is expected


async def test_what_was_looked_at_for_people_is_listed_for_who_sees_all_accounts(
    both: Api, database: Database
) -> None:
    now = utc_now()
    row = {
        "id": "disk",
        "kind": "disk",
        "severity": "error",
        "summary": "The disk is full",
        "remedy": "Make room.",
        "first_seen": now,
        "last_seen": now,
    }
    loss = {**row, "id": f"daily_loss:{USD}", "kind": "daily_loss", "account": "...111", "summary": "A loss"}
    old = {**row, "id": "pool", "kind": "pool", "last_seen": now - timedelta(minutes=3)}
    issue = {**row, "id": "issue:1", "kind": "issue"}
    both.context.clock = lambda: now
    both.context.hub._clock = lambda: now
    async with database.write() as writer:
        await writer.execute(
            insert(t.alert_conditions), [{"account": None, **one} for one in (row, loss, old, issue)]
        )
    found = {one["summary"] for one in (await told(both)).values() if one["source"] == "watch"}
    assert found == {"The disk is full", "...111: A loss"}
    theirs = {"Authorization": "Bearer theirs"}
    answer = await both.http.get("/api/v1/alerts", headers=theirs)
    assert answer.status_code == 200
    assert not [one for one in answer.json()["items"] if one["source"] == "watch"]


async def test_requests_that_could_not_be_answered_are_counted(api: Api) -> None:
    watch = Watch(api.context)
    before = await watch.look()
    await api.http.get("/api/v1/nothing-of-that-name")
    after = await watch.look()
    assert before is not None
    assert after is not None
    assert after.requests > before.requests
    assert after.failures == before.failures
    assert (after.connections_taken, after.connections > 0) == (0, True)
