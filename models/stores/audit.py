"""The log of who did what: written once, changed never."""

from datetime import datetime

from sqlalchemy import delete, insert

from models.session import Writer
from models.tables import audit_log


async def write_audit(
    writer: Writer,
    *,
    at: datetime,
    actor: str,
    kind: str,
    action: str,
    outcome: str,
    target: str = "",
    address: str = "",
    request_id: str = "",
) -> None:
    """Keep that somebody did something, or was not let. No secret belongs in it."""
    await writer.execute(
        insert(audit_log).values(
            at=at,
            actor=actor,
            kind=kind,
            action=action,
            outcome=outcome,
            target=target,
            address=address,
            request_id=request_id,
        )
    )


async def prune_audit(writer: Writer, before: datetime) -> int:
    """Forget what is older; PostgreSQL refuses to forget what is younger than 90 days."""
    return (await writer.execute(delete(audit_log).where(audit_log.c.at < before))).rowcount
