"""What comparing with the broker reads."""

from collections.abc import Iterable

from sqlalchemy import text

from core.domain.books import Book, BookKey
from models.session import Reader, Writer

_COLUMNS = ", ".join(Book._fields)
_books_of_account = text(
    f"SELECT {_COLUMNS} FROM ledger_books WHERE account = :account "  # noqa: S608 - no input in it
    "AND (quantity <> 0 OR broker_quantity IS DISTINCT FROM 0 OR first_anchor_at IS NULL "
    "OR reconciled_at IS NULL OR reconciled_at < touched_at)"
)
_provisionally_anchored = text(
    "SELECT DISTINCT s.account, s.conid FROM position_statements s "
    "JOIN unnest(CAST(:accounts AS text[]), CAST(:conids AS bigint[])) AS k(account, conid) "
    "USING (account, conid) WHERE s.anchor = 'provisional'"
)
_accounts = text("SELECT account FROM broker_accounts ORDER BY account")
_open_differences = text("SELECT count(*) FROM reconciliation_differences WHERE resolved_at IS NULL")


async def books_to_compare(connection: Reader, account: str) -> list[Book]:
    """An account's books that hold something, or are not known to agree."""
    return [Book(*row) for row in await connection.execute(_books_of_account, {"account": account})]


async def provisionally_anchored(connection: Writer, keys: Iterable[BookKey]) -> set[BookKey]:
    """Books that are held to a word which may still prove premature."""
    ordered = sorted(keys)
    rows = await connection.execute(
        _provisionally_anchored,
        {"accounts": [key[0] for key in ordered], "conids": [key[1] for key in ordered]},
    )
    return {(row.account, row.conid) for row in rows}


async def accounts(connection: Reader | Writer) -> list[str]:
    """Every account."""
    return [row.account for row in await connection.execute(_accounts)]


async def open_differences(connection: Reader) -> int:
    """How many differences stand open."""
    return int((await connection.execute(_open_differences)).scalar_one())
