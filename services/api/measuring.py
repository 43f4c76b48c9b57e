"""From a question about measures to its answer: what is read, in which order, and what takes a thread."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import localcontext
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from core.domain.benchmarks import Level
from core.domain.days import day_of, end_of
from core.domain.measures.conversion import converted, ends_of
from core.domain.measures.groups import together
from core.domain.measures.points import Points
from core.domain.measures.recorded import (
    currency_of,
    points_of,
    source_of_last,
    with_its_beginning,
    without_untold_end,
)
from core.domain.measures.returns import index_returns
from core.domain.measures.series import AccountSeries, account_series
from core.domain.performance import Quality, Resolution, Source
from core.domain.pnl import EXACT
from core.domain.rate_history import RateHistory, ToldRates
from models.queries.accounts import closed_on
from models.queries.benchmarks import currency_of_benchmark, levels_between
from models.queries.measured_series import (
    FIRST,
    LAST,
    AccountRows,
    PairRates,
    rates_between,
    recorded,
    rows_of,
    told_rates,
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
_AT_ONCE: Final = 1_000


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
    points: Points
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
    base = await _base_of(reader, question.benchmark)
    return await _rest(reader, question, await _series_and_rates(reader, question), base)


async def _base_of(reader: Reader, benchmark: str | None) -> str | None:
    """The currency of a benchmark's levels; empty where that is not known."""
    if benchmark is None:
        return None
    base = await currency_of_benchmark(reader, benchmark)
    if base is None:
        raise not_found(
            "benchmark_not_found",
            "There is no such benchmark. GET /api/v1/benchmarks lists them; `lotkeeper benchmark import` "
            "brings one.",
        )
    return base


async def find_history(reader: Reader, question: Question) -> Found:
    """Read what a series is made of and, where one is asked for, the benchmark beside it.

    Raises:
        ProblemError: the benchmark is not known, or the accounts have no currency in common.
    """
    base = await _base_of(reader, question.benchmark)
    found, rates = await _series_and_rates(reader, question)
    if question.benchmark is None or not found.series.valued:
        return found
    levels = await _levels(reader, question.benchmark, found.series)
    ends = [ends_of(one.at) for one in (found.series.valued[0], found.series.valued[-1])]
    pairs = await _rates(reader, found.currency, {base or ""}, "day", ends)
    history = await asyncio.to_thread(lambda: _history(found.currency, [*rates, *_told_rates(pairs)]))
    against = await asyncio.to_thread(_against, question.benchmark, base or None, levels, history)
    return found._replace(benchmark=against)


async def _levels(reader: Reader, benchmark: str, series: AccountSeries) -> list[Level]:
    last = ends_of(series.valued[-1].at)
    return await levels_between(reader, benchmark, series.first_day, day_of(last - _MOMENT))


async def find_series(reader: Reader, question: Question) -> Found:
    """Read what a series is made of, and nothing besides.

    Raises:
        ProblemError: the accounts have no currency in common.
    """
    return (await _series_and_rates(reader, question)).found


class _Series(NamedTuple):
    """A series, and the rates that it was converted with."""

    found: Found
    rates: list[ToldRates]


async def _series_and_rates(reader: Reader, question: Question) -> _Series:
    rows = await rows_of(
        reader, question.accounts, question.resolution, since=question.since, until=question.until
    )
    told = await asyncio.to_thread(_read, rows, question.since)
    # Where an account's rows do not tell, its currency is what its statements and the broker say.
    told = [
        one if one.currency else one._replace(currency=await base_currency_of(reader, one.account))
        for one in told
    ]
    if question.of_all:
        told = [one for one in told if one.points] or told
    currency = _currency(question, told)
    own = {one.currency for one in told if one.currency}
    times = [ends_of(at) for one in told for at in (*one.points.at[:1], *one.points.at[-1:])]
    pairs = await _rates(reader, currency, own, question.resolution, times)
    rates = await asyncio.to_thread(_told_rates, pairs)
    closed = await closed_on(reader, [one.account for one in told]) if len(told) > 1 else {}
    # Of one that was closed before there is nothing to tell; of others without points it is not known.
    there = [
        one for one in told if one.points or not _was_closed(closed.get(one.account), question.since)
    ] or told
    series = await asyncio.to_thread(_series, there, closed, currency, rates)
    return _Series(Found(told, currency, series, None, None, [], [], []), rates)


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


