"""Returns on the money that was there: more of it, and for longer, counts more."""

from typing import Final

import numpy as np
from pyxirr import InvalidPaymentsError, xirr

from core.domain.measures.measured import (
    DAYS_PER_YEAR,
    Measured,
    PeriodReturn,
    Reason,
    by_the_year,
    ratio,
    unavailable,
)
from core.domain.measures.points import Floats
from core.domain.measures.series import AccountSeries, Flow

_UNIT_SECONDS: Final = {"day": 86_400.0, "hour": 3_600.0}
_LEEWAY: Final = 1e-9
_WIDEST_LOG_GROWTH: Final = 20.0
_STEPS: Final = 400


def money_weighted_return(series: AccountSeries) -> Measured[PeriodReturn]:
    """The rate at which what was brought comes to what was taken and what is left (XIRR).

    By the year, ACT/365, or of the whole time where it is under a year. A day's deposit counts from its
    start.
    """
    reason, flows = _flows(series)
    if reason:
        return unavailable(reason)
    # What the owner paid is below zero, what he got above it, and what is left as if he got it.
    ends = series.seconds[-1].item()
    payments = [(series.seconds[0].item(), -series.worth[0].item())]
    payments += [(flow.seconds, -np.float64(flow.amount).item()) for flow in flows]
    payments += [(ends, series.worth[-1].item())]
    payments = [(at, amount) for at, amount in payments if amount]
    if not payments:
        return unavailable("no_root")
    began = payments[0][0]
    units = _UNIT_SECONDS[series.resolution]
    times = np.rint((np.array([at for at, _ in payments]) - began) / units)
    # The library counts whole days: for it hours are days, and its year is as many hours as a year has days.
    # Shorter times are stretched to that year: a loss of a few days, by the year, would be rounded to all.
    times *= max(1.0, np.ceil(DAYS_PER_YEAR / max(times[-1].item(), 1.0)))
    amounts = np.array([amount for _, amount in payments])
    try:
        rate = xirr(times.astype("datetime64[D]"), amounts)
    except InvalidPaymentsError:
        rate = None
    if rate is None:
        return unavailable("no_root")
    if rate <= -1:
        return unavailable("out_of_range")
    years = times / DAYS_PER_YEAR
    if not _is_the_only_root(rate, years, amounts):
        return unavailable("several_roots")
    with np.errstate(over="ignore"):
        growth = np.power(1.0 + rate, years[-1]).item()
    return by_the_year(growth, ends - began)


def modified_dietz_return(series: AccountSeries) -> Measured[float]:
    """What was gained over what was there on average: the first value, and each flow for the time it was.

    Of the whole time, never by the year.
    """
    reason, flows = _flows(series)
    if reason:
        return unavailable(reason)
    ends = series.seconds[-1].item()
    there = series.worth[0].item()
    for flow in flows:
        there += np.float64(flow.amount).item() * (ends - flow.seconds) / series.span_seconds
    if there <= 0:
        return unavailable("negative_capital")
    gain = series.earned[1:].sum().item()
    return ratio(gain / there)


def _flows(series: AccountSeries) -> tuple[Reason | None, list[Flow]]:
    """When each flow began or ceased to be at work: a day's deposit at the end of the day before."""
    if series.span_seconds <= 0:
        return "too_few_points", []
    if series.flows is None:
        return "incomplete_data", []
    if series.resolution == "hour":
        return None, list(series.flows)
    day = _UNIT_SECONDS["day"]
    return None, [Flow(flow.seconds - day, flow.amount) if flow.amount > 0 else flow for flow in series.flows]


def _is_the_only_root(rate: float, years: Floats, amounts: Floats) -> bool:
    """Whether no other rate makes the payments worth nothing together.

    It is, if what is invested at this rate never changes its sign on the way (Soper 1959). Otherwise we look
    whether their worth changes its sign more than once over all growths that are less than e^20 either way.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        present = amounts * np.power(1.0 + rate, -years)
        invested = np.cumsum(present[np.argsort(years, kind="stable")])[:-1]
        leeway = _LEEWAY * np.abs(present).sum()
    if (invested <= leeway).all() or (invested >= -leeway).all():
        return True
    shares = years / years.max()
    logs = np.linspace(-_WIDEST_LOG_GROWTH, _WIDEST_LOG_GROWTH, _STEPS + 1).tolist()
    signs = np.sign([amounts @ np.exp(-log * shares) for log in logs])
    signs = signs[signs != 0.0]
    return int(np.count_nonzero(signs[1:] != signs[:-1])) <= 1
