"""Cash and currencies."""

from datetime import date, datetime
from decimal import Decimal

from msgspec import Struct


class CashBalance(Struct, frozen=True, kw_only=True):
    """Cash in one currency at the end of a broker's day, as a statement states it."""

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
    source: str
    import_id: int


class CashFlow(Struct, frozen=True, kw_only=True):
    """Money that came (or, negative, went), other than by trades in instruments."""

    id: str
    account: str
    kind: str
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
    source: str
    import_id: int


class CurrencyRate(Struct, frozen=True, kw_only=True):
    """What one unit of `currency` was worth in `into_currency` at the end of a broker's day."""

    currency: str
    into_currency: str
    as_of: date
    rate: Decimal
    source: str
    import_id: int
