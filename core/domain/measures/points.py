"""What accounts were worth, point by point: kept in columns, for a long series has a hundred thousand points.

A column is reckoned with in a few passes, where a hundred thousand objects would take seconds and keep the
garbage collector busy besides. Who asks for a point gets one, made for him.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from core.domain.money import ZERO
from core.domain.performance import Resolution

Amounts: TypeAlias = list[Decimal | None]
Floats: TypeAlias = NDArray[np.float64]
Numbers: TypeAlias = NDArray[np.int64]

MICROSECONDS: Final = 1_000_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY: Final = date(1970, 1, 1).toordinal()
_AT_ONCE: Final = 1_000
_DAY_SECONDS: Final = 86_400.0
_MOMENT: Final = timedelta(microseconds=1)


class Point(NamedTuple):
    """What an account was worth at an instant (aware), or at the end of a day, in one currency.

    ``contribution`` is what the owner brought less what he took since the point before. ``None``: not known.
    ``gross`` is the value of all holdings, shorts taken as positive; of it and of ``cash`` nothing but ratios
    is made. A point that was valued or placed by our own reckoning is ``estimated``.
    """

    at: date
    net_liquidation: Decimal | None
    contribution: Decimal | None = ZERO
    cash: Decimal | float | None = None
    gross: Decimal | float | None = None
    estimated: bool = False


class Instants(Sequence[datetime]):
    """Times by their seconds since 1970, whole ones; a time in UTC is made of one when it is asked for."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: Numbers) -> None:
        self.seconds = seconds

    def __len__(self) -> int:
        return len(self.seconds)

    @overload
    def __getitem__(self, place: int) -> datetime: ...
    @overload
    def __getitem__(self, place: slice) -> "Instants": ...
    def __getitem__(self, place: int | slice) -> "datetime | Instants":
        if isinstance(place, slice):
            return Instants(self.seconds[place])
        return _EPOCH + timedelta(seconds=self.seconds[place].item())

    def __iter__(self) -> Iterator[datetime]:
        return (_EPOCH + timedelta(seconds=one) for one in self.seconds.tolist())


@dataclass(frozen=True, slots=True, eq=False)
class Points(Sequence[Point]):
    """Points as columns of one length; equal to any sequence of the same points.

    Of parts of ratios there are floats, NaN where they are not known.
    """

    at: Sequence[date]
    net_liquidation: Amounts
    contribution: Amounts
    cash: Floats
    gross: Floats
    estimated: list[bool]

    @classmethod
    def of(cls, points: Iterable[Point]) -> "Points":
        """Those points; they themselves where they are in columns."""
        if isinstance(points, Points):
            return points
        at, values, came, cash, gross, estimated = [*zip(*points, strict=True)] or [()] * len(Point._fields)
        return cls([*at], [*values], [*came], floats_of(cash), floats_of(gross), [*estimated])

    def __len__(self) -> int:
        return len(self.net_liquidation)

    @overload
    def __getitem__(self, place: int) -> Point: ...
    @overload
    def __getitem__(self, place: slice) -> "Points": ...
    def __getitem__(self, place: int | slice) -> "Point | Points":
        if isinstance(place, slice):
            return Points(
                self.at[place],
                self.net_liquidation[place],
                self.contribution[place],
                self.cash[place],
                self.gross[place],
                self.estimated[place],
            )
        return Point(
            self.at[place],
            self.net_liquidation[place],
            self.contribution[place],
            _known(self.cash[place]),
            _known(self.gross[place]),
            self.estimated[place],
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(_are_equal, self, other))

    __hash__ = None  # type: ignore[assignment]  # it is as changeable as its columns

    def at_places(self, places: NDArray[np.intp]) -> "Points":
        """Those of these places, in their order."""
        if len(places) == len(self) and (places == np.arange(len(self))).all():
            return self
        chosen = places.tolist()
        return Points(
            take(self.at, places),
            [self.net_liquidation[one] for one in chosen],
            [self.contribution[one] for one in chosen],
            self.cash[places],
            self.gross[places],
            [self.estimated[one] for one in chosen],
        )


def _known(part: np.float64) -> float | None:
    return None if np.isnan(part) else part.item()


def _are_equal(one: object, other: object) -> bool:
    return one == other


def take(at: Sequence[date], places: NDArray[np.intp]) -> Sequence[date]:
    """The times of these places, in their order."""
    return Instants(at.seconds[places]) if isinstance(at, Instants) else [at[one] for one in places.tolist()]


def floats_of(amounts: Sequence[Decimal | float | None]) -> Floats:
    """NaN for what is not known. Part by part, so that other threads, such as an event loop, do not wait."""
    floats: Floats = np.empty(len(amounts), dtype=np.float64)
    for first in range(0, len(amounts), _AT_ONCE):
        floats[first : first + _AT_ONCE] = amounts[first : first + _AT_ONCE]
    return floats


def instant_of(at: date, resolution: Resolution) -> float:
    """A time in seconds since 1970; a day counts as a whole, so that only spans of days mean something."""
    if resolution == "hour" and isinstance(at, datetime):
        return at.timestamp()
    return _DAY_SECONDS * (at.toordinal() - _FIRST_DAY)


def instants_of(at: Sequence[date], resolution: Resolution) -> Floats:
    """Those of all of them."""
    if isinstance(at, Instants):
        return at.seconds.astype(np.float64)
    return np.array([instant_of(one, resolution) for one in at], dtype=np.float64)


def moments_of(at: Iterable[datetime]) -> Numbers:
    """Times in microseconds since 1970, exactly."""
    if isinstance(at, Instants):
        return at.seconds * MICROSECONDS
    return np.array([(one - _EPOCH) // _MOMENT for one in at], dtype=np.int64)


def numbers_of(at: Sequence[date]) -> Numbers:
    """Times that tell their order and which are the same, exactly: of instants, or of days."""
    if isinstance(at, Instants):
        return moments_of(at)
    instants = [one for one in at if isinstance(one, datetime)]
    if len(instants) == len(at):
        return moments_of(instants)
    return np.array([one.toordinal() for one in at], dtype=np.int64)


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Each of these once, in order: quicker than ``np.unique`` where they are nearly sorted."""
    ordered = np.sort(values, kind="stable")
    is_new = np.ones(len(ordered), dtype=np.bool_)
    is_new[1:] = ordered[1:] != ordered[:-1]
    return ordered[is_new]


def resolution_of(at: Sequence[date]) -> Resolution:
    """Whether these are days or instants; days where there are none.

    Raises:
        ValueError: out of order, twice for a day, days mixed with instants, or times without a zone.
    """
    if isinstance(at, Instants):
        _require(at, at.seconds[1:] >= at.seconds[:-1])
        return "hour" if len(at) else "day"
    kinds = {isinstance(one, datetime) for one in at}
    if len(kinds) > 1:
        raise ValueError("a series is of days or of instants, not of both")
    if any(isinstance(one, datetime) and one.tzinfo is None for one in at):
        raise ValueError("an instant needs its zone")
    numbers = numbers_of(at)
    is_hourly = True in kinds
    _require(at, numbers[1:] >= numbers[:-1] if is_hourly else numbers[1:] > numbers[:-1])
    return "hour" if is_hourly else "day"


def _require(at: Sequence[date], is_after: NDArray[np.bool_]) -> None:
    if not is_after.all():
        place = int(is_after.argmin())
        raise ValueError(f"points are told oldest first, and one a day: {at[place + 1]} after {at[place]}")
