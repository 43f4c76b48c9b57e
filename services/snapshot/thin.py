"""Of long ago one snapshot a day is kept in full: what the owner asked to be thinned, month by month.

Nothing of it can be had again, so it is done only on request or where a setting says so. What accounts were
worth hour by hour stays, and so does their cash; the positions and the payload behind it go, but for one
snapshot of each of the broker's days (of those that fresh marks covered best the last) and those that
somebody asked for. A month goes in one transaction, or not at all.
"""

from datetime import datetime
from typing import NamedTuple

from core import logs
from core.clock import Clock, utc_now
from core.settings import Settings
from models.session import Database
from models.stores.compacting import compact_month, months_to_compact
from models.stores.thinning import Thinned, count_month, full_months_before, thin_month
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
            elapsed_ms = logs.stopwatch()
            async with self._database.write() as writer:
                thinned = await thin_month(writer, month, self._clock())
            if thinned.snapshots:
                done[month] = thinned
                self._tell(month, thinned, elapsed_ms())
        await self.compact()
        return ThinReport(before, done)

    def _tell(self, month: datetime, thinned: Thinned, took: float) -> None:
        for what, number in thinned._asdict().items():
            metrics.THINNED.labels(what).inc(number)
        if not self._by_hand:
            rows = thinned.positions + thinned.payloads
            told = {**thinned._asdict(), "rows": rows, "duration_ms": took}
            log.info("snapshots_thinned", month=f"{month:%Y-%m}", **told)

    async def compact(self) -> None:
        """Give back the room of what was dropped, also by a run that was killed before it came to that.

        It is a step of its own: only once the rows are gone for everybody. A month that others are reading
        for long is left for another time.

        Raises:
            DBAPIError: PostgreSQL is away, or not able just then.
        """
        async with self._database.read() as reader:
            waiting = await months_to_compact(reader)
        left = [name for name in waiting if not await compact_month(self._database, name)]
        if left and not self._by_hand:
            log.info("snapshots_not_compacted", months=left)


def _years_before(moment: datetime, years: int) -> datetime:
    try:
        return moment.replace(year=moment.year - years)
    except ValueError:  # the 29th of February
        return moment.replace(year=moment.year - years, day=28)
