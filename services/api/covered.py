"""Of which days statements tell, and between which they do not. Pure: values in, values out."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

import numpy as np

from models.queries.statements import CoveredDays
from services.api.schemas.statements import StatementCoverage, StatementGap

MOST_GAPS: Final = 100
_DAY: Final = timedelta(days=1)


def coverage_of(account: str, spans: Sequence[CoveredDays]) -> StatementCoverage:
    """What the spans of an account, oldest first and apart from each other, come to."""
    gaps = [*_gaps(spans)]
    return StatementCoverage(
        account=account,
        statements=spans[0].statements if spans else 0,
        first_day=spans[0].first_day if spans else None,
        last_day=spans[-1].last_day if spans else None,
        days_covered=sum((one.last_day - one.first_day).days + 1 for one in spans),
        gaps_found=len(gaps),
        gaps=tuple(gaps[: -MOST_GAPS - 1 : -1]),
    )


def _gaps(spans: Iterable[CoveredDays]) -> Iterable[StatementGap]:
    for before, after in pairwise(spans):
        first, last = before.last_day + _DAY, after.first_day - _DAY
        if _has_weekday(first, last):
            yield StatementGap(first_day=first, last_day=last, days=(last - first).days + 1)


def _has_weekday(first: date, last: date) -> bool:
    return bool(np.busday_count(first, last + _DAY) > 0)
