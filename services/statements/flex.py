"""A Flex file as what it states: typed rows to neutral records, one after the other.

Whatever has to wait for another row (legs of one action, lots of one position, sums of what may come in
detail, exercises that two sections tell of) is kept as a small record until the end of its statement.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from core.domain.days import end_of
from core.domain.stated import StatedPeriod, Statement
from services.statements import rows as flex
from services.statements import rows_cash, rows_nav, rows_reference
from services.statements.read import Source, StatementReader
from services.statements.stating.actions import Actions
from services.statements.stating.booked import Booked
from services.statements.stating.cash import Cash
from services.statements.stating.days import start_of
from services.statements.stating.holdings import Instruments
from services.statements.stating.positions import Positions
from services.statements.stating.sums import Itemized, Wholes
from services.statements.stating.trades import Trades
from services.statements.stating.transfers import Transfers
from services.statements.stating.values import Values

_Stating: TypeAlias = Callable[[Any], Iterable[Statement]]

_TRADES: Final = "Trades"
_POSITIONS: Final = "OpenPositions"


class FlexFile:
    """Iterate once to get what a Flex file states, in its order.

    ``source`` is a path, the bytes themselves or a file opened in binary mode. What is told of a statement as
    a whole follows its rows: what had to wait for others, then the period it covers.

    Raises:
        StatementError: while iterating; nothing may be kept of a file before its end.
        OSError: the file cannot be opened or read.
    """

    def __init__(self, source: Source, name: str | None = None) -> None:
        self.reader = StatementReader(source, name)
        instruments, wholes, itemized = Instruments(), Wholes(), Itemized()
        bases: dict[str, str] = {}
        booked, actions, transfers = Booked(instruments), Actions(instruments), Transfers(instruments)
        self._trades = trades = Trades(instruments, booked)
        cash, values = Cash(itemized, trades, bases), Values(instruments, wholes, bases)
        self._positions = positions = Positions(instruments, wholes)
        self._stating: dict[type[flex.Row], _Stating] = {
            flex.Trade: trades.state,
            flex.OptionEvent: booked.state,
            flex.CorporateAction: actions.state,
            flex.Transfer: transfers.state,
            flex.OpenPosition: positions.state,
            flex.ConversionRate: values.rate,
            rows_cash.CashTransaction: cash.transaction,
            rows_cash.TransactionTax: cash.transaction_tax,
            rows_cash.SalesTax: cash.sales_tax,
            rows_cash.CfdCharge: cash.cfd_charge,
            rows_cash.DebitCardActivity: cash.card,
            rows_cash.CashReport: values.balance,
            rows_nav.EquitySummary: values.equity,
            rows_nav.ChangeInNav: values.change,
            rows_reference.AccountInformation: values.account,
            rows_reference.SecurityInfo: values.security,
        }
        self._waiting = (booked, actions, transfers, itemized, cash, wholes, values)
        self._statement: flex.Statement | None = None
        self._statements = 0

    @property
    def bytes_read(self) -> int:
        """How far the reading has come."""
        return self.reader.bytes_read

    @property
    def unknown(self) -> Mapping[str, int]:
        """Elements and attributes that Flex did not have when this was written, and how often they came."""
        census = self.reader.census
        found: Counter[str] = Counter(census.unknown_elements)
        for (element, attribute), count in census.unknown_attributes.items():
            found[f"{element}/@{attribute}"] += count
        return found

    @property
    def unreadable(self) -> Mapping[str, int]:
        """Attributes whose texts could not be read as what they should be, and how often."""
        return {
            f"{element}/@{name}": count for (element, name), count in self.reader.census.unreadable.items()
        }

    def __iter__(self) -> Iterator[Statement]:
        """What the file states."""
        stating = self._stating
        for row in self.reader:
            statement = row if isinstance(row, flex.Statement) else row.statement
            if statement is not self._statement:
                yield from self._end()
                self._statement = statement
                self._statements += isinstance(row, flex.Statement)
            state = stating.get(type(row))
            if state is not None:
                yield from state(row)
        yield from self._end()

    def _end(self) -> Iterator[Statement]:
        """What the rows of one statement come to together."""
        for part in self._waiting:
            yield from part.close()
        asked = self._statement is not None and _POSITIONS in self.reader.sections[self._statements - 1]
        yield from self._positions.close(self._statement, asked=asked)
        if self._statement is not None:
            yield from _periods(self._statement, complete=self._tells_all_trades())
        self._trades.close()

    def _tells_all_trades(self) -> bool:
        """Whether its query asked for executions: trade confirmations are of a day that is not over yet."""
        asked = _TRADES in self.reader.sections[self._statements - 1]
        return asked and (self._trades.told or not self._trades.other)


def _periods(statement: flex.Statement, *, complete: bool) -> Iterator[StatedPeriod]:
    """The days that a statement covers, of each of its accounts."""
    first, last = statement.from_date, statement.to_date
    if first is None or last is None or last < first:
        return
    ends_at = end_of(last)
    generated_at = statement.generated_at.at if statement.generated_at else None
    for account in statement.accounts:
        yield StatedPeriod(
            line=statement.line,
            section=statement.element,
            account=account,
            starts_at=start_of(first),
            ends_at=ends_at,
            generated_at=generated_at,
            complete=complete and (generated_at is None or generated_at >= ends_at),
        )
