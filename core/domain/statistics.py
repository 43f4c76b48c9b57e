"""What the ends of closed positions say together. One definition of each figure, whoever shows it.

A closed position is *decided* when what it realized, net of commissions, is known: *won* above zero, *lost*
below, *even* at zero. One whose result is unknown counts for no figure but the number of closed ones.
"""

from decimal import Decimal
from typing import NamedTuple

from core.domain.pnl import EXACT, QUANTUM

RATE_STEP = Decimal("0.0001")
"""The finest step of a ratio that is shown."""


def win_rate(won: int, decided: int) -> Decimal | None:
    """The fraction of decided positions that were won, to four digits; ``None`` before the first."""
    return EXACT.quantize(EXACT.divide(Decimal(won), Decimal(decided)), RATE_STEP) if decided else None


def profit_factor(gross_profit: Decimal, gross_loss: Decimal) -> Decimal | None:
    """What was won for each unit lost (told below zero), to four digits; ``None`` where nothing was lost."""
    if not gross_loss:
        return None
    return EXACT.quantize(EXACT.divide(gross_profit, -gross_loss), RATE_STEP)


def average(total: Decimal, count: int) -> Decimal | None:
    """``total`` shared equally, to the tenth digit after the point; ``None`` of nothing."""
    return EXACT.quantize(EXACT.divide(total, Decimal(count)), QUANTUM) if count else None


class Outcomes(NamedTuple):
    """How positions of one currency ended, in sums. Losses are negative.

    ``gross_profit`` is what the won ones realized and ``gross_loss`` what the lost ones did; the seconds are
    sums of how long positions were held, of all, of the won and of the lost ones.
    """

    closed: int
    decided: int
    won: int
    lost: int
    provisional: int
    gross_profit: Decimal
    gross_loss: Decimal
    largest_win: Decimal | None
    largest_loss: Decimal | None
    commission: Decimal
    holding_seconds: Decimal
    winner_holding_seconds: Decimal
    loser_holding_seconds: Decimal

    @property
    def even(self) -> int:
        """Decided and neither won nor lost."""
        return self.decided - self.won - self.lost

    @property
    def unknown(self) -> int:
        """Closed, and nobody knows what they realized."""
        return self.closed - self.decided

    @property
    def net(self) -> Decimal:
        """What the decided ones realized together."""
        return EXACT.add(self.gross_profit, self.gross_loss)

    @property
    def realized_pnl(self) -> Decimal | None:
        """What all realized together; ``None`` while one is unknown: a total is never made smaller."""
        return None if self.unknown else self.net

    @property
    def profit_factor(self) -> Decimal | None:
        """What was won for each unit lost, to four digits; ``None`` where nothing was lost."""
        return profit_factor(self.gross_profit, self.gross_loss)

    @property
    def expectancy(self) -> Decimal | None:
        """What a decided position realized on average."""
        return average(self.net, self.decided)
