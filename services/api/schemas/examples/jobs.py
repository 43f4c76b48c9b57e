"""Examples of jobs and of what was set aside."""

from datetime import timedelta

from msgspec import Struct

from services.api.schemas.dead import DeadFact, DeadFactDetail, DeadFactPage
from services.api.schemas.examples.common import AT, OWN
from services.api.schemas.jobs import JobPage
from services.api.schemas.sync import JobRecord

_DEAD = DeadFact(
    id=7,
    status="open",
    category="parsing",
    reason="unknown message id 999",
    source="gateway",
    account=None,
    epoch=41,
    seq=None,
    occurrences=3,
    first_seen_at=AT - timedelta(hours=2),
    last_seen_at=AT,
    resolved_at=None,
    retries=0,
)

EXAMPLES: dict[type[Struct], Struct] = {
    JobPage: JobPage(
        items=(
            JobRecord(
                id="6f1c1f8e-2f1d-5c54-9a53-0b0f4c6f7a21",
                kind="import",
                status="running",
                progress="0.4",
                error=None,
                created_at=AT,
                started_at=AT,
                finished_at=None,
            ),
        ),
        next_cursor=None,
        freshness=OWN,
    ),
    DeadFactPage: DeadFactPage(items=(_DEAD,), next_cursor=None, freshness=OWN),
    DeadFactDetail: DeadFactDetail(
        **{name: getattr(_DEAD, name) for name in DeadFact.__struct_fields__},
        payload="999\u00001\u0000",
        freshness=OWN,
    ),
}
