"""One row a connection to a gateway. Its epoch orders what older and newer connections wrote."""

from datetime import datetime

from sqlalchemy import insert, update

from models.session import Writer
from models.tables import broker_sessions


async def open_broker_session(writer: Writer, *, login: str, now: datetime, earlier_ended: str) -> int:
    """Begin a session and return its epoch; sessions of ``login`` still open ended with ``earlier_ended``."""
    await writer.execute(
        update(broker_sessions)
        .where(broker_sessions.c.login == login, broker_sessions.c.ended_at.is_(None))
        .values(ended_at=now, end_reason=earlier_ended)
    )
    row = await writer.execute(
        insert(broker_sessions).values(login=login, started_at=now).returning(broker_sessions.c.epoch)
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
