"""Taking imports back: everything is as if they had never been, but for the file."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text, update

from core.domain.books import BookKey
from models.session import Writer
from models.standing import BASE_ID, STANDING, newest
from models.stores.executions import Place, Received, insert_executions, restore_rates
from models.stores.stated_names import forget_names
from models.stores.unnamed_executions import unname
from models.tables import imports
from models.tables.executions import RATE_COLUMNS
from models.tables.imports import BROUGHT

_REVISION = "coalesce(CAST(substring({0}.exec_id FROM '[.]([0-9]+)$') AS integer), 0)"
_lay_out = text(
    "CREATE TEMPORARY TABLE taken_back ON COMMIT DROP AS SELECT DISTINCT exec_id, "  # noqa: S608 - no input
    f"{BASE_ID.format('t')} AS base FROM stated_trades t WHERE import_id = :id"
)
# So that nobody takes many for few.
_analyze = text("ANALYZE taken_back")
# Rows of imports that stand which were kept aside because of what this one, or an earlier one, says.
_ASIDE = (
    f"stated_trades d {STANDING.format('d')} "  # noqa: S608 - no input
    "WHERE d.import_id <> :id AND d.outcome = 'disputed' AND d.aside IS NOT NULL "
    f"AND {BASE_ID.format('d')} IN (SELECT base FROM taken_back)"
)
_books_of_import = text(
    "SELECT account, conid FROM (SELECT account, conid FROM stated_trades WHERE import_id = :id UNION "  # noqa: S608 - names of this program's own
    "SELECT account, conid FROM corporate_actions WHERE import_id = :id UNION "
    "SELECT account, conid FROM stated_positions WHERE import_id = :id UNION "
    f"SELECT d.account, d.conid FROM {_ASIDE} UNION "
    "SELECT e.account, e.conid FROM commission_reports c JOIN executions e USING (exec_id) "
    "WHERE c.rate_as_of IS NOT NULL AND :source = ANY(string_to_array(c.rate_source, ', '))) b ORDER BY 1, 2"
)
# What another import states, too, is that one's from now on.
_hand_on = text(
    "UPDATE executions e SET confirmed_by = o.import_id, "  # noqa: S608 - no input
    "source = CASE WHEN e.source = 'live' THEN e.source ELSE coalesce(o.kind, e.source) END, executed_at = "
    "CASE WHEN e.source = 'live' THEN e.executed_at ELSE coalesce(o.executed_at, e.executed_at) END "
    "FROM taken_back b LEFT JOIN "
    "(SELECT DISTINCT ON (t.exec_id) t.exec_id, t.import_id, t.executed_at, i.kind FROM taken_back m "
    f"JOIN stated_trades t USING (exec_id) {STANDING.format('t')} "
    "WHERE t.import_id <> :id AND t.outcome <> 'disputed' ORDER BY t.exec_id, i.stated_at, i.id) o "
    "USING (exec_id) WHERE e.exec_id = b.exec_id AND e.confirmed_by = :id"
)
_delete_executions = text(
    "DELETE FROM executions e USING taken_back b WHERE b.exec_id = e.exec_id AND e.source <> 'live' "
    "AND e.confirmed_by IS NULL"
)
# What was told live stands now, unless a statement that stands told of the trade before.
_untold = text(
    "SELECT k.exec_id FROM "  # noqa: S608 - as above
    "unnest(CAST(:exec_ids AS text[]), CAST(:times AS timestamptz[])) AS k(exec_id, at) "
    f"WHERE NOT EXISTS (SELECT FROM executions e WHERE e.exec_base_id = {BASE_ID.format('k')} "
    f"AND (e.exec_id = k.exec_id OR (e.revision = {_REVISION.format('k')} AND e.quantity > 0))) "
    f"AND NOT EXISTS (SELECT FROM {_ASIDE} AND {BASE_ID.format('d')} = {BASE_ID.format('k')} "
    "AND i.imported_at <= k.at)"
)
# Of those that contradict each other the first that was imported stands now.
_revive = text(
    "WITH aside AS (SELECT DISTINCT ON (base, revision) * FROM (SELECT d.*, i.kind, "  # noqa: S608 - as above
    f"{BASE_ID.format('d')} AS base, {_REVISION.format('d')} AS revision FROM {_ASIDE}) d "
    "WHERE NOT EXISTS (SELECT FROM executions e WHERE e.exec_id = d.exec_id) AND NOT EXISTS (SELECT FROM "
    "executions e WHERE (e.exec_base_id, e.revision) = (d.base, d.revision) AND e.quantity > 0) "
    "ORDER BY base, revision, import_id, number) "
    "INSERT INTO executions (exec_id, exec_base_id, revision, account, conid, executed_at, side, quantity, "
    "price, order_id, perm_id, client_id, order_ref, exchange, liquidity, model_code, zone_assumed, source, "
    "confirmed_by, received_at, epoch) SELECT exec_id, base, revision, account, conid, executed_at, "
    "CASE WHEN quantity > 0 THEN 'BOT' ELSE 'SLD' END, abs(quantity), price, 0, "
    "CAST(aside ->> 'perm_id' AS bigint), 0, aside ->> 'order_ref', aside ->> 'exchange', 0, '', "
    "CAST(aside ->> 'zone_assumed' AS boolean), kind, import_id, :now, 0 FROM aside ORDER BY exec_id"
)
_agree = text(
    "UPDATE stated_trades t SET aside = NULL, outcome = CASE WHEN e.confirmed_by = t.import_id "  # noqa: S608 - as above
    "THEN 'new' ELSE 'matched' END FROM executions e "
    f"WHERE (t.import_id, t.number) IN (SELECT d.import_id, d.number FROM {_ASIDE}) "
    "AND e.exec_id = t.exec_id AND (t.account, t.conid, t.price, t.quantity) = (e.account, e.conid, e.price, "
    "CASE e.side WHEN 'BOT' THEN e.quantity ELSE -e.quantity END)"
)
_RATE_OF = ", ".join(
    f"{name} = CASE WHEN c.currency = {{currency}} THEN c.{name} END" for name in RATE_COLUMNS
)
"""What an amount in a ``currency`` is converted with from now on: what it was, if that was in this one."""
_LATEST = "({}) t".format(
    newest(
        "stated_trades t JOIN (SELECT exec_id FROM taken_back UNION SELECT e.exec_id FROM executions e "
        "JOIN taken_back b ON b.base = e.exec_base_id) k USING (exec_id)",
        ("exec_id",),
        where="t.import_id <> :id AND t.commission IS NOT NULL AND t.outcome <> 'disputed'",
    )
)
_restate_commissions = text(
    "UPDATE commission_reports c SET commission = t.commission, currency = t.commission_currency, "  # noqa: S608 - as above
    "realized_pnl = coalesce(t.realized_pnl, c.live_realized_pnl), stated_by = t.import_id, "
    f"{_RATE_OF.format(currency='t.commission_currency')}, received_at = :now "
    f"FROM {_LATEST} WHERE c.exec_id = t.exec_id AND c.stated_by = :id"
)
_restore_commissions = text(
    "UPDATE commission_reports c SET commission = live_commission, currency = live_currency, "  # noqa: S608 - as above
    "realized_pnl = live_realized_pnl, stated_by = NULL, live_commission = NULL, live_currency = NULL, "
    f"live_realized_pnl = NULL, {_RATE_OF.format(currency='c.live_currency')}, received_at = :now "
    "WHERE stated_by = :id AND live_commission IS NOT NULL"
)
_delete_commissions = text("DELETE FROM commission_reports WHERE stated_by = :id")
_revive_commissions = text(
    "INSERT INTO commission_reports (exec_id, commission, currency, realized_pnl, received_at, epoch, "  # noqa: S608 - as above
    "stated_by) SELECT t.exec_id, t.commission, t.commission_currency, t.realized_pnl, :now, 0, t.import_id "
    f"FROM {_LATEST} JOIN executions e USING (exec_id) ORDER BY t.exec_id ON CONFLICT (exec_id) DO NOTHING"
)
_RELEASE = tuple(
    text(f"DELETE FROM {table.name} WHERE import_id = :id")  # noqa: S608 - names of this program's own
    for table in BROUGHT
)
_periods = text(
    "SELECT i.id, p.account, p.starts_at, p.ends_at FROM imports i, "
    "jsonb_to_recordset(i.report -> 'periods') AS p(account text, starts_at timestamptz, "
    "ends_at timestamptz, complete boolean) WHERE i.status = 'done' AND p.complete "
    "AND p.account = ANY(:accounts) ORDER BY i.id"
)


class CompletePeriod(NamedTuple):
    """A time of which an import that stands tells all executions of an account."""

    import_id: int
    account: str
    starts_at: datetime
    ends_at: datetime


def named(import_id: int) -> str:
    """What an import is called where it is noted that something follows from it."""
    return f"import {import_id}"


async def books_of_import(connection: Writer, import_id: int) -> set[BookKey]:
    """The books that an import has a say in, or in which another has one without it.

    To be asked before it is taken back, in the same transaction.
    """
    await connection.execute(_lay_out, {"id": import_id})
    await connection.execute(_analyze)
    rows = await connection.execute(_books_of_import, {"id": import_id, "source": named(import_id)})
    return {(row.account, row.conid) for row in rows}


async def take_back(
    connection: Writer,
    import_id: int,
    books: Iterable[BookKey],
    now: datetime,
    *,
    live: Iterable[Received] = (),
) -> None:
    """Undo an import whose books are locked.

    ``live`` is what was told live of its trades and set aside because it contradicts them, in the order in
    which it came.
    """
    only, dated = {"id": import_id}, {"id": import_id, "now": now}
    await connection.execute(_hand_on, only)
    await connection.execute(_delete_executions)
    await _revive_live(connection, import_id, live)
    await connection.execute(_revive, dated)
    await connection.execute(_agree, only)
    await connection.execute(_restate_commissions, dated)
    await connection.execute(_restore_commissions, dated)
    await connection.execute(_delete_commissions, only)
    await connection.execute(_revive_commissions, dated)
    await restore_rates(connection, books, named(import_id))
    await forget_names(connection, import_id)
    for release in _RELEASE:
        await connection.execute(release, only)
    await unname(connection)
    await connection.execute(
        update(imports).where(imports.c.id == import_id).values(status="undone", undone_at=now)
    )


async def _revive_live(connection: Writer, import_id: int, live: Iterable[Received]) -> None:
    first: dict[str, Received] = {}
    for one in live:
        first.setdefault(one.fact.exec_id, one)
    if not first:
        return
    times = [one.fact.received_at for one in first.values()]
    rows = await connection.execute(_untold, {"id": import_id, "exec_ids": list(first), "times": times})
    await insert_executions(connection, [(first[row.exec_id], Place()) for row in rows])


async def complete_periods(connection: Writer, accounts: Iterable[str]) -> list[CompletePeriod]:
    """What imports that stand tell all executions of, the first import first."""
    rows = await connection.execute(_periods, {"accounts": sorted(accounts)})
    return [CompletePeriod(*row) for row in rows]
