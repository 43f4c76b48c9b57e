"""Hold what is stored to what statements say: trades, lots, holdings, cash, value and its changes."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from models.queries.disputes.compare import Found, differences_found, figures_compared, stated_accounts
from models.queries.imports import find_import
from models.session import Database
from services.position_sync.importing.run import UnknownImportError


class StatementDifference(NamedTuple):
    """What was found of an account."""

    account: str
    found: Found


@dataclass(slots=True)
class StatementsFound:
    """What comparing accounts with their statements came to."""

    accounts: list[str] = field(default_factory=list)
    compared: Counter[str] = field(default_factory=Counter)
    """Figures, by kind."""
    differing: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Differences, by kind and cause."""


async def validate_statements(
    database: Database,
    report: Callable[[StatementDifference], None],
    *,
    account: str | None = None,
    import_id: int | None = None,
) -> StatementsFound:
    """Compare all accounts (or one) with all statements that stand (or one), as of one moment.

    The database compares, and hands over what differs row by row; ``report`` hears each. Nothing is written.

    Raises:
        UnknownImportError: there is no such import that stands.
    """
    found = StatementsFound()
    async with database.read_one_moment() as reader:
        if import_id is not None:
            asked = await find_import(reader, import_id)
            if asked is None or asked.status != "done":
                raise UnknownImportError(
                    f"There is no import {import_id} that stands. `lotkeeper import list` shows them."
                )
        found.accounts = [account] if account is not None else await stated_accounts(reader)
        for each in found.accounts:
            found.compared += await figures_compared(reader, each, import_id)
            async for one in differences_found(reader, each, import_id):
                found.differing[one.kind, one.cause] += 1
                report(StatementDifference(each, one))
    return found
