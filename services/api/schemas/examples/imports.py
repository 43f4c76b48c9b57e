"""Examples of imports, and of what statements say otherwise."""

from datetime import date

from msgspec import Struct

from services.api.schemas.examples.common import AT, STATED
from services.api.schemas.imports import (
    DifferenceCount,
    Import,
    ImportDetail,
    ImportPage,
    StatementDifference,
    StatementDifferencePage,
)

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

_DIFFERENCE = StatementDifference(
    id="5b4e2d0a-1f0c-5f5e-9f54-0f2f4a4a2f11",
    account="U1234567",
    day=date(2026, 11, 20),
    kind="realized",
    cause="awaited_commission",
    conid=265598,
    symbol="AAPL",
    currency="USD",
    reference="0000e0d5.63b3a1f0.01.01",
    ours="1199",
    stated="1198",
    difference="1",
    import_id=3,
    line=812,
    found_at=AT,
)

EXAMPLES: dict[type[Struct], Struct] = {
    ImportDetail: ImportDetail(
        **{name: getattr(_IMPORT, name) for name in Import.__struct_fields__},
        differences=(DifferenceCount(kind="realized", cause="awaited_commission", figures=1),),
        freshness=STATED,
    ),
    ImportPage: ImportPage(items=(_IMPORT,), next_cursor=None, freshness=STATED),
    StatementDifferencePage: StatementDifferencePage(
        items=(_DIFFERENCE,), compared_at=AT, next_cursor=None, freshness=STATED
    ),
}
