"""Prices of the past: random walks that are pinned to what is known."""

import math
import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

from services.simulator.instruments import Instrument

_DAILY_PART = 60.0
"""By how much a day moves a price more than a tick of the live market does."""
_YEARLY_GROWTH = 0.09
_DAYS_A_YEAR = 252


def walk(
    instrument: Instrument, days: int, pins: Mapping[int, Decimal], rng: random.Random
) -> Sequence[Decimal]:
    """A price for each of ``days``, exactly that of ``pins`` where there is one; there must be one at least.

    Between two pins the walk is bridged: what it misses the second by is taken off along the way.
    """
    sigma = min(instrument.volatility, 0.0006) * _DAILY_PART
    moves = [rng.gauss(0.0, sigma) for _ in range(days)]
    logs = [0.0] * days
    places = sorted(pins)
    first, last = places[0], places[-1]
    logs[first] = math.log(pins[first])
    growth = 0.0 if instrument.sec_type in {"CASH", "OPT"} else _YEARLY_GROWTH / _DAYS_A_YEAR
    for place in range(first - 1, -1, -1):
        logs[place] = logs[place + 1] - growth + moves[place]
    for start, end in pairwise(places):
        _bridge(logs, moves, start, end, math.log(pins[end]))
    for place in range(last + 1, days):
        logs[place] = logs[place - 1] + growth + moves[place]
    prices = [instrument.on_tick(Decimal(math.exp(value))) for value in logs]
    for place, price in pins.items():
        prices[place] = price
    return prices


def _bridge(logs: list[float], moves: Sequence[float], start: int, end: int, target: float) -> None:
    for place in range(start + 1, end + 1):
        logs[place] = logs[place - 1] + moves[place]
    missed = (target - logs[end]) / (end - start)
    for place in range(start + 1, end + 1):
        logs[place] += missed * (place - start)
