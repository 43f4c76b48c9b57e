"""What was held at the end of a day."""

from collections.abc import Iterable

from core.domain.stated import StatedPosition, Statement
from services.statements.rows import OpenPosition
from services.statements.stating.days import held_at
from services.statements.stating.holdings import Instruments, ignored, reason_against
from services.statements.stating.sums import Wholes


class Positions:
    """The open positions of one statement; lots and the parts of models are summed at its end."""

    def __init__(self, instruments: Instruments, wholes: Wholes) -> None:
        self._instruments = instruments
        self._wholes = wholes

    def state(self, row: OpenPosition) -> Iterable[Statement]:
        """What a row states."""
        quantity = row.quantity
        reason = reason_against(row, quantity)
        instrument = self._instruments.of(row)
        if reason is not None or instrument is None or quantity is None:
            return (ignored(row, reason or "no_instrument"),)
        day = row.report_date or (row.statement.to_date if row.statement else None)
        if day is None:
            return (ignored(row, "no_date"),)
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
