"""Rules about what things are worth: the sum of an account, rates that are missing, marks that are old."""

import zlib
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Row, text

from core.domain.account_values import BASE
from core.domain.days import BROKER_ZONE
from core.domain.money import ZERO, decimal_from_text, is_usable, plain
from core.domain.rules import Finding, Magnitude, Tolerance
from models.queries.rules.rule import FOR_ACCOUNT, Findings, Rule, Scope, rows_of
from models.session import Reader

VALUE_SHARE: Final = Tolerance(
    "account_value_share",
    Decimal("0.01"),
    "of the market value of all positions: marks are up to three minutes older than the account's value",
)
VALUE_LEAST: Final = Tolerance(
    "account_value_least", Decimal(1), "in the base currency, however little is held"
)
VALUE_FUTURES: Final = Tolerance(
    "account_value_futures",
    Decimal("0.002"),
    "the same of what futures stand for, of which only the gain is counted",
)
TRADE_SETTLES: Final = Tolerance(
    "trade_settles",
    timedelta(minutes=5),
    "cash follows a trade in up to three minutes, holdings at once: no snapshot is judged so soon after one",
)
RATE_AWAITED: Final = Tolerance(
    "rate_awaited", timedelta(days=1), "a commission may wait for its rate so long"
)
STALE_MARK: Final = Tolerance(
    "stale_mark",
    timedelta(days=5),
    "a mark may be so much older than the account's value: longer than any weekend with holidays",
)
NO_MARK: Final = Tolerance("no_mark", timedelta(hours=1), "what was bought may be without a mark so long")

_VALUE_BOUNDS: Final = {"least": VALUE_LEAST, "share": VALUE_SHARE, "futures": VALUE_FUTURES}
_ACCRUALS: Final = ("AccruedCash", "AccruedDividend")

# A future's gain may be in the cash already (IBKR settles it there day by day), or not: both are known. A
# contract for difference is worth what it gained. Currency pairs are cash, a combo is its legs.
_values = text(
    "SELECT s.id, s.account, s.asof_ts, s.base_currency, s.net_liquidation, s.total_cash, h.held, h.gains, "  # noqa: S608 - constants of this program's own
    "h.allowed, CASE WHEN abs(s.net_liquidation - s.total_cash - h.held) > h.allowed THEN p.content END "
    "AS content FROM snapshots s JOIN raw_payloads p ON p.sha256 = s.payload_sha256 CROSS JOIN LATERAL ("
    "SELECT coalesce(sum(CASE WHEN i.sec_type IN ('FUT', 'CASH', 'BAG') THEN 0 "
    "WHEN i.sec_type = 'CFD' THEN h.unrealized_pnl * h.fx_rate ELSE h.market_value_base END), 0) AS held, "
    "coalesce(sum(h.unrealized_pnl * h.fx_rate) FILTER (WHERE i.sec_type = 'FUT'), 0) AS gains, "
    "greatest(CAST(:least AS numeric), coalesce(sum(abs(h.market_value_base) * CASE "
    "WHEN i.sec_type = 'FUT' THEN CAST(:futures AS numeric) WHEN i.sec_type IN ('CASH', 'BAG') THEN 0 "
    "ELSE CAST(:share AS numeric) END), 0)) AS allowed "
    "FROM snapshot_positions h JOIN instruments i USING (conid) "
    "WHERE h.snapshot_id = s.id AND h.asof_ts = s.asof_ts) h "
    "WHERE s.asof_ts >= :since AND s.total_cash IS NOT NULL AND s.coverage = 1 AND NOT EXISTS (SELECT FROM "
    "executions e WHERE e.account = s.account AND e.executed_at BETWEEN "
    "s.asof_ts - CAST(:settle AS interval) AND s.taken_at OFFSET 0) AND "
    + FOR_ACCOUNT.format("s")
    + " ORDER BY s.account, s.asof_ts, s.id"
)
_DAY = f"CAST({{}} AT TIME ZONE '{BROKER_ZONE}' AS date)"
_missing_rates = text(
    "SELECT account, currency, place, to_char(day, 'YYYY-MM') AS month, count(DISTINCT day) AS days, "  # noqa: S608 - as above
    "min(day) AS first, max(day) AS last, max(at) AS at FROM ("
    "SELECT s.account, h.currency, 'held' AS place, "
    + _DAY.format("s.asof_ts")
    + " AS day, s.asof_ts AS at FROM snapshots s JOIN snapshot_positions h ON h.snapshot_id = s.id "
    "AND h.asof_ts = s.asof_ts WHERE s.asof_ts >= :since AND h.asof_ts >= :since AND h.fx_rate IS NULL "
    "AND h.quantity <> 0 AND h.currency <> s.base_currency "
    "UNION ALL SELECT s.account, c.currency, 'cash', "
    + _DAY.format("s.asof_ts")
    + ", s.asof_ts FROM snapshots s JOIN cash_balances c ON c.snapshot_id = s.id WHERE s.asof_ts >= :since "
    "AND c.cash <> 0 AND c.currency NOT IN (s.base_currency, 'BASE_SUMMARY') AND NOT EXISTS (SELECT FROM "
    "fx_rates r WHERE r.snapshot_id = s.id AND r.currency = c.currency) "
    "UNION ALL SELECT e.account, c.currency, 'commissions', "
    + _DAY.format("e.executed_at")
    + ", e.executed_at FROM executions e JOIN instruments i USING (conid) JOIN commission_reports c "
    "USING (exec_id) WHERE NOT e.commission_folded AND e.executed_at BETWEEN :since AND :settled "
    "AND e.corrected_by IS NULL AND c.currency <> i.currency AND c.commission <> 0 AND c.rate IS NULL "
    # Of a statement's day the rate may be that of a few days before, over a weekend.
    "UNION ALL SELECT f.account, f.currency, 'flows', f.day, f.at FROM (SELECT c.*, coalesce(c.reported_on, "
    + _DAY.format("c.at")
    + ") AS day FROM cash_flows c WHERE c.at >= :since AND c.external AND c.fx_rate_to_base IS NULL) f "
    "JOIN broker_accounts a USING (account) WHERE f.currency <> a.base_currency AND NOT EXISTS (SELECT FROM "
    "fx_rates r WHERE r.import_id IS NOT NULL AND r.currency = f.currency "
    "AND r.into_currency = a.base_currency AND r.as_of BETWEEN f.day - 7 AND f.day)"
    ") m WHERE "
    + FOR_ACCOUNT.format("m")
    + " GROUP BY account, currency, place, to_char(day, 'YYYY-MM') ORDER BY 1, 2, 3, 4"
)
_old_marks = text(
    "SELECT b.account, b.conid, i.symbol, b.broker_as_of, m.priced_at, v.as_of FROM ledger_books b "  # noqa: S608 - as above
    "JOIN broker_accounts a USING (account) JOIN instruments i USING (conid) "
    "JOIN (SELECT account, max(as_of) AS as_of FROM account_values WHERE key = 'NetLiquidation' "
    "GROUP BY account) v USING (account) LEFT JOIN marks m ON m.account = b.account AND m.conid = b.conid "
    "WHERE a.listed AND b.broker_quantity <> 0 AND i.sec_type NOT IN ('CASH', 'BAG') AND "
    "(m.priced_at < v.as_of - CAST(:stale AS interval) OR (m.priced_at IS NULL "
    "AND b.broker_as_of < v.as_of - CAST(:none AS interval))) AND "
    + FOR_ACCOUNT.format("b")
    + " ORDER BY b.account, b.conid"
)


