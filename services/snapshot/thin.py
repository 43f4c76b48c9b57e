"""Of long ago one snapshot a day is kept in full: what the owner asked to be thinned, month by month.

Nothing of it can be had again, so it is done only on request or where a setting says so. What accounts were
worth hour by hour stays; the positions, rates, cash and payload behind it go, but for the last snapshot of
each of the broker's days and those that somebody asked for. A month goes in one transaction, or not at all.
"""

from datetime import datetime
from typing import NamedTuple

from core import logs
from core.clock import Clock, utc_now
from core.settings import Settings
from models.session import Database
from models.stores.thinning import (
    Thinned,
    compact_month,
    count_month,
    full_months_before,
    months_to_compact,
    thin_month,
)
from services.snapshot import metrics

log = logs.get_logger(__name__)


class ThinReport(NamedTuple):
    """What went, or would go: by month, of the months that lie wholly before ``before``.

    ``before`` is ``None`` where a setting says that everything is kept.
    """

    before: datetime | None
    months: dict[datetime, Thinned]

    @property
    def total(self) -> Thinned:
        """All months together."""
        return (
            Thinned(*(sum(of) for of in zip(*self.months.values(), strict=True)))
            if self.months
            else Thinned()
        )


class Thinner:
    """Thins what is older than the settings say. Any number may run at once: one has a month."""

    def __init__(
        self, database: Database, settings: Settings, *, clock: Clock = utc_now, by_hand: bool = False
    ) -> None:
        """``by_hand``: who asked is told by the report, and no log."""
        self._by_hand = by_hand
        self._database = database
        self._settings = settings
        self._clock = clock

    def before(self) -> datetime | None:
        """Up to where it is thinned; ``None``: nowhere."""
        years = self._settings.snapshot_hourly_years
        return None if years == 0 else _years_before(self._clock(), years)

    async def preview(self) -> ThinReport:
        """Count what would go; nothing is written.

        Raises:
            DBAPIError: PostgreSQL is away, or not able just then.
        """
        before = self.before()
        if before is None:
            return ThinReport(None, {})
        async with self._database.read_one_moment() as reader:
            months = await full_months_before(reader, before)
            counted = {month: await count_month(reader, month) for month in months}
        return ThinReport(before, {month: one for month, one in counted.items() if one.snapshots})

    async def run(self) -> ThinReport:
        """Thin what is due. What a killed run did not come to, the next one does.

        Raises:
            DBAPIError: PostgreSQL is away, or not able just then: months that were done stay done.
        """
        before = self.before()
        if before is None:
            return ThinReport(None, {})
        async with self._database.read() as reader:
            months = await full_months_before(reader, before)
        done: dict[datetime, Thinned] = {}
        for month in months:
            async with self._database.write() as writer:
                thinned = await thin_month(writer, month, self._clock())
            if thinned.snapshots:
                done[month] = thinned
                self._tell(month, thinned)
        await self._compact()
        return ThinReport(before, done)

    def _tell(self, month: datetime, thinned: Thinned) -> None:
        for what, number in thinned._asdict().items():
            metrics.THINNED.labels(what).inc(number)
        if not self._by_hand:
            log.info("snapshots_thinned", month=f"{month:%Y-%m}", **thinned._asdict())

    async def _compact(self) -> None:
        """Give the room back. It is a step of its own: only once the rows are gone for everybody."""
        async with self._database.read() as reader:
            waiting = await months_to_compact(reader)
        for name in waiting:
            async with self._database.write() as writer:
                await compact_month(writer, name)


def _years_before(moment: datetime, years: int) -> datetime:
    try:
        return moment.replace(year=moment.year - years)
    except ValueError:  # the 29th of February
        return moment.replace(year=moment.year - years, day=28)
