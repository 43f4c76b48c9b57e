"""A small portfolio with one of everything: accounts, kinds of positions, a correction, a job."""

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert

from core.domain.executions import split_exec_id
from core.events import changes, facts
from core.settings import Settings
from core.streams.port import StreamPort
from models import tables as t
from models.session import Database

TOKEN = "test-token-test-token-test-token"
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
EPOCH = 1
USD, PAPER = "U1111111", "DU2222222"
AAPL, ESZ6, VOD, MSFT = 265598, 495512563, 107550, 272093


def position_id(name: str) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_URL, name)


INSTRUMENTS = (
    # conid, symbol, local symbol, sec type, currency, multiplier, magnifier, description
    (AAPL, "AAPL", "AAPL", "STK", "USD", "1", 1, "APPLE INC"),
    (ESZ6, "ES", "ESZ6", "FUT", "USD", "50", 1, "E-mini S&P 500"),
    (VOD, "VOD", "VOD", "STK", "GBP", "1", 100, "VODAFONE GROUP PLC"),
    (MSFT, "MSFT", "MSFT", "STK", "USD", "1", 1, "MICROSOFT CORP"),
)
POSITIONS: tuple[tuple[Any, ...], ...] = (
    # name, account, conid, status, side, quantity, average cost, realized, opened, closed
    ("aapl", USD, AAPL, "open", "long", "100", "150.01", "12.5", NOW - timedelta(days=9), None),
    ("es", USD, ESZ6, "open", "short", "-2", "225002.37", "0", NOW - timedelta(days=3), None),
    ("vod", PAPER, VOD, "open", "long", "1000", "0.701", None, NOW - timedelta(days=5), None),
    ("won", USD, MSFT, "closed", "long", "0", None, "250", NOW - timedelta(days=8), NOW - timedelta(days=2)),
    (
        "lost",
        PAPER,
        MSFT,
        "closed",
        "short",
        "0",
        None,
        "-30.25",
        NOW - timedelta(days=7),
        NOW - timedelta(days=6),
    ),
    ("again", USD, MSFT, "closed", "long", "0", None, "10", NOW - timedelta(days=2), NOW - timedelta(days=1)),
)
EXECUTIONS: tuple[tuple[Any, ...], ...] = (
    # exec id, account, conid, at, side, quantity, price, corrected by, position
    ("0001.aa.01.01", USD, AAPL, NOW - timedelta(days=9), "BOT", "60", "150", None, "aapl"),
    (
        "0001.ab.01.01",
        USD,
        AAPL,
        NOW - timedelta(days=9, seconds=-5),
        "BOT",
        "50",
        "150",
        "0001.ab.01.02",
        "aapl",
    ),
    ("0001.ab.01.02", USD, AAPL, NOW - timedelta(days=9, seconds=-5), "BOT", "40", "150", None, "aapl"),
    ("0001.ac.01.01", USD, ESZ6, NOW - timedelta(days=3), "SLD", "2", "4500.0474", None, "es"),
    ("0001.ad.01.01", PAPER, VOD, NOW - timedelta(days=5), "BOT", "1000", "70.1", None, "vod"),
)
COMMISSIONS = (
    ("0001.aa.01.01", "1", "USD", None),
    ("0001.ab.01.01", "1.2", "USD", None),
    ("0001.ab.01.02", "-0.2", "USD", "3.5"),
    ("0001.ac.01.01", "4.74", "USD", None),
)
WON_SALE, AGAIN_SALE, LOST_SALE = "0001.ba.01.01", "0001.bb.01.01", "0001.bc.01.01"
LOTS: tuple[tuple[Any, ...], ...] = (
    # position, seq, exec id, opened, quantity, remaining, price, commission, remaining commission
    ("aapl", 1, "0001.aa.01.01", NOW - timedelta(days=9), "60", "60", "150", "1", "1"),
    ("aapl", 2, "0001.ab.01.02", NOW - timedelta(days=9, seconds=-5), "40", "40", "150", "1", "1"),
    ("won", 1, "0001.bd.01.01", NOW - timedelta(days=8), "30", "0", "400", "0.5", "0"),
    ("won", 2, "0001.be.01.01", NOW - timedelta(days=7), "20", "0", "401", "0.5", "0"),
)
DISPOSALS: tuple[tuple[Any, ...], ...] = (
    # position, lot, seq, exec id, opened, closed, quantity, open price, close price, open and close
    # commission, realized
    (
        "won",
        1,
        1,
        WON_SALE,
        NOW - timedelta(days=8),
        NOW - timedelta(days=2),
        "30",
        "400",
        "406",
        "0.5",
        "0.6",
        "178.9",
    ),
    (
        "won",
        2,
        2,
        WON_SALE,
        NOW - timedelta(days=7),
        NOW - timedelta(days=2),
        "20",
        "401",
        "406",
        "0.5",
        "0.4",
        "99.1",
    ),
    (
        "again",
        1,
        1,
        AGAIN_SALE,
        NOW - timedelta(days=2),
        NOW - timedelta(days=1),
        "10",
        "400",
        "401",
        "0",
        "0",
        "10",
    ),
    (
        "lost",
        1,
        1,
        LOST_SALE,
        NOW - timedelta(days=7),
        NOW - timedelta(days=6),
        "-10",
        "400",
        "403",
        "0",
        "0.25",
        "-30.25",
    ),
    # An adjustment closed this: nobody knows what it brought.
    (
        "lost",
        2,
        2,
        None,
        NOW - timedelta(days=7),
        NOW - timedelta(days=6),
        "-1",
        "400",
        None,
        "0",
        "0",
        None,
    ),
)
CLOSING_REPORTS = ((WON_SALE, "1", "USD", "278.01"), (LOST_SALE, "0.25", "USD", "-30.25"))
VALUES = (
    (USD, "NetLiquidation", "USD", "104230.75"),
    (USD, "TotalCashValue", "USD", "12044.10"),
    (USD, "GrossPositionValue", "USD", "92186.65"),
    (USD, "BuyingPower", "USD", "400000"),
    (PAPER, "NetLiquidation", "USD", "1000.25"),
    (PAPER, "TotalCashValue", "USD", "300"),
    (PAPER, "TotalCashValue", "GBP", "99999"),
    (PAPER, "GrossPositionValue", "USD", "700.25"),
)
MARKS: tuple[tuple[Any, ...], ...] = (
    # account, conid, quantity, price, value, daily, unrealized, realized
    (USD, AAPL, "100", "160.5", "16050", "120", "1049", "12.5"),
    (USD, ESZ6, "-2", None, "-450100", "-95.26", "-95.26", None),
)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


