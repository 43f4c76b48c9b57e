"""Accounts, instruments and the latest values: written so that an older word never replaces a newer one."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from core.domain.account_values import NET_LIQUIDATION
from core.domain.instruments import Instrument
from core.domain.stated import StatedInstrument
from core.events.facts import AccountValueReported, MarkReported, PnlReported
from models.session import Writer
from models.stores.bulk import BulkInsert, BulkUpdate, newer
from models.tables import account_pnl, account_values, broker_accounts, instruments, marks

_PAPER_PREFIX = "D"
"""Paper accounts are DU…, and DF… for an adviser's; live ones are U… and F…"""

BASE_CURRENCY_KEY = NET_LIQUIDATION
"""IBKR gives it in the account's base currency only, so its currency is the base currency."""

_insert_accounts = BulkInsert(
    broker_accounts,
    ("account", "paper", "listed", "first_seen_at", "last_seen_at"),
    conflict="ON CONFLICT (account) DO NOTHING",
    returning="account",
)
_list_accounts = text(
    "UPDATE broker_accounts a SET listed = a.account = ANY(:accounts), "
    "login = CASE WHEN a.account = ANY(:accounts) THEN coalesce(s.login, a.login) ELSE a.login END, "
    "last_seen_at = CASE WHEN a.account = ANY(:accounts) THEN greatest(a.last_seen_at, :at) "
    "ELSE a.last_seen_at END "
    "FROM (SELECT max(o.login) AS login, max(o.place) AS place, bool_or(EXISTS "
    "(SELECT FROM broker_sessions n WHERE n.place = o.place AND n.login <> o.login AND n.epoch > o.epoch)) "
    "OR bool_or(o.given_up_at IS NOT NULL) AS is_retired FROM broker_sessions o WHERE o.epoch = :epoch) s "
    "WHERE a.account IN (SELECT account FROM broker_accounts ORDER BY account FOR NO KEY UPDATE) "
    # A late word of what its installation serves no more, or of a login that was given up, lists nothing.
    "AND s.is_retired IS NOT TRUE "
    # What another login lists is none of this one's business, but where the installation served that before.
    "AND (a.account = ANY(:accounts) OR a.login IS NULL OR a.login = s.login OR EXISTS ("
    "SELECT FROM broker_sessions o WHERE o.login = a.login AND coalesce(o.place, s.place) = s.place "
    "AND o.epoch = (SELECT max(n.epoch) FROM broker_sessions n WHERE n.login = a.login)))"
)
_note_listed = text(
    "UPDATE broker_sessions SET accounts = "
    "ARRAY(SELECT DISTINCT unnest(accounts || CAST(:accounts AS text[])) ORDER BY 1) "
    "WHERE epoch = :epoch AND accounts @> CAST(:accounts AS text[]) IS NOT TRUE"
)
_set_base_currency = BulkUpdate(
    broker_accounts,
    ("account",),
    ("base_currency",),
    where="t.base_currency IS DISTINCT FROM r.base_currency",
)

_INSTRUMENT_COLUMNS = (
    "conid",
    "symbol",
    "local_symbol",
    "sec_type",
    "currency",
    "multiplier",
    "price_magnifier",
    "exchange",
    "trading_class",
    "expiry",
    "strike",
    "option_right",
    "description",
    "liquid_hours",
    "time_zone",
    "details_as_of",
    "updated_at",
)
_BROKERS_IDENTITY = ("isin", "cusip")
# Beside what the broker says identifies it the word of a statement stands; what is left out erases nothing.
_upsert_instruments = BulkInsert(
    instruments,
    (*_INSTRUMENT_COLUMNS, *(f"broker_{name}" for name in _BROKERS_IDENTITY), *_BROKERS_IDENTITY),
    conflict="ON CONFLICT (conid) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _INSTRUMENT_COLUMNS[1:])
    + "".join(
        f", broker_{name} = coalesce(nullif(excluded.{name}, ''), instruments.broker_{name}), "
        f"{name} = CASE WHEN instruments.{name} IN ('', instruments.broker_{name}) "
        f"THEN coalesce(nullif(excluded.{name}, ''), instruments.{name}) ELSE instruments.{name} END"
        for name in _BROKERS_IDENTITY
    )
    + " WHERE instruments.details_as_of IS NULL OR excluded.details_as_of >= instruments.details_as_of",
)

