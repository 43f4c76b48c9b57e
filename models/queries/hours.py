"""What hours are reckoned from: snapshots, what was traded, and what moved without a trade."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from sqlalchemy import text

from core.domain.account_values import BASE_SUMMARY
from core.domain.contributions import UNCERTAIN, CashThen, FutureThen, Moment, Moved, Traded
from core.domain.days import day_of
from core.domain.episodes import Cause
from core.domain.hours import Hour, Kept, LinkedAt, Standing
from core.domain.money import ZERO
from core.domain.performance import DayValue, Linked
from core.domain.pnl import EXACT
from core.domain.rolled import RolledDay
from models.session import Reader, Writer

_OF_HOURS: Final = "p.account = :account AND p.resolution = 'hour' AND p.source = 'snapshot'"
_HOUR: Final = (
    "SELECT p.ts, p.net_liquidation, p.currency, p.net_contribution, p.data_quality, p.since, "  # noqa: S608 - a constant of ours
    "p.trades_until, p.linked_index, p.peak_index, s.id, s.asof_ts, s.thinned_at FROM performance_metrics p "
    "LEFT JOIN snapshots s ON s.account = p.account AND s.hour = p.ts "
    f"WHERE {_OF_HOURS}"
)
_hours = text(f"{_HOUR} AND p.ts > :after ORDER BY p.ts LIMIT :most")
_standing = text(f"{_HOUR} AND p.ts <= :until AND p.trades_until IS NOT NULL ORDER BY p.ts DESC LIMIT 1")
_cash = text(
    "SELECT snapshot_id, currency, cash, accrued, futures_pnl FROM cash_balances "
    "WHERE snapshot_id = ANY(CAST(:ids AS bigint[]))"
)
_rates = text(
    "SELECT snapshot_id, currency, rate FROM fx_rates WHERE snapshot_id = ANY(CAST(:ids AS bigint[]))"
)
_futures = text(
    "SELECT b.conid FROM ledger_books b JOIN instruments i USING (conid) "
    "WHERE b.account = :account AND i.sec_type = 'FUT'"
)
_marks = text(
    "SELECT h.snapshot_id, h.conid, h.currency, h.quantity, h.mark_price "
    "* (i.multiplier / i.price_magnifier) AS unit FROM snapshot_positions h JOIN instruments i USING (conid) "
    "WHERE h.snapshot_id = ANY(CAST(:ids AS bigint[])) AND h.asof_ts BETWEEN :first AND :last "
    "AND h.conid = ANY(CAST(:conids AS bigint[]))"
)
# A correction takes the place of what it corrects, and its commission is added to that.
_trades = text(
    "SELECT e.exec_id, e.executed_at, e.conid, i.sec_type, i.symbol, i.currency, "
    "CASE WHEN e.side = 'BOT' THEN e.quantity ELSE -e.quantity END AS quantity, "
    "e.price, i.multiplier, i.price_magnifier, c.currency AS charged_in, c.commission "
    "FROM executions e JOIN instruments i USING (conid) LEFT JOIN LATERAL (SELECT c.currency, "
    "sum(c.commission) AS commission FROM executions r JOIN commission_reports c ON c.exec_id = r.exec_id "
    "WHERE r.exec_base_id = e.exec_base_id GROUP BY c.currency) c ON true "
    "WHERE e.account = :account AND e.executed_at > :after AND e.executed_at <= :until "
    "AND e.corrected_by IS NULL AND i.sec_type <> 'BAG' ORDER BY e.executed_at, e.exec_id"
)
_moved = text(
    "SELECT v.executed_at, coalesce(v.cause, 'unexplained') AS cause, v.quantity, p.conid, i.sec_type "
    "FROM position_events v JOIN positions p ON p.id = v.position_id JOIN instruments i USING (conid) "
    "WHERE v.exec_id IS NULL AND v.executed_at > :after AND v.executed_at <= :until "
    "AND p.account = :account AND v.cause IS DISTINCT FROM 'opening_balance' "
    "AND v.type <> 'corrected' ORDER BY v.executed_at, p.conid, v.seq"
)
_late = text(
    "SELECT min(executed_at) FROM (SELECT min(executed_at) AS executed_at FROM executions "
    "WHERE received_at > :received AND account = :account AND executed_at <= :until UNION ALL "
    "SELECT min(e.executed_at) FROM commission_reports c JOIN executions e USING (exec_id) "
    "WHERE c.received_at > :received AND e.account = :account AND e.executed_at <= :until) k"
)
_taken_at = text("SELECT taken_at FROM snapshots WHERE account = :account AND hour = :hour")
_is_stated = text(
    "SELECT EXISTS (SELECT FROM stated_changes WHERE account = :account AND ends_on >= :day) "
    "OR EXISTS (SELECT FROM stated_values WHERE account = :account AND as_of >= :day) "
    "OR EXISTS (SELECT FROM cash_flows WHERE account = :account AND at >= CAST(:day AS timestamp) "
    "AT TIME ZONE 'UTC')"
)
_later = text(f"SELECT EXISTS (SELECT FROM performance_metrics p WHERE {_OF_HOURS} AND p.ts > :hour)")  # noqa: S608 - a constant of ours
_rolled = text(
    "SELECT d.day, c.net_liquidation, c.total_cash, c.gross_position_value, c.unrealized_pnl, c.currency, "  # noqa: S608 - as above
    "d.contribution, d.estimated, d.since FROM (SELECT p.day, max(p.ts) AS ts, min(p.since) AS since, "
    "CASE WHEN bool_and(p.net_contribution IS NOT NULL) THEN sum(p.net_contribution) END AS contribution, "
    f"bool_or(p.data_quality <> 'complete') AS estimated FROM performance_metrics p WHERE {_OF_HOURS} "
    "AND p.trades_until IS NOT NULL AND p.day < :before GROUP BY p.day) d JOIN performance_metrics c "
    "ON c.account = :account AND c.resolution = 'hour' AND c.source = 'snapshot' AND c.ts = d.ts "
    "ORDER BY d.day"
)

_MOMENT: Final = timedelta(microseconds=1)
_PAID_FOR: Final = frozenset({"STK", "OPT", "FOP", "WAR", "IOPT", "FUND", "CRYPTO", "CMDTY"})
"""What is paid for when it is bought, at its price."""


class _Read(NamedTuple):
    """An hour's row, and the snapshot that it is of; none where it is no longer kept."""

    ts: datetime
    net_liquidation: Decimal
    currency: str | None
    kept: Kept
    linked: Linked
    snapshot_id: int | None
    at: datetime | None
    is_thinned: bool