async def seed(database: Database, *, now: datetime = NOW) -> None:
    """Write the portfolio; ``now`` is when the broker last spoke."""
    async with database.write() as writer:
        for account in (USD, PAPER):
            await writer.execute(
                insert(t.broker_accounts).values(
                    account=account,
                    alias="Main" if account == USD else None,
                    base_currency="USD",
                    paper=account == PAPER,
                    first_seen_at=NOW - timedelta(days=30),
                    last_seen_at=now,
                )
            )
            for dataset in ("positions", "executions", "account_values", "pnl"):
                await writer.execute(
                    insert(t.sync_datasets).values(
                        account=account, dataset=dataset, as_of=now, complete=True, epoch=EPOCH
                    )
                )
        for conid, symbol, local, kind, currency, multiplier, magnifier, description in INSTRUMENTS:
            await writer.execute(
                insert(t.instruments).values(
                    conid=conid,
                    symbol=symbol,
                    local_symbol=local,
                    sec_type=kind,
                    currency=currency,
                    multiplier=Decimal(multiplier),
                    price_magnifier=magnifier,
                    description=description,
                    exchange="SMART",
                    trading_class=symbol,
                    expiry="",
                    option_right="",
                    updated_at=now,
                )
            )
        await _seed_positions(writer, now)
        await _seed_executions(writer, now)
        await _seed_lots(writer)
        for account, key, currency, value in VALUES:
            await writer.execute(
                insert(t.account_values).values(
                    account=account, key=key, currency=currency, value=value, as_of=now, epoch=EPOCH
                )
            )
        await writer.execute(
            insert(t.account_pnl).values(
                account=USD,
                daily_pnl=Decimal("310.22"),
                unrealized_pnl=Decimal("4410.9"),
                realized_pnl=Decimal("-55.1"),
                as_of=now,
            )
        )
        await writer.execute(
            insert(t.dead_facts).values(
                fingerprint="f" * 64,
                category="parsing",
                reason="unknown message id 999",
                payload="secret payload",
                source="gateway",
                occurrences=3,
                first_seen_at=now,
                last_seen_at=now,
            )
        )
        await writer.execute(
            insert(t.jobs).values(
                id=position_id("job"),
                kind="resync",
                status="succeeded",
                progress=Decimal(1),
                created_at=now - timedelta(minutes=5),
                started_at=now - timedelta(minutes=5),
                finished_at=now - timedelta(minutes=4),
            )
        )
        await writer.execute(
            insert(t.observation_gaps).values(
                account=USD,
                started_at=now - timedelta(hours=30),
                ended_at=now - timedelta(hours=10),
                reason="the gateway waited for a login",
                detected_at=now - timedelta(hours=1),
                epoch=1,
            )
        )