class _Told(NamedTuple):
    """A snapshot of which the parts are not the whole."""

    row: Row[Any]
    difference: Decimal


async def _account_value(reader: Reader, scope: Scope) -> Findings:
    """One finding an account and month, however many hours it is so: it tells the worst and the last."""
    of: tuple[str, str] | None = None
    told: list[_Told] = []
    worst: _Told | None = None
    bounds = {one: tolerance.number for one, tolerance in _VALUE_BOUNDS.items()}
    async for row in rows_of(reader, _values, scope, settle=TRADE_SETTLES.time, **bounds):
        if row.content is None:
            continue
        difference = _unexplained(row)
        if abs(difference) <= row.allowed:
            continue
        month = (row.account, f"{row.asof_ts:%Y-%m}")
        if month != of and worst is not None and of is not None:
            yield _sum_finding(of, told, worst)
        if month != of:
            of, told, worst = month, [], None
        # The first, the last and how many are told, so no more than that is kept.
        one = _Told(row, difference)
        told = [*told[:1], one]
        worst = one if worst is None or abs(difference) > abs(worst.difference) else worst
    if worst is not None and of is not None:
        yield _sum_finding(of, told, worst)


def _sum_finding(of: tuple[str, str], told: list[_Told], worst: _Told) -> Finding:
    row, difference = worst
    account, month = of
    summary = (
        f"Net liquidation {plain(row.net_liquidation)} {row.base_currency} is {plain(abs(difference))} "
        f"{'more' if difference > ZERO else 'less'} than cash and positions, "
        f"as of {row.asof_ts:%Y-%m-%d %H:%M}Z"
    )
    details = {
        "snapshot_id": row.id,
        "asof_ts": row.asof_ts,
        "currency": row.base_currency,
        "net_liquidation": plain(row.net_liquidation),
        "total_cash": plain(row.total_cash),
        "positions": plain(row.held),
        "difference": plain(difference),
        "first": told[0].row.asof_ts,
        "last": told[-1].row.asof_ts,
    }
    worth = abs(row.net_liquidation)
    share = round(abs(difference) / worth, 6) if worth else None
    return Finding(account, month, summary, details, told[-1].row.asof_ts, share)


