"""Where a change in value came from: parts that add up to it exactly, or say what they leave unexplained."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from core.domain.money import ZERO
from core.domain.pnl import EXACT

PartKind: TypeAlias = Literal["price", "dividends", "interest", "fees", "fx"]
Key = TypeVar("Key", bound=Hashable)


class Part(NamedTuple):
    """A part of a change in value, in the account's base currency; ``None``: not known.

    What belongs to no instrument (interest, a fee, a balance of cash) has no ``conid`` and no
    ``asset_class``. ``currency`` is the one that it came in. Withheld taxes count as dividends (below zero),
    commissions as fees.
    """

    kind: PartKind
    amount: Decimal | None
    conid: int | None
    asset_class: str | None
    currency: str


class Traded(NamedTuple):
    """What was put into a holding (above zero) or taken out, in its currency, at a rate to the base one.

    Of a share that is the price of what was bought or sold, without commissions; of cash in a currency all
    that was paid in or out of it.
    """

    amount: Decimal
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Attribution:
    """Parts of a gain. ``unexplained`` is what they leave: they and it are the gain, to the last digit.

    ``unknown`` are the parts without an amount: they are within what is unexplained.
    """

    gain: Decimal
    parts: tuple[Part, ...]
    unexplained: Decimal
    unknown: tuple[Part, ...]

    def by(self, key: Callable[[Part], Key]) -> dict[Key, Decimal]:
        """The known parts summed by instrument, class, currency or kind, in the order in which they came.

        With ``unexplained``, these too are the gain.
        """
        totals: dict[Key, Decimal] = {}
        with localcontext(EXACT):
            for part in self.parts:
                if part.amount is not None:
                    totals[key(part)] = totals.get(key(part), ZERO) + part.amount
        return totals


def attribute(
    before: Decimal | None, after: Decimal | None, contribution: Decimal | None, parts: Iterable[Part]
) -> Attribution | None:
    """Hold parts against the change in value from ``before`` to ``after``, less what was contributed.

    ``None`` where that is not known itself. Nothing is spread over the parts to make them fit.
    """
    if before is None or after is None or contribution is None:
        return None
    told = tuple(parts)
    with localcontext(EXACT):
        gain = after - before - contribution
        explained = sum((part.amount for part in told if part.amount is not None), ZERO)
        unknown = tuple(part for part in told if part.amount is None)
        return Attribution(gain, told, gain - explained, unknown)


def price_and_fx(
    before: Decimal, rate_before: Decimal, after: Decimal, rate_after: Decimal, traded: Iterable[Traded] = ()
) -> tuple[Decimal, Decimal]:
    """What a holding gained by its price and by its currency, from its values in that currency.

    Price is what was gained in its own currency, at the last rate; FX what the rate did to the first value,
    and since then to what was traded:

        price = (after - before - Σ traded) × rate after
        fx    = before × (rate after - rate before) + Σ traded × (rate after - rate when traded)

    Together they are the change in base value less what was traded at its rates, exactly. Cash in a currency
    is a holding whose price is always one.
    """
    with localcontext(EXACT):
        moved = tuple(traded)
        price = (after - before - sum((one.amount for one in moved), ZERO)) * rate_after
        fx = before * (rate_after - rate_before)
        return price, fx + sum((one.amount * (rate_after - one.rate) for one in moved), ZERO)
