from datetime import datetime

from sqlalchemy import delete, insert, text

from models.session import Writer
from models.tables import user_sessions

_touch = text("UPDATE user_sessions SET last_seen_at = :now WHERE id_hash = :id_hash AND last_seen_at < :now")

_hold_user = text("SELECT 1 FROM users WHERE id = :id FOR KEY SHARE")
_hold = text("SELECT 1 FROM user_sessions WHERE id_hash = :id_hash FOR SHARE")


async def create_session(
    writer: Writer,
    *,
    id_hash: str,
    now: datetime,
    expires_at: datetime,
    address: str,
    token_hash: str | None = None,
    user_id: int | None = None,
    token_id: int | None = None,
) -> int:
    """Keep a session of one of the three: hashes only, so that a copy of the database signs nobody in."""
    made = await writer.execute(
        insert(user_sessions)
        .values(
            id_hash=id_hash,
            token_hash=token_hash,
            user_id=user_id,
            token_id=token_id,
            address=address,
            created_at=now,
            last_seen_at=now,
            expires_at=expires_at,
        )
        .returning(user_sessions.c.number)
    )
    number: int = made.scalar_one()
    return number


async def touch_session(writer: Writer, *, id_hash: str, now: datetime) -> None:
    """Keep that it was used."""
    await writer.execute(_touch, {"id_hash": id_hash, "now": now})


async def hold_session(writer: Writer, *, id_hash: str, user_id: int | None) -> bool:
    """Whether the session stands; nobody ends it before the transaction ends.

    What is left behind within it is found by whoever ends the session and looks for that afterwards.
    """
    # In the order of whoever removes the user: first the user, then their sessions.
    await writer.execute(_hold_user, {"id": user_id})
    return (await writer.execute(_hold, {"id_hash": id_hash})).first() is not None


async def end_session(writer: Writer, *, id_hash: str) -> None:
    """End a session; one that does not exist is ended already."""
    await writer.execute(delete(user_sessions).where(user_sessions.c.id_hash == id_hash))


async def end_sessions_of(writer: Writer, user_id: int, *, but: str = "") -> int:
    """End every session of a user except the one with this hash; returns how many."""
    mine = user_sessions.c.user_id == user_id, user_sessions.c.id_hash != but
    return (await writer.execute(delete(user_sessions).where(*mine))).rowcount


async def drop_expired_sessions(writer: Writer, *, now: datetime, idle_since: datetime) -> int:
    """Remove what has expired or was not used since; returns how many."""
    over = (user_sessions.c.expires_at <= now) | (user_sessions.c.last_seen_at <= idle_since)
    return (await writer.execute(delete(user_sessions).where(over))).rowcount


async def end_session_numbered(writer: Writer, number: int) -> bool:
    """End the session with this number; whether it stood."""
    ending = delete(user_sessions).where(user_sessions.c.number == number)
    return (await writer.execute(ending)).rowcount > 0
