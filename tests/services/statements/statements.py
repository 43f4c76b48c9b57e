"""The recorded statements, and rows made up for what they do not show."""

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, TypeVar
from xml.sax.saxutils import quoteattr

import pytest

from core.domain.stated import Ignored, Stated
from services.statements.errors import StatementError
from services.statements.flex import FlexFile
from services.statements.read import StatementReader
from services.statements.rows import Row, Trade

Kind = TypeVar("Kind", bound=Row)
Record = TypeVar("Record", bound=Stated)

DATA = Path(__file__).parents[2] / "data"
FILES = sorted(DATA.glob("flex-*/*.xml"))


def rows_of(source: Path | str | BinaryIO) -> list[Row]:
    return list(StatementReader(source.encode() if isinstance(source, str) else source))


def element(name: str, **attributes: str) -> str:
    return f"<{name} {' '.join(f'{key}={quoteattr(value)}' for key, value in attributes.items())} />"


HEAD = '<FlexStatement accountId="U1" fromDate="20230101" toDate="20230131" period="" whenGenerated="">'


def in_statement(*elements: str, head: str = HEAD) -> str:
    inside = f"<FlexStatements>{head}{''.join(elements)}</FlexStatement></FlexStatements>"
    return f'<FlexQueryResponse queryName="q" type="AF">{inside}</FlexQueryResponse>'


def trade(**changed: str) -> str:
    """A stock's purchase, as an activity statement tells of it."""
    stated = {
        "accountId": "U1",
        "currency": "USD",
        "assetCategory": "STK",
        "symbol": "AAPL",
        "conid": "265598",
        "multiplier": "1",
        "dateTime": "20230103;093000",
        "transactionType": "ExchTrade",
        "quantity": "10",
        "tradePrice": "125.5",
        "ibCommission": "-1",
        "ibCommissionCurrency": "USD",
        "openCloseIndicator": "O",
        "fifoPnlRealized": "0",
        "notes": "",
        "ibExecID": "0000e0d5.63b3a1f0.01.01",
        "transactionID": "1",
        "levelOfDetail": "EXECUTION",
    }
    return element("Trade", **(stated | changed))


def trades_of(elements: Iterable[str]) -> list[Trade]:
    return [row for row in rows_of(in_statement(*elements)) if isinstance(row, Trade)]


def only(kind: type[Kind], rows: Iterable[Row]) -> list[Kind]:
    return [row for row in rows if isinstance(row, kind)]


def stated(*elements: str, head: str = HEAD) -> list[Stated]:
    """What a statement with these rows states."""
    return list(FlexFile(in_statement(*elements, head=head).encode()))


def all_of(kind: type[Record], records: Iterable[Stated]) -> list[Record]:
    return [record for record in records if isinstance(record, kind)]


def reasons(records: Iterable[Stated]) -> list[str]:
    """Why rows were ignored."""
    return [record.reason for record in all_of(Ignored, records)]


def failure(source: str | bytes) -> StatementError:
    """What refuses a file, which is called ``may.xml``."""
    with pytest.raises(StatementError) as caught:
        rows = list(StatementReader(source if isinstance(source, bytes) else source.encode(), "may.xml"))
        assert rows is None, "it was read"
    assert str(caught.value).startswith("may.xml")
    assert caught.value.reason in str(caught.value)
    assert caught.value.exit_code == 1
    return caught.value
