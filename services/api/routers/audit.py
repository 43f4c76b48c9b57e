"""Who did what."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from models.queries.audit import audit_page
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    cut,
    json_response,
    number_cursor,
    row_number,
)
from services.api.parameters import Text
from services.api.schemas.access import AuditEntry, AuditPage
from services.api.schemas.common import encode

router = APIRouter(prefix="/api/v1/audit", tags=["users"])


@router.get("", summary="Who did what, newest first", responses=answers(AuditPage, 400))
async def list_entries(
    context: Shared,
    actor: Annotated[Text | None, Query(description="only of this one")] = None,
    action: Annotated[Text | None, Query(description="only of this, as sign_in")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Sign-ins, changes of users and tokens, and work that was asked for; and what was refused."""
    after = row_number(cursor, "audit")
    async with context.database.read() as reader:
        found = await audit_page(reader, actor=actor, action=action, after=after, limit=limit + 1)
    rows, last = cut(found, limit)
    page = AuditPage(
        items=tuple(AuditEntry(**row._asdict()) for row in rows),
        next_cursor=None if last is None else number_cursor("audit", last.id),
    )
    return json_response(encode(page))
