from decimal import Decimal

from sqlalchemy import insert, literal, select, update

from core.clock import utc_now
from core.events.changes import AccountsRecorded, AccountValueChanged, ExecutionRecorded
from core.events.facts import PnlReported
from core.settings import Settings
from core.streams.redis import RedisStreams
from models import tables as t
from models.session import Database
from tests.services.api.conftest import Api
from tests.services.api.portfolio import AAPL, NOW, PAPER, USD, beat, changed, mark, publish, tick
from tests.waiting import eventually


async def test_accounts_are_listed_and_paper_is_labelled(api: Api) -> None:
    page = await api.get("/api/v1/accounts")
    assert [(row["account"], row["alias"], row["base_currency"], row["paper"]) for row in page["items"]] == [
        (PAPER, None, "USD", True),
        (USD, "Main", "USD", False),
    ]
    assert page["next_cursor"] is None
    assert page["freshness"]["as_of"] == "2026-11-20T15:00:00Z"


async def test_one_account_is_told_as_the_list_has_it(api: Api) -> None:
    for row in (await api.get("/api/v1/accounts"))["items"]:
        one = await api.get(f"/api/v1/accounts/{row['account']}")
        assert one | {"freshness": None} == row | {"freshness": None}
    answer = await api.http.get("/api/v1/accounts/U999")
    assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")


async def test_an_account_that_is_in_no_list_is_said_to_be_unlisted(
    api: Api, database: Database, streams: RedisStreams
) -> None:
    async with database.write() as writer:
        await writer.execute(
            insert(t.broker_accounts).values(
                account="DU9", paper=True, listed=False, first_seen_at=NOW, last_seen_at=NOW
            )
        )

    async def listed() -> dict[str, bool]:
        rows = (await api.get("/api/v1/accounts"))["items"]
        return {row["account"]: row["listed"] for row in rows}

    await publish(streams, api.settings, AccountsRecorded(accounts=("DU9",)))
    await eventually(listed, lambda accounts: accounts == {"DU9": False, PAPER: True, USD: True})


async def test_a_cancelled_trade_is_no_trade(api: Api, database: Database, streams: RedisStreams) -> None:
    before = (await api.get(f"/api/v1/accounts/{USD}/summary"))["total_trades"]
    async with database.write() as writer:
        first = t.executions.c.exec_id == "0001.aa.01.01"
        columns = [column.name for column in t.executions.c if column.name not in {"exec_id", "revision"}]
        kept = [t.executions.c[name] for name in columns if name != "quantity"]
        bust = select(literal("0001.aa.01.02"), literal(2), literal(0), *kept).where(first)
        names = ["exec_id", "revision", "quantity", *(name for name in columns if name != "quantity")]
        await writer.execute(insert(t.executions).from_select(names, bust))
        await writer.execute(update(t.executions).where(first).values(corrected_by="0001.aa.01.02"))
    await publish(streams, api.settings, ExecutionRecorded(exec_id="0001.aa.01.02", account=USD, conid=AAPL))

    async def trades() -> int:
        return int((await api.get(f"/api/v1/accounts/{USD}/summary"))["total_trades"])

    await eventually(trades, lambda number: number == before - 1)
    plain = [row["exec_id"] for row in (await api.get("/api/v1/executions"))["items"]]
    assert not {"0001.aa.01.01", "0001.aa.01.02"} & set(plain)
    shown = (await api.get("/api/v1/executions", include="corrected"))["items"]
    assert {row["exec_id"]: row["quantity"] for row in shown}["0001.aa.01.02"] == "0"


async def test_a_summary_has_the_last_known_figures(api: Api) -> None:
    row = await api.get(f"/api/v1/accounts/{USD}/summary")
    assert row["net_liquidation"] == "104230.75"
    assert row["total_cash"] == "12044.1"
    assert row["gross_position_value"] == "92186.65"
    assert (row["daily_pnl"], row["unrealized_pnl"], row["realized_pnl"]) == ("310.22", "4410.9", "-55.1")
    assert (row["win_rate"], row["open_positions"], row["total_trades"]) == ("1", 2, 3)
    assert row["coverage"] == {"fresh": 0, "total": 2}


async def test_a_value_in_another_currency_is_not_the_accounts(api: Api) -> None:
    assert (await api.get(f"/api/v1/accounts/{PAPER}/summary"))["total_cash"] == "300"


