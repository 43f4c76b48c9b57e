"""From a question about measures to its answer: what is read, in which order, and what takes a thread."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from decimal import localcontext
from http import HTTPStatus
from typing import Final, NamedTuple

from core.domain.benchmarks import Level
from core.domain.days import day_of
from core.domain.measures.conversion import converted, ends_of
from core.domain.measures.recorded import Recorded, currency_of, points_of, without_untold_end
from core.domain.measures.returns import index_returns
from core.domain.measures.series import AccountSeries, Point, account_series, group_series
from core.domain.performance import Quality, Resolution, Source
from core.domain.pnl import EXACT
from core.domain.rate_history import RateHistory, ToldRate
from models.queries.benchmarks import currency_of_benchmark, levels_between
from models.queries.measured_series import (
    FIRST,
    LAST,
    AccountRows,
    rates_between,
    recorded,
    rows_of,
)
from models.queries.performance import base_currency_of
from models.queries.placed import Placed, TradedValue, placed_at, traded_between
from models.queries.statistics import statistics_page
from models.session import Reader
from services.api import measures as of
from services.api.measures import Against, Closed
from services.api.problems import ProblemError, not_found
from services.api.schemas.common import Freshness
from services.api.schemas.measures import MeasuredAccount, Measures

_MOST_CURRENCIES: Final = 200
_MOMENT: Final = timedelta(microseconds=1)


class Question(NamedTuple):
    """What is asked. ``accounts`` are all, those of the group among them; ``risk_free`` is an annual rate.

    With ``of_all`` those of them count of which something is kept.
    """

    accounts: tuple[str, ...]
    of_all: bool
    group: str | None
    currency: str | None
    resolution: Resolution
    since: datetime | None
    until: datetime | None
    benchmark: str | None
    risk_free: float


class Told(NamedTuple):
    """What the rows of an account say, in the account's own currency; ``source`` told the last of them."""

    account: str
    currency: str | None
    points: list[Point]
    source: Source | None


class Found(NamedTuple):
    """All that measures are made of."""

    told: list[Told]
    currency: str | None
    series: AccountSeries
    rates: RateHistory | None
    benchmark: Against | None
    placed: list[Placed]
    traded: list[TradedValue]
    closed: list[Closed]

    @property
    def accounts(self) -> list[str]:
        """The accounts that count."""
        return [one.account for one in self.told]

    @property
    def as_of(self) -> datetime | None:
        """When the last value was."""
        return ends_of(self.series.valued[-1].at) if self.series.valued else None

    @property
    def is_kept(self) -> bool:
        """Whether a last value is a snapshot's."""
        return any(one.source == "snapshot" for one in self.told)


async def find(reader: Reader, question: Question) -> Found:
    """Read what a question needs, and make the series of it.

    Raises:
        ProblemError: the benchmark is not known, or the accounts have no currency in common.
    """
    base = None
    if question.benchmark is not None:
        base = await currency_of_benchmark(reader, question.benchmark)
        if base is None:
            raise not_found(
                "benchmark_not_found",
                "There is no such benchmark. GET /api/v1/benchmarks lists them; `lotkeeper benchmark import` "
                "brings one.",
            )
    rows = await rows_of(
        reader, question.accounts, question.resolution, since=question.since, until=question.until
    )
    told = await asyncio.to_thread(_read, rows)
    # Where an account's rows do not tell, its currency is what its statements and the broker say.
    told = [
        one if one.currency else one._replace(currency=await base_currency_of(reader, one.account))
        for one in told
    ]
    if question.of_all:
        told = [one for one in told if one.points] or told
    currency = _currency(question, told)
    own = {one.currency for one in told if one.currency}
    times = [ends_of(point.at) for one in told for point in (*one.points[:1], *one.points[-1:])]
    rates = await _rates(reader, currency, own, question.resolution, times)
    series = await asyncio.to_thread(_series, told, currency, rates)
    found = Found(told, currency, series, None, None, [], [], [])
    return await _rest(reader, question, found, rates, base)


def answer(found: Found, question: Question, freshness: Freshness) -> Measures:
    """The measures of what was found; of a long series a matter for a thread."""
    series = found.series
    quality: Quality = series.quality if len(series.valued) > 1 else "incomplete"
    return Measures(
        accounts=tuple(_account(one) for one in found.told),
        group=question.group,
        resolution=question.resolution,
        currency=found.currency,
        span=of.span(series),
        data_quality=quality,
        money=of.money(series),
        returns=of.returns(series),
        drawdown=of.drawdown(series),
        risk=of.risk(series, question.risk_free),
        benchmark=of.beside(series, found.benchmark, question.risk_free),
        days=of.days(series),
        closed_positions=of.closed_positions(found.closed),
        placement=of.placement(series, found.accounts, found.placed, found.traded, found.rates),
        years=of.years(series),
        freshness=freshness,
    )