async def _seed_positions(writer: Any, now: datetime) -> None:
    ordinals: dict[tuple[str, int], int] = {}
    for name, account, conid, status, side, quantity, cost, realized, opened, closed in POSITIONS:
        book = (account, conid)
        if book not in ordinals:
            held = Decimal(quantity)
            await writer.execute(
                insert(t.ledger_books).values(
                    account=account, conid=conid, quantity=held, broker_quantity=held, broker_as_of=now
                )
            )
        ordinals[book] = ordinals.get(book, 0) + 1
        size, average = Decimal(quantity), _decimal(cost)
        await writer.execute(
            insert(t.positions).values(
                id=position_id(name),
                account=account,
                conid=conid,
                ordinal=ordinals[book],
                status=status,
                side=side,
                quantity=size,
                max_quantity=abs(size) or Decimal(10),
                average_cost=average,
                cost_basis=None if average is None else average * size,
                realized_pnl=_decimal(realized),
                commission=Decimal("2.00"),
                opened_at=opened,
                closed_at=closed,
                provisional=name == "vod",
                missing_commissions=0,
                estimated=False,
                event_count=2,
                lot_count=1,
                version=5,
                updated_at=now,
            )
        )
    for seq, (kind, quantity, after, exec_id) in enumerate(
        (("opened", "60", "60", "0001.aa.01.01"), ("increased", "40", "100", "0001.ab.01.02")), start=1
    ):
        await writer.execute(
            insert(t.position_events).values(
                position_id=position_id("aapl"),
                seq=seq,
                type=kind,
                executed_at=NOW - timedelta(days=9),
                quantity=Decimal(quantity),
                price=Decimal(150),
                position_after=Decimal(after),
                commission=Decimal(1),
                exec_id=exec_id,
            )
        )
    # The second fill had been reported as fifty.
    await writer.execute(
        insert(t.position_events).values(
            position_id=position_id("aapl"),
            seq=3,
            type="corrected",
            executed_at=NOW - timedelta(days=9),
            quantity=Decimal(0),
            price=Decimal(150),
            position_after=Decimal(100),
            exec_id="0001.ab.01.01",
            replaced_quantity=Decimal(50),
        )
    )
    for account, conid, quantity, price, value, daily, unrealized, realized in MARKS:
        await writer.execute(
            insert(t.marks).values(
                account=account,
                conid=conid,
                quantity=_decimal(quantity),
                market_price=_decimal(price),
                market_value=_decimal(value),
                daily_pnl=_decimal(daily),
                unrealized_pnl=_decimal(unrealized),
                realized_pnl=_decimal(realized),
                as_of=now,
            )
        )


