"""Cash as statements state it: balances, what moved them, and rates.

Where several statements state the same, the one that was written last counts.
"""

from datetime import date, datetime
from decimal import Decimal
from operator import eq, ge, lt
from typing import NamedTuple

from sqlalchemy import and_, exists, or_, select, tuple_

from core.domain.stated import CashKind
from models.queries.narrowing import narrowed
from models.session import Reader
from models.standing import counts
from models.tables import cash_balances, cash_flows, fx_rates, imports


class BalanceKey(NamedTuple):
    """Where a balance stands in the list: newest first."""

    as_of: date
    account: str
    currency: str


class BalanceRow(NamedTuple):
    """Cash in one currency at the end of a day."""

    account: str
    currency: str
    as_of: date
    cash: Decimal
    settled_cash: Decimal | None
    starts_on: date | None
    starting_cash: Decimal | None
    trades: Decimal | None
    commissions: Decimal | None
    futures: Decimal | None
    flows: Decimal | None
    import_id: int


class FlowKey(NamedTuple):
    """Where a flow stands in the list: newest first."""

    at: datetime
    flow_key: str


class FlowRow(NamedTuple):
    """Money that came or went, other than by trades in instruments."""

    flow_key: str
    account: str
    kind: CashKind
    external: bool
    at: datetime
    reported_on: date | None
    amount: Decimal
    currency: str
    fx_rate_to_base: Decimal | None
    conid: int | None
    symbol: str
    transaction_id: str
    description: str
    import_id: int


class RateKey(NamedTuple):
    """Where a rate stands in the list: newest first."""

    as_of: date
    currency: str
    into_currency: str


class RateRow(NamedTuple):
    """What one unit of ``currency`` was worth in ``into_currency`` at the end of a day."""

    currency: str
    into_currency: str
    as_of: date
    rate: Decimal
    import_id: int


async def balances_page(
    reader: Reader,
    *,
    account: str | None = None,
    currency: str | None = None,
    since: date | None = None,
    until: date | None = None,
    latest: bool = False,
    after: BalanceKey | None = None,
    limit: int,
) -> list[BalanceRow]:
    """At most ``limit`` balances after ``after``; ``latest``: the newest of each account and currency."""
    table = cash_balances.c
    query = (
        select(*(table[name] for name in BalanceRow._fields))
        .where(counts(cash_balances, ("account", "currency", "as_of")))
        .order_by(table.as_of.desc(), table.account.desc(), table.currency.desc())
        .limit(limit)
    )
    if latest:
        newer, own = cash_balances.alias("newer"), imports.alias("newer_import")
        bounds = [] if until is None else [newer.c.as_of < until]
        query = query.where(
            ~exists(newer.c.id)
            .select_from(newer.join(own, and_(own.c.id == newer.c.import_id, own.c.status == "done")))
            .where(
                newer.c.account == table.account,
                newer.c.currency == table.currency,
                newer.c.as_of > table.as_of,
                *bounds,
            )
            .correlate(cash_balances)
        )
    query = narrowed(
        query,
        (table.account, eq, account),
        (table.currency, eq, currency),
        (table.as_of, ge, since),
        (table.as_of, lt, until),
        (tuple_(table.as_of, table.account, table.currency), lt, after),
    )
    return [BalanceRow._make(row) for row in await reader.execute(query)]


async def flows_page(
    reader: Reader,
    *,
    account: str | None = None,
    currency: str | None = None,
    kind: CashKind | None = None,
    external: bool | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: FlowKey | None = None,
    limit: int,
) -> list[FlowRow]:
    """At most ``limit`` flows after ``after``, newest first."""
    table = cash_flows.c
    query = (
        select(*(table[name] for name in FlowRow._fields))
        .where(counts(cash_flows, ("flow_key",)))
        .order_by(table.at.desc(), table.flow_key.desc())
        .limit(limit)
    )
    query = narrowed(
        query,
        (table.account, eq, account),
        (table.currency, eq, currency),
        (table.kind, eq, kind),
        (table.external, eq, external),
        (table.at, ge, since),
        (table.at, lt, until),
        (tuple_(table.at, table.flow_key), lt, after),
    )
    return [FlowRow._make(row) for row in await reader.execute(query)]


async def rates_page(
    reader: Reader,
    *,
    currency: str | None = None,
    since: date | None = None,
    until: date | None = None,
    after: RateKey | None = None,
    limit: int,
) -> list[RateRow]:
    """At most ``limit`` rates of or into ``currency`` after ``after``, newest first."""
    table = fx_rates.c
    either = [] if currency is None else [or_(table.currency == currency, table.into_currency == currency)]
    query = (
        select(*(table[name] for name in RateRow._fields))
        .where(counts(fx_rates, ("currency", "into_currency", "as_of")), *either)
        .order_by(table.as_of.desc(), table.currency.desc(), table.into_currency.desc())
        .limit(limit)
    )
    query = narrowed(
        query,
        (table.as_of, ge, since),
        (table.as_of, lt, until),
        (tuple_(table.as_of, table.currency, table.into_currency), lt, after),
    )
    return [RateRow._make(row) for row in await reader.execute(query)]