async def _rest(reader: Reader, question: Question, own: _Series, base: str | None) -> Found:
    """What has to be known besides the series, of the time that the series has."""
    found, series = own.found, own.found.series
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
        levels = await _levels(reader, question.benchmark, series)
    others = {one.currency for one in traded} | {one.currency for one in placed} | {base or ""}
    times = [*((first, last) if series.valued else ()), *(one.asof_ts for one in placed)]
    pairs = await _rates(reader, currency, others, "day", times)
    history = await asyncio.to_thread(lambda: _history(currency, [*own.rates, *_told_rates(pairs)]))
    against = None
    if question.benchmark is not None:
        against = await asyncio.to_thread(_against, question.benchmark, base or None, levels, history)
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
) -> list[PairRates]:
    """What these were worth in that currency, in the time that these are in: text, for a thread to read."""
    others = {*currencies} - {into, ""}
    if into is None or not others or not times:
        return []
    named = [into, *sorted(others)]
    return await rates_between(reader, named, resolution, since=min(times), until=max(times))


def _was_closed(on: date | None, before: datetime | None) -> bool:
    return on is not None and before is not None and end_of(on) <= before


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


def _read(rows: Sequence[AccountRows], since: datetime | None) -> list[Told]:
    found = []
    for one in rows:
        told = recorded(one)
        points = without_untold_end(points_of(told))
        begun = with_its_beginning(told, points)
        if since is None or not begun or ends_of(begun.at[0]) >= since:
            points = begun
        found.append(Told(one.account, currency_of(told), points, source_of_last(told, points)))
    return found


def let_go(held: list[Found]) -> None:
    """Forget part by part what answers were made of and nobody else has any more: a matter for a thread.

    Freed at once, what a long answer was made of keeps the event loop waiting meanwhile.
    """
    points = [points for one in held for points in (one.series.points, one.series.valued)]
    points += [account.points for one in held for account in one.told]
    gains = [[*one.series.gains] for one in held]
    held.clear()
    for one in points:
        _let_go_of(one)
    for each in gains:
        _let_go(each)


def _let_go_of(points: Points) -> None:
    for column in (points.net_liquidation, points.contribution):
        _let_go(column)


def _let_go(ones: list[Any]) -> None:
    """Empty a list part by part."""
    while ones:
        del ones[-_AT_ONCE:]


def _told_rates(pairs: Sequence[PairRates]) -> list[ToldRates]:
    return [told_rates(one) for one in pairs]


def _history(currency: str | None, rates: Sequence[ToldRates]) -> RateHistory | None:
    return None if currency is None else RateHistory(currency, columns=rates)


def _series(
    told: Sequence[Told], closed: Mapping[str, date], currency: str | None, rates: Sequence[ToldRates]
) -> AccountSeries:
    history = _history(currency, rates)
    each = [
        one.points
        if history is None or one.currency == currency
        else converted(one.points, one.currency, history)
        for one in told
    ]
    # Nobody has an account before the first connection.
    points = each[0] if len(each) == 1 else Points.of(())
    if len(each) > 1:
        points = together(each, [closed.get(one.account) for one in told])
    series = account_series(points, currency=currency)
    if len(each) > 1:
        for one, own in zip(each, told, strict=True):
            if one is not own.points:
                _let_go_of(one)
    return series


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
        first_at=ends_of(one.points.at[0]) if one.points else None,
        last_at=ends_of(one.points.at[-1]) if one.points else None,
    )