def _unexplained(row: Row[Any]) -> Decimal:
    """What is left once accruals are counted, and gains of futures where that explains more."""
    left: Decimal = row.net_liquidation - row.total_cash - row.held - _accruals(row)
    without_gains: Decimal = left - row.gains
    return min(left, without_gains, key=abs)


def _accruals(row: Row[Any]) -> Decimal:
    """Interest and dividends that are owed: part of the value, of neither cash nor positions."""
    try:
        table = msgspec.json.decode(zlib.decompress(row.content))["account_values"]
        columns = table["columns"]
        told = [dict(zip(columns, one, strict=False)) for one in table["rows"]]
    except (zlib.error, msgspec.DecodeError, KeyError, TypeError):
        return ZERO  # what a snapshot was made of by another version
    values = {(one.get("key"), one.get("currency")): str(one.get("value")) for one in told}
    # In the base currency itself it may be that currency's part only; of all it is told apart, if at all.
    spelled = [values.get((key, BASE), values.get((key, row.base_currency), "")) for key in _ACCRUALS]
    amounts = map(decimal_from_text, spelled)
    return sum((amount for amount in amounts if amount is not None and is_usable(amount)), ZERO)


async def _fx_hole(reader: Reader, scope: Scope) -> Findings:
    settled = scope.now - RATE_AWAITED.time
    async for row in rows_of(reader, _missing_rates, scope, settled=settled):
        days = "one day" if row.days == 1 else f"{row.days} days"
        summary = f"No rate of {row.currency} for {_PLACES[row.place]} on {days}, the last {row.last}"
        details = {"currency": row.currency, "place": row.place, "days": row.days}
        details |= {"first": row.first, "last": row.last}
        subject = f"{row.currency}/{row.place}/{row.month}"
        yield Finding(row.account, subject, summary, details, row.at, Decimal(row.days))


_PLACES: Final = {
    "held": "what was held",
    "cash": "cash",
    "commissions": "commissions",
    "flows": "deposits and withdrawals",
}


async def _stale_mark(reader: Reader, scope: Scope) -> Findings:
    bounds = {"stale": STALE_MARK.time, "none": NO_MARK.time}
    async for row in rows_of(reader, _old_marks, scope, **bounds):
        since = "never had a mark" if row.priced_at is None else f"was last marked {row.priced_at:%Y-%m-%d}"
        details = {"conid": row.conid, "symbol": row.symbol, "priced_at": row.priced_at}
        yield Finding(row.account, str(row.conid), f"{row.symbol} {since}", details)


ACCOUNT_VALUE: Final = Rule(
    name="account-value",
    title="Cash and positions are what the account is worth",
    severity="error",
    checks="In each snapshot whose positions all had a fresh mark: net liquidation = cash + market values "
    "in the base currency + accrued interest and dividends. Futures count by what they gained at most, "
    "contracts for difference by what they gained, currency pairs not at all. One finding an account and "
    "month.",
    tolerances=(VALUE_SHARE, VALUE_FUTURES, VALUE_LEAST, TRADE_SETTLES),
    remedy="Open the snapshot (`GET /api/v1/snapshots/{id}`) and look for a position that is missing, "
    "counted twice or marked in the wrong unit; compare it with TWS. `lotkeeper resync` asks the broker for "
    "everything again. Where the account holds something that IBKR counts elsewhere, acknowledge it with a "
    "note.",
    magnitude=Magnitude(
        "share",
        "the largest difference, as a fraction of net liquidation",
        times=Decimal("1.5"),
        more=Decimal("0.005"),
    ),
    check=_account_value,
)
FX_HOLE: Final = Rule(
    name="fx-hole",
    title="Every currency has its rate on the days it is needed",
    severity="warning",
    checks="Holdings and cash of snapshots, commissions, and deposits and withdrawals of statements in "
    "another currency than the base currency have a rate into it. One finding an account, currency, place "
    "and month.",
    tolerances=(RATE_AWAITED,),
    remedy="Import a Flex statement of these days with the section *Conversion Rates*: it brings the rates. "
    "A snapshot keeps what was known when it was taken; its value without a rate stays unknown.",
    # Days go by: that a hole which somebody knows of is a day longer is nothing new, a week is.
    magnitude=Magnitude("time", "the number of days", more=Decimal(7)),
    check=_fx_hole,
)
STALE_MARKS: Final = Rule(
    name="stale-mark",
    title="What is held has a mark of these days",
    severity="warning",
    checks="Each instrument that the broker says is held was marked about as recently as its account was "
    "valued. A link that is down ages both, and is no finding.",
    tolerances=(STALE_MARK, NO_MARK),
    remedy="See in TWS whether IBKR still quotes the instrument: it may be delisted, halted or suspended, "
    "or need a market data subscription. If it is gone, IBKR will book it out; else acknowledge it with a "
    "note.",
    check=_stale_mark,
)
