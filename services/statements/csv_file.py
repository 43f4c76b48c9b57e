"""A CSV file as what it states: one row after the other, in constant memory.

What is wrong with rows is collected and raised at the end of the file, so that all of it can be mended at
once; the format is described in ``docs/reference/csv.md``.
"""

import csv
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from io import TextIOWrapper
from typing import BinaryIO, Final, NamedTuple, NoReturn

from core.domain.stated import Statement
from core.errors import Fault, FaultyRowsError
from services.statements.csv_rows import COLUMNS, Stating
from services.statements.csv_values import Cells
from services.statements.errors import NotCsvError

MOST_LINE: Final = 1 << 18
"""How many characters a line may have."""
_DELIMITERS: Final = (",", ";")
_NEEDED: Final = ("type", "account")
_WORKBOOK: Final = b"PK\x03\x04"


class _Head(NamedTuple):
    columns: tuple[str, ...]
    delimiter: str


class CsvFile:
    """Iterate once to get what a CSV file states, in its order.

    ``source`` is the file, opened in binary mode; ``name`` is what errors call it. ``zone`` is that of times
    that name none, ``now`` the time that nothing may lie after.

    Raises:
        NotCsvError: while iterating: it is no CSV file, or not one of this kind.
        FaultyRowsError: at the end: rows cannot be used.
        OSError: the file cannot be read.
    """

    def __init__(self, source: BinaryIO, name: str, *, zone: tzinfo, now: datetime) -> None:
        self._source = source
        self._name = name
        self._stating = Stating(zone, now)
        self._faults: list[Fault] = []
        self._unknown: Counter[str] = Counter()
        self._line = 0

    @property
    def bytes_read(self) -> int:
        """How far the reading has come."""
        return self._source.tell()

    @property
    def unknown(self) -> Mapping[str, int]:
        """Columns that are none of this format's, and in how many rows they say something."""
        return self._unknown

    def __iter__(self) -> Iterator[Statement]:
        """What the file states."""
        text = TextIOWrapper(self._source, self._encoding(), newline="")
        try:
            yield from self._read(text)
        except UnicodeDecodeError as error:
            # A piece is decoded when a line goes on into it.
            line = self._line + 1 + error.object.count(b"\n", 0, error.start)
            self._fail("it is not UTF-8: save it as “CSV UTF-8”", line)
        finally:
            # The source is whoever's opened it; the wrapper would close it with itself.
            text.detach()
        if self._faults:
            raise FaultyRowsError(self._name, self._faults)

    def _encoding(self) -> str:
        head = self._source.read(len(_WORKBOOK))
        self._source.seek(0)
        if not head:
            self._fail("the file is empty")
        if head == _WORKBOOK:
            self._fail("this is a workbook: save its sheet as “CSV UTF-8”")
        return "utf-16" if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"

    def _read(self, text: TextIOWrapper) -> Iterator[Statement]:
        lines = self._lines(text)
        head = self._head(lines)
        rows = csv.reader(lines, delimiter=head.delimiter, strict=True)
        empty = True
        while len(self._faults) <= FaultyRowsError.MOST:
            line = self._line + 1
            try:
                cells = next(rows, None)
            except csv.Error as error:
                self._faults.append(Fault(line, "", f"it cannot be told apart into cells ({error})"))
                return
            if cells is None:
                break
            bare = [cell.strip() for cell in cells]
            if not any(bare):
                continue
            empty = False
            stated = self._row(head.columns, bare, line)
            # Nothing of a file with a fault is kept: what is wrong with the rest is all that matters.
            if not self._faults:
                yield from stated
        if empty:
            self._fail("there are no rows below the names of the columns")

    def _row(self, columns: Sequence[str], cells: Sequence[str], line: int) -> Sequence[Statement]:
        if len(cells) > len(columns):
            self._faults.append(
                Fault(line, "", f"it has {len(cells)} fields, and there are {len(columns)} columns")
            )
            return ()
        row = dict(zip(columns, cells, strict=False))
        self._unknown.update(name for name, cell in row.items() if cell and name not in COLUMNS)
        return self._stating.state(Cells(line, row, self._faults))

    def _lines(self, text: TextIOWrapper) -> Iterator[str]:
        while line := text.readline(MOST_LINE):
            if "\0" in line:
                self._fail("this is no text", self._line + 1)
            if len(line) == MOST_LINE:
                self._fail(f"the line is longer than {MOST_LINE:,} characters", self._line + 1)
            self._line += 1
            yield line

    def _head(self, lines: Iterator[str]) -> _Head:
        first = next((line for line in lines if line.strip()), "")
        if first.lstrip().startswith("<"):
            self._fail("this is XML: `lotkeeper import flex` takes Flex statements", self._line)
        for delimiter in _DELIMITERS:
            names = next(csv.reader([first], delimiter=delimiter), [])
            columns = tuple("_".join(name.lower().split()) for name in names)
            if set(_NEEDED) <= set(columns):
                twice = sorted(name for name, times in Counter(columns).items() if times > 1 and name)
                if twice:
                    self._fail(f"the column {twice[0]} is there twice", self._line)
                return _Head(columns, delimiter)
        return self._fail(
            f"the first line must name the columns, {' and '.join(_NEEDED)} among them, with commas or "
            "semicolons between",
            self._line or None,
        )

    def _fail(self, reason: str, line: int | None = None) -> NoReturn:
        raise NotCsvError(self._name, line, reason)
