from datetime import date

from msgspec import Struct

from core.domain.performance import Quality, Resolution, Source
from services.api.schemas.common import Amount, Freshness, Moment


class Performance(Struct, frozen=True, kw_only=True):
    """What an account was worth at the end of an hour or a day, and what it had earned.

    ``ts`` is that end; a ``day`` is the broker's, by the time of New York. Amounts are in ``currency``, the
    account's base currency. ``daily_pnl`` is the change since the day before, less ``net_contribution``: what
    the owner brought (or, negative, took) since then, money and holdings. Of an hour it is the broker's own
    of that day so far, and so are the two profits beside it; its ``net_contribution`` counts since the last
    hour before it that has a ``twr``. ``twr`` is the time-weighted return since the account's first value,
    of an hour since its first snapshot, ``drawdown`` how far that is below its highest so far; both are
    fractions. What cannot be told is null. ``data_quality`` is ``complete``, ``estimated`` (a contribution
    was told from the cash, valued or placed by our own reckoning) or ``incomplete`` (one is not known, or
    what was before is not). ``source`` says who told it: a ``statement``, whose number is ``import_id``, or a
    ``snapshot`` of our own.
    """

    account: str
    resolution: Resolution
    ts: Moment
    day: date
    source: Source
    currency: str | None
    net_liquidation: Amount
    total_cash: Amount | None
    gross_position_value: Amount | None
    daily_pnl: Amount | None
    unrealized_pnl: Amount | None
    realized_pnl: Amount | None
    net_contribution: Amount | None
    twr: Amount | None
    drawdown: Amount | None
    data_quality: Quality
    import_id: int | None


class PerformancePage(Struct, frozen=True, kw_only=True):
    """Performance, newest first.

    ``resolution`` is that of the rows. ``stretch_seconds`` is null where they are all there are; otherwise
    they are the lowest and highest of stretches so long, in net liquidation and in return, and the first and
    last row.
    """

    resolution: Resolution
    stretch_seconds: int | None
    items: tuple[Performance, ...]
    next_cursor: str | None
    freshness: Freshness
