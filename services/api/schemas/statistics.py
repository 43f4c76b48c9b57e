from msgspec import Struct

from services.api.schemas.common import Amount, Freshness


class Statistics(Struct, frozen=True, kw_only=True):
    """How the closed positions of one account in one currency ended, by account, symbol or period.

    A closed position is ``decided`` when what it realized, net of commissions, is known: ``won`` above zero,
    ``lost`` below, ``even`` at zero. Of ``unknown`` ones the result is not known; they are in ``closed``,
    ``commission`` and the holding time alone. ``provisional`` counts those whose figures may still change.

    - ``win_rate``: won ÷ decided; null without any decided. The summary's is the same.
    - ``gross_profit``, ``gross_loss``: what the won, and what the lost ones realized; losses are negative.
    - ``profit_factor``: gross profit ÷ gross loss without its sign; null where there was no loss, because
      then no number is large enough.
    - ``average_win``, ``average_loss``, ``largest_win``, ``largest_loss``: null where none was won, or lost.
    - ``expectancy``: what a decided position realized on average; null without any.
    - ``realized_pnl``: what all realized together; null while one is unknown.
    - ``commission``: of all, in and out; it is already taken off from the figures above.
    - ``average_holding_seconds``: from open to flat, of all; of the won and of the lost ones beside it.

    Amounts are in ``currency``; averages have at most ten digits after the point, ratios four.
    """

    key: str
    account: str
    currency: str
    closed: int
    decided: int
    won: int
    lost: int
    even: int
    unknown: int
    provisional: int
    win_rate: Amount | None
    gross_profit: Amount
    gross_loss: Amount
    profit_factor: Amount | None
    average_win: Amount | None
    average_loss: Amount | None
    largest_win: Amount | None
    largest_loss: Amount | None
    expectancy: Amount | None
    realized_pnl: Amount | None
    commission: Amount
    average_holding_seconds: int
    average_winner_holding_seconds: int | None
    average_loser_holding_seconds: int | None


class StatisticsPage(Struct, frozen=True, kw_only=True):
    """Statistics of closed positions: periods newest first, accounts and symbols in order."""

    items: tuple[Statistics, ...]
    next_cursor: str | None
    freshness: Freshness
