"""What was told of accounts around a moment: their value, their cash, and rates into the base currency."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Row

from core.domain.account_values import (
    ACCRUED_CASH,
    BASE,
    BASE_SUMMARY,
    CASH_BALANCE,
    FUTURES_PNL,
    NET_DIVIDEND,
    NET_LIQUIDATION,
)
from core.domain.days import end_of
from core.domain.marks import nearest
from core.domain.money import ZERO, decimal_from_text, is_usable
from core.domain.rate_history import RateHistory, ToldRate, WhoTold
from core.domain.rates import EXCHANGE_RATE
from core.domain.valuation import Amount, CashThen, ToldThen
from models.queries.nearest import around, asked, days_around
from models.session import Reader
from models.standing import NEWEST_FIRST, STANDING

_values = (
    "SELECT k.account, b.base_currency, v.amount, v.at, v.day, v.currency FROM "  # noqa: S608 - words of this program's own
    "unnest(:accounts) AS k(account) JOIN broker_accounts b ON b.account = k.account LEFT JOIN LATERAL ("
    + around(
        "snapshots",
        "account = k.account",
        "asof_ts",
        "net_liquidation AS amount, asof_ts AS at, CAST(NULL AS date) AS day, base_currency AS currency",
    )
    + " UNION ALL "
    + days_around(
        "stated_values",
        "v",
        "v.account = k.account",
        "v.net_liquidation, CAST(NULL AS timestamptz), v.as_of, v.currency",
    )
    + ") v ON true"
)
# One probe a snapshot, said so that the planner cannot read all balances instead.
_WITH_CASH = (
    "snapshots s CROSS JOIN LATERAL (SELECT FROM cash_balances b WHERE b.snapshot_id = s.id LIMIT 1) b"
)
_cash = (
    "SELECT k.account, s.asof_ts AS at, CAST(NULL AS date) AS day, c.currency, c.cash, c.at AS told_at, "  # noqa: S608 - as above
    "c.accrued, c.futures_pnl "
    "FROM unnest(:accounts) AS k(account) CROSS JOIN LATERAL ("
    + around(_WITH_CASH, "s.account = k.account", "s.asof_ts", "s.id, s.asof_ts")
    + ") s JOIN cash_balances c ON c.snapshot_id = s.id "
    "UNION ALL SELECT k.account, CAST(NULL AS timestamptz), d.as_of, c.currency, c.cash, "
    "CAST(NULL AS timestamptz), NULL, NULL FROM unnest(:accounts) AS k(account) CROSS JOIN LATERAL ("
    + days_around("cash_balances", "b", "b.account = k.account AND b.import_id IS NOT NULL", "b.as_of")
    + ") d CROSS JOIN LATERAL (SELECT DISTINCT ON (b.currency) b.currency, b.cash FROM cash_balances b "  # noqa: S608 - as above
    f"{STANDING.format('b')} WHERE b.account = k.account AND b.as_of = d.as_of AND b.import_id IS NOT NULL "
    f"ORDER BY b.currency, {NEWEST_FIRST}) c "
    # What was due on a statement's day beside its cash.
    "UNION ALL SELECT k.account, CAST(NULL AS timestamptz), v.as_of, v.due_in, NULL, "
    "CAST(NULL AS timestamptz), v.accruals, NULL FROM unnest(:accounts) AS k(account) CROSS JOIN LATERAL ("
    + days_around(
        "stated_values",
        "v",
        "v.account = k.account AND v.accruals IS NOT NULL",
        f"v.as_of, v.accruals, '{BASE_SUMMARY}' AS due_in",
    )
    + ") v ORDER BY 1, 4"
)
_rates = (
    "SELECT k.currency, k.base, r.rate, r.at, r.day FROM "  # noqa: S608 - as above
    "unnest(:currencies, :bases) AS k(currency, base) CROSS JOIN LATERAL ("
    + around(
        "fx_rates",
        "currency = k.currency AND into_currency = k.base AND snapshot_id IS NOT NULL",
        "at",
        "rate, at, CAST(NULL AS date) AS day",
    )
    + " UNION ALL "
    + days_around(
        "fx_rates",
        "f",
        "f.currency = k.currency AND f.into_currency = k.base AND f.import_id IS NOT NULL",
        "f.rate, CAST(NULL AS timestamptz), f.as_of",
    )
    + ") r"
)
# A combo's execution stands for those of its legs.
_apart = (
    "SELECT k.account, e.trades FROM unnest(:accounts, :firsts, :lasts) AS k(account, first, last) "
    "CROSS JOIN LATERAL (SELECT count(*) AS trades FROM executions e "
    "JOIN instruments i ON i.conid = e.conid AND i.sec_type <> 'BAG' "
    "WHERE e.account = k.account AND e.executed_at > k.first AND e.executed_at <= k.last) e"
)
_DUE_KEYS = (ACCRUED_CASH, NET_DIVIDEND, FUTURES_PNL)
_DUE = ", ".join(f"'{key}'" for key in _DUE_KEYS)
_last_known = (
    "SELECT account, key, currency, value, as_of FROM account_values WHERE account = ANY(:accounts) "  # noqa: S608 - as above
    f"AND key IN ('{NET_LIQUIDATION}', '{CASH_BALANCE}', '{EXCHANGE_RATE}', {_DUE}) "
    "ORDER BY account, key, currency"
)


class _Last(NamedTuple):
    """What the broker told last: one key of an account, in one currency."""

    account: str
    key: str
    currency: str
    amount: Decimal
    as_of: datetime


class _Value(NamedTuple):
    amount: Decimal
    as_of: datetime
    source: WhoTold
    currency: str | None


class _CashSet(NamedTuple):
    """All the cash of an account, told together, and what was due beside it by currency."""

    as_of: datetime
    rows: list[CashThen]
    due: dict[str, Decimal]


async def told_then(
    reader: Reader, at: datetime, accounts: Sequence[str], currencies: set[str]
) -> dict[str, ToldThen]:
    """By account, what was told around a moment; rates of these currencies, and of those of its cash."""
    last = await _told_last(reader, at, accounts)
    values, bases = await _values_then(reader, at, accounts, last)
    cash = await _cash_then(reader, at, accounts, last)
    apart = await _trades_apart(reader, at, {name: told.as_of for name, told in cash.items()})
    held = {row.currency for told in cash.values() for row in told.rows} - {BASE_SUMMARY}
    rates = await _rates_then(reader, at, bases, currencies | held, last)
    return {
        name: ToldThen(
            bases[name],
            None if (one := values[name]) is None else Amount(one.amount, one.as_of, one.source),
            cash[name].rows if name in cash else (),
            apart.get(name, 0) if name in cash else None,
            RateHistory(bases[name] or "", rates),
            cash[name].due if name in cash else {},
        )
        for name in accounts
    }


async def _told_last(reader: Reader, at: datetime, accounts: Sequence[str]) -> list[_Last]:
    rows = await reader.execute(asked(_last_known, at, accounts=accounts))
    found = ((row, decimal_from_text(row.value)) for row in rows)
    return [
        _Last(row.account, row.key, row.currency, amount, row.as_of)
        for row, amount in found
        if amount is not None and is_usable(amount)
    ]


def _dated(row: Row[Any]) -> tuple[datetime, WhoTold]:
    """When a row is of: a snapshot's time, or the end of a day that a statement tells of."""
    return (row.at, "snapshot") if row.at is not None else (end_of(row.day), "statement")


