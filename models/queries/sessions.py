from datetime import datetime

from sqlalchemy import select

from models.session import Reader
from models.tables import user_sessions


async def session_is_valid(reader: Reader, *, id_hash: str, token_hash: str, now: datetime) -> bool:
    """Whether the session exists, has not expired, and the token it was traded for is still the token."""
    table = user_sessions.c
    query = select(table.id_hash).where(
        table.id_hash == id_hash, table.token_hash == token_hash, table.expires_at > now
    )
    return (await reader.execute(query)).first() is not None
