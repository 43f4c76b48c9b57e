"""Commissions whose executions, or rates, came to someone else: folded once all of it is visible."""

from collections.abc import Sequence
from datetime import datetime

from core.settings import Settings
from core.streams.port import StreamPort
from models.session import Database
from services.position_sync.announce import Announcement
from services.position_sync.asking import want_statements
from services.position_sync.booking import Arrivals, book


async def fold_commissions(
    database: Database, streams: StreamPort | None, settings: Settings, exec_ids: Sequence[str], now: datetime
) -> None:
    """Fold anew what was folded before its commission report was visible."""
    async with database.write() as connection:
        booked = await book(connection, Arrivals(unfolded=exec_ids), now)
        announcement = await Announcement.prepare(connection, booked.changes)
        await want_statements(connection, booked.restated)
    await announcement.publish(database, streams, settings)