async def _values_then(
    reader: Reader, at: datetime, accounts: Sequence[str], last: Sequence[_Last]
) -> tuple[dict[str, _Value | None], dict[str, str | None]]:
    """By account, the nearest net liquidation and the base currency."""
    found: dict[str, list[_Value]] = {name: [] for name in accounts}
    bases: dict[str, str | None] = dict.fromkeys(accounts)
    for row in await reader.execute(asked(_values, at, accounts=accounts)):
        bases[row.account] = row.base_currency
        if row.amount is not None:
            found[row.account].append(_Value(row.amount, *_dated(row), row.currency))
    for one in last:
        if one.key == NET_LIQUIDATION and one.currency not in {"", BASE}:
            found[one.account].append(_Value(one.amount, one.as_of, "last_known", one.currency))
    values = {name: nearest(candidates, at) for name, candidates in found.items()}
    for name, value in values.items():
        if value is not None and value.currency is not None:
            bases[name] = value.currency
    return values, bases


async def _cash_then(
    reader: Reader, at: datetime, accounts: Sequence[str], last: Sequence[_Last]
) -> dict[str, _CashSet]:
    """By account, its cash in every currency, as it was told together; without those that have none."""
    sets: dict[tuple[str, datetime, WhoTold], list[CashThen]] = defaultdict(list)
    dues: dict[tuple[str, datetime, WhoTold], dict[str, Decimal]] = defaultdict(dict)
    for row in await reader.execute(asked(_cash, at, accounts=accounts)):
        moment, source = _dated(row)
        if row.cash is not None:
            told = CashThen(row.currency, row.cash, row.told_at or moment, source)
            sets[row.account, moment, source].append(told)
        due = [one for one in (row.accrued, row.futures_pnl) if one is not None]
        if due:
            dues[row.account, moment, source][row.currency] = sum(due, ZERO)
    for name in accounts:
        told_last = [one for one in last if one.account == name and one.key == CASH_BALANCE and one.currency]
        if told_last:
            # Each is told when it changes: together they are of the last change.
            moment = max(one.as_of for one in told_last)
            whole = [
                one.amount
                for one in last
                if one.account == name and one.key in _DUE_KEYS and one.currency == BASE
            ]
            if whole:
                dues[name, moment, "last_known"][BASE_SUMMARY] = sum(whole, ZERO)
            sets[name, moment, "last_known"] = [
                CashThen(
                    BASE_SUMMARY if one.currency == BASE else one.currency,
                    one.amount,
                    one.as_of,
                    "last_known",
                )
                for one in told_last
            ]
    candidates: dict[str, list[_CashSet]] = {name: [] for name in accounts}
    for key, rows in sets.items():
        account, moment, _ = key
        candidates[account].append(_CashSet(moment, rows, dues.get(key, {})))
    chosen = {name: nearest(of, at) for name, of in candidates.items()}
    return {name: one for name, one in chosen.items() if one is not None}


