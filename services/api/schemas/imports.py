from typing import Any

from msgspec import Struct

from services.api.schemas.common import Moment


class Import(Struct, frozen=True, kw_only=True):
    """A file that was imported. ``stated_at`` is when it was written, by its own word.

    ``report`` says, per section, how many rows were ``new``, ``matched`` (known already), ``corrected``,
    ``disputed`` (said otherwise before; kept aside) or ``ignored``, by reason; which books hold or have
    realized something else since; and what the file had that is not known here.
    """

    id: int
    kind: str
    name: str
    sha256: str
    status: str
    trigger: str
    stated_at: Moment
    imported_at: Moment
    undone_at: Moment | None
    report: dict[str, Any]


class ImportPage(Struct, frozen=True, kw_only=True):
    """Imports, newest first."""

    items: tuple[Import, ...]
    next_cursor: str | None
