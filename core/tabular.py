"""What stands in the columns of tables that are handed out as files, and what spreadsheets make of text."""

import re
from enum import Enum
from typing import Any, Final


class Kind(Enum):
    """What stands in a column. ``DOCUMENT`` is whatever has parts: lists and maps, as JSON."""

    TEXT = "text"
    AMOUNT = "amount"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    MOMENT = "moment"
    DAY = "day"
    DOCUMENT = "document"
    BINARY = "binary"


KIND_KEY: Final = "lotkeeper.kind"
"""Under this name each column of a Parquet file tells its kind."""

ACTIVE: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula, with the wide forms of East Asia."""

NUMBER: Final = r"-?[0-9]+(\.[0-9]+)?"
"""What begins like a formula and is none: it stays a number. For Python and for PostgreSQL alike."""

_is_number = re.compile(NUMBER).fullmatch


def inert(text: str) -> str:
    """The text, made so that no spreadsheet calculates it (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(ACTIVE) and not _is_number(text) else text


def arrow_type(kind: Kind) -> Any:
    """The Arrow type of a column; of amounts and documents it is text, which holds every digit.

    pyarrow is loaded by the first call: some 60 MB that only those pay for who ask for Parquet.
    """
    import pyarrow as pa  # noqa: PLC0415 - see above

    types = {
        Kind.INTEGER: pa.int64(),
        Kind.NUMBER: pa.float64(),
        Kind.BOOLEAN: pa.bool_(),
        Kind.MOMENT: pa.timestamp("us", tz="UTC"),
        Kind.DAY: pa.date32(),
        Kind.BINARY: pa.binary(),
    }
    return types.get(kind, pa.string())
