"""Fills, anchors and folded books, made by hand: times are seconds after one moment."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from core.domain.anchors import Anchor
from core.domain.episodes import Episode
from core.domain.fills import Fill, Replaced
from core.domain.lifecycle import Ledger, fold_book
from core.domain.lots import CostMethod

START = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


def at(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


def fill(
    seconds: int,
    quantity: str,
    price: str,
    commission: str | None = "0",
    *,
    base: str | None = None,
    replaced: tuple[tuple[str, str], ...] = (),
) -> Fill:
    """``replaced`` are quantity and price of the revisions before."""
    base = base or f"e{seconds:04}"
    known = None if commission is None else Decimal(commission)
    earlier = tuple(
        Replaced(f"{base}.{revision:02}", Decimal(quantity), Decimal(price))
        for revision, (quantity, price) in enumerate(replaced, 1)
    )
    exec_id = f"{base}.{len(earlier) + 1:02}"
    return Fill(
        at(seconds), base, exec_id, Decimal(quantity), Decimal(price), known, known is not None, earlier
    )


def anchor(
    seconds: int, quantity: str, average_cost: str | None = None, price: str | None = None, **more: Any
) -> Anchor:
    cost, value = (None if text is None else Decimal(text) for text in (average_cost, price))
    return Anchor(at(seconds), Decimal(quantity), cost, price=value, **more)


def fold(
    *fills: Fill, point_value: str = "1", anchors: tuple[Anchor, ...] = (), method: CostMethod = "fifo"
) -> Ledger:
    return fold_book("DU1", 1, Decimal(point_value), sorted(fills), anchors, method=method)


def told(episode: Episode) -> list[tuple[str, Decimal, Decimal | None]]:
    return [(event.type, event.quantity, event.realized_pnl) for event in episode.events]
