from msgspec import Struct

from services.api.schemas.common import Amount, Freshness, Moment


class Price(Struct, frozen=True, kw_only=True):
    """What one unit was worth, as it is quoted, and when that was told."""

    ts: Moment
    price: Amount


class PositionPrices(Struct, frozen=True, kw_only=True):
    """Prices of a position's instrument, oldest first, while it was held.

    They are those of hourly snapshots and of statements: where the broker told none there is none. ``since``
    and ``until`` are what was looked at; ``stretch_seconds`` is how long a time each of them stands for at
    least: the last of that time is told.
    """

    position_id: str
    currency: str
    since: Moment
    until: Moment
    stretch_seconds: int
    items: tuple[Price, ...]
    freshness: Freshness
