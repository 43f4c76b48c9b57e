"""One row a connection to a gateway. Its epoch orders what older and newer connections wrote."""

from datetime import datetime

from sqlalchemy import func, insert, or_, select, text, update

from core.domain.link import LinkState
from models.session import Writer
from models.tables import broker_sessions

_one_draws = text("SELECT pg_advisory_xact_lock(hashtextextended('lotkeeper epoch', 0))")
# A database that was made anew, or restored from a backup, does not know the newest epochs. The clock goes
# on, and links that connect take longer than a second each.
_never_again = text(
    "SELECT setval(epochs, greatest(nextval(epochs), "
    "CAST(floor(extract(epoch FROM clock_timestamp())) AS bigint), "
    "(SELECT max(epoch) + 1 FROM broker_sessions)), false) "
    "FROM CAST(pg_get_serial_sequence('broker_sessions', 'epoch') AS regclass) AS epochs"
)


async def open_broker_session(
    writer: Writer,
    *,
    login: str,
    client_id: int,
    holder: str,
    now: datetime,
    earlier_ended: str,
    earlier_ended_at: datetime,
) -> int:
    """Begin a session and return its epoch; sessions of ``login`` still open ended as told.

    No epoch is given out twice, not even by a database that was restored from a backup and knows nothing of
    the newest: what stands in the inbox, the stream and the spool goes by it.
    """
    await writer.execute(_one_draws)
    await writer.execute(_never_again)
    await writer.execute(
        update(broker_sessions)
        .where(broker_sessions.c.login == login, broker_sessions.c.ended_at.is_(None))
        .values(
            ended_at=earlier_ended_at,
            end_reason=earlier_ended,
            state="disconnected",
            state_at=func.greatest(broker_sessions.c.state_at, earlier_ended_at),
            state_reason=earlier_ended,
        )
    )
    row = await writer.execute(
        insert(broker_sessions)
        .values(
            login=login, client_id=client_id, holder=holder, started_at=now, state="connecting", state_at=now
        )
        .returning(broker_sessions.c.epoch)
    )
    epoch: int = row.scalar_one()
    return epoch


async def mark_broker_session_connected(
    writer: Writer, *, epoch: int, now: datetime, server_version: int, time_zone: str
) -> None:
    """The session's connection became ready."""
    await writer.execute(
        update(broker_sessions)
        .where(broker_sessions.c.epoch == epoch)
        .values(connected_at=now, server_version=server_version, time_zone=time_zone)
    )


async def end_broker_session(writer: Writer, *, epoch: int, now: datetime, reason: str) -> None:
    """The session ended; one that ended before keeps its first reason."""
    await writer.execute(
        update(broker_sessions)
        .where(broker_sessions.c.epoch == epoch, broker_sessions.c.ended_at.is_(None))
        .values(ended_at=now, end_reason=reason)
    )


async def record_session_state(
    writer: Writer, *, epoch: int, state: LinkState, at: datetime, reason: str
) -> None:
    """The link of this session has been in ``state`` since ``at``; an older word is void."""
    await writer.execute(
        update(broker_sessions)
        .where(
            broker_sessions.c.epoch == epoch,
            or_(broker_sessions.c.state_at.is_(None), broker_sessions.c.state_at <= at),
        )
        .values(state=state, state_at=at, state_reason=reason)
    )


async def newest_epoch(writer: Writer) -> int:
    """The newest epoch of any link; 0 before the first."""
    newest: int | None = (await writer.execute(select(func.max(broker_sessions.c.epoch)))).scalar_one()
    return newest or 0


async def holder_of_link(writer: Writer, login: str) -> str | None:
    """Who has the newest open session, of ``login`` if it has one: ``machine:process``."""
    row = await writer.execute(
        select(broker_sessions.c.holder)
        .where(broker_sessions.c.ended_at.is_(None))
        .order_by((broker_sessions.c.login == login).desc(), broker_sessions.c.epoch.desc())
        .limit(1)
    )
    return row.scalar_one_or_none()
