"""Benchmarks that owners bring: files of daily levels, read whole or not at all."""

import csv
import io
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from core.domain.money import ZERO, decimal_from_text, is_usable
from core.errors import Fault, FaultyRowsError, LotkeeperError

COLUMNS: Final = ("date", "level")
MOST_BYTES: Final = 16 << 20
"""Ten thousand years of days are less."""

_DELIMITERS: Final = (",", ";")


class NotLevelsError(LotkeeperError):
    """It is no file of levels."""

    code = "benchmark_unreadable"


class Level(NamedTuple):
    """What a benchmark stood at, at the end of a day."""

    day: date
    level: Decimal


def levels_of(content: bytes, name: str, today: date) -> list[Level]:
    """The levels of a CSV file with the columns ``date`` and ``level``, oldest first; others are left alone.

    Raises:
        NotLevelsError: it is no such file.
        FaultyRowsError: rows cannot be used; all of them are told.

    """
    rows, columns = _rows(content, name)
    faults: list[Fault] = []
    found: dict[date, Decimal] = {}
    for line, cells in rows:
        if not any(cells):
            continue
        row = dict(zip(columns, cells, strict=False))
        day, level = row.get("date", ""), row.get("level", "")
        when, amount = _day(day), decimal_from_text(level)
        if len(cells) > len(columns):
            faults.append(
                Fault(line, "", f"it has {len(cells)} fields, and there are {len(columns)} columns")
            )
        elif when is None:
            faults.append(Fault(line, "date", f"{day[:40]!r} is not a day such as 2026-11-20"))
        elif when > today:
            faults.append(Fault(line, "date", f"{when} is still to come"))
        elif when in found:
            faults.append(Fault(line, "date", f"{when} is there twice"))
        elif amount is None or amount <= ZERO or not is_usable(amount):
            faults.append(Fault(line, "level", f"{level[:40]!r} is not a number above zero"))
        else:
            found[when] = amount
    if faults:
        raise FaultyRowsError(name, faults)
    if not found:
        raise NotLevelsError(f"{name}: there are no rows below the names of the columns")
    return [Level(day, found[day]) for day in sorted(found)]


def _rows(content: bytes, name: str) -> tuple[list[tuple[int, list[str]]], tuple[str, ...]]:
    """Lines with their cells, and what the first line calls the columns."""
    if len(content) > MOST_BYTES:
        raise NotLevelsError(f"{name}: the file is larger than {MOST_BYTES >> 20} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise NotLevelsError(f"{name}, line {line}: it is not UTF-8: save it as “CSV UTF-8”") from None
    lines = io.StringIO(text, newline="")
    head = lines.readline()
    for delimiter in _DELIMITERS:
        columns = tuple(cell.strip().lower() for cell in head.split(delimiter))
        if set(COLUMNS) <= set(columns) and len(set(columns)) == len(columns):
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            try:
                rows = [(reader.line_num + 1, [cell.strip() for cell in cells]) for cells in reader]
            except csv.Error as error:
                line = reader.line_num + 1
                raise NotLevelsError(
                    f"{name}, line {line}: it cannot be told apart into cells ({error})"
                ) from None
            return rows, columns
    raise NotLevelsError(
        f"{name}, line 1: the first line must name the columns `date` and `level`, once each, with commas or "
        "semicolons between"
    )


def _day(spelled: str) -> date | None:
    try:
        return date.fromisoformat(spelled)
    except ValueError:
        return None
