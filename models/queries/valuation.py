"""What accounts were worth at a moment: a fixed number of questions, however much was held.

Each is answered by index, once an instrument, a currency or an account. The marks of snapshots are looked for
in the months around the moment first, and further back only of what has none there.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, bindparam, text

from core.domain.days import EARLIEST
from core.domain.marks import NEAR, Mark, SplitTold, is_believable, nearest
from core.domain.valuation import AccountThen, HeldThen, account_then
from core.events.changes import PositionChanged
from models.queries.as_of import positions_as_of
from models.queries.nearest import around, asked
from models.queries.told_then import told_then
from models.session import Reader
from models.standing import NEWEST_FIRST, STANDING
from models.types import BigInt

_MOST_HELD = 100_000

_BOOKS = "unnest(:accounts, :conids) AS k(account, conid)"
_OF_SNAPSHOT = "conid = k.conid AND mark_price IS NOT NULL"
_marks = (
    "SELECT CAST(NULL AS text) AS account, k.conid, m.price, m.as_of, 'snapshot' AS source "  # noqa: S608 - words of this program's own
    "FROM (SELECT DISTINCT conid FROM unnest(:conids) AS u(conid)) k CROSS JOIN LATERAL ("
    + around(
        "snapshot_positions",
        f"{_OF_SNAPSHOT} AND asof_ts BETWEEN :since AND :until",
        "mark_as_of",
        "mark_price AS price, mark_as_of AS as_of",
    )
    + f") m UNION ALL SELECT k.account, k.conid, m.price, m.as_of, 'statement' FROM {_BOOKS} "  # noqa: S608 - as above
    "CROSS JOIN LATERAL ("
    + around(
        f"stated_positions p {STANDING.format('p')}",
        "p.account = k.account AND p.conid = k.conid AND p.mark_price IS NOT NULL",
        "p.as_of",
        "p.mark_price AS price, p.as_of",
        order=f", {NEWEST_FIRST}",
    )
    + f") m UNION ALL SELECT k.account, k.conid, m.market_price, m.priced_at, 'last_known' FROM {_BOOKS} "  # noqa: S608 - as above
    "JOIN marks m ON m.account = k.account AND m.conid = k.conid AND m.market_price IS NOT NULL "
    "AND m.priced_at <= :behind"
)
_old_marks = (
    "SELECT CAST(NULL AS text) AS account, k.conid, m.price, m.as_of, 'snapshot' AS source "  # noqa: S608 - as above
    "FROM unnest(:conids) AS k(conid) CROSS JOIN LATERAL (SELECT mark_price AS price, mark_as_of AS as_of "
    f"FROM snapshot_positions WHERE {_OF_SNAPSHOT} AND asof_ts < :since AND mark_as_of <= :at "
    "ORDER BY mark_as_of DESC LIMIT 1) m"
)
_splits = (
    "SELECT p.account, p.conid, e.executed_at AS at, e.position_after - e.quantity AS units_before, "  # noqa: S608 - as above
    "e.position_after AS units_after, coalesce(s.description, '') AS description "
    "FROM unnest(:conids) AS k(conid) CROSS JOIN broker_accounts a "
    "JOIN positions p ON p.account = a.account AND p.conid = k.conid "
    "JOIN position_events e ON e.position_id = p.id AND e.cause = 'split' LEFT JOIN LATERAL ("
    f"SELECT c.description FROM corporate_actions c {STANDING.format('c')} WHERE c.account = p.account "
    "AND c.conid = p.conid AND c.cause = 'split' "
    "AND c.at BETWEEN e.executed_at - interval '1 day' AND e.executed_at + interval '1 day' "
    f"ORDER BY {NEWEST_FIRST} LIMIT 1) s ON true ORDER BY e.executed_at"
)
_accounts = text("SELECT account FROM broker_accounts ORDER BY account")


async def valuations(reader: Reader, at: datetime, accounts: Sequence[str] = ()) -> list[AccountThen]:
    """What accounts (none given: all) were worth at a moment that has passed. To be read as of one moment."""
    at = max(at, EARLIEST)
    named = list(accounts) or [row.account for row in await reader.execute(_accounts)]
    held = await _held(reader, at, named)
    marks, splits = await _marks_of(reader, at, held), await _splits_of(reader, held)
    told = await told_then(reader, at, named, {one.currency for one in held})
    of: dict[str, list[HeldThen]] = defaultdict(list)
    for one in held:
        of[one.account].append(one)
    return [account_then(name, told[name], of[name], marks[name], splits, at) for name in named]


async def _held(reader: Reader, at: datetime, accounts: Sequence[str]) -> list[HeldThen]:
    only = accounts[0] if len(accounts) == 1 else None
    found = await positions_as_of(reader, at, status="open", account=only, limit=_MOST_HELD)
    rows = [_held_then(one) for one in found if one.account in accounts and one.quantity]
    return sorted(rows, key=lambda one: (one.account, one.symbol, one.conid))


def _held_then(one: PositionChanged) -> HeldThen:
    return HeldThen(
        one.account,
        one.id,
        one.conid,
        one.symbol,
        one.sec_type,
        one.currency,
        one.multiplier / one.price_magnifier,
        one.quantity,
        one.average_cost,
        one.cost_basis,
    )


async def _marks_of(
    reader: Reader, at: datetime, held: Sequence[HeldThen]
) -> dict[str, dict[int, list[Mark]]]:
    """By account and conid, the marks around the moment; of what has none, the last one long before."""
    marks: dict[str, dict[int, list[Mark]]] = defaultdict(lambda: defaultdict(list))
    holders: dict[int, list[HeldThen]] = defaultdict(list)
    for one in held:
        holders[one.conid].append(one)

    def take(rows: Iterable[Any]) -> None:
        for row in rows:
            for one in holders[row.conid]:
                if row.account in {None, one.account} and is_believable(row.price, one.sec_type):
                    marks[one.account][one.conid].append(Mark(row.price, row.as_of, row.source))

    if held:
        accounts, conids = [one.account for one in held], [one.conid for one in held]
        take(await reader.execute(asked(_marks, at, accounts=accounts, conids=conids)))
    lacking = {one.conid for one in held if not _is_near(nearest(marks[one.account][one.conid], at), at)}
    if lacking:
        take(await reader.execute(asked(_old_marks, at, conids=sorted(lacking))))
    return marks


def _is_near(mark: Mark | None, at: datetime) -> bool:
    return mark is not None and at - mark.as_of <= NEAR


async def _splits_of(reader: Reader, held: Sequence[HeldThen]) -> dict[int, list[SplitTold]]:
    splits: dict[int, list[SplitTold]] = defaultdict(list)
    conids = sorted({one.conid for one in held})
    query = text(_splits).bindparams(bindparam("conids", conids, ARRAY(BigInt)))
    for row in await reader.execute(query):
        splits[row.conid].append(
            SplitTold(row.account, row.at, row.units_before, row.units_after, row.description)
        )
    return splits