class _Marks(NamedTuple):
    """What one of each holding was worth in the base currency; of one that is missing only the whole tell."""

    at: datetime
    units: Mapping[int, Decimal]
    are_whole: bool


class Facts(NamedTuple):
    """All that hours are reckoned from."""

    standing: Standing | None
    hours: list[Hour]
    trades: list[Traded]
    moved: list[Moved]


async def facts_of_hours(connection: Reader | Writer, account: str, since: datetime, *, most: int) -> Facts:
    """Of at most ``most`` hours that end after ``since``, and the one that they go on from."""
    before = (await connection.execute(_standing, {"account": account, "until": since})).one_or_none()
    stood = None if before is None else _read(before)
    after = datetime.min.replace(tzinfo=since.tzinfo, year=1900) if stood is None else stood.ts
    rows = await connection.execute(_hours, {"account": account, "after": after, "most": most})
    read = [_read(row) for row in rows]
    every = [*([] if stood is None else [stood]), *read]
    if not read:
        return Facts(None, [], [], [])
    first, last = every[0].at or every[0].ts, max(one.at or one.ts for one in every)
    moves = list(await connection.execute(_moved, {"account": account, "after": first, "until": last}))
    futures = {row.conid for row in await connection.execute(_futures, {"account": account})}
    moments = await _moments(connection, every, futures, {row.conid for row in moves})
    hours = [
        Hour(one.ts, one.net_liquidation, one.currency, moments.get(one.ts, (None, {}))[0], one.kept)
        for one in every
    ]
    standing = None
    traded_after = first
    if stood is not None and stood.kept.trades_until is not None:
        traded_after = stood.kept.trades_until
        standing = Standing(hours.pop(0), stood.linked, traded_after, is_first=stood.kept.since is None)
    known = {"account": account, "after": traded_after, "until": last + UNCERTAIN}
    trades = _traded(await connection.execute(_trades, known))
    thinned = {one.ts for one in every if one.is_thinned}
    marks = [
        _Marks(moment.at, units, ts not in thinned)
        for ts, (moment, units) in moments.items()
        if moment is not None
    ]
    return Facts(standing, hours, trades, [_move(row, marks) for row in moves])


async def linked_at(connection: Reader | Writer, account: str, until: datetime) -> LinkedAt:
    """What the hours that ended by then had come to, as it is stored."""
    row = (await connection.execute(_standing, {"account": account, "until": until})).one_or_none()
    return LinkedAt(until, Linked() if row is None else _read(row).linked)


async def late_since(connection: Reader | Writer, account: str, standing: Standing) -> datetime | None:
    """When the first execution was made that was told since an hour was reckoned, and is not after it."""
    taken: datetime | None = (
        await connection.execute(_taken_at, {"account": account, "hour": standing.hour.ts})
    ).scalar_one_or_none()
    if taken is None:
        return None
    asked = {"account": account, "received": taken - UNCERTAIN, "until": standing.trades_until}
    found: datetime | None = (await connection.execute(_late, asked)).scalar_one()
    return found


async def is_stated_since(connection: Reader | Writer, account: str, day: date) -> bool:
    """Whether any statement may tell of a day or a later one."""
    return bool((await connection.execute(_is_stated, {"account": account, "day": day})).scalar_one())


async def is_followed(connection: Reader | Writer, account: str, hour: datetime) -> bool:
    """Whether there is a later hour of an account."""
    return bool((await connection.execute(_later, {"account": account, "hour": hour})).scalar_one())