_IDENTITY = ("isin", "cusip", "figi", "issuer", "underlying_conid")
# Nothing is locked but what is written, and that in one order: whoever writes instruments beside this, in
# the same order, waits and is never waited for.
_state_instruments = BulkInsert(
    instruments,
    (*_INSTRUMENT_COLUMNS, *_IDENTITY),
    alias="t",
    conflict="LEFT JOIN instruments o ON o.conid = r.conid WHERE o.conid IS NULL OR "
    "(o.isin, o.cusip, o.figi, o.issuer, o.underlying_conid) IS DISTINCT FROM ("
    "coalesce(nullif(r.isin, ''), o.isin), coalesce(nullif(r.cusip, ''), o.cusip), "
    "coalesce(nullif(r.figi, ''), o.figi), coalesce(nullif(r.issuer, ''), o.issuer), "
    "coalesce(r.underlying_conid, o.underlying_conid)) ORDER BY r.conid ON CONFLICT (conid) DO UPDATE SET "
    "isin = coalesce(nullif(excluded.isin, ''), t.isin), cusip = coalesce(nullif(excluded.cusip, ''), "
    "t.cusip), figi = coalesce(nullif(excluded.figi, ''), t.figi), "
    "issuer = coalesce(nullif(excluded.issuer, ''), t.issuer), "
    "underlying_conid = coalesce(excluded.underlying_conid, t.underlying_conid)",
)
_known = text("SELECT conid FROM instruments WHERE conid = ANY(CAST(:conids AS bigint[]))")
_AT_ONCE = 5_000
# The broker's own word of today stands.
_name_accounts = text(
    "UPDATE broker_accounts a SET base_currency = coalesce(a.base_currency, r.currency), "
    "alias = coalesce(a.alias, r.alias) FROM unnest(CAST(:accounts AS text[]), CAST(:currencies AS text[]), "
    "CAST(:aliases AS text[])) AS r(account, currency, alias) WHERE a.account = r.account "
    "AND (a.base_currency IS NULL OR a.alias IS NULL)"
)

_call_account = text("UPDATE broker_accounts SET called = :called WHERE account = :account")

_upsert_values = BulkInsert(
    account_values,
    ("account", "key", "currency", "value", "as_of", "epoch"),
    conflict="ON CONFLICT (account, key, currency) DO UPDATE SET value = excluded.value, "
    "as_of = excluded.as_of, epoch = excluded.epoch "
    "WHERE (account_values.epoch, account_values.as_of) <= (excluded.epoch, excluded.as_of)",
    returning="account, key, currency, value, as_of",
)
_FIGURES = ("daily_pnl", "unrealized_pnl", "realized_pnl")
_upsert_pnl = BulkInsert(
    account_pnl,
    ("account", *_FIGURES, "as_of"),
    conflict="ON CONFLICT (account) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in (*_FIGURES, "as_of"))
    + f" WHERE {newer('account_pnl', 'as_of')}",
)
_MARK_FIGURES = ("quantity", "market_price", "market_value", *_FIGURES, "priced_at")
_upsert_marks = BulkInsert(
    marks,
    ("account", "conid", *_MARK_FIGURES, "as_of"),
    # What a newer mark does not tell is kept: an unknown figure never erases a known one.
    conflict="ON CONFLICT (account, conid) DO UPDATE SET "
    + ", ".join(f"{name} = coalesce(excluded.{name}, marks.{name})" for name in _MARK_FIGURES)
    + f", as_of = excluded.as_of WHERE {newer('marks', 'as_of')}",
)


class Described(NamedTuple):
    """An instrument and, where it comes from contract details, their time."""

    instrument: Instrument
    details_as_of: datetime | None


async def ensure_accounts(connection: Writer, seen: Mapping[str, datetime]) -> list[str]:
    """Make sure that the accounts exist, unlisted until a list names them; returns the new ones."""
    rows = [(name, name.startswith(_PAPER_PREFIX), False, at, at) for name, at in sorted(seen.items())]
    return [row.account for row in await _insert_accounts(connection, rows)]


async def list_accounts(connection: Writer, accounts: Sequence[str], at: datetime, epoch: int) -> None:
    """Record which accounts the login of this epoch sees; its others stay, unlisted.

    So do those of a login that the same installation served before.
    """
    await connection.execute(_list_accounts, {"accounts": list(accounts), "at": at, "epoch": epoch})
    await connection.execute(_note_listed, {"accounts": list(accounts), "epoch": epoch})