async def _rest(
    reader: Reader, question: Question, found: Found, rates: list[ToldRate], base: str | None
) -> Found:
    """What has to be known besides the series, of the time that the series has."""
    series = found.series
    first = ends_of(series.valued[0].at) if series.valued else question.since or FIRST
    last = ends_of(series.valued[-1].at) if series.valued else question.until or LAST
    traded = await traded_between(reader, found.accounts, first, last) if series.valued else []
    placed = await placed_at(reader, found.accounts, question.until or LAST)
    held_in = {one.currency for one in placed}
    currency = found.currency or (held_in.pop() if len(held_in) == 1 else None)
    closed = [
        Closed(row.currency, row.outcomes)
        for account in found.accounts
        for row in await statistics_page(
            reader, grouping="account", account=account, since=first, until=last, limit=_MOST_CURRENCIES
        )
    ]
    levels: list[Level] = []
    if question.benchmark is not None and series.valued:
        levels = await levels_between(reader, question.benchmark, series.first_day, day_of(last - _MOMENT))
    others = {one.currency for one in traded} | {one.currency for one in placed} | {base or ""}
    times = [*((first, last) if series.valued else ()), *(one.asof_ts for one in placed)]
    rates += await _rates(reader, currency, others, "day", times)
    history = None if currency is None else RateHistory(currency, rates)
    against = None
    if question.benchmark is not None:
        against = _against(question.benchmark, base or None, levels, history)
    return found._replace(
        currency=currency,
        rates=history,
        benchmark=against,
        placed=placed,
        traded=traded,
        closed=closed,
    )


async def _rates(
    reader: Reader,
    into: str | None,
    currencies: Collection[str],
    resolution: Resolution,
    times: Collection[datetime],
) -> list[ToldRate]:
    """What these were worth in that currency, in the time that these are in."""
    others = {*currencies} - {into, ""}
    if into is None or not others or not times:
        return []
    return await rates_between(
        reader, [into, *sorted(others)], resolution, since=min(times), until=max(times)
    )


def _currency(question: Question, told: Sequence[Told]) -> str | None:
    """The currency that was asked for, or else the one of all accounts.

    Raises:
        ProblemError: they have several.
    """
    if question.currency is not None:
        return question.currency
    own = sorted({one.currency for one in told if one.currency})
    if len(own) > 1:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "currency_needed",
            f"These accounts are in several currencies ({', '.join(own)}): say with `currency=` in which one "
            "they are to be added, or ask for some of them.",
        )
    return own[0] if own else None


def _read(rows: Sequence[AccountRows]) -> list[Told]:
    found = []
    for one in rows:
        told = recorded(one)
        points = without_untold_end(points_of(told))
        found.append(Told(one.account, currency_of(told), points, _last_source(told, points)))
    return found


def _last_source(told: Sequence[Recorded], points: Sequence[Point]) -> Source | None:
    """Who told the last of the points."""
    return next((row.source for row in told if row.at == points[-1].at), None) if points else None


def _series(told: Sequence[Told], currency: str | None, rates: Sequence[ToldRate]) -> AccountSeries:
    history = None if currency is None else RateHistory(currency, rates)
    each = []
    for one in told:
        points = one.points
        if history is not None and one.currency != currency:
            points = converted(points, one.currency, history)
        each.append(account_series(points, currency=currency))
    return each[0] if len(each) == 1 else group_series(each)


def _against(name: str, base: str | None, levels: Sequence[Level], history: RateHistory | None) -> Against:
    """A benchmark's returns, in the currency of the accounts where its own is known."""
    if base is None or history is None or base == history.into:
        return Against(name, base, index_returns(levels))
    with localcontext(EXACT):
        turned = [
            (one.day, None if (rate := history.at(base, ends_of(one.day))) is None else one.level * rate)
            for one in levels
        ]
    return Against(name, history.into, index_returns(turned))


def _account(one: Told) -> MeasuredAccount:
    return MeasuredAccount(
        account=one.account,
        currency=one.currency,
        points=len(one.points),
        first_at=ends_of(one.points[0].at) if one.points else None,
        last_at=ends_of(one.points[-1].at) if one.points else None,
    )
