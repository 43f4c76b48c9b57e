from datetime import date
from typing import Literal

from msgspec import Struct

from core.domain.stated import CashKind
from services.api.schemas.common import Amount, Freshness, Moment


class CashBalance(Struct, frozen=True, kw_only=True):
    """Cash in one currency at the end of a broker's day, as a statement states it.

    In ``BASE_SUMMARY`` it is all cash, in the account's base currency. What moved it since ``starts_on``,
    when ``starting_cash`` was there: what ``trades`` brought or cost, ``commissions``, what ``futures``
    settled day by day, and ``flows``, everything else; null where the statement does not say.
    """

    account: str
    currency: str
    as_of: date
    cash: Amount
    settled_cash: Amount | None
    starts_on: date | None
    starting_cash: Amount | None
    trades: Amount | None
    commissions: Amount | None
    futures: Amount | None
    flows: Amount | None
    source: Literal["statement"]
    import_id: int


class CashBalancePage(Struct, frozen=True, kw_only=True):
    """Cash balances, newest first."""

    items: tuple[CashBalance, ...]
    next_cursor: str | None
    freshness: Freshness


class CashFlow(Struct, frozen=True, kw_only=True):
    """Money that came (or, negative, went), other than by trades in instruments.

    ``external``: the owner brought or took it; all other kinds were earned, paid or converted within the
    account. A currency trade is two flows of kind ``conversion`` and its commission. ``reported_on`` is the
    broker's day in whose sums it is. ``fx_rate_to_base`` is what one unit was worth in the base currency.
    """

    id: str
    account: str
    kind: CashKind
    external: bool
    at: Moment
    reported_on: date | None
    amount: Amount
    currency: str
    fx_rate_to_base: Amount | None
    conid: int | None
    symbol: str
    transaction_id: str
    description: str
    source: Literal["statement"]
    import_id: int


class CashFlowPage(Struct, frozen=True, kw_only=True):
    """Flows of cash, newest first."""

    items: tuple[CashFlow, ...]
    next_cursor: str | None
    freshness: Freshness


class CurrencyRate(Struct, frozen=True, kw_only=True):
    """What one unit of ``currency`` was worth in ``into_currency`` at the end of a broker's day."""

    currency: str
    into_currency: str
    as_of: date
    rate: Amount
    source: Literal["statement"]
    import_id: int


class CurrencyRatePage(Struct, frozen=True, kw_only=True):
    """Rates of currencies, newest first."""

    items: tuple[CurrencyRate, ...]
    next_cursor: str | None
    freshness: Freshness
