"""What an execution counts for once its corrections and commission reports are taken together."""

from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from core.domain.pnl import EXACT, QUANTUM


class Report(NamedTuple):
    """One reported revision of an execution and, where it has come, its commission report.

    ``quantity`` is signed: a sale is negative; a revision with quantity zero cancels the trade. ``rate`` is
    the recorded value of one unit of the commission's currency in the instrument's, where it needs one.
    """

    executed_at: datetime
    base_id: str
    revision: int
    exec_id: str
    quantity: Decimal
    price: Decimal
    commission: Decimal | None
    commission_currency: str | None
    rate: Decimal | None = None


class Replaced(NamedTuple):
    """A revision that a later one replaced: what it had reported, the quantity signed."""

    exec_id: str
    quantity: Decimal
    price: Decimal


class Fill(NamedTuple):
    """One execution as it counts, in the order in which a book is folded.

    ``commission`` is in the instrument's currency, ``None`` while none is known; ``complete`` says that all
    of it is. ``replaced`` are the revisions before the one that counts, oldest first.
    """

    executed_at: datetime
    base_id: str
    exec_id: str
    quantity: Decimal
    price: Decimal
    commission: Decimal | None
    complete: bool
    replaced: tuple[Replaced, ...] = ()


Key = tuple[datetime, str]
"""Where a fill stands in its book: time, then the id without its revision."""


def effective_fills(reports: Iterable[Report], currency: str) -> list[Fill]:
    """The fills that ``reports`` of one book amount to, sorted.

    The highest revision gives quantity and price. A correction's commission is a difference, so those of all
    revisions add up. The fill keeps the time of its lowest revision: that is when the trade happened. A
    commission in another currency is converted with the rate recorded for it; while there is none it is not
    mixed in, and the fill stays incomplete.
    """
    revisions: dict[str, Report | list[Report]] = {}
    for report in reports:
        known = revisions.setdefault(report.base_id, report)
        if known is report:
            continue
        if isinstance(known, list):
            known.append(report)
        else:
            revisions[report.base_id] = [known, report]
    fills = [
        _merged(known, currency) if isinstance(known, list) else _single(known, currency)
        for known in revisions.values()
    ]
    fills.sort()
    return fills


def _single(report: Report, currency: str) -> Fill:
    executed_at, base_id, _, exec_id, quantity, price, commission, commission_currency, _ = report
    if commission is not None and (commission_currency != currency or not currency):
        commission = converted(commission, commission_currency, report.rate, currency)
    return Fill(executed_at, base_id, exec_id, quantity, price, commission, commission is not None)


def converted(
    commission: Decimal | None, currency: str | None, rate: Decimal | None, into: str
) -> Decimal | None:
    """A commission in the currency ``into``, where a ``rate`` is needed rounded to ten places, half up.

    ``None`` while it, a currency or that rate is not known: an empty currency is not the same as another.
    """
    if commission is None or not currency or not into:
        return None
    if currency == into:
        return commission
    if rate is None:
        return None
    # Half up, as PostgreSQL rounds.
    return EXACT.multiply(commission, rate).quantize(QUANTUM, ROUND_HALF_UP, EXACT)


def _merged(revisions: list[Report], currency: str) -> Fill:
    # A statement cancels a trade under the trade's own revision.
    revisions.sort(key=lambda report: (report.revision, not report.quantity))
    last = revisions[-1]
    known = [report for report in revisions if report.commission is not None]
    amounts = [converted(one.commission, one.commission_currency, one.rate, currency) for one in known]
    usable = [amount for amount in amounts if amount is not None]
    return Fill(
        revisions[0].executed_at,
        last.base_id,
        last.exec_id,
        last.quantity,
        last.price,
        sum(usable, Decimal(0)) if usable else None,
        # Earlier revisions may never have had a report of their own; the newest one's is awaited.
        last.commission is not None and len(usable) == len(known),
        tuple(Replaced(one.exec_id, one.quantity, one.price) for one in revisions[:-1]),
    )
