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
    """What somebody wrote about a position. ``changed_at`` is null as long as it is as it was written."""

    id: int
    position_id: str
    body: str
    author: str
    written_at: Moment
    changed_at: Moment | None


class PositionNotePage(Struct, frozen=True, kw_only=True):
    """Notes of a position, newest first, and its tags."""

    items: tuple[PositionNote, ...]
    tags: tuple[str, ...]
    next_cursor: str | None


class NoteText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The words of a note."""

    body: _Body


class PositionTags(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All tags of a position: lower case, without commas, in their order."""

    tags: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=LONGEST_TAG)], ...], Meta(max_length=MOST_TAGS)
    ]


class Tag(Struct, frozen=True, kw_only=True):
    """A tag, and how many positions have it."""

    name: str
    positions: int


class TagPage(Struct, frozen=True, kw_only=True):
    """Tags that positions have, by their names."""

    items: tuple[Tag, ...]
    next_cursor: str | None