async def upsert_instruments(connection: Writer, described: Iterable[Described], now: datetime) -> None:
    """Store instruments. Contract details are never replaced by what lacks them."""
    ordered = sorted(described, key=lambda one: one.instrument.conid)
    same = [(one.instrument.isin, one.instrument.cusip) for one in ordered]
    rows = zip(_instrument_rows(ordered, now), same, strict=True)
    await _upsert_instruments(connection, [(*row, *ids, *ids) for row, ids in rows])


async def state_instruments(
    connection: Writer,
    described: Mapping[int, Instrument],
    identified: Mapping[int, StatedInstrument],
    now: datetime,
) -> None:
    """Store instruments that are not known, and note what identifies them elsewhere.

    What is known of others stands, and so does what identifies them where a statement leaves it out. One that
    is not described, and not known, is not stored.
    """
    unsaid = identified.keys() - described.keys()
    if unsaid:
        found = await connection.execute(_known, {"conids": sorted(unsaid)})
        described = {row.conid: identified[row.conid].instrument for row in found} | dict(described)
    nothing: tuple[str, str, str, str, int | None] = ("", "", "", "", None)
    told = sorted(described.items())
    ids = [
        nothing if one is None else (one.isin, one.cusip, one.figi, one.issuer, one.underlying_conid)
        for one in (identified.get(conid) for conid, _ in told)
    ]
    as_told = _instrument_rows((Described(one, None) for _, one in told), now)
    rows = [(*row, *same) for row, same in zip(as_told, ids, strict=True)]
    for start in range(0, len(rows), _AT_ONCE):
        await _state_instruments(connection, rows[start : start + _AT_ONCE])


async def name_accounts(connection: Writer, named: Iterable[tuple[str, str | None, str | None]]) -> None:
    """Note base currency and alias of accounts, as far as nothing is known of them."""
    ordered = sorted(named, key=lambda one: one[0])
    if ordered:
        await connection.execute(
            _name_accounts,
            {
                "accounts": [one[0] for one in ordered],
                "currencies": [one[1] for one in ordered],
                "aliases": [one[2] for one in ordered],
            },
        )


async def call_account(connection: Writer, account: str, called: str | None) -> None:
    """Say what its owner calls an account; ``None``: as the statements do, if they do."""
    await connection.execute(_call_account, {"account": account, "called": called})


def _instrument_rows(described: Iterable[Described], now: datetime) -> list[tuple[object, ...]]:
    return [
        (
            item.conid,
            item.symbol,
            item.local_symbol,
            item.sec_type,
            item.currency,
            item.multiplier,
            item.price_magnifier,
            item.exchange,
            item.trading_class,
            item.expiry,
            item.strike,
            item.right,
            item.description,
            item.liquid_hours,
            item.time_zone,
            details_as_of,
            now,
        )
        for item, details_as_of in sorted(described, key=lambda one: one.instrument.conid)
    ]


async def upsert_account_values(
    connection: Writer, values: Iterable[tuple[AccountValueReported, int]]
) -> list[tuple[str, str, str, str, datetime]]:
    """Store values with their epoch; returns those that were newer, with their time."""
    rows = sorted(
        (fact.account, fact.key, fact.currency, fact.value, fact.received_at, epoch) for fact, epoch in values
    )
    stored = [tuple(row) for row in await _upsert_values(connection, rows)]
    bases = sorted({(row[0], row[2]) for row in stored if row[1] == BASE_CURRENCY_KEY and row[2]})
    await _set_base_currency(connection, bases)
    return stored


async def upsert_pnl(connection: Writer, ticks: Iterable[PnlReported]) -> None:
    """Store the accounts' profit and loss."""
    rows = [
        (tick.account, tick.daily_pnl, tick.unrealized_pnl, tick.realized_pnl, tick.received_at)
        for tick in sorted(ticks, key=lambda tick: tick.account)
    ]
    await _upsert_pnl(connection, rows)


async def upsert_marks(connection: Writer, ticks: Iterable[MarkReported]) -> None:
    """Store marks."""
    rows = [
        (
            tick.account,
            tick.conid,
            tick.quantity,
            tick.market_price,
            tick.market_value,
            tick.daily_pnl,
            tick.unrealized_pnl,
            tick.realized_pnl,
            # A price may be repeated from before where nothing else is told; its value is not.
            None if tick.market_value is None else tick.received_at,
            tick.received_at,
        )
        for tick in sorted(ticks, key=lambda tick: (tick.account, tick.conid))
    ]
    await _upsert_marks(connection, rows)
