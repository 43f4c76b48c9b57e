"""What several imports state is what the newest says that stands: written last, not imported last."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, Table, and_, exists, tuple_

from models.tables import imports

STANDING: Final = "JOIN imports i ON i.id = {0}.import_id AND i.status = 'done'"
"""The import ``i`` of a row ``{0}``, if it stands."""

NEWEST_FIRST: Final = "i.stated_at DESC, i.id DESC"
"""The order of imports ``i`` in which the first counts."""

BASE_ID: Final = "regexp_replace({0}.exec_id, '[.][0-9]+$', '')"
"""What an execution of a row ``{0}`` is called apart from its revision, as ``split_exec_id`` has it."""


def newest(
    told: str, keys: Sequence[str], *, columns: str = "", where: str = "true", standing: str = STANDING
) -> str:
    """``SELECT`` what is told of each key by the newest import that stands.

    ``told`` is a table, what it is called here and what it is joined with; the keys are columns of it, and so
    are ``columns``, all if none are given. ``standing`` joins the imports where not all that stand may speak.
    """
    alias = told.split()[1]
    by = ", ".join(f"{alias}.{key}" for key in keys)
    return (
        f"SELECT DISTINCT ON ({by}) {columns or f'{alias}.*'} FROM {told} {standing.format(alias)} "  # noqa: S608 - words of this program's own
        f"WHERE {where} ORDER BY {by}, {NEWEST_FIRST}"
    )


def counts(table: Table, keys: Sequence[str]) -> ColumnElement[bool]:
    """The same as a condition on a row: its import stands, and no newer one tells of the same key."""
    own, other, later = imports.alias("own"), table.alias("other"), imports.alias("later")
    stands = exists(own.c.id).where(own.c.id == table.c.import_id, own.c.status == "done")
    overruled = (
        exists(later.c.id)
        .select_from(
            other.join(later, and_(later.c.id == other.c.import_id, later.c.status == "done")).join(
                own, own.c.id == table.c.import_id
            )
        )
        .where(
            *(other.c[name] == table.c[name] for name in keys),
            tuple_(later.c.stated_at, later.c.id) > tuple_(own.c.stated_at, own.c.id),
        )
        .correlate(table)
    )
    # The index of what statements state knows that it is theirs.
    return and_(table.c.import_id.is_not(None), stands, ~overruled)