async def test_all_is_the_sum(api: Api) -> None:
    row = await api.get("/api/v1/accounts/ALL/summary")
    assert (row["account"], row["base_currency"], row["net_liquidation"]) == ("ALL", "USD", "105231")
    assert (row["win_rate"], row["open_positions"], row["total_trades"]) == ("0.6667", 3, 4)
    assert row["daily_pnl"] is None, "one account's figure is unknown"


async def test_an_account_nobody_knows_has_no_summary(api: Api) -> None:
    answer = await api.http.get("/api/v1/accounts/U0/summary")
    assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")


async def test_a_summary_follows_the_streams(api: Api, settings: Settings, streams: RedisStreams) -> None:
    now = utc_now()
    async with api.socket() as socket:
        await socket.subscribe("summary")
        snapshot = await socket.next("snapshot")
        assert sorted(snapshot["data"]) == ["ALL", PAPER, USD]
        net = AccountValueChanged(account=USD, key="NetLiquidation", currency="USD", value="5000", as_of=now)
        other = AccountValueChanged(account=USD, key="NetLiquidation", currency="EUR", value="1", as_of=now)
        bad = AccountValueChanged(account=USD, key="TotalCashValue", currency="BASE", value="", as_of=now)
        unused = AccountValueChanged(account=USD, key="Leverage", currency="", value="2", as_of=now)
        await publish(streams, settings, net, other, bad, unused)
        await tick(
            streams,
            settings,
            beat(now),
            mark(now),
            PnlReported(received_at=now, account=USD, daily_pnl=Decimal("-1.5")),
        )
        told = await socket.next(
            "delta",
            where=lambda m: any(o["key"] == USD and o["value"]["daily_pnl"] == "-1.5" for o in m["ops"]),
        )
        row = next(op["value"] for op in told["ops"] if op["key"] == USD)
        assert row["net_liquidation"] == "5000"
        assert row["total_cash"] is None, "what the broker left empty is unknown, not zero"
        assert row["freshness"]["source"] == "live"
        assert row["coverage"] == {"fresh": 1, "total": 2}
        total = next(op["value"] for op in told["ops"] if op["key"] == "ALL")
        assert total["net_liquidation"] == "6000.25"


async def test_counts_follow_what_was_recorded(
    api: Api, settings: Settings, streams: RedisStreams, database: Database
) -> None:
    async with database.write() as writer:
        await writer.execute(
            update(t.positions).where(t.positions.c.realized_pnl == 250).values(realized_pnl=-1)
        )
        await writer.execute(update(t.broker_accounts).values(alias="New"))
    await publish(streams, settings, ExecutionRecorded(exec_id="x", account=USD, conid=AAPL))

    async def rate() -> object:
        return (await api.get(f"/api/v1/accounts/{USD}/summary"))["win_rate"]

    await eventually(rate, lambda told: told == "0.5")
    assert (await api.get("/api/v1/accounts"))["items"][0]["alias"] == "New"


async def test_a_new_account_appears(
    api: Api, settings: Settings, streams: RedisStreams, database: Database
) -> None:
    async with database.write() as writer:
        await writer.execute(
            insert(t.broker_accounts).values(account="U9", paper=False, first_seen_at=NOW, last_seen_at=NOW)
        )
    await publish(streams, settings, AccountsRecorded(accounts=(USD, PAPER, "U9")))

    async def status() -> int:
        return (await api.http.get("/api/v1/accounts/U9/summary")).status_code

    await eventually(status, lambda code: code == 200)
    await publish(
        streams,
        settings,
        AccountValueChanged(account="U9", key="NetLiquidation", currency="CHF", value="7", as_of=NOW),
    )

    async def currencies() -> object:
        return (await api.get("/api/v1/accounts/ALL/summary"))["base_currency"]

    await eventually(currencies, lambda told: told is None)
    assert (await api.get("/api/v1/accounts/U9/summary"))["base_currency"] == "CHF"


async def test_a_position_that_opens_and_closes_is_counted(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    async def held() -> int:
        return int((await api.get("/api/v1/accounts/ALL/summary"))["open_positions"])

    await publish(streams, settings, changed("new", account="U7", conid=1))
    await eventually(held, lambda count: count == 4)
    await publish(
        streams, settings, changed("new", account="U7", conid=1, version=7, status="closed", closed_at=NOW)
    )
    await eventually(held, lambda count: count == 3)
