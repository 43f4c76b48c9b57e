"""An episode as it stood at a moment of its life, from the events, lots and disposals up to then."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal, localcontext
from typing import NamedTuple

from core.domain.episodes import Episode
from core.domain.money import ZERO
from core.domain.pnl import EXACT, per_unit


class Standing(NamedTuple):
    """What an episode held, had cost and had realized at a moment; money in the instrument's currency.

    ``cost_basis`` and ``realized_pnl`` are ``None`` where a part of them was unknown. ``closed_at`` is
    ``None`` while it was open.
    """

    quantity: Decimal
    cost_basis: Decimal | None
    realized_pnl: Decimal | None
    commission: Decimal
    closed_at: datetime | None

    @property
    def average_cost(self) -> Decimal | None:
        """Per unit, with multiplier and commission, as IBKR's; ``None`` when flat or unknown."""
        return (
            per_unit(self.cost_basis, self.quantity)
            if self.quantity and self.cost_basis is not None
            else None
        )


def standing(episode: Episode, at: datetime) -> Standing | None:
    """An episode that was folded from its start, as it stood after all that happened up to ``at``.

    What was held had cost what its lots cost when they were opened, less what the disposals up to then took
    out of them: so no state of a lot at ``at`` is needed. ``None``: it had not begun.
    """
    if episode.opened_at > at:
        return None
    events = [event for event in episode.events if event.executed_at <= at]
    disposals = [one for one in episode.disposals if one.closed_at <= at]
    with localcontext(EXACT):
        bought = _sum(
            None if lot.cost is None else lot.cost + lot.commission
            for lot in episode.lots
            if (lot.carried_at or lot.opened_at) <= at
        )
        sold = _sum(None if one.cost is None else one.cost + one.open_commission for one in disposals)
        # A cancelled trade's fee is realized without a lot.
        fees = [event.realized_pnl for event in events if event.type == "corrected" and event.realized_pnl]
        gained = _sum([*(one.realized_pnl for one in disposals), *fees])
        return Standing(
            sum((event.quantity for event in events), ZERO),
            None if bought is None or sold is None else bought - sold,
            gained,
            sum((event.commission for event in events if event.commission), ZERO),
            None if episode.closed_at is None or episode.closed_at > at else episode.closed_at,
        )


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    total = ZERO
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total