async def _trades_apart(reader: Reader, at: datetime, told: dict[str, datetime]) -> dict[str, int]:
    """By account, how many executions lie between when its cash was told and the moment."""
    firsts, lasts = [min(one, at) for one in told.values()], [max(one, at) for one in told.values()]
    rows = await reader.execute(asked(_apart, at, accounts=list(told), firsts=firsts, lasts=lasts))
    return {row.account: row.trades for row in rows}


async def _rates_then(
    reader: Reader,
    at: datetime,
    bases: dict[str, str | None],
    currencies: set[str],
    last: Sequence[_Last],
) -> list[ToldRate]:
    """The rates around the moment into the base currencies."""
    rates: list[ToldRate] = []
    pairs = sorted(
        (currency, base)
        for base in {base for base in bases.values() if base is not None}
        for currency in currencies
        if currency != base
    )
    if pairs:
        ofs, intos = zip(*pairs, strict=True)
        for row in await reader.execute(asked(_rates, at, currencies=ofs, bases=intos)):
            moment, source = _dated(row)
            rates.append(ToldRate(moment, row.currency, row.base, row.rate, source))
    for one in last:
        base = bases[one.account]
        if one.key == EXCHANGE_RATE and base is not None and one.amount > ZERO:
            rates.append(ToldRate(one.as_of, one.currency, base, one.amount, "last_known"))
    return rates
