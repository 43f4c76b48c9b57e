"""What identifies instruments and accounts, as statements state it: kept under the import, and gone with it.

Of several statements the word of the one counts that was written last, for each thing it says. The broker's
own live word on an account's base currency goes before.
"""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace
from sqlalchemy import text

from core.domain.stated import StatedAccount, StatedInstrument
from models.session import Writer
from models.stores.accounts import BASE_CURRENCY_KEY, name_accounts
from models.stores.bulk import BulkInsert
from models.tables import stated_accounts, stated_identities

_IDENTITY = ("isin", "cusip", "figi", "issuer", "underlying_conid")
# What is left where no statement says it: the broker's own word, where there can be one.
_UNSTATED = ("t.broker_isin", "t.broker_cusip", "''", "''", "NULL")
_OF_ACCOUNTS = ("base_currency", "alias")
_bring_identities = BulkInsert(
    stated_identities, ("import_id", "line", "conid", *_IDENTITY), conflict="ON CONFLICT DO NOTHING"
)
_bring_accounts = BulkInsert(
    stated_accounts,
    ("import_id", "line", "account", *_OF_ACCOUNTS, "closed_on"),
    conflict="ON CONFLICT DO NOTHING",
)


def _newest(table: str, key: str, names: Iterable[str], apart: str = "") -> str:
    """What the statements that stand say last of what an import speaks of, ``apart`` from some."""
    columns = ", ".join(
        f"(array_agg(s.{name} ORDER BY i.stated_at DESC, i.id DESC) "
        f"FILTER (WHERE nullif(CAST(s.{name} AS text), '') IS NOT NULL))[1] AS {name}"
        for name in names
    )
    return (
        f"SELECT s.{key}, {columns} FROM {table} s "  # noqa: S608 - names of this program's own
        "JOIN imports i ON i.id = s.import_id AND i.status = 'done' "
        f"WHERE s.{key} IN (SELECT {key} FROM {table} WHERE import_id = :id) {apart} GROUP BY s.{key}"
    )


_OTHERS = "AND s.import_id <> :id"
_identities = text(_newest("stated_identities", "conid", _IDENTITY))
_are = ", ".join(f"t.{name}" for name in _IDENTITY)
# What is not this one's word stands: another's, or one from before words were kept.
_left = ", ".join(
    f"CASE WHEN t.{name} = m.{name} THEN coalesce(n.{name}, {unstated}) ELSE t.{name} END"
    for name, unstated in zip(_IDENTITY, _UNSTATED, strict=True)
)
_forget_identities = text(
    f"UPDATE instruments t SET ({', '.join(_IDENTITY)}) = ROW({_left}) FROM stated_identities m "  # noqa: S608 - as above
    f"LEFT JOIN ({_newest('stated_identities', 'conid', _IDENTITY, _OTHERS)}) n USING (conid) "
    f"WHERE m.import_id = :id AND t.conid = m.conid AND ({_are}) IS DISTINCT FROM ({_left})"
)
# In the order in which everybody writes accounts and instruments, and before books, as everybody does.
_lock_named = (
    text(
        "SELECT FROM broker_accounts WHERE account IN (SELECT account FROM stated_accounts "
        "WHERE import_id = :id) ORDER BY account FOR NO KEY UPDATE"
    ),
    text(
        "SELECT FROM instruments WHERE conid IN (SELECT conid FROM stated_identities WHERE import_id = :id) "
        "ORDER BY conid FOR NO KEY UPDATE"
    ),
)
_forget_accounts = text(
    "UPDATE broker_accounts a SET alias = CASE WHEN a.alias = m.alias THEN n.alias ELSE a.alias END, "  # noqa: S608 - as above
    "base_currency = CASE WHEN a.base_currency = m.base_currency "
    "AND NOT EXISTS (SELECT FROM account_values v "
    f"WHERE v.account = a.account AND v.key = '{BASE_CURRENCY_KEY}' AND v.currency = a.base_currency) "
    "THEN n.base_currency ELSE a.base_currency END FROM stated_accounts m "
    f"LEFT JOIN ({_newest('stated_accounts', 'account', _OF_ACCOUNTS, _OTHERS)}) n USING (account) "
    "WHERE m.import_id = :id AND a.account = m.account"
)


async def bring_identities(
    connection: Writer, import_id: int, stated: Mapping[int, StatedInstrument]
) -> dict[int, StatedInstrument]:
    """Keep what identifies instruments elsewhere; of each, what the statements that stand say of it now."""
    rows = [
        (import_id, one.line, conid, one.isin, one.cusip, one.figi, one.issuer, one.underlying_conid)
        for conid, one in sorted(stated.items())
        if one.isin or one.cusip or one.figi or one.issuer or one.underlying_conid is not None
    ]
    identified = dict(stated)
    if rows:
        await _bring_identities(connection, rows)
        for row in await connection.execute(_identities, {"id": import_id}):
            identified[row.conid] = replace(
                stated[row.conid],
                isin=row.isin or "",
                cusip=row.cusip or "",
                figi=row.figi or "",
                issuer=row.issuer or "",
                underlying_conid=row.underlying_conid,
            )
    return identified


async def bring_accounts(connection: Writer, import_id: int, stated: Iterable[StatedAccount]) -> None:
    """Keep what is said of accounts; base currency and alias count as far as nothing is known of them."""
    told = [one for one in stated if one.base_currency or one.alias or one.closed_on]
    rows = [(import_id, one.line, one.account, one.base_currency, one.alias, one.closed_on) for one in told]
    await _bring_accounts(connection, sorted(rows, key=lambda row: row[2]))
    await name_accounts(connection, [(one.account, one.base_currency, one.alias) for one in told])


async def lock_named(connection: Writer, import_id: int) -> None:
    """Lock the accounts and instruments that an import names. To be done before books are locked."""
    for lock in _lock_named:
        await connection.execute(lock, {"id": import_id})


async def forget_names(connection: Writer, import_id: int) -> None:
    """Let what only an import stated be gone, and what another states, too, be that one's.

    To be done while its rows are there, and what it names is locked.
    """
    await connection.execute(_forget_identities, {"id": import_id})
    await connection.execute(_forget_accounts, {"id": import_id})
