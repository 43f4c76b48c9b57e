"""What people are told of: what is remembered of it, what is to be sent, and how that went."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import delete, insert, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from core.domain.alerting import Message, Standing
from core.domain.watched import Direction
from models.session import Writer
from models.tables import alert_conditions, alert_deliveries, alert_messages, price_limits

KEPT: timedelta = timedelta(days=90)
"""How long messages are kept."""

_due = text(
    "SELECT d.message_id, d.channel, d.attempts, m.made_at, m.severity, m.title, m.body "
    "FROM alert_deliveries d JOIN alert_messages m ON m.id = d.message_id "
    "WHERE d.next_try_at <= :now ORDER BY d.next_try_at, d.message_id, d.channel LIMIT :most"
)
_forget = text("DELETE FROM alert_messages WHERE made_at < :before")


class Due(NamedTuple):
    """A message that is to be sent to a channel now."""

    message_id: int
    channel: str
    attempts: int
    made_at: datetime
    message: Message


async def remember(writer: Writer, standing: Mapping[str, Standing], known: Mapping[str, Standing]) -> None:
    """Keep what stands as it is now, and nothing of what is ``known`` and stands no more.

    ``muted_until`` is somebody else's word and stays as it is.
    """
    forgotten = known.keys() - standing.keys()
    if forgotten:
        await writer.execute(delete(alert_conditions).where(alert_conditions.c.id.in_(sorted(forgotten))))
    rows = [one.flat() for _, one in sorted(standing.items()) if known.get(one.condition.id) != one]
    if not rows:
        return
    write = upsert(alert_conditions)
    kept = {
        name: write.excluded[name]
        for name in alert_conditions.c.keys()  # noqa: SIM118 - of columns, which are no mapping
        if name not in {"id", "muted_until"}
    }
    await writer.execute(write.on_conflict_do_update(index_elements=["id"], set_=kept), rows)


async def mute(writer: Writer, condition_id: str, until: datetime | None) -> bool:
    """Tell nothing of a condition until then; ``None``: tell of it again. Whether there is such a one."""
    done = await writer.execute(
        update(alert_conditions).where(alert_conditions.c.id == condition_id).values(muted_until=until)
    )
    return done.rowcount > 0


async def queue_message(writer: Writer, message: Message, channels: Sequence[str], now: datetime) -> int:
    """Keep a message, to be sent to each of the channels as soon as may be; its number."""
    row = {"made_at": now, "severity": message.severity, "title": message.title, "body": message.body}
    added = await writer.execute(insert(alert_messages).values(row).returning(alert_messages.c.id))
    number: int = added.scalar_one()
    if channels:
        await writer.execute(
            insert(alert_deliveries),
            [{"message_id": number, "channel": one, "next_try_at": now} for one in sorted(set(channels))],
        )
    return number


async def due_deliveries(writer: Writer, now: datetime, *, most: int) -> list[Due]:
    """What is to be sent now, what has waited longest first."""
    return [
        Due(
            row.message_id, row.channel, row.attempts, row.made_at, Message(row.title, row.body, row.severity)
        )
        for row in await writer.execute(_due, {"now": now, "most": most})
    ]


async def note_attempt(
    writer: Writer, due: Due, now: datetime, *, error: str | None, next_try_at: datetime | None
) -> None:
    """Keep how an attempt went. Without an error it was taken."""
    await writer.execute(
        update(alert_deliveries)
        .where(alert_deliveries.c.message_id == due.message_id, alert_deliveries.c.channel == due.channel)
        .values(
            attempts=due.attempts + 1,
            sent_at=now if error is None else None,
            error=error,
            next_try_at=next_try_at,
        )
    )


async def forget_messages(writer: Writer, now: datetime) -> int:
    """Forget messages older than ``KEPT``; how many."""
    return (await writer.execute(_forget, {"before": now - KEPT})).rowcount


async def add_price_limit(
    writer: Writer, conid: int, direction: Direction, price: Decimal, note: str | None, now: datetime
) -> int:
    """Watch a price; the limit's number."""
    values = {"conid": conid, "direction": direction, "price": price, "note": note, "made_at": now}
    added = await writer.execute(insert(price_limits).values(values).returning(price_limits.c.id))
    number: int = added.scalar_one()
    return number


async def remove_price_limits(writer: Writer, numbers: Collection[int]) -> int:
    """Watch no more; how many there were."""
    done = await writer.execute(delete(price_limits).where(price_limits.c.id.in_(sorted(numbers))))
    return done.rowcount


async def note_met(writer: Writer, number: int, price: Decimal, now: datetime) -> bool:
    """Keep that a price was met, unless it was already."""
    done = await writer.execute(
        update(price_limits)
        .where(price_limits.c.id == number, price_limits.c.met_at.is_(None))
        .values(met_at=now, met_price=price)
    )
    return done.rowcount > 0
