"""Series for tests: of days (Monday 2024-01-01 is the first) and of hours."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from core.domain.measures.points import Point
from core.domain.measures.series import AccountSeries, account_series

FIRST = date(2024, 1, 1)
NOON = datetime(2024, 1, 2, 17, tzinfo=UTC)
"""Noon in New York."""

Amount = str | int | None


def amount(told: Amount) -> Decimal | None:
    return None if told is None else Decimal(told)


def on(day: int) -> date:
    return FIRST + timedelta(days=day)


def hour(number: int) -> datetime:
    return NOON + timedelta(hours=number)


def days(*told: tuple[Amount, Amount] | Amount, first: date = FIRST) -> AccountSeries:
    """Values day by day, each with what was contributed where that is not nothing."""
    return account_series(_points(told, [first + timedelta(days=number) for number in range(len(told))]))


def hours(*told: tuple[Amount, Amount] | Amount, first: datetime = NOON) -> AccountSeries:
    return account_series(_points(told, [first + timedelta(hours=number) for number in range(len(told))]))


def trading_days(count: int, first: date = FIRST) -> list[date]:
    every = (first + timedelta(days=number) for number in range(2 * count + 3))
    return [day for day in every if day.weekday() < 5][:count]


def earning(returns: Sequence[float], flows: Iterable[int] = (), start: int = 10_000) -> AccountSeries:
    """Days of trading that return this much, while their owner brings and takes that much."""
    worth, came = Decimal(start), [*flows]
    came += [0] * (len(returns) - len(came))
    points = []
    dates = trading_days(len(returns) + 1)
    points.append(Point(dates[0], worth))
    for day, earned, brought in zip(dates[1:], returns, came, strict=True):
        taken = min(Decimal(-min(brought, 0)), worth / 2)  # never all of it
        worth = ((worth + max(brought, 0)) * (1 + Decimal(repr(earned)))).quantize(Decimal("1E-15")) - taken
        points.append(Point(day, worth, Decimal(max(brought, 0)) - taken))
    return account_series(points)


def _points(told: Iterable[tuple[Amount, Amount] | Amount], at: Sequence[date]) -> list[Point]:
    points = []
    for when, one in zip(at, told, strict=True):
        worth, came = one if isinstance(one, tuple) else (one, 0)
        points.append(Point(when, amount(worth), amount(came)))
    return points
