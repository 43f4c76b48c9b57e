"""What stands in a dataset's columns, by PostgreSQL's own word, and how each is spelled in a kind of file."""

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

from core.tabular import ACTIVE, NUMBER, Kind
from models.pooler import UNNAMED
from models.queries.datasets.catalogue import Dataset

Spelling = Literal["csv", "arrow", "json", "row"]
"""For whom: people's CSV, the columns of Arrow, an object of JSON a line, or a list of JSON a line."""

DIGITS: Final = 38
"""So many Arrow's and DuckDB's decimals have at most."""

PLACES: Final = 10
"""Behind the point, as long as the values let: then a product of two still has room, and an average."""

_KINDS: Final = {
    "numeric": Kind.AMOUNT,
    "timestamptz": Kind.MOMENT,
    "date": Kind.DAY,
    "bool": Kind.BOOLEAN,
    "int2": Kind.INTEGER,
    "int4": Kind.INTEGER,
    "int8": Kind.INTEGER,
    "float4": Kind.NUMBER,
    "float8": Kind.NUMBER,
    "text": Kind.TEXT,
    "varchar": Kind.TEXT,
    "uuid": Kind.TEXT,
    "json": Kind.DOCUMENT,
    "jsonb": Kind.DOCUMENT,
    "bytea": Kind.BINARY,
}
_MOMENT: Final = "to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
_BASE64: Final = "translate(encode({0}, 'base64'), E'\\n', '')"
_FORMULAS: Final = ", ".join(f"U&'\\{ord(one):04x}'" for one in ACTIVE)
_INERT: Final = (
    f"CASE WHEN left({{0}}, 1) IN ({_FORMULAS}) AND {{0}} !~ '^{NUMBER}$' THEN '''' || {{0}} ELSE {{0}} END"
)


class Column(NamedTuple):
    """A column. ``places`` are the digits behind the point of an amount that Arrow can hold as a decimal."""

    name: str
    kind: Kind
    description: str = ""
    is_uuid: bool = False
    places: int | None = None


class Bounds(NamedTuple):
    """Which rows: of a time from ``since`` on and before ``until``, as PostgreSQL spells moments."""

    since: str | None = None
    until: str | None = None


async def columns_of(raw: Any, dataset: Dataset) -> list[Column]:
    """The columns of a dataset, asked of PostgreSQL.

    Raises:
        KeyError: a type that no export knows.
    """
    prepared = await raw.prepare(dataset.select, name=UNNAMED)
    return [
        Column(
            one.name,
            Kind.DOCUMENT if one.type.kind == "array" else _KINDS[one.type.name],
            dataset.comments.get(one.name, ""),
            one.type.name == "uuid",
        )
        for one in prepared.get_attributes()
    ]


def _spelled(column: Column, spelling: Spelling) -> str:
    name = f'"{column.name}"'
    match column.kind:
        case Kind.MOMENT if (
            spelling != "arrow"
        ):  # which reads what PostgreSQL writes by itself, in half the time
            form = _MOMENT
        case Kind.BINARY:
            form = _BASE64
        case Kind.DOCUMENT:
            form = "to_jsonb({0})" if spelling == "json" else "CAST(to_jsonb({0}) AS text)"
        case Kind.AMOUNT | Kind.DAY if spelling in {"json", "row"}:
            form = "CAST({0} AS text)"
        case Kind.BOOLEAN if spelling == "csv":
            form = "CAST({0} AS text)"
        case Kind.TEXT if spelling == "csv" and not column.is_uuid:
            form = _INERT
        case _:
            form = "{0}"
    return form.format(name)


def within(dataset: Dataset, columns: Sequence[Column], bounds: Bounds) -> list[str]:
    """Conditions on a row of a dataset that has a time; of one that has none, none.

    A day counts if any moment of it, by the broker's clock, does.
    """
    column = next((one for one in columns if one.name == dataset.time), None)
    if column is None:
        return []
    name = f'"{column.name}"'
    if column.kind is Kind.DAY:
        day = "CAST((CAST('{0}' AS timestamptz) {1}) AT TIME ZONE 'America/New_York' AS date)"
        first, last = day.format(bounds.since, ""), day.format(bounds.until, "- interval '1 microsecond'")
        told = (bounds.since and f"{name} >= {first}", bounds.until and f"{name} <= {last}")
    else:
        told = (
            bounds.since and f"{name} >= CAST('{bounds.since}' AS timestamptz)",
            bounds.until and f"{name} < CAST('{bounds.until}' AS timestamptz)",
        )
    return [one for one in told if one]


def year_of(dataset: Dataset) -> str:
    """SQL of the year (UTC) that a row of a large dataset is of."""
    return f"CAST(date_part('year', \"{dataset.time}\" AT TIME ZONE 'UTC') AS int)"


def within_year(dataset: Dataset, year: int) -> list[str]:
    """Conditions on a row of a large dataset, such as an index knows."""
    moments = (f"CAST('{one:04}-01-01 00:00+00' AS timestamptz)" for one in (year, year + 1))
    return [
        f'"{dataset.time}" {compares} {moment}' for compares, moment in zip((">=", "<"), moments, strict=True)
    ]


def selected(
    dataset: Dataset, columns: Sequence[Column], conditions: Sequence[str], spelling: Spelling
) -> str:
    """SQL of the rows in the order of their key, spelled."""
    spelled = [_spelled(one, spelling) for one in columns]
    named = ", ".join(f'{value} AS "{column.name}"' for value, column in zip(spelled, columns, strict=True))
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    order = ", ".join(f'd."{name}"' for name in dataset.key)
    of = f"FROM ({dataset.select}) d{where}"
    if spelling == "row":
        return f"SELECT json_build_array({', '.join(spelled)}) {of} ORDER BY {order}"
    if spelling == "json":
        return f"SELECT row_to_json(e) FROM (SELECT {named} {of} ORDER BY {order}) e"  # noqa: S608 - as above
    return f"SELECT {named} {of} ORDER BY {order}"
