"""Examples of imports."""

from msgspec import Struct

from services.api.schemas.examples.common import AT
from services.api.schemas.imports import Import, ImportPage

_IMPORT = Import(
    id=3,
    kind="flex",
    name="activity-2025.xml",
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    status="done",
    trigger="upload",
    stated_at=AT,
    imported_at=AT,
    undone_at=None,
    report={
        "sections": {
            "trades": {"new": 812, "matched": 4, "corrected": 1, "disputed": 0, "ignored": {"repeated": 2}}
        },
        "changed_books": 41,
    },
)

EXAMPLES: dict[type[Struct], Struct] = {
    Import: _IMPORT,
    ImportPage: ImportPage(items=(_IMPORT,), next_cursor=None),
}
