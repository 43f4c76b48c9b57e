"""How what is kept stands to the rules, in one answer."""

from collections import Counter

from fastapi import APIRouter
from starlette.responses import Response

from core.domain.money import plain
from core.domain.rules import Severity
from models.queries.issues import (
    CheckRow,
    UnresolvedCount,
    last_checked,
    rule_checks_of,
    unresolved_counts,
)
from models.queries.jobs_listed import jobs_page
from models.queries.rules.catalogue import BY_NAME, RULES
from models.queries.rules.rule import Rule
from models.queries.sync import JobRow
from models.tables.jobs import RULES as CHECK
from services.api.context import Shared
from services.api.openapi import answers
from services.api.paging import json_response
from services.api.schemas.common import encode
from services.api.schemas.sync import Job
from services.api.schemas.validation import OpenIssues, RuleState, Validation
from services.api.stated import checked_freshness

router = APIRouter(prefix="/api/v1/validation", tags=["issues"])


@router.get("", summary="How what is kept stands to the rules", responses=answers(Validation))
async def validation(context: Shared) -> Response:
    """Each rule with what it found that wants attention, and when it was last looked at."""
    async with context.database.read() as reader:
        checks = await rule_checks_of(reader)
        counts = {one.rule: one for one in await unresolved_counts(reader)}
        last = await jobs_page(reader, kind=CHECK, limit=1)
    rules = tuple(_state(rule, checks.get(rule.name), counts.get(rule.name)) for rule in RULES)
    by_severity: Counter[Severity] = Counter()
    for one in counts.values():
        by_severity[one.severity] += one.open
    checked_at = last_checked(checks, BY_NAME)
    told = Validation(
        ok=checked_at is not None
        and not by_severity["error"]
        and all(state.error is None for state in rules),
        checked_at=checked_at,
        open=OpenIssues(
            error=by_severity["error"],
            warning=by_severity["warning"],
            review=by_severity["review"],
            acknowledged=sum(one.acknowledged for one in counts.values()),
        ),
        rules=rules,
        job=_under_way(last),
        freshness=checked_freshness(checked_at, context.hub.judge()),
    )
    return json_response(encode(told))


def _under_way(last: list[JobRow]) -> Job | None:
    if not last or last[0].status not in {"queued", "running"}:
        return None
    row = last[0]
    progress = None if row.progress is None else plain(row.progress)
    return Job(id=str(row.id), kind=row.kind, status=row.status, progress=progress, error=row.error)


def _state(rule: Rule, check: CheckRow | None, count: UnresolvedCount | None) -> RuleState:
    is_open = 0 if count is None else count.open
    return RuleState(
        name=rule.name,
        title=rule.title,
        severity=rule.severity,
        ok=check is not None and check.checked_at is not None and check.error is None and not is_open,
        open=is_open,
        acknowledged=0 if count is None else count.acknowledged,
        oldest=None if count is None else count.oldest,
        checked_at=None if check is None else check.checked_at,
        seconds=None if check is None or check.seconds is None else plain(check.seconds),
        found=None if check is None else check.found,
        error=None if check is None else check.error,
    )
