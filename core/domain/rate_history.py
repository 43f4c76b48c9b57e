"""What currencies were worth in one of them, moment by moment, as far as that was told."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.domain.money import ZERO
from core.domain.pnl import EXACT

HOLDS_FOR: Final = timedelta(days=7)
"""A rate counts for so long, as for flows of statements: over weekends and the longest holidays."""

WhoTold: TypeAlias = Literal["snapshot", "statement", "last_known"]
"""``last_known``: what the broker told last, newer than any snapshot."""

_ONE: Final = Decimal(1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT: Final = timedelta(microseconds=1)
_HOLDS_FOR: Final = HOLDS_FOR // _MOMENT
_DIGITS: Final = Decimal("1E-20")


class ToldRate(NamedTuple):
    """What one unit of ``currency`` was worth in ``into`` at an instant; who told it, where that matters."""

    at: datetime
    currency: str
    into: str
    rate: Decimal
    source: WhoTold | None = None


class DatedRate(NamedTuple):
    """A rate into the currency of a history, and from when it is."""

    rate: Decimal
    as_of: datetime
    source: WhoTold | None


class ToldRates(NamedTuple):
    """What one unit of ``currency`` was worth in ``into``, time by time, in columns of one length.

    ``times`` are microseconds since 1970, oldest first; of one time the higher rate is last. All rates are
    above zero.
    """

    currency: str
    into: str
    times: NDArray[np.int64]
    rates: Sequence[Decimal]


class _Told(NamedTuple):
    times: NDArray[np.int64]
    rates: Sequence[Decimal]
    sources: Sequence[WhoTold | None]

    def at(self, place: int) -> DatedRate:
        """The one of this place."""
        as_of = _EPOCH + timedelta(microseconds=self.times[place].item())
        return DatedRate(self.rates[place], as_of, self.sources[place])


class RateHistory:
    """Rates into one currency: those that were told, and those out of it the other way round.

    Nothing is reckoned over a third currency, and nothing between two instants. Which of those that were told
    counts depends on what is asked: the last of the week before (``at``), the one nearest in time
    (``nearest``), or whatever there is, by its age (``told``).
    """

    def __init__(self, into: str, told: Iterable[ToldRate] = (), columns: Iterable[ToldRates] = ()) -> None:
        self.into = into
        by_currency: dict[str, list[_Told]] = {}
        for one in columns:
            if one.currency == one.into or not len(one.times):
                continue
            sources: Sequence[WhoTold | None] = [None] * len(one.times)
            if one.into == into:
                by_currency.setdefault(one.currency, []).append(_Told(one.times, one.rates, sources))
            elif one.currency == into:
                turned = _turned(one.times, one.rates, sources)
                by_currency.setdefault(one.into, []).append(turned)
        for currency, ones in _in_columns(into, told).items():
            by_currency.setdefault(currency, []).extend(ones)
        self._told = {currency: _merged(ones) for currency, ones in by_currency.items()}

    @property
    def currencies(self) -> Collection[str]:
        """Those of which anything was told."""
        return [currency for currency, known in self._told.items() if len(known.times)]

    def told(self, currency: str) -> Sequence[DatedRate]:
        """All that was told of a currency, oldest first."""
        known = self._told.get(currency)
        return () if known is None else tuple(known.at(place) for place in range(len(known.times)))

    def at(self, currency: str | None, moment: datetime) -> Decimal | None:
        """What one unit was worth at a moment, by the last rate of the week before; ``None``: not told."""
        return self.along(currency, np.array([_microseconds(moment)]))[0]

    def along(self, currency: str | None, moments: NDArray[np.int64]) -> list[Decimal | None]:
        """What one unit was worth at each of these moments, in microseconds since 1970: as ``at``."""
        if currency == self.into:
            return [_ONE] * len(moments)
        known = self._told.get(currency or "")
        if known is None or not len(known.times):
            return [None] * len(moments)
        places = np.searchsorted(known.times, moments, "right") - 1
        is_told = (places >= 0) & (moments - known.times[places] <= _HOLDS_FOR)
        return [
            known.rates[place] if one else None
            for place, one in zip(places.tolist(), is_told.tolist(), strict=True)
        ]

    def nearest(self, currency: str, moment: datetime) -> DatedRate | None:
        """The rate that was told nearest to a moment, at most a week from it; of two as near the earlier."""
        known = self._told.get(currency)
        if known is None or not len(known.times):
            return None
        place = int(np.searchsorted(known.times, _microseconds(moment), "left"))
        around = [known.at(one) for one in range(max(place - 1, 0), min(place + 1, len(known.times)))]
        best = min(around, key=lambda one: abs(one.as_of - moment))
        return best if abs(best.as_of - moment) <= HOLDS_FOR else None


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MOMENT


def _in_columns(into: str, told: Iterable[ToldRate]) -> dict[str, list[_Told]]:
    straight: dict[str, list[ToldRate]] = {}
    backward: dict[str, list[ToldRate]] = {}
    for one in told:
        if one.rate <= ZERO or one.currency == one.into:
            continue
        if one.into == into:
            straight.setdefault(one.currency, []).append(one)
        elif one.currency == into:
            backward.setdefault(one.into, []).append(one)
    found: dict[str, list[_Told]] = {}
    for is_turned, by_currency in ((False, straight), (True, backward)):
        for currency, ones in by_currency.items():
            columns = (
                np.array([_microseconds(one.at) for one in ones], dtype=np.int64),
                [one.rate for one in ones],
                [one.source for one in ones],
            )
            found.setdefault(currency, []).append(_turned(*columns) if is_turned else _Told(*columns))
    return found


def _turned(times: NDArray[np.int64], rates: Sequence[Decimal], sources: Sequence[WhoTold | None]) -> _Told:
    """The other way round; what is too small to be told then is left out."""
    with localcontext(EXACT):
        turned = [(_ONE / rate).quantize(_DIGITS) for rate in rates]
    places = [place for place, rate in enumerate(turned) if rate]
    return _Told(times[places], [turned[place] for place in places], [sources[place] for place in places])


def _merged(ones: Sequence[_Told]) -> _Told:
    """All of them, oldest first, of one time the higher rate last."""
    times = np.concatenate([one.times for one in ones])
    rates = [rate for one in ones for rate in one.rates]
    sources = [source for one in ones for source in one.sources]
    apart = np.diff(times)
    is_same = np.flatnonzero(apart == 0).tolist()
    # Nearly always told in order.
    if (apart < 0).any() or any(rates[place] > rates[place + 1] for place in is_same):
        numbers = times.tolist()
        order = sorted(range(len(rates)), key=lambda place: (numbers[place], rates[place]))
        times = times[order]
        rates, sources = [rates[place] for place in order], [sources[place] for place in order]
    return _Told(times, rates, sources)