async def _seed_executions(writer: Any, now: datetime) -> None:
    for exec_id, account, conid, at, side, quantity, price, corrected_by, position in EXECUTIONS:
        base, revision = split_exec_id(exec_id)
        await writer.execute(
            insert(t.executions).values(
                exec_id=exec_id,
                exec_base_id=base,
                revision=revision,
                account=account,
                conid=conid,
                executed_at=at,
                side=side,
                quantity=Decimal(quantity),
                price=Decimal(price),
                order_id=7,
                perm_id=1900000001,
                client_id=0,
                order_ref="",
                exchange="SMART",
                liquidity=1,
                model_code="",
                zone_assumed=False,
                source="live",
                corrected_by=corrected_by,
                position_id=position_id(position),
                received_at=now,
                epoch=EPOCH,
            )
        )
    for exec_id, commission, currency, realized in (*COMMISSIONS, *CLOSING_REPORTS):
        await writer.execute(
            insert(t.commission_reports).values(
                exec_id=exec_id,
                commission=Decimal(commission),
                currency=currency,
                realized_pnl=_decimal(realized),
                received_at=now,
                epoch=EPOCH,
            )
        )


async def _seed_lots(writer: Any) -> None:
    for name, seq, exec_id, opened, quantity, remaining, price, fee, remaining_fee in LOTS:
        await writer.execute(
            insert(t.lots).values(
                position_id=position_id(name),
                seq=seq,
                exec_id=exec_id,
                opened_at=opened,
                quantity=Decimal(quantity),
                remaining=Decimal(remaining),
                price=Decimal(price),
                unit_cost=Decimal(price),
                cost=Decimal(quantity) * Decimal(price),
                commission=Decimal(fee),
                remaining_commission=Decimal(remaining_fee),
            )
        )
    for name, lot, seq, exec_id, opened, closed, quantity, paid, got, fee_in, fee_out, realized in DISPOSALS:
        part, price = Decimal(quantity), _decimal(got)
        await writer.execute(
            insert(t.lot_disposals).values(
                position_id=position_id(name),
                lot_seq=lot,
                seq=seq,
                exec_id=exec_id,
                opened_at=opened,
                closed_at=closed,
                quantity=part,
                open_price=Decimal(paid),
                close_price=price,
                cost=part * Decimal(paid),
                proceeds=None if price is None else part * price,
                open_commission=Decimal(fee_in),
                close_commission=Decimal(fee_out),
                realized_pnl=_decimal(realized),
                provisional=exec_id is None,
            )
        )
    steps = (
        ("opened", "30", "400", "0.5", "0001.bd.01.01", 8),
        ("increased", "20", "401", "0.5", "0001.be.01.01", 7),
        ("closed", "-50", "406", "1", WON_SALE, 2),
    )
    after = Decimal(0)
    for seq, (kind, quantity, traded, fee, exec_id, days) in enumerate(steps, start=1):
        after += Decimal(quantity)
        await writer.execute(
            insert(t.position_events).values(
                position_id=position_id("won"),
                seq=seq,
                type=kind,
                executed_at=NOW - timedelta(days=days),
                quantity=Decimal(quantity),
                price=Decimal(traded),
                position_after=after,
                commission=Decimal(fee),
                exec_id=exec_id,
            )
        )


