"""Reading the picture from the database."""

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from models.queries.accounts import accounts, latest_pnl, latest_values, trade_figures
from models.queries.positions import latest_marks, open_positions
from models.queries.sync import datasets
from models.session import DISCONNECTS, Database, is_disconnect
from services.api.live.picture import Loaded
from services.api.live.rows import VALUE_KEYS

DATABASE_AWAY = (DBAPIError, PoolTimeoutError, TimeoutError, *DISCONNECTS)
"""What a database that cannot be read looks like: gone, too busy, or not migrated yet."""


def database_is_away(error: BaseException) -> bool:
    """Whether a request failed because PostgreSQL is gone or too busy, and not by a fault of ours."""
    return isinstance(error, (PoolTimeoutError, TimeoutError)) or is_disconnect(error)


async def load(database: Database) -> Loaded:
    """Read everything that the picture shows."""
    async with database.read() as reader:
        return Loaded(
            accounts=await accounts(reader),
            values=await latest_values(reader, VALUE_KEYS),
            pnl=await latest_pnl(reader),
            figures=await trade_figures(reader),
            positions=await open_positions(reader),
            marks=await latest_marks(reader),
            datasets=await datasets(reader),
        )
