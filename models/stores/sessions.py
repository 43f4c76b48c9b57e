from datetime import datetime

from sqlalchemy import delete, insert

from models.session import Writer
from models.tables import user_sessions


async def create_session(
    writer: Writer, *, id_hash: str, token_hash: str, now: datetime, expires_at: datetime
) -> None:
    """Keep a session: hashes only, so that a copy of the database signs nobody in."""
    await writer.execute(
        insert(user_sessions).values(
            id_hash=id_hash, token_hash=token_hash, created_at=now, expires_at=expires_at
        )
    )


async def end_session(writer: Writer, *, id_hash: str) -> None:
    """End a session; one that does not exist is ended already."""
    await writer.execute(delete(user_sessions).where(user_sessions.c.id_hash == id_hash))


async def drop_expired_sessions(writer: Writer, *, now: datetime) -> int:
    """Remove what has expired; returns how many."""
    result = await writer.execute(delete(user_sessions).where(user_sessions.c.expires_at <= now))
    return result.rowcount
