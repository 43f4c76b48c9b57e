"""Performance, reckoned from what is stored and stored beside it: of hours as they come, of days, and anew.

Services that learn something of a time that was reckoned already say so (``want_renewal``); what is to be
reckoned anew then stands in a table, and is done by whoever takes snapshots.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from core.domain.days import day_of
from core.domain.hours import Stated, hourly_performance, stated_days
from core.domain.performance import Contribution, DayFlow, DayValue, as_contributed, daily_performance
from core.domain.rolled import RolledDay, one_value_a_day, realized_since, what_came
from models.queries import hours as queries
from models.queries import performance as stated_queries
from models.session import Writer
from models.stores.performance import (
    end_renewal,
    note_extremes,
    one_at_a_time,
    store_days,
    store_hours,
    take_up_renewal,
    want_renewal,
)
from models.stores.statement_differences import read_whole_tables

HOURS_AT_ONCE: Final = 2_000
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT: Final = timedelta(microseconds=1)
_AN_HOUR: Final = timedelta(hours=1)
_AROUND: Final = timedelta(days=2)
"""A flow that is stated counts where cash shows it, up to a day off: so far back hours may change."""
_BEFORE: Final = timedelta(days=5)
"""So far back it is looked for what hours that may change have in their cash."""
_WAITING: Final = 50
"""So many hours at most wait for their cash; after more of them it is left to the renewal."""
_IN_PASSING: Final = timedelta(days=2)
"""What is to be reckoned anew from further back is not done while a snapshot is taken."""


class _Told(NamedTuple):
    """Everything that is told of an account's days. ``base`` is its currency."""

    base: str | None
    values: list[DayValue]
    rolled: list[RolledDay]
    flows: list[DayFlow]
    contributions: list[Contribution]
    stated: Stated


async def reckon_hour(writer: Writer, account: str, hour: datetime) -> None:
    """Reckon the hour that was just stored, from the one before it, or leave it to the renewal.

    It takes the same time however long the history is.
    """
    await one_at_a_time(writer, account)
    since = hour - _MOMENT
    facts = await queries.facts_of_hours(writer, account, since, most=_WAITING)
    standing = facts.standing
    if standing is not None:
        late = await queries.late_since(writer, account, standing)
        if late is not None:
            since = min(since, late - _AN_HOUR)
    is_simple = (
        facts.hours[-1].ts == hour
        and since > hour - _IN_PASSING
        and not await queries.is_stated_since(writer, account, day_of(since))
    )
    if is_simple:
        if since < hour - _MOMENT:
            facts = await queries.facts_of_hours(writer, account, since, most=HOURS_AT_ONCE)
        rows = hourly_performance(facts.standing, facts.hours, facts.trades, facts.moved, Stated())
        await store_hours(writer, account, rows)
    # Whether or not it was reckoned: what a long history is drawn by is complete at once.
    await note_extremes(writer, account, {since + _MOMENT, hour})
    ends_a_day = day_of(hour) != day_of(hour - _MOMENT)
    is_next_day = standing is not None and standing.hour.day != day_of(hour - _MOMENT)
    if not is_simple or ends_a_day or is_next_day:
        await want_renewal(writer, {account: since})


async def renew(writer: Writer, account: str, now: datetime) -> bool:
    """Reckon what is to be reckoned anew of an account; false where there is nothing, or not now.

    A long history is done part by part: true says that this was one, and not whether it was the last.
    """
    await one_at_a_time(writer, account)
    since = await take_up_renewal(writer, account)
    if since is None:
        return False
    told = await _told(writer, account, now)
    since = max(since, _EARLIEST)
    # However many of them come before: each part goes on from where the last one ended.
    most = HOURS_AT_ONCE + _BEFORE // _AN_HOUR
    facts = await queries.facts_of_hours(writer, account, since - _BEFORE, most=most)
    linked = await queries.linked_at(writer, account, since - _AROUND)
    rows = hourly_performance(facts.standing, facts.hours, facts.trades, facts.moved, told.stated, linked)
    await store_hours(writer, account, rows)
    await note_extremes(writer, account, {row.ts for row in rows})
    if len(facts.hours) == most:
        await end_renewal(writer, account, go_on=rows[-1].ts)
        return True
    await _store_days(writer, account, await _told(writer, account, now))
    await end_renewal(writer, account)
    return True


async def reckon_days(writer: Writer, account: str, now: datetime) -> None:
    """Reckon the days of an account anew, of what statements tell and what was reckoned of hours."""
    await one_at_a_time(writer, account)
    await _store_days(writer, account, await _told(writer, account, now))


async def _told(writer: Writer, account: str, now: datetime) -> _Told:
    base = await stated_queries.base_currency_of(writer, account)
    stated = await stated_queries.stated_values_of(writer, account, base)
    contributions = await stated_queries.stated_contributions_of(writer, account)
    rolled = await queries.rolled_days_of(writer, account, day_of(now))
    values = one_value_a_day(stated, rolled)
    told = await stated_queries.stated_flows_of(writer, account, base)
    flows = as_contributed(values, told, contributions) if values else told
    items = await stated_queries.each_stated_flow_of(writer, account, base)
    days = stated_days(values, flows, contributions, items)
    return _Told(base, stated, rolled, flows, contributions, days)


async def _store_days(writer: Writer, account: str, told: _Told) -> None:
    values = one_value_a_day(told.values, told.rolled)
    came = what_came(values, told.rolled, told.flows, told.stated.covered)
    stated = {value.day for value in values if value.source == "statement"}
    beside = {one.value.day: one.value for one in told.rolled if one.value.day in stated}
    realized: Mapping[date, Decimal | None] = {}
    if stated:
        await read_whole_tables(writer)
        realized = realized_since(
            [value.day for value in values],
            await stated_queries.realized_by_day(writer, account, told.base),
            await stated_queries.periods_told(writer, account),
        )
    await store_days(writer, account, list(daily_performance(values, came, beside)), realized)
