"""The parts of a gain in groups: by instrument, class, currency or kind."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Final, Literal, NamedTuple, TypeAlias

from core.domain.measures.attribution import Attribution, Part, PartKind
from core.domain.money import ZERO
from core.domain.pnl import EXACT

CASH: Final = "CASH"
"""The class of what belongs to no instrument: cash in a currency, interest on it, fees."""


class Item(NamedTuple):
    """The parts of one group. ``amounts``: of each kind those that are known, ``None`` if none of them is.

    ``is_complete`` is false where a part of the group is not known; ``total`` is of what is.
    """

    key: str
    conid: int | None
    asset_class: str | None
    currency: str | None
    amounts: dict[PartKind, Decimal | None]
    total: Decimal
    is_complete: bool


Grouping: TypeAlias = Literal["instrument", "asset_class", "currency", "kind"]


def itemized(found: Attribution, by: Grouping) -> list[Item]:
    """The parts in groups, the largest total first, whichever its sign."""
    groups: dict[str, list[Part]] = defaultdict(list)
    for part in found.parts:
        groups[_key(part, by)].append(part)
    items = [_item(key, parts, by) for key, parts in groups.items()]
    return sorted(items, key=lambda item: (-abs(item.total), item.key))


def _key(part: Part, by: Grouping) -> str:
    if by == "instrument":
        return f"{CASH}.{part.currency}" if part.conid is None else str(part.conid)
    if by == "asset_class":
        return part.asset_class or CASH
    return part.currency if by == "currency" else part.kind


def _item(key: str, parts: Sequence[Part], by: Grouping) -> Item:
    amounts: dict[PartKind, Decimal | None] = {}
    with localcontext(EXACT):
        for part in parts:
            known = amounts.get(part.kind)
            if part.amount is not None:
                amounts[part.kind] = (known or ZERO) + part.amount
            else:
                amounts.setdefault(part.kind, None)
        total = sum((amount for amount in amounts.values() if amount is not None), ZERO)
    first = parts[0]
    return Item(
        key,
        first.conid if by == "instrument" else None,
        (first.asset_class or CASH) if by in {"instrument", "asset_class"} else None,
        first.currency if by in {"instrument", "currency"} else None,
        amounts,
        total,
        all(part.amount is not None for part in parts),
    )
