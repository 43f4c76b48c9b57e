"""Which mark of an instrument counts at a moment, and what it is worth across a split."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Final, NamedTuple, Protocol, TypeVar

from core.domain.money import ZERO, is_usable
from core.domain.pnl import EXACT, QUANTUM
from core.domain.rate_history import WhoTold
from core.domain.snapshots import WORTH_NOTHING_SOMETIMES

NEAR: Final = timedelta(days=7)
"""Over a weekend and the longest holidays a mark is as old as this, and still the last there was."""

AFTER: Final = timedelta(days=1)
"""What was bought a moment ago has its first mark with the next snapshot, within the hour or the day."""

_STATED_SPLIT: Final = re.compile(r"\bSPLIT (\d+(?:\.\d+)?) FOR (\d+(?:\.\d+)?)\b")
_SAME_SPLIT: Final = timedelta(days=2)
"""Two accounts' words about one split are no further apart."""


class Dated(Protocol):
    """What was true at a moment."""

    @property
    def as_of(self) -> datetime: ...  # noqa: D102 - as it says


AnyDated = TypeVar("AnyDated", bound=Dated)


class Mark(NamedTuple):
    """A price as quoted, and from when it is."""

    price: Decimal
    as_of: datetime
    source: WhoTold


class Split(NamedTuple):
    """``old`` units became ``new`` ones at a moment."""

    at: datetime
    new: Decimal
    old: Decimal


class SplitTold(NamedTuple):
    """A split as the book of one account shows it; ``description`` is the statement's, empty without one."""

    account: str
    at: datetime
    units_before: Decimal
    units_after: Decimal
    description: str


def nearest(candidates: Iterable[AnyDated], at: datetime) -> AnyDated | None:
    """The one to go by at ``at``: the last before it, unless that is far and another soon follows."""
    before: AnyDated | None = None
    behind: AnyDated | None = None
    for one in candidates:
        if one.as_of <= at:
            before = one if before is None or one.as_of > before.as_of else before
        elif one.as_of <= at + AFTER:
            behind = one if behind is None or one.as_of < behind.as_of else behind
    if before is not None and (behind is None or at - before.as_of <= NEAR):
        return before
    return behind


def is_believable(price: Decimal | None, sec_type: str) -> bool:
    """Whether a price is told, a number, and not a zero that no such instrument can be worth."""
    return price is not None and is_usable(price) and (price != ZERO or sec_type in WORTH_NOTHING_SOMETIMES)


def restated_price(mark: Mark, splits: Iterable[Split], at: datetime) -> tuple[Decimal, bool]:
    """A mark's price in the units of ``at``, and whether a split lies between.

    >>> from datetime import UTC
    >>> day = datetime(2026, 11, 20, tzinfo=UTC)
    >>> two_for_one = Split(day, Decimal(2), Decimal(1))
    >>> restated_price(Mark(Decimal(160), day - NEAR, "snapshot"), [two_for_one], day + AFTER)
    (Decimal('80'), True)
    """
    with localcontext(EXACT):
        price, parts = mark.price, Decimal(1)
        restated = False
        for split in splits:
            if mark.as_of < split.at <= at:
                price, parts = price * split.old, parts * split.new
            elif at < split.at <= mark.as_of:
                price, parts = price * split.new, parts * split.old
            else:
                continue
            restated = True
        if not restated:
            return mark.price, False
        divided = price / parts
        rounded = divided.quantize(QUANTUM)
        return (divided if divided == rounded else rounded), True


def splits_of(told: Iterable[SplitTold], account: str) -> list[Split]:
    """The splits of an instrument, each once: by the account's own book, else by another's.

    The ratio is the statement's; units alone tell it but for what was paid out instead of a fraction.
    """
    found: list[Split] = []
    for one in sorted(told, key=lambda one: (one.account != account, one.at)):
        if any(abs(one.at - other.at) <= _SAME_SPLIT for other in found):
            continue
        stated = _STATED_SPLIT.search(one.description)
        new, old = map(Decimal, stated.groups()) if stated else (one.units_after, one.units_before)
        if new * old > ZERO:
            found.append(Split(one.at, new, old))
    return found
