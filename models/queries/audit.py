"""The log of who did what."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from models.session import Reader
from models.tables import audit_log


class AuditRow(NamedTuple):
    """Who did what, and how it went."""

    id: int
    at: datetime
    actor: str
    kind: str
    action: str
    target: str
    address: str
    outcome: str
    request_id: str


_entries = select(*(audit_log.c[name] for name in AuditRow._fields))


async def audit_page(
    reader: Reader,
    *,
    actor: str | None = None,
    action: str | None = None,
    after: int | None = None,
    limit: int,
) -> list[AuditRow]:
    """Entries, newest first: the latest, or those before one."""
    query = _entries.order_by(audit_log.c.id.desc()).limit(limit)
    if actor is not None:
        query = query.where(audit_log.c.actor == actor)
    if action is not None:
        query = query.where(audit_log.c.action == action)
    if after is not None:
        query = query.where(audit_log.c.id < after)
    return [AuditRow(*row) for row in await reader.execute(query)]
