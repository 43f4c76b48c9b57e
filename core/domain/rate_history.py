"""What currencies were worth in one of them, moment by moment, as far as that was told."""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from core.domain.money import ZERO
from core.domain.pnl import EXACT

HOLDS_FOR: Final = timedelta(days=7)
"""A rate counts for so long, as for flows of statements: over weekends and the longest holidays."""

_ONE: Final = Decimal(1)
_DIGITS: Final = Decimal("1E-20")


class ToldRate(NamedTuple):
    """What one unit of ``currency`` was worth in ``into`` at an instant."""

    at: datetime
    currency: str
    into: str
    rate: Decimal


class RateHistory:
    """Rates into one currency: those that were told, and those out of it the other way round.

    Nothing is reckoned over a third currency, and nothing between two instants: the last one told counts.
    """

    def __init__(self, into: str, told: Iterable[ToldRate]) -> None:
        self.into = into
        by_currency: dict[str, list[tuple[datetime, Decimal]]] = {}
        for one in told:
            if one.rate <= ZERO or one.currency == one.into:
                continue
            if one.into == into:
                by_currency.setdefault(one.currency, []).append((one.at, one.rate))
            elif one.currency == into:
                turned = EXACT.quantize(EXACT.divide(_ONE, one.rate), _DIGITS)
                if turned:
                    by_currency.setdefault(one.into, []).append((one.at, turned))
        self._told = {
            currency: ([at for at, _ in known], [rate for _, rate in known])
            for currency, known in ((name, sorted(rates)) for name, rates in by_currency.items())
        }

    def at(self, currency: str | None, moment: datetime) -> Decimal | None:
        """What one unit was worth at a moment, by the last rate of the week before; ``None``: not told."""
        if currency == self.into:
            return _ONE
        times, rates = self._told.get(currency or "", ([], []))
        place = bisect_right(times, moment) - 1
        if place < 0 or moment - times[place] > HOLDS_FOR:
            return None
        return rates[place]
