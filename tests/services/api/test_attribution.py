"""Where an account's gain came from, over HTTP: live from snapshots alone, and with what statements tell."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, text

from core.domain.days import day_of
from models import tables as t
from models.session import Database
from models.stores.partitions import ensure_partitions
from tests.services.api.conftest import Api
from tests.services.api.portfolio import MSFT, NOW, PAPER, USD, VOD, position_id
from tests.services.api.stated import seed_statements

PATH = "/api/v1/performance/attribution"
EARLY, LATE = NOW - timedelta(days=5, hours=12), NOW - timedelta(days=1)
AMOUNTS = ("price", "dividends", "interest", "fees", "fx", "total")


async def snapshot(
    database: Database,
    at: datetime,
    value: str,
    *,
    cash: dict[str, str],
    rate: str,
    held: tuple[tuple[int, str, str | None], ...] = (),
    account: str = PAPER,
    base: str = "USD",
) -> None:
    async with database.write() as writer:
        await ensure_partitions(writer, at, months_ahead=0)
        await writer.execute(
            text("INSERT INTO raw_payloads VALUES ('x', 1, 'x', now()) ON CONFLICT DO NOTHING")
        )
        run = {"trigger": "cli", "status": "success", "schema_version": "", "app_version": ""}
        made = await writer.execute(
            insert(t.snapshot_runs)
            .values(**run, started_at=at, finished_at=at)
            .returning(t.snapshot_runs.c.id)
        )
        run_id = made.scalar_one()
        made = await writer.execute(
            insert(t.snapshots)
            .values(
                snapshot_key=f"{account}/{run_id}",
                run_id=run_id,
                account=account,
                asof_ts=at,
                taken_at=at,
                net_liquidation=Decimal(value),
                base_currency=base,
                coverage=1,
                source="ibkr",
                payload_sha256="x",
            )
            .returning(t.snapshots.c.id)
        )
        told = {"as_of": day_of(at), "at": at, "source": "snapshot", "snapshot_id": made.scalar_one()}
        for conid, quantity, worth in held:
            await writer.execute(
                insert(t.snapshot_positions).values(
                    snapshot_id=told["snapshot_id"],
                    asof_ts=at,
                    conid=conid,
                    quantity=Decimal(quantity),
                    currency="GBP" if conid == VOD else "USD",
                    market_value=None if worth is None else Decimal(worth),
                    fresh=True,
                )
            )
        await writer.execute(
            insert(t.fx_rates).values(currency="GBP", into_currency=base, rate=Decimal(rate), **told)
        )
        for currency, amount in cash.items():
            await writer.execute(
                insert(t.cash_balances).values(
                    account=account, currency=currency, cash=Decimal(amount), **told
                )
            )


@pytest.fixture
async def bought(seeded: Database) -> Database:
    """1,000 shares were bought for 701 GBP of which the commission was never told; 49 GBP came otherwise."""
    await snapshot(seeded, EARLY, "2700", cash={"USD": "100", "GBP": "2000"}, rate="1.3")
    late = {"USD": "100", "GBP": "1348", "BASE_SUMMARY": "1879.36"}
    await snapshot(seeded, LATE, "2835.04", cash=late, rate="1.32", held=((VOD, "1000", "724"),))
    return seeded


def amounts(item: dict[str, Any]) -> tuple[str | None, ...]:
    return tuple(item[name] for name in AMOUNTS)


async def test_a_gain_is_told_by_what_it_came_from_and_what_nobody_told(bought: Database, api: Api) -> None:
    del bought
    told = await api.get(PATH, account=PAPER)
    assert (told["from"], told["to"]) == ("2026-11-15T03:00:00Z", "2026-11-19T15:00:00Z")
    assert (told["start_source"], told["end_source"]) == ("snapshot", "snapshot")
    assert (told["start_value"], told["end_value"], told["currency"]) == ("2700", "2835.04", "USD")
    assert (told["net_contribution"], told["gain"], told["unexplained"]) == ("0", "135.04", "64.68")
    share, cash = told["items"]
    assert (share["key"], share["symbol"], share["asset_class"]) == (str(VOD), "VOD", "STK")
    assert amounts(share) == ("30.36", "0", "0", None, "14.02", "44.38")
    assert (cash["key"], cash["conid"], cash["asset_class"], cash["currency"]) == (
        *("CASH.GBP", None),
        *("CASH", "GBP"),
    )
    assert amounts(cash) == ("0", "0", "0", "0", "25.98", "25.98")
    assert (share["complete"], cash["complete"]) == (False, True)
    unknown, brought = told["unknown"]
    assert (unknown["kind"], unknown["symbol"], unknown["reason"]) == ("fees", "VOD", "commission_awaited")
    assert (brought["kind"], brought["reason"]) == (None, "contribution_not_known"), "it may be a deposit"
    assert told["unclassified"] == [{"currency": "GBP", "amount": "49", "worth": "64.68"}]
    assert (told["data_quality"], told["rate_age_seconds"]) == ("incomplete", 45_000)
    assert (told["freshness"]["source"], told["freshness"]["reason"]) == ("last_known", "snapshot")


async def test_between_hours_the_contribution_is_the_one_that_was_reckoned_of_them(
    bought: Database, api: Api
) -> None:
    async def reckoned(amount: str | None, since: datetime) -> Any:
        async with bought.write() as writer:
            await writer.execute(text("UPDATE snapshots SET hour = asof_ts"))
            await writer.execute(text("DELETE FROM performance_metrics"))
            await writer.execute(
                insert(t.performance_metrics).values(
                    account=PAPER,
                    resolution="hour",
                    ts=LATE,
                    day=day_of(LATE),
                    source="snapshot",
                    currency="USD",
                    net_liquidation=Decimal("2835.04"),
                    net_contribution=None if amount is None else Decimal(amount),
                    data_quality="estimated",
                    since=since,
                    trades_until=LATE,
                )
            )
        return await api.get(PATH, account=PAPER)

    told = await reckoned("64.5", EARLY)
    assert (told["net_contribution"], told["gain"], told["unexplained"]) == ("64.5", "70.54", "0.18")
    assert (told["unclassified"], [one["kind"] for one in told["unknown"]]) == ([], ["fees"])
    # What was reckoned of other hours, or came to no result, tells nothing.
    for amount, since in (("64.5", EARLY + timedelta(hours=1)), (None, EARLY)):
        told = await reckoned(amount, since)
        assert (told["net_contribution"], len(told["unclassified"])) == ("0", 1)
        assert told["unknown"][-1]["reason"] == "contribution_not_known"


@pytest.mark.parametrize("by", ["instrument", "asset_class", "currency", "kind"])
async def test_however_it_is_grouped_it_sums_to_the_gain(bought: Database, api: Api, by: str) -> None:
    del bought
    told = await api.get(PATH, account=PAPER, by=by)
    total = sum(Decimal(item["total"]) for item in told["items"])
    assert total + Decimal(told["unexplained"]) == Decimal(told["gain"])
    assert told["items"] == sorted(told["items"], key=lambda item: -abs(Decimal(item["total"])))


async def test_once_the_commission_and_the_deposit_are_told_nothing_remains(
    bought: Database, api: Api
) -> None:
    flow = {
        "account": PAPER,
        "at": NOW - timedelta(days=3),
        "currency": "GBP",
        "fx_rate_to_base": Decimal("1.31"),
    }
    async with bought.write() as writer:
        await writer.execute(
            insert(t.commission_reports).values(
                exec_id="0001.ad.01.01", commission=1, currency="GBP", received_at=NOW, epoch=1
            )
        )
        await writer.execute(
            text(
                "INSERT INTO imports (kind, name, sha256, status, trigger, stated_at, imported_at, report) "
                "VALUES ('flex', 'x', 'x', 'done', 'cli', now(), now(), '{}')"
            )
        )
        await writer.execute(
            insert(t.cash_flows).values(
                **flow,
                import_id=1,
                line=1,
                flow_key="1",
                kind="deposit",
                external=True,
                amount=50,
                symbol="",
                transaction_id="",
                description="",
            )
        )
    told = await api.get(PATH, account=PAPER)
    assert (told["unexplained"], told["unclassified"], told["unknown"]) == ("0", [], [])
    assert (told["net_contribution"], told["data_quality"]) == ("65.5", "complete")


async def test_an_undone_import_explains_nothing(bought: Database, api: Api) -> None:
    await seed_statements(bought)
    stated = await api.get(PATH, account=PAPER, by="kind")
    assert [item["key"] for item in stated["items"] if item["key"] == "fees"] == ["fees"]
    fees = next(item for item in stated["items"] if item["key"] == "fees")
    assert (fees["fees"], fees["complete"]) == ("-1", False)
    async with bought.write() as writer:
        await writer.execute(text("UPDATE imports SET status = 'undone', undone_at = now()"))
    undone = await api.get(PATH, account=PAPER, by="kind")
    assert next(item for item in undone["items"] if item["key"] == "fees")["fees"] is None


async def test_a_currency_trade_that_no_statement_tells_is_a_conversion(bought: Database, api: Api) -> None:
    """100 GBP for 130.5 USD, when they were worth 132."""
    async with bought.write() as writer:
        await writer.execute(
            text(
                "INSERT INTO instruments (conid, symbol, local_symbol, sec_type, currency, multiplier, "
                "price_magnifier, exchange, trading_class, expiry, option_right, description, updated_at) "
                "VALUES (12, 'GBP', 'GBP.USD', 'CASH', 'USD', 1, 1, '', '', '', '', '', now())"
            )
        )
        await writer.execute(
            text(
                "INSERT INTO executions (exec_id, exec_base_id, revision, account, conid, executed_at, side, "
                "quantity, price, order_id, perm_id, client_id, order_ref, exchange, liquidity, model_code, "
                "zone_assumed, source, received_at, epoch) VALUES ('f.01', 'f', 1, :account, 12, :at, 'BOT', "
                "100, 1.305, 0, 0, 0, '', '', 0, '', false, 'live', now(), 1)"
            ),
            {"account": PAPER, "at": LATE - timedelta(hours=2)},
        )
    told = await api.get(PATH, account=PAPER, by="currency")
    pounds = next(item for item in told["items"] if item["key"] == "GBP")
    assert Decimal(pounds["fx"]) == Decimal("14.02") + Decimal("25.98") + Decimal("1.5")


async def test_a_statement_of_a_later_time_counts_before_a_snapshot(seeded: Database, api: Api) -> None:
    await seed_statements(seeded)  # of 16 to 18 November
    await snapshot(seeded, NOW - timedelta(days=3), "9000", cash={}, rate="1.3", account=USD)
    told = await api.get(PATH, account=USD, to="2026-11-18T04:59:00Z")
    assert (told["to"], told["end_source"]) == ("2026-11-17T15:00:00Z", "snapshot")
    told = await api.get(PATH, account=USD, to="2026-11-18T05:00:00Z")
    assert (told["to"], told["end_source"], told["end_value"]) == (
        *("2026-11-18T05:00:00Z", "statement"),
        "10300",
    )
    await snapshot(
        seeded, NOW - timedelta(days=2, hours=10, minutes=30), "9001", cash={}, rate="1.3", account=USD
    )
    told = await api.get(PATH, account=USD, to="2026-11-18T05:00:00Z")
    assert (told["to"], told["end_source"]) == ("2026-11-18T04:30:00Z", "snapshot")


async def test_what_was_held_then_by_the_ledger_alone_has_no_mark(seeded: Database, api: Api) -> None:
    await seed_statements(seeded)
    told = await api.get(PATH, account=USD)
    assert (told["start_source"], told["end_source"]) == ("statement", "statement")
    reasons = {(one["symbol"], one["kind"]): one["reason"] for one in told["unknown"]}
    assert reasons["AAPL", "price"] == "no_mark"
    total = sum(Decimal(item["total"]) for item in told["items"])
    assert total + Decimal(told["unexplained"]) == Decimal(told["gain"])
    # What the days of the statements say that the owner brought.
    assert told["net_contribution"] == "100"


async def test_what_cannot_be_asked_is_refused_with_a_reason(bought: Database, api: Api) -> None:
    async def refused(**query: str) -> tuple[int, str]:
        answer = await api.http.get(PATH, params=query)
        return answer.status_code, answer.json()["code"]

    assert await refused() == (422, "validation_failed")
    assert await refused(account=PAPER, by="colour") == (422, "validation_failed")
    assert await refused(account="U0") == (404, "account_not_found")
    same = {"from": "2026-11-18T00:00:00Z", "to": "2026-11-18T00:00:00Z"}
    assert await refused(account=PAPER, **same) == (400, "time_invalid")
    assert await refused(account=USD) == (404, "value_not_known")
    assert await refused(account=PAPER, **{"from": "2026-11-01T00:00:00Z"}) == (404, "value_not_known")
    between = {"from": "2026-11-16T00:00:00Z", "to": "2026-11-18T00:00:00Z"}
    assert await refused(account=PAPER, **between) == (409, "nothing_between")
    await snapshot(bought, NOW, "2000", cash={}, rate="0.8", base="EUR")
    assert await refused(account=PAPER) == (409, "currency_changed")


async def test_the_first_value_is_told_to_whoever_asks_for_an_earlier_one(bought: Database, api: Api) -> None:
    del bought
    answer = await api.http.get(PATH, params={"account": PAPER, "from": "2026-11-01T00:00:00Z"})
    assert "2026-11-15T03:00:00Z" in answer.json()["detail"]
    answer = await api.http.get(PATH, params={"account": USD})
    assert "no snapshot, and no statement" in answer.json()["detail"]


async def test_what_was_held_and_cannot_be_followed_has_no_price(bought: Database, api: Api) -> None:
    await snapshot(
        bought,
        NOW - timedelta(hours=2),
        "3000",
        cash={"GBP": "1348"},
        rate="1.32",
        held=((VOD, "900", "700"), (MSFT, "1", None)),
    )
    told = await api.get(PATH, account=PAPER, **{"from": LATE.isoformat()})
    reasons = {(one["symbol"], one["kind"]): one["reason"] for one in told["unknown"]}
    assert reasons == {
        ("VOD", "price"): "trades_missing",
        ("VOD", "fx"): "trades_missing",
        ("MSFT", "price"): "trades_missing",
        # The dollars that are not told any more may have been taken.
        (None, None): "contribution_not_known",
    }


async def test_of_a_corrected_trade_the_last_version_counts_and_the_commissions_of_all(
    bought: Database, api: Api
) -> None:
    async with bought.write() as writer:
        await writer.execute(
            text(
                "INSERT INTO executions (exec_id, exec_base_id, revision, account, conid, executed_at, side, "
                "quantity, price, order_id, perm_id, client_id, order_ref, exchange, liquidity, model_code, "
                "zone_assumed, source, corrected_by, received_at, epoch) SELECT '0001.ad.01.00', "
                "exec_base_id, 0, account, conid, executed_at, side, 500, price, 0, 0, 0, '', '', 0, '', "
                "false, 'live', exec_id, now(), 1 FROM executions WHERE exec_id = '0001.ad.01.01'"
            )
        )
        for exec_id, amount in (("0001.ad.01.00", "1.5"), ("0001.ad.01.01", "-0.5")):
            await writer.execute(
                insert(t.commission_reports).values(
                    exec_id=exec_id, commission=Decimal(amount), currency="GBP", received_at=NOW, epoch=1
                )
            )
    share = (await api.get(PATH, account=PAPER))["items"][0]
    assert amounts(share) == ("30.36", "0", "0", "-1.3", "14.02", "43.08")


async def test_a_split_of_which_only_the_broker_told_is_no_gain(seeded: Database, api: Api) -> None:
    """500 shares became 1,000 while they were worth 700 GBP and came to 724."""
    await snapshot(seeded, LATE, "924", cash={"GBP": "0"}, rate="1.32", held=((VOD, "500", "700"),))
    held = ((VOD, "1000", "724"),)
    await snapshot(seeded, NOW, "955.68", cash={"GBP": "0"}, rate="1.32", held=held)
    found = await api.get(PATH, account=PAPER)
    assert {one["reason"] for one in found["unknown"]} == {"trades_missing"}
    async with seeded.write() as writer:
        await writer.execute(
            text(
                "INSERT INTO position_events (position_id, seq, type, executed_at, quantity, position_after, "
                "cause) VALUES (:id, 90, 'adjusted', :at, 500, 1000, 'split')"
            ),
            {"id": position_id("vod"), "at": NOW - timedelta(hours=3)},
        )
    found = await api.get(PATH, account=PAPER)
    assert (found["unknown"], found["unexplained"], found["data_quality"]) == ([], "0", "complete")
    assert amounts(found["items"][0]) == ("31.68", "0", "0", "0", "0", "31.68")


@pytest.mark.parametrize("bounds", [{"to": "0001-01-01T00:00:00Z"}, {"from": "0001-01-01T00:00:00Z"}])
async def test_the_first_day_there_is_can_be_asked_for(api: Api, bounds: dict[str, str]) -> None:
    answer = await api.http.get("/api/v1/performance/attribution", params={"account": USD, **bounds})
    assert (answer.status_code, answer.json()["code"]) == (404, "value_not_known")