async def seed_comparisons(database: Database) -> None:
    """Three comparisons with the broker and what they found: open, resolved, and of what was never held."""
    hour = timedelta(hours=1)
    comparisons: tuple[tuple[str, str, dict[str, int]], ...] = (
        (USD, "sweep", {"matched": 3}),
        (PAPER, "sweep", {}),
        (USD, "change", {"matched": 1, "quantity_mismatch": 1, "cost_mismatch": 1}),
    )
    async with database.write() as writer:
        for hours, (account, trigger, counts) in zip((3, 2, 1), comparisons, strict=True):
            await writer.execute(
                insert(t.reconciliations).values(
                    account=account,
                    started_at=NOW - hours * hour,
                    finished_at=NOW - hours * hour + timedelta(seconds=1),
                    trigger=trigger,
                    checked=sum(counts.values()),
                    differences=sum(counts.values()) - counts.get("matched", 0),
                    counts=counts,
                )
            )
        for account, conid, kind, cause, inferred, ours, brokers, resolved_at in (
            (USD, MSFT, "missing_broker", "expiry", True, "10", "0", NOW - hour),
            (USD, AAPL, "quantity_mismatch", "unexplained", False, "90.50", "100", None),
            (USD, AAPL, "cost_mismatch", None, False, "150.01", "150.04", None),
            (PAPER, ESZ6, "missing_local", "missed_executions", True, "0", "-2", None),
        ):
            await writer.execute(
                insert(t.reconciliation_differences).values(
                    account=account,
                    conid=conid,
                    kind=kind,
                    cause=cause,
                    inferred=inferred,
                    ours=Decimal(ours),
                    brokers=Decimal(brokers),
                    since=NOW - 2 * hour,
                    resolved_at=resolved_at,
                )
            )


def changed(name: str = "aapl", **fields: Any) -> changes.PositionChanged:
    """A change of the Apple position, or of a new one."""
    known: dict[str, Any] = {
        "id": str(position_id(name)),
        "version": 6,
        "account": USD,
        "conid": AAPL,
        "symbol": "AAPL",
        "local_symbol": "AAPL",
        "sec_type": "STK",
        "currency": "USD",
        "description": "APPLE INC",
        "multiplier": Decimal(1),
        "price_magnifier": 1,
        "side": "long",
        "status": "open",
        "quantity": Decimal(100),
        "average_cost": Decimal("150.01"),
        "cost_basis": Decimal(15001),
        "realized_pnl": Decimal("12.5"),
        "commission": Decimal(2),
        "opened_at": NOW - timedelta(days=9),
        "closed_at": None,
        "broker_quantity": Decimal(100),
        "reconciled": True,
        "provisional": False,
    }
    return changes.PositionChanged(**(known | fields))


async def publish(streams: StreamPort, settings: Settings, *changed_: changes.Change) -> None:
    """One entry of the changes stream."""
    await streams.append(settings.changes_stream, [changes.encode(changes.ChangeBatch(changes=changed_))])


async def tick(
    streams: StreamPort, settings: Settings, *ticks: facts.Tick, epoch: int = EPOCH, login: str = ""
) -> None:
    """One entry of the ticks stream."""
    batch = facts.TickBatch(epoch=epoch, ticks=ticks, login=login)
    await streams.append(settings.ticks_stream, [facts.encode(batch)])


def beat(now: datetime, **fields: Any) -> facts.LinkBeat:
    """The broker link saying that all is well, or what ``fields`` say."""
    known: dict[str, Any] = {
        "received_at": now,
        "gateway": "up",
        "ibkr": "up",
        "since": now,
        "state": "live",
        "complete": True,
        "last_message_at": now,
    }
    return facts.LinkBeat(**(known | fields))


def mark(now: datetime, **fields: Any) -> facts.MarkReported:
    """A mark of the Apple position."""
    known: dict[str, Any] = {
        "received_at": now,
        "account": USD,
        "conid": AAPL,
        "quantity": Decimal(100),
        "market_price": Decimal(161),
        "market_value": Decimal(16100),
        "daily_pnl": Decimal(170),
        "unrealized_pnl": Decimal(1099),
    }
    return facts.MarkReported(**(known | fields))
