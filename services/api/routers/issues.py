"""The inbox of issues: what the rules found, what is known of it, and the rules themselves."""

from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from core import logs
from core.domain.rules import Severity
from models.queries.issues import (
    CheckRow,
    IssueChoice,
    IssueKey,
    IssueRow,
    PastAcknowledgement,
    issue_by_id,
    issues_page,
    last_checked,
    past_acknowledgements,
    rule_checks_of,
)
from models.queries.rules.catalogue import BY_NAME, RULES
from models.queries.rules.rule import Rule
from models.stores.issues import acknowledge, ask_check
from services.api.bodies import NOT_READABLE, invalid, read_bytes
from services.api.context import Context, Shared
from services.api.exchange import job_id_of
from services.api.openapi import answers, takes
from services.api.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    cut,
    is_row_number,
    json_response,
    moment_cursor,
    moment_place,
)
from services.api.parameters import RuleName
from services.api.problems import not_found
from services.api.schemas.common import encode
from services.api.schemas.issues import (
    Acknowledgement,
    EarlierAcknowledgement,
    Issue,
    IssueDetail,
    IssuePage,
    RuleInfo,
    RulePage,
    RuleTolerance,
)
from services.api.schemas.sync import Job, JobAnswer
from services.api.security.identity import identity_of
from services.api.spelling import spelled
from services.api.stated import checked_freshness

log = logs.get_logger(__name__)

router = APIRouter(prefix="/api/v1", tags=["issues"])

_decode = msgspec.json.Decoder(Acknowledgement).decode


def _issue(row: IssueRow) -> Issue:
    return Issue(**spelled(row), status=row.status)


def _rule(rule: Rule, check: CheckRow | None) -> RuleInfo:
    looked: dict[str, Any] = dict.fromkeys(("checked_at", "since", "seconds", "found", "error"))
    looked["is_cut"] = False
    if check is not None:
        looked = spelled(check, "rule", "looked_at")
    grows = rule.magnitude
    return RuleInfo(
        name=rule.name,
        title=rule.title,
        severity=rule.severity,
        checks=rule.checks,
        tolerances=tuple(
            RuleTolerance(name=one.name, value=one.spelled, meaning=one.meaning) for one in rule.tolerances
        ),
        magnitude=None if grows is None else grows.meaning,
        magnitude_kind=None if grows is None else grows.kind,
        worse=None if grows is None else grows.worse,
        remedy=rule.remedy,
        **looked,
    )


async def _detail(context: Context, issue_id: int) -> Response:
    row = None
    before: list[PastAcknowledgement] = []
    async with context.database.read() as reader:
        if is_row_number(issue_id):
            row = await issue_by_id(reader, issue_id)
            before = await past_acknowledgements(reader, issue_id)
        checks = await rule_checks_of(reader)
    if row is None:
        raise not_found("issue_not_found", "There is no issue with this number.")
    rule, check = BY_NAME.get(row.rule), checks.get(row.rule)
    detail = IssueDetail(
        **spelled(row),
        status=row.status,
        remedy=None if rule is None else rule.remedy,
        acknowledged_before=tuple(EarlierAcknowledgement(**spelled(one)) for one in before),
        freshness=checked_freshness(None if check is None else check.checked_at, context.hub.judge()),
    )
    return json_response(encode(detail))


@router.get(
    "/issues", summary="What the rules found, what opened last first", responses=answers(IssuePage, 400, 404)
)
async def list_issues(
    context: Shared,
    status: IssueChoice = "open",
    severity: Severity | None = None,
    rule: RuleName = None,
    account: Annotated[str | None, Query(description="only of this one")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """The owner's inbox: each finding once, open until it is gone or somebody acknowledges it."""
    after = moment_place(cursor, "issues")
    if account is not None:
        context.known_account(account)
    async with context.database.read() as reader:
        found = await issues_page(
            reader,
            status=status,
            severity=severity,
            rule=rule,
            account=account,
            after=None if after is None else IssueKey(*after),
            limit=limit + 1,
        )
        checks = await rule_checks_of(reader)
    rows, last = cut(found, limit)
    checked_at = last_checked(checks, BY_NAME if rule is None else [rule])
    page = IssuePage(
        items=tuple(_issue(row) for row in rows),
        next_cursor=None if last is None else moment_cursor("issues", last.opened_at, last.id),
        checked_at=checked_at,
        freshness=checked_freshness(checked_at, context.hub.judge()),
    )
    return json_response(encode(page))


@router.post(
    "/issues/check",
    status_code=202,
    summary="Hold what is kept to the rules now",
    responses=answers(JobAnswer, status=202),
)
async def check(context: Shared, request: Request) -> Response:
    """Joins a check that is not finished; a worker looks at every rule, and the job says what it found."""
    async with context.database.write() as writer:
        asked = await ask_check(writer, job_id_of(request), context.clock())
    if not asked.joined:
        log.info("rules_check_requested", job=str(asked.id))
    job = Job(id=str(asked.id), kind="rules", status=asked.status, progress=None, error=None)
    return json_response(encode(JobAnswer(job=job)), HTTPStatus.ACCEPTED)


@router.get("/issues/{issue_id}", summary="One issue", responses=answers(IssueDetail, 404))
async def one_issue(context: Shared, issue_id: int) -> Response:
    """The issue with this number, and what to do about it."""
    return await _detail(context, issue_id)


@router.post(
    "/issues/{issue_id}/acknowledge",
    summary="Say that an issue is known",
    responses=answers(IssueDetail, 404),
    openapi_extra=takes(Acknowledgement, required=False),
)
async def acknowledge_issue(context: Shared, issue_id: int, request: Request) -> Response:
    """It stays until it is found no more, and wants no attention. Again changes the note, if there is one."""
    note = (await _acknowledgement(request)).note
    by = identity_of(request).name
    if is_row_number(issue_id):
        async with context.database.read() as reader:
            row = await issue_by_id(reader, issue_id)
        if row is not None:
            async with context.database.write_of(row.account) as writer:
                await acknowledge(writer, issue_id, by=by, note=note, now=context.clock())
    return await _detail(context, issue_id)


async def _acknowledgement(request: Request) -> Acknowledgement:
    hint = 'Send {"note": "…"} as application/json, of at most 2000 characters, or nothing.'
    body = await read_bytes(request, hint)
    if not body:
        return Acknowledgement()
    try:
        told = _decode(body)
    except NOT_READABLE:
        raise invalid(hint) from None
    if told.note is not None and "\x00" in told.note:
        raise invalid(hint)
    return told


@router.get("/rules", summary="What has to be true of what is kept", responses=answers(RulePage))
async def list_rules(context: Shared) -> Response:
    """Each rule with its severity, tolerances and remedy, and when it was last looked at."""
    async with context.database.read() as reader:
        checks = await rule_checks_of(reader)
    page = RulePage(
        items=tuple(_rule(rule, checks.get(rule.name)) for rule in RULES),
        next_cursor=None,
        freshness=checked_freshness(last_checked(checks, BY_NAME), context.hub.judge()),
    )
    return json_response(encode(page))
