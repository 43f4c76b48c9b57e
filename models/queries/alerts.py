"""What people are told of, what was sent to them, and the prices that they want to be told of."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import select, text

from core.domain.alerting import Condition, Standing
from core.domain.rules import Severity
from core.domain.watched import Direction
from models.session import Reader, Writer
from models.tables import alert_conditions, alert_deliveries, alert_messages, instruments, price_limits

_condition = [alert_conditions.c[name] for name in Condition._fields]
_memory = [alert_conditions.c[name] for name in Standing._fields[1:]]
_limit = [
    (instruments if name in {"symbol", "currency"} else price_limits).c[name]
    for name in (
        "id",
        "conid",
        "symbol",
        "currency",
        "direction",
        "price",
        "note",
        "made_at",
        "met_at",
        "met_price",
    )
]
# One row an account, by the index that each account's newest row is at the end of.
_drawdowns = text(
    "SELECT a.account, p.ts AS at, p.drawdown FROM broker_accounts a CROSS JOIN LATERAL ("
    "SELECT ts, drawdown FROM performance_metrics p WHERE p.account = a.account AND p.resolution = 'hour' "
    "ORDER BY p.ts DESC LIMIT 1) p WHERE p.drawdown IS NOT NULL"
)


class MessageRow(NamedTuple):
    """A message that was to be sent."""

    id: int
    made_at: datetime
    severity: Severity
    title: str
    body: str


class DeliveryRow(NamedTuple):
    """How it went to one channel. ``next_try_at`` is ``None`` once it is over, well or not."""

    message_id: int
    channel: str
    attempts: int
    next_try_at: datetime | None
    sent_at: datetime | None
    error: str | None


class LimitRow(NamedTuple):
    """A price that somebody wants to be told of. ``met_at`` is ``None`` while it is watched."""

    id: int
    conid: int
    symbol: str
    currency: str
    direction: Direction
    price: Decimal
    note: str | None
    made_at: datetime
    met_at: datetime | None
    met_price: Decimal | None


class DrawdownRow(NamedTuple):
    """How far an account was below its highest when it was measured last: a fraction, never above 0."""

    account: str
    at: datetime
    drawdown: Decimal


async def standing_conditions(reader: Reader | Writer) -> dict[str, Standing]:
    """What is remembered of each condition, by its id."""
    found = {}
    for row in await reader.execute(select(*_condition, *_memory)):
        condition = Condition(*row[: len(_condition)])
        found[condition.id] = Standing(condition, *row[len(_condition) :])
    return found


async def messages_page(reader: Reader, *, limit: int) -> list[tuple[MessageRow, list[DeliveryRow]]]:
    """The last messages, the newest first, and how each went to each channel."""
    columns = [alert_messages.c[name] for name in MessageRow._fields]
    newest = select(*columns).order_by(alert_messages.c.made_at.desc(), alert_messages.c.id.desc())
    messages = [MessageRow(*row) for row in await reader.execute(newest.limit(limit))]
    by_id: dict[int, list[DeliveryRow]] = {one.id: [] for one in messages}
    deliveries = select(*(alert_deliveries.c[name] for name in DeliveryRow._fields))
    wanted = deliveries.where(alert_deliveries.c.message_id.in_(by_id)).order_by(alert_deliveries.c.channel)
    for row in await reader.execute(wanted):
        one = DeliveryRow(*row)
        by_id[one.message_id].append(one)
    return [(one, by_id[one.id]) for one in messages]


async def price_limits_listed(reader: Reader) -> list[LimitRow]:
    """The limits, in the order in which they were made."""
    query = select(*_limit).join(instruments, instruments.c.conid == price_limits.c.conid)
    return [LimitRow(*row) for row in await reader.execute(query.order_by(price_limits.c.id))]


async def newest_drawdowns(reader: Reader) -> list[DrawdownRow]:
    """Of each account whose performance by the hour is known."""
    return [DrawdownRow(*row) for row in await reader.execute(_drawdowns)]
