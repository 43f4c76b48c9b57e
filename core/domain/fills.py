"""What an execution counts for once its corrections and commission reports are taken together."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple


class Report(NamedTuple):
    """One reported revision of an execution and, where it has come, its commission report.

    ``quantity`` is signed: a sale is negative.
    """

    executed_at: datetime
    base_id: str
    revision: int
    exec_id: str
    quantity: Decimal
    price: Decimal
    commission: Decimal | None
    commission_currency: str | None


class Fill(NamedTuple):
    """One execution as it counts, in the order in which a book is folded.

    ``commission`` is in the instrument's currency, ``None`` while none is known; ``complete`` says that all
    of it is.
    """

    executed_at: datetime
    base_id: str
    exec_id: str
    quantity: Decimal
    price: Decimal
    commission: Decimal | None
    complete: bool


Key = tuple[datetime, str]
"""Where a fill stands in its book: time, then the id without its revision."""


def effective_fills(reports: Iterable[Report], currency: str) -> list[Fill]:
    """The fills that ``reports`` of one book amount to, sorted.

    The highest revision gives quantity and price. A correction's commission is a difference, so those of all
    revisions add up. The fill keeps the time of its lowest revision: that is when the trade happened. A
    commission in another currency is not mixed in; the fill then stays incomplete.
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
    executed_at, base_id, _, exec_id, quantity, price, commission, commission_currency = report
    complete = commission is not None and commission_currency == currency
    return Fill(executed_at, base_id, exec_id, quantity, price, commission if complete else None, complete)


def _merged(revisions: list[Report], currency: str) -> Fill:
    revisions.sort(key=lambda report: report.revision)
    last = revisions[-1]
    known = [report for report in revisions if report.commission is not None]
    same = [report.commission for report in known if report.commission_currency == currency]
    return Fill(
        revisions[0].executed_at,
        last.base_id,
        last.exec_id,
        last.quantity,
        last.price,
        sum((amount for amount in same if amount is not None), Decimal(0)) if same else None,
        # Earlier revisions may never have had a report of their own; the newest one's is awaited.
        last.commission is not None and len(same) == len(known),
    )
