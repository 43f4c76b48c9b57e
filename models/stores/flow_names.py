"""Money that two statements tell of in other words, or with other columns, has one name.

Flows are named by what is said of them, so one that is corrected, or told of with another column, has another
name at first. What its owner named in a file of his own is never taken for something else.
"""

from typing import Final

from sqlalchemy import text

from core.domain.days import BROKER_ZONE
from models.session import Writer
from models.standing import STANDING

_DAY: Final = f"CAST({{0}}.at AT TIME ZONE '{BROKER_ZONE}' AS date)"
_TOLD: Final = (
    "o.flow_key, o.account, o.kind, o.currency, o.amount, o.conid, o.symbol, o.description, "
    "o.transaction_id, o.at, o.reported_on"
)
# The words of each telling count: what a later one leaves out still tells which it is.
_SIDES: Final = (
    f"mine AS MATERIALIZED (SELECT {_TOLD} FROM cash_flows o JOIN imports i ON i.id = o.import_id "  # noqa: S608 - no input in it
    "AND i.kind = 'flex' WHERE o.import_id = :id), "
    f"told AS MATERIALIZED (SELECT {_TOLD} FROM cash_flows o {STANDING.format('o')} "
    "AND i.kind = 'flex' WHERE o.import_id <> :id "
    "AND o.account IN (SELECT account FROM mine)), "
    f"unknown AS MATERIALIZED (SELECT *, {_DAY.format('m')} AS day FROM mine m "
    "WHERE flow_key NOT IN (SELECT flow_key FROM told)), "
    f"known AS MATERIALIZED (SELECT *, {_DAY.format('t')} AS day FROM told t "
    "WHERE flow_key NOT IN (SELECT flow_key FROM mine))"
)


def _unsaid_or_same(name: str, unsaid: str) -> str:
    return f"(u.{name} IS NOT DISTINCT FROM k.{name} OR {unsaid.format('u')} OR {unsaid.format('k')})"


_alike = text(
    f"WITH {_SIDES} "  # noqa: S608 - as above
    "SELECT unknown, known FROM ("
    # A correction has its number: of several legs under it each is its own.
    "SELECT u.flow_key AS unknown, k.flow_key AS known, CAST(u.amount <> k.amount AS int) "
    "+ 2 * CAST(sign(u.amount) <> sign(k.amount) AS int) AS apart, "
    "abs(u.amount - k.amount) AS less FROM unknown u JOIN known k USING (account, kind, currency, "
    "transaction_id) WHERE transaction_id <> '' "
    "UNION ALL SELECT u.flow_key, k.flow_key, 4, abs(extract(epoch FROM u.at - k.at)) FROM unknown u "
    "JOIN known k USING (account, kind, currency, amount) "
    "WHERE (u.day = k.day OR u.reported_on = k.reported_on) "
    "AND (u.transaction_id = '' OR k.transaction_id = '') "
    f"AND {_unsaid_or_same('conid', '{0}.conid IS NULL')} "
    f"""AND {_unsaid_or_same("symbol", "{0}.symbol = ''")} """
    f"""AND {_unsaid_or_same("description", "{0}.description = ''")}"""
    ") a ORDER BY apart, less, unknown, known"
)
_rename = text(
    "UPDATE cash_flows f SET flow_key = k.known FROM unnest(CAST(:unknown AS text[]), "
    "CAST(:known AS text[])) AS k(unknown, known) WHERE f.import_id = :id AND f.flow_key = k.unknown"
)


async def name_flows(connection: Writer, import_id: int) -> None:
    """Give an import's flows the names of those that other statements told of and that they can only be.

    That is one with the same number, however it was corrected, or else one that says the same apart from what
    one of the two leaves out. The likest is taken, each for one.
    """
    named: dict[str, str] = {}
    taken: set[str] = set()
    for row in await connection.execute(_alike, {"id": import_id}):
        if row.unknown not in named and row.known not in taken:
            named[row.unknown] = row.known
            taken.add(row.known)
    if named:
        names = {"unknown": list(named), "known": list(named.values())}
        await connection.execute(_rename, {"id": import_id, **names})