async def rolled_days_of(connection: Reader | Writer, account: str, before: date) -> list[RolledDay]:
    """The days of an account's hours, oldest first, that were over before a day."""
    rows = await connection.execute(_rolled, {"account": account, "before": before})
    return [
        RolledDay(
            DayValue(
                row.day,
                row.net_liquidation,
                row.total_cash,
                row.gross_position_value,
                row.unrealized_pnl,
                row.currency,
                source="snapshot",
            ),
            row.contribution,
            row.estimated,
            None if row.since is None else day_of(row.since - _MOMENT),
        )
        for row in rows
    ]


def _read(row: Any) -> _Read:
    kept = Kept(row.net_contribution, row.data_quality, row.since, row.trades_until)
    peak = Decimal(1) if row.peak_index is None else row.peak_index
    return _Read(
        *(
            row.ts,
            row.net_liquidation,
            row.currency,
            kept,
            Linked(row.linked_index, peak),
            row.id,
            row.asof_ts,
            row.thinned_at is not None,
        )
    )


async def _moments(
    connection: Reader | Writer, hours: Sequence[_Read], futures: set[int], moved: set[int]
) -> dict[datetime, tuple[Moment | None, Mapping[int, Decimal]]]:
    """Snapshots by the end of their hour; with each, by conid, what one of a holding was worth in base."""
    ids = [one.snapshot_id for one in hours if one.snapshot_id is not None]
    cash: dict[int, dict[str, CashThen]] = defaultdict(dict)
    rates: dict[int, dict[str, Decimal]] = defaultdict(dict)
    held: dict[int, list[Any]] = defaultdict(list)
    for row in await connection.execute(_cash, {"ids": ids}):
        cash[row.snapshot_id][row.currency] = CashThen(row.cash, row.accrued, row.futures_pnl)
    for row in await connection.execute(_rates, {"ids": ids}):
        rates[row.snapshot_id][row.currency] = row.rate
    if futures | moved:
        times = [one.at for one in hours if one.at is not None] or [hours[0].ts]
        asked = {"ids": ids, "first": min(times), "last": max(times), "conids": sorted(futures | moved)}
        for row in await connection.execute(_marks, asked):
            held[row.snapshot_id].append(row)
    moments: dict[datetime, tuple[Moment | None, Mapping[int, Decimal]]] = {}
    for one in hours:
        if one.snapshot_id is None or one.at is None:
            continue
        told = cash.get(one.snapshot_id, {})
        total = told.pop(BASE_SUMMARY, None)
        if not told and total is None and one.kept.trades_until is not None and one.kept.since is not None:
            continue  # what it was reckoned from is gone
        moment = Moment(
            one.at,
            one.net_liquidation,
            one.currency or "",
            told,
            rates.get(one.snapshot_id, {}),
            None if total is None else total.cash,
            {
                row.conid: FutureThen(
                    row.currency, None if row.unit is None else EXACT.multiply(row.quantity, row.unit)
                )
                for row in held[one.snapshot_id]
                if row.conid in futures
            },
        )
        units = {}
        for row in held[one.snapshot_id]:
            rate = moment.rate(row.currency)
            if row.unit is not None and rate is not None:
                units[row.conid] = EXACT.multiply(row.unit, rate)
        moments[one.ts] = (moment, units)
    return moments


def _move(row: Any, marks: Sequence[_Marks]) -> Moved:
    """What moved, valued as in the next snapshot, or in the last one before if it was gone by then.

    Whatever was told of it only after the hours around it were thinned is valued by those of the days that
    were not.
    """
    cause: Cause = row.cause
    if cause != "transfer":
        return Moved(row.executed_at, cause)
    if row.sec_type == "FUT":
        return Moved(row.executed_at, cause, ZERO)  # a future is worth nothing by itself
    unit = None
    for one in marks:
        if not one.are_whole and row.conid not in one.units:
            continue
        if one.at >= row.executed_at:
            unit = one.units.get(row.conid, unit)
            break
        unit = one.units.get(row.conid)
    return Moved(row.executed_at, cause, None if unit is None else EXACT.multiply(row.quantity, unit))


def _traded(rows: Iterable[Any]) -> list[Traded]:
    trades: dict[str, Traded] = {}
    for row in rows:
        known = trades.get(row.exec_id)
        one = _paid(row) if known is None else known
        if row.commission is not None:
            one = one._replace(cash=(*one.cash, (row.charged_in or row.currency, -row.commission)))
        trades[row.exec_id] = one
    return list(trades.values())


def _paid(row: Any) -> Traded:
    """What an execution did to cash, but for its commission."""
    worth = EXACT.multiply(EXACT.multiply(row.quantity, row.price), row.multiplier)
    worth = EXACT.divide(worth, Decimal(row.price_magnifier))
    match row.sec_type:
        case "FUT":
            return Traded(row.executed_at, (), (row.conid, row.currency, worth))
        case "CASH":
            return Traded(row.executed_at, ((row.symbol, row.quantity), (row.currency, -worth)))
        case kind:
            inexact = None if kind in _PAID_FOR else row.currency
            return Traded(row.executed_at, ((row.currency, -worth),), None, inexact)
