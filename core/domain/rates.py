"""What one currency is worth in another, from what the broker told of each in the account's base currency."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from core.domain.money import ZERO
from core.domain.pnl import EXACT, QUANTUM

EXCHANGE_RATE: Final = "ExchangeRate"
"""IBKR's account value, one for each currency: one unit of it in the account's base currency."""

OTHER_DAYS_RATE: Final = "ExchangeRate of another day"
"""Marks a rate that was all there was for what was charged on a day long before or after it."""

_ONE_DAY: Final = timedelta(days=1)

_MOST_DIGITS: Final = 15
"""Before the point, or naughts behind it: no two currencies lie so far apart."""


class BaseRate(NamedTuple):
    """One unit of a currency in the account's base currency. The base currency itself has no ``as_of``."""

    value: Decimal
    as_of: datetime | None


class Rate(NamedTuple):
    """One unit of a currency in another, as of the newer of the two words that it was made of."""

    value: Decimal
    as_of: datetime


def source_of(rate: Rate, charged_at: datetime) -> str:
    """What to note as the source of a rate that the broker told of late, for what was charged then."""
    return EXCHANGE_RATE if abs(rate.as_of - charged_at) <= _ONE_DAY else OTHER_DAYS_RATE


def cross_rate(rates: Mapping[str, BaseRate], of: str, into: str) -> Rate | None:
    """One unit of ``of`` in ``into``, rounded to ten decimal places; ``None`` while either is not known.

    >>> from datetime import UTC
    >>> at = datetime(2026, 1, 2, tzinfo=UTC)
    >>> told = {"EUR": BaseRate(Decimal(1), None), "USD": BaseRate(Decimal("0.8"), at)}
    >>> str(cross_rate(told, "EUR", "USD").value)
    '1.2500000000'
    """
    one, other = rates.get(of), rates.get(into)
    if one is None or other is None or not (_is_usable(one.value) and _is_usable(other.value)):
        return None
    times = [rate.as_of for rate in (one, other) if rate.as_of is not None]
    value = EXACT.quantize(EXACT.divide(one.value, other.value), QUANTUM)
    # Of what rounds to nothing, nothing is known.
    return Rate(value, max(times)) if times and value else None


def _is_usable(value: Decimal) -> bool:
    return value.is_finite() and value > ZERO and abs(value.adjusted()) < _MOST_DIGITS
