"""Notes and tags of positions."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import text

from models.noted import HOME, NOTE, OF, NoteRow, PositionOf, about
from models.session import Reader, Writer

_page = about(
    f"SELECT {NOTE} FROM position_notes n WHERE {OF.format('n')} "  # noqa: S608 - no input in it
    "AND (CAST(:before AS bigint) IS NULL OR n.id < :before) ORDER BY n.id DESC LIMIT :limit"
)
_tags = about(
    f"SELECT DISTINCT t.tag FROM position_tags t WHERE {OF.format('t')} ORDER BY t.tag"  # noqa: S608 - no input in it
)
_all_tags = text(
    "SELECT u.name, count(DISTINCT u.home) AS positions FROM "  # noqa: S608 - no input in it
    f"(SELECT t.tag AS name, {HOME.format('t')} AS home "
    "FROM position_tags t WHERE CAST(:after AS text) IS NULL OR t.tag > :after) u "
    "WHERE u.home IS NOT NULL GROUP BY u.name ORDER BY u.name LIMIT :limit"
)

TAGGED: Final = text(
    # An array: few have a tag, and no plan shall read all positions there are for them.
    f"positions.id = ANY(ARRAY(SELECT {HOME.format('t')} FROM position_tags t WHERE t.tag = :tag))"  # noqa: S608 - no input in it
)
"""A condition on ``positions``."""


class TagRow(NamedTuple):
    """A tag, and how many positions have it."""

    name: str
    positions: int


async def notes_page(
    reader: Reader, of: PositionOf, *, before: int | None = None, limit: int
) -> list[NoteRow]:
    """At most ``limit`` notes of a position before the note number ``before``, newest first."""
    rows = await reader.execute(_page, {**of._asdict(), "before": before, "limit": limit})
    return [NoteRow(*row) for row in rows]


async def tags_of(reader: Reader | Writer, of: PositionOf) -> tuple[str, ...]:
    """The tags of a position, in their order."""
    return tuple((await reader.execute(_tags, of._asdict())).scalars())


async def tags_page(reader: Reader, *, after: str | None = None, limit: int) -> Sequence[TagRow]:
    """At most ``limit`` tags after ``after``."""
    return [TagRow(*row) for row in await reader.execute(_all_tags, {"after": after, "limit": limit})]
