from typing import Annotated, Final

from msgspec import Meta, Struct

from services.api.schemas.common import Moment

LONGEST_NOTE: Final = 4_000
"""Characters of a note."""
LONGEST_TAG: Final = 40
"""Characters of a tag."""
MOST_TAGS: Final = 20
"""Tags of one position."""

_Body = Annotated[str, Meta(min_length=1, max_length=LONGEST_NOTE)]


class PositionNote(Struct, frozen=True, kw_only=True):
    """What somebody wrote about a position. The last two are null of one as it was written."""

    id: int
    position_id: str
    body: str
    author: str
    written_at: Moment
    changed_at: Moment | None
    changed_by: str | None


class PositionNotePage(Struct, frozen=True, kw_only=True):
    """Notes of a position, newest first, and its tags."""

    items: tuple[PositionNote, ...]
    tags: tuple[str, ...]
    next_cursor: str | None


class NoteText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The words of a note."""

    body: _Body


class TagText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tag."""

    tag: Annotated[str, Meta(min_length=1, max_length=LONGEST_TAG)]


class PositionTags(Struct, frozen=True, kw_only=True):
    """The tags that a position has now, in their order."""

    tags: tuple[str, ...]


class Tag(Struct, frozen=True, kw_only=True):
    """A tag, and how many positions have it."""

    name: str
    positions: int


class TagPage(Struct, frozen=True, kw_only=True):
    """Tags that positions have, by their names."""

    items: tuple[Tag, ...]
    next_cursor: str | None
