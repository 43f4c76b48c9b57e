"""Groups of accounts."""

from typing import NamedTuple

from sqlalchemy import select

from models.session import Reader, Writer
from models.tables import account_group_members


class Group(NamedTuple):
    """Accounts that are looked at together, in the order of their numbers."""

    name: str
    accounts: tuple[str, ...]


async def groups(connection: Reader | Writer) -> list[Group]:
    """Every group, in the order of their names."""
    table = account_group_members.c
    rows = await connection.execute(
        select(table.name, table.account).order_by(table.name.collate("C"), table.account)
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.name, []).append(row.account)
    return [Group(name, tuple(accounts)) for name, accounts in found.items()]


async def accounts_of_group(connection: Reader | Writer, name: str) -> tuple[str, ...]:
    """The accounts of a group; none where there is no such group."""
    table = account_group_members.c
    rows = await connection.execute(select(table.account).where(table.name == name).order_by(table.account))
    return tuple(rows.scalars())
