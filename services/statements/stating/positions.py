"""What was held at the end of a day."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

from core.domain.days import end_of, held_at
from core.domain.money import ZERO
from core.domain.stated import IgnoredReason, StatedInventory, StatedPosition, Statement
from services.statements import rows as flex
from services.statements.rows import OpenPosition
from services.statements.stating.holdings import Instruments, ignored, reason_against
from services.statements.stating.sums import Wholes

_NO_HOLDING: Final[frozenset[IgnoredReason]] = frozenset({"currency_trade", "combo"})
"""Rows of what is kept in no book."""


class Positions:
    """The open positions of one statement; lots and the parts of models are summed at its end."""

    def __init__(self, instruments: Instruments, wholes: Wholes) -> None:
        self._instruments = instruments
        self._wholes = wholes
        self._days: dict[str, date] = {}
        self._is_whole = True

    def state(self, row: OpenPosition) -> Iterable[Statement]:
        """What a row states."""
        quantity = row.quantity
        reason = reason_against(row, quantity)
        instrument = self._instruments.of(row)
        if reason is not None or instrument is None or quantity is None:
            self._is_whole = self._is_whole and (reason in _NO_HOLDING or quantity == ZERO)
            return (ignored(row, reason or "no_instrument"),)
        day = row.report_date or (row.statement.to_date if row.statement else None)
        if day is None:
            self._is_whole = False
            return (ignored(row, "no_date"),)
        self._days[row.account] = max(day, self._days.get(row.account, day))
        record = StatedPosition(
            line=row.line,
            section=row.element,
            account=row.account,
            instrument=instrument,
            as_of=held_at(day, instrument.sec_type),
            quantity=quantity,
            cost=row.cost,
            mark_price=row.mark_price,
            market_value=row.market_value,
            unrealized_pnl=row.unrealized_pnl,
        )
        key = "position", record.account, instrument.conid, day
        if row.is_lot:
            return self._wholes.lot(record, key)
        return self._wholes.state(record, key, row)

    def close(self, statement: flex.Statement | None, *, asked: bool) -> Iterator[Statement]:
        """That this was all that was held, where its query ``asked`` for positions and each row says of what.

        A section that is there and empty says so, too; one of a day that is not over yet does not.
        """
        days, is_whole = self._days, self._is_whole
        self._days, self._is_whole = {}, True
        if statement is None or not (asked and is_whole):
            return
        written = statement.generated_at.at if statement.generated_at else None
        for account in sorted({*days, *statement.accounts}):
            day = days.get(account, statement.to_date)
            if day is not None and (written is None or written >= end_of(day)):
                yield StatedInventory(
                    line=statement.line, section=statement.element, account=account, as_of=day
                )
