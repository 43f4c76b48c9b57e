"""Measures of ten years of hours (87,600 points), beside the least that numpy has to do for the same figures.

The floor has returns as a bare array, without flows, days or anything unknown: a running product, its running
maximum, a mean and a deviation, and a rolling deviation by running sums. Ours starts from a series that was
built once, which is timed apart. Money-weighted returns are beside ``pyxirr`` with the payments at hand.
Times are this process's own, so that a busy machine changes them little.
``python -m bench.measures [POINTS]``
"""

import math
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray
from pyxirr import xirr

from bench.report import figure
from core.domain.measures.drawdowns import current_drawdown, drawdowns, maximum_drawdown
from core.domain.measures.money_weighted import money_weighted_return
from core.domain.measures.points import Point
from core.domain.measures.returns import period_returns, time_weighted_return
from core.domain.measures.risk import rolling_volatility, sharpe_ratio
from core.domain.measures.series import AccountSeries, account_series

ROUNDS = 40
WINDOW = 24 * 21
"""Hours of a month of trading."""
FLOW_EVERY = 730
"""Hours between contributions: once a month."""

Floats = NDArray[np.float64]


def points(count: int) -> list[Point]:
    """An account that drifts by a tenth of a percent an hour, with a flow a month."""
    chance = np.random.default_rng(3)
    start = datetime(2015, 1, 1, tzinfo=UTC)
    moves = chance.normal(5e-6, 1e-3, count).tolist()
    told: list[Point] = []
    worth = Decimal(100_000)
    for hour, move in enumerate(moves):
        came = (
            Decimal(chance.integers(-900, 1_100).item())
            if hour % FLOW_EVERY == FLOW_EVERY - 1
            else Decimal(0)
        )
        worth = (worth * (1 + Decimal(repr(move)))).quantize(Decimal("0.01")) + came
        told.append(Point(start + timedelta(hours=hour), worth, came, worth / 10, worth))
    return told


def bare(returns: Floats) -> tuple[float, ...]:
    """The same figures of an array of returns, and nothing else."""
    index = np.cumprod(1.0 + returns)
    below = index / np.maximum.accumulate(index) - 1.0
    deviation = returns.std(ddof=1)
    sums, squares = np.cumsum(returns), np.cumsum(np.square(returns))
    inside = sums[WINDOW:] - sums[:-WINDOW]
    rolling = np.sqrt((squares[WINDOW:] - squares[:-WINDOW] - inside * inside / WINDOW) / (WINDOW - 1))
    return (
        index[-1].item() - 1,
        below.min().item(),
        returns.mean().item() / deviation.item() * math.sqrt(252 * 24),
        rolling[-1].item(),
    )


def ours(series: AccountSeries) -> tuple[object, ...]:
    """Time-weighted return, drawdowns, Sharpe ratio and rolling volatility."""
    returns = period_returns(series)
    return (
        time_weighted_return(series),
        maximum_drawdown(series),
        sharpe_ratio(returns),
        rolling_volatility(returns, WINDOW),
    )


def milliseconds(work: Callable[[], object]) -> float:
    """The quickest of some rounds."""
    taken = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        taken.append((time.process_time() - started) * 1_000)
    return min(taken)


def main() -> None:
    told = points(int(sys.argv[1]) if len(sys.argv) > 1 else 87_600)
    started = time.process_time()
    series = account_series(told)
    building = (time.process_time() - started) * 1_000
    started = time.process_time()
    np.array([point.net_liquidation for point in told], dtype=np.float64)
    figure(f"series of {len(told):,} points, built", building, (time.process_time() - started) * 1_000, "ms")
    returns = series.growth[1:] - 1.0
    floor = milliseconds(lambda: bare(returns))
    flows = series.flows or ()
    times = [series.seconds[0], *(flow.seconds for flow in flows), series.seconds[-1]]
    days = ((np.array(times) - times[0]) // 3_600).astype("datetime64[D]")
    amounts = np.array([-series.worth[0], *(-flow.amount for flow in flows), series.worth[-1]], np.float64)
    figure(
        "ten worst drawdowns and the current one",
        milliseconds(lambda: (drawdowns(series, 10), current_drawdown(series))),
        floor,
        "ms",
    )
    figure(
        f"money-weighted return, {len(flows)} flows",
        milliseconds(lambda: money_weighted_return(series)),
        milliseconds(lambda: xirr(days, amounts)),
        "ms",
    )
    figure(
        "time-weighted return, drawdown, Sharpe ratio, rolling volatility",
        milliseconds(lambda: ours(series)),
        floor,
        "ms",
    )


if __name__ == "__main__":
    main()
