"""A measure that can be told, or the reason why it cannot: never a false zero, NaN or infinity."""

import math
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeAlias, TypeVar

T_co = TypeVar("T_co", covariant=True)

Reason: TypeAlias = Literal[
    "too_few_points",
    "incomplete_data",
    "negative_capital",
    "no_holdings",
    "no_variation",
    "no_loss",
    "under_a_year",
    "no_root",
    "several_roots",
    "out_of_range",
    "no_snapshot",
    "no_benchmark",
    "nothing_closed",
    "several_currencies",
]
"""Why a measure is unavailable; docs/reference/metrics.md says what each means."""

DAYS_PER_YEAR: Final = 365
"""ACT/365, as XIRR counts: one year for all that is stated by the year."""

SECONDS_PER_YEAR: Final = DAYS_PER_YEAR * 86_400


@dataclass(frozen=True, slots=True)
class Measured(Generic[T_co]):
    """A value, or ``None`` and the reason why there is none."""

    value: T_co | None
    reason: Reason | None = None


def unavailable(reason: Reason) -> Measured[T_co]:
    """What cannot be told, and why.

    >>> unavailable("no_loss")
    Measured(value=None, reason='no_loss')
    """
    return Measured(None, reason)


def ratio(number: float) -> Measured[float]:
    """A figure that was reckoned; one that is no number, or beyond all numbers, cannot be told."""
    return Measured(number) if math.isfinite(number) else Measured(None, "out_of_range")


@dataclass(frozen=True, slots=True)
class PeriodReturn:
    """A return, as a fraction: by the year where ``is_annualised``, else of the whole time.

    Less than a year is never stated by the year (GIPS 2020, 2.A.14): it would promise what nobody has seen.
    """

    value: float
    is_annualised: bool


def by_the_year(growth: float, seconds: float) -> Measured[PeriodReturn]:
    """What one unit came to in a time, as a return by the year, or of that time where it is shorter.

    >>> by_the_year(1.21, 2 * SECONDS_PER_YEAR).value
    PeriodReturn(value=0.10000000000000009, is_annualised=True)
    """
    if seconds < SECONDS_PER_YEAR:
        found = ratio(growth - 1)
    elif growth < 0:
        return unavailable("negative_capital")  # more than all was lost: no rate does that
    else:
        found = ratio(growth ** (SECONDS_PER_YEAR / seconds) - 1)
    if found.value is None:
        return Measured(None, found.reason)
    return Measured(PeriodReturn(found.value, seconds >= SECONDS_PER_YEAR))
