"""What a worker does about snapshots: takes them at each full hour, and looks whether one is missing.

Taking them belongs to one service, the worker and its queue to another; here they are put together.
"""

from core.settings import Settings
from core.streams.port import StreamPort
from models.session import Database
from services.position_sync.jobs import Hourly
from services.snapshot.keeper import Keeper
from services.snapshot.runs import Snapshots


async def keep_snapshots(settings: Settings, database: Database, streams: StreamPort) -> None:
    """Look for what is missing or asked for until cancelled. Any number of workers may do so at once."""
    await Keeper(database, settings, streams).run()


async def _take_hour(settings: Settings, database: Database) -> None:
    await Snapshots(database, settings).take_hour()


SNAPSHOTS = Hourly("snapshots", _take_hour)
"""At the full hour, to the second; what is missed then is found by ``keep_snapshots``."""
