"""Notes and tags of positions."""

from collections.abc import Iterable
from datetime import datetime

from models.noted import OF, PositionOf, about
from models.session import Writer

_write = about(
    "INSERT INTO position_notes (position_id, account, conid, held_at, body, author, written_at) "
    "VALUES (:position_id, :account, :conid, :held_at, :body, :author, :now) RETURNING id"
)
_rewrite = about(
    "UPDATE position_notes n SET body = :body, changed_at = :now WHERE n.id = :id AND "  # noqa: S608 - no input in it
    + OF.format("n")
    + " RETURNING n.id"
)
_remove = about(
    f"DELETE FROM position_notes n WHERE n.id = :id AND {OF.format('n')} RETURNING n.id"  # noqa: S608 - no input in it
)
_untag = about(
    f"DELETE FROM position_tags t WHERE {OF.format('t')} AND t.tag <> ALL(:tags)"  # noqa: S608 - no input in it
)
_tag = about(
    "INSERT INTO position_tags (position_id, tag, account, conid, held_at, tagged_at) "  # noqa: S608 - no input in it
    "SELECT :position_id, w.tag, :account, :conid, :held_at, :now "
    "FROM unnest(CAST(:tags AS text[])) AS w(tag) "
    f"WHERE NOT EXISTS (SELECT FROM position_tags t WHERE {OF.format('t')} AND t.tag = w.tag) "
    "ORDER BY w.tag ON CONFLICT DO NOTHING"
)


async def write_note(
    writer: Writer, of: PositionOf, *, held_at: datetime, body: str, author: str, now: datetime
) -> int:
    """Keep a note about the position that was opened at ``held_at``; returns its number."""
    told = {**of._asdict(), "held_at": held_at, "body": body, "author": author, "now": now}
    return int((await writer.execute(_write, told)).scalar_one())


async def rewrite_note(writer: Writer, of: PositionOf, number: int, *, body: str, now: datetime) -> bool:
    """Change a note; false where the position has no such note."""
    told = {**of._asdict(), "id": number, "body": body, "now": now}
    return (await writer.execute(_rewrite, told)).one_or_none() is not None


async def remove_note(writer: Writer, of: PositionOf, number: int) -> bool:
    """Remove a note; false where the position has no such note."""
    return (await writer.execute(_remove, {**of._asdict(), "id": number})).one_or_none() is not None


async def set_tags(
    writer: Writer, of: PositionOf, tags: Iterable[str], *, held_at: datetime, now: datetime
) -> None:
    """Give a position these tags and no others."""
    told = {**of._asdict(), "tags": [*tags]}
    await writer.execute(_untag, told)
    await writer.execute(_tag, {**told, "held_at": held_at, "now": now})
