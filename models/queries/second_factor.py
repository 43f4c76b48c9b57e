"""The second factors of users."""

from typing import NamedTuple

from sqlalchemy import select

from models.session import Reader, Writer
from models.tables import second_factors


class Factor(NamedTuple):
    """A secret that a user's app has, sealed for the user's number; it counts once a code has proved that."""

    secret: str
    is_proved: bool


async def factor_of(connection: Reader | Writer, user_id: int) -> Factor | None:
    """A user's second factor."""
    table = second_factors.c
    query = select(table.secret, table.proved_at.is_not(None)).where(table.user_id == user_id)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else Factor(*row)
