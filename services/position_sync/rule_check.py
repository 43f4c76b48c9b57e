"""Hold what is kept to the rules, and have the inbox of issues say what they find.

Each rule reads a snapshot of its own, read-only and with a limit to each statement, so that no lock and no
old row is kept for long; what it finds is recorded in a transaction of its own. Whoever is killed over it
leaves the rules that were looked at recorded, and the others due.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from time import perf_counter
from typing import Any, Final, NamedTuple, get_args
from uuid import UUID

from core import logs
from core.clock import utc_now
from core.domain.rules import Finding, Severity
from core.settings import Settings
from models.queries.issues import acknowledged_of, open_counts, rule_checks_of
from models.queries.rules.catalogue import RULES
from models.queries.rules.rule import LOOKED_BACK, Rule, Scope, begin_look
from models.session import Database, Reader, Writer, is_passing
from models.stores import issues as store
from models.tables.jobs import RULES as KIND
from services.position_sync.work import work_off

log = logs.get_logger(__name__)

STATEMENT_SECONDS: Final = 40.0
"""No query of a rule may take longer."""

MOST_FINDINGS: Final = 1_000
"""Of one rule: what is wrong more often than that is not mended one by one."""

BUDGET_SECONDS: Final = 60.0
"""When it has taken so long, the rules that are left are looked at in another go."""

AGAIN_SECONDS: Final = 5.0


class RuleReport(NamedTuple):
    """What looking at one rule came to. ``is_cut``: there is more than ``MOST_FINDINGS``."""

    rule: Rule
    findings: list[Finding]
    is_cut: bool
    seconds: float
    error: str | None
    opened: int
    resolved: int


async def check_rules(
    database: Database,
    *,
    account: str | None = None,
    since: datetime | None = None,
    now: datetime | None = None,
    rules: Sequence[Rule] = RULES,
) -> list[RuleReport]:
    """Look at rules, of all accounts or of one, and record what is found.

    ``since`` is from when on is looked (default: ``LOOKED_BACK`` before ``now``), ``now`` PostgreSQL's time
    unless given. A rule whose query is too slow or wrong is told as failed, and the others go on.

    Raises:
        DBAPIError: PostgreSQL is away, or not able just then.
    """
    wanted = [rule for rule in rules if account is None or rule.of_accounts]
    return [await _check(database, rule, account, since, now) for rule in wanted]


async def _check(
    database: Database, rule: Rule, account: str | None, since: datetime | None, now: datetime | None
) -> RuleReport:
    started = perf_counter()
    findings: list[Finding] = []
    error: str | None = None
    is_cut = False
    async with database.read_one_moment() as reader:
        looked_at = await begin_look(reader, STATEMENT_SECONDS)
        at = now or looked_at
        scope = Scope(at, since or at - LOOKED_BACK, account)
        try:
            # To the end, so that no cursor is left open: what is not kept costs next to nothing.
            async for finding in rule.check(reader, scope):
                if len(findings) < MOST_FINDINGS:
                    findings.append(finding)
                else:
                    is_cut = True
        except Exception as failure:
            if is_passing(failure):
                raise
            error = f"{type(failure).__name__}: see the log"
            log.exception("rule_failed", rule=rule.name)
    seconds = perf_counter() - started
    look = store.Looked(
        rule.name,
        rule.severity,
        looked_at,
        scope.since,
        account,
        findings,
        is_cut,
        Decimal(str(round(seconds, 3))),
        error,
        reaches_back=scope.since <= at - LOOKED_BACK,
        magnitude=rule.magnitude,
    )
    async with database.write() as writer:
        changed = await store.record_look(writer, look)
    return RuleReport(rule, findings, is_cut, seconds, error, changed.opened, changed.resolved)


async def unacknowledged_errors(database: Database, reports: Sequence[RuleReport]) -> int:
    """How many of the findings are wrong, not merely unusual or awaited, and nobody has acknowledged."""
    async with database.read() as reader:
        known = await acknowledged_of(reader, [one.rule.name for one in reports if one.findings])
    return sum(
        (one.rule.name, finding.account, finding.subject) not in known
        for one in reports
        if one.rule.severity == "error"
        for finding in one.findings
    )


async def check_when_due(database: Database, settings: Settings) -> None:
    """The check of the night, and those that somebody asked for: done by one worker, by all in turn."""
    async with database.write() as writer:
        await store.want_nightly(writer, settings.rules_hour)

    async def check(trigger: str) -> float | None:
        return await _check_all(database, trigger)

    await work_off(database, KIND, "", check, settle_seconds=0)


async def _check_all(database: Database, trigger: str) -> float | None:
    """Look at all rules that were not since it was asked for; returns when to go on, if some are left."""
    async with database.write() as writer:
        asked = await store.begin_asked_checks(writer, utc_now())
    # Asked for by several, it is told under the id of one of them.
    with logs.caused_by(str(asked[0]) if asked else logs.correlation_id() or None):
        return await _check_for(database, trigger, asked)


async def _check_for(database: Database, trigger: str, asked: Sequence[UUID]) -> float | None:
    async with database.write() as writer:
        await store.forget_other_rules(writer, [rule.name for rule in RULES])
        done = await store.rules_done(writer)
    waiting = [rule for rule in RULES if rule.name not in done]
    started, elapsed_ms = perf_counter(), logs.stopwatch()
    opened = resolved = 0
    for number, rule in enumerate(waiting, 1):
        for report in await check_rules(database, rules=[rule]):
            opened += report.opened
            resolved += report.resolved
        if number < len(waiting) and perf_counter() - started > BUDGET_SECONDS:
            return AGAIN_SECONDS
    async with database.write() as writer:
        if {rule.name for rule in waiting} - await store.rules_done(writer):
            return AGAIN_SECONDS  # somebody else looked at a part of it meanwhile, and later
        result = await _result(writer)
        await store.end_asked_checks(writer, asked, result, utc_now())
    took = elapsed_ms()
    log.info(
        "rules_checked",
        trigger=trigger,
        rows=result["findings"],
        opened=opened,
        resolved=resolved,
        duration_ms=took,
    )
    for job in asked:
        with logs.caused_by(str(job)):
            log.info("job_ended", job=str(job), kind=KIND, ok=True, duration_ms=took)
    return None


async def _result(reader: Reader | Writer) -> dict[str, Any]:
    """What whoever waits for a check is told: how much was found, what failed, and what wants attention."""
    checks = await rule_checks_of(reader)
    attention = Counter[str]()
    for row in await open_counts(reader):
        attention[row.severity] += row.issues
    return {
        "rules": len(checks),
        "findings": sum(one.found or 0 for one in checks.values()),
        "failed": [one.rule for one in checks.values() if one.error is not None],
        "open": {severity: attention[severity] for severity in get_args(Severity)},
    }
