"""The inbox of issues: one row for a finding however often it is found, resolved when it is gone.

Who looked later counts: what an older look found is not recorded over a newer one's. What somebody said to
know of counts until it is gone and comes again, or is worse than what they knew of; then it is kept beside.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text

from core.domain.rules import Finding, Magnitude, Severity
from models.session import Writer
from models.stores.jobs_asked import AskedJob, ask_job
from models.stores.jobs_coalesced import want
from models.tables.jobs import RULES

_UNFINISHED = "status IN ('queued', 'running')"
# A time ahead of PostgreSQL's clock was written before that was set back, and would keep everybody out.
_note_look = text(
    "INSERT INTO rule_checks AS r "
    "(rule, looked_at, whole_at, checked_at, since, seconds, found, is_cut, error) "
    "VALUES (:rule, :looked_at, :whole_at, :checked_at, :since, :seconds, :found, :is_cut, :error) "
    "ON CONFLICT (rule) DO UPDATE SET looked_at = excluded.looked_at, "
    "whole_at = coalesce(excluded.whole_at, r.whole_at), "
    "checked_at = coalesce(excluded.checked_at, r.checked_at), since = coalesce(excluded.since, r.since), "
    "seconds = coalesce(excluded.seconds, r.seconds), found = coalesce(excluded.found, r.found), "
    "is_cut = CASE WHEN excluded.checked_at IS NULL THEN r.is_cut ELSE excluded.is_cut END, "
    "error = CASE WHEN :whole THEN excluded.error ELSE r.error END "
    "WHERE r.looked_at <= excluded.looked_at OR r.looked_at > clock_timestamp() + interval '1 minute' "
    "RETURNING true"
)
_IS_WORSE = (
    "({0}.magnitude > i.acknowledged_magnitude "
    "AND {0}.magnitude >= i.acknowledged_magnitude * CAST(:times AS numeric) "
    "AND {0}.magnitude >= i.acknowledged_magnitude + CAST(:more AS numeric))"
)
_STANDS = f"i.resolved_at IS NULL AND {_IS_WORSE.format('excluded')} IS NOT TRUE"
_find = text(
    "WITH f AS MATERIALIZED (SELECT * FROM unnest(CAST(:accounts AS text[]), "  # noqa: S608 - constants of this program's own
    "CAST(:subjects AS text[]), CAST(:summaries AS text[]), CAST(:details AS text[]), "
    "CAST(:abouts AS timestamptz[]), CAST(:magnitudes AS numeric[])) "
    "AS f(account, subject, summary, details, about_at, magnitude)), "
    "ended AS (INSERT INTO issue_acknowledgements "
    "(issue_id, acknowledged_at, acknowledged_by, magnitude, note, ended_at, ended) "
    "SELECT i.id, i.acknowledged_at, i.acknowledged_by, i.acknowledged_magnitude, i.note, :now, "
    "CASE WHEN i.resolved_at IS NULL THEN 'worse' ELSE 'again' END FROM f JOIN issues i ON i.rule = :rule "
    "AND coalesce(i.account, '') = coalesce(f.account, '') AND i.subject = f.subject "
    f"WHERE i.acknowledged_at IS NOT NULL AND (i.resolved_at IS NOT NULL OR {_IS_WORSE.format('f')})) "
    "INSERT INTO issues AS i (rule, severity, account, subject, summary, details, about_at, magnitude, "
    "first_seen, opened_at, last_seen) SELECT :rule, :severity, f.account, f.subject, f.summary, "
    "CAST(f.details AS jsonb), f.about_at, f.magnitude, :now, :now, :now FROM f "
    # Always in the same order, so that two who record at once wait for each other and do not lock up.
    "ORDER BY f.account, f.subject "
    "ON CONFLICT (rule, coalesce(account, ''), subject) DO UPDATE SET severity = excluded.severity, "
    "summary = excluded.summary, details = excluded.details, about_at = excluded.about_at, "
    "magnitude = excluded.magnitude, "
    "last_seen = excluded.last_seen, times_seen = i.times_seen + 1, resolved_at = NULL, "
    f"opened_at = CASE WHEN {_STANDS} THEN i.opened_at ELSE excluded.last_seen END, "
    f"reopened = i.reopened + CASE WHEN {_STANDS} THEN 0 ELSE 1 END, "
    f"acknowledged_at = CASE WHEN {_STANDS} THEN i.acknowledged_at END, "
    f"acknowledged_by = CASE WHEN {_STANDS} THEN i.acknowledged_by END, "
    # Of what was acknowledged before it had a magnitude the first one counts.
    f"acknowledged_magnitude = CASE WHEN {_STANDS} AND i.acknowledged_at IS NOT NULL "
    "THEN coalesce(i.acknowledged_magnitude, excluded.magnitude) END, "
    f"note = CASE WHEN {_STANDS} THEN i.note END "
    "RETURNING id, opened_at = :now AS is_new"
)
# What is about a time before all that was looked at was not looked for. Nor may all have been that is about
# no time, where less was looked at than every night: what stood may have come to an end before that.
_resolve = text(
    "UPDATE issues SET resolved_at = :now WHERE rule = :rule AND resolved_at IS NULL "
    "AND (CAST(:account AS text) IS NULL OR account = :account) "
    "AND (about_at >= :since OR (about_at IS NULL AND :reaches_back)) "
    "AND id <> ALL(CAST(:found AS bigint[])) RETURNING id"
)
_forget_rules = text(
    "WITH gone AS (DELETE FROM rule_checks WHERE rule <> ALL(CAST(:rules AS text[]))) "
    "UPDATE issues SET resolved_at = now() WHERE resolved_at IS NULL AND rule <> ALL(CAST(:rules AS text[]))"
)
_acknowledge = text(
    "UPDATE issues SET acknowledged_at = coalesce(acknowledged_at, :now), "
    "acknowledged_by = coalesce(acknowledged_by, :by), acknowledged_magnitude = magnitude, "
    "note = coalesce(:note, note) "
    "WHERE id = :id AND resolved_at IS NULL"
)
_settle = text(
    "UPDATE issues SET resolved_at = :now WHERE rule = :rule AND account = :account AND subject = :subject "
    "AND resolved_at IS NULL"
)
_begin_asked = text(
    "UPDATE jobs SET status = 'running', started_at = coalesce(started_at, :now) "  # noqa: S608 - as above
    f"WHERE kind = 'rules' AND {_UNFINISHED} RETURNING id"
)
_end_asked = text(
    "UPDATE jobs SET status = 'succeeded', progress = 1, finished_at = :now, "
    "details = CAST(:result AS jsonb) WHERE id = ANY(CAST(:ids AS uuid[])) AND status = 'running'"
)
_done = text(
    "SELECT r.rule FROM rule_checks r JOIN coalesced_jobs j ON j.kind = :kind AND j.account = '' "
    "WHERE r.whole_at BETWEEN j.wanted_at AND clock_timestamp() + interval '1 minute'"
)
# The night begins at an hour of UTC by PostgreSQL's clock. What was never done is done at once.
_NIGHT = (
    "date_trunc('day', clock_timestamp() - make_interval(hours => :hour), 'UTC') "
    "+ make_interval(hours => :hour)"
)
_DONE_TONIGHT = f"{{0}}.done_at BETWEEN {_NIGHT} AND clock_timestamp() + interval '1 minute'"
_want_nightly = text(
    "INSERT INTO coalesced_jobs AS j (kind, account, wanted, trigger, wanted_at, due_at) "  # noqa: S608 - as above
    "SELECT :kind, '', 1, 'time', clock_timestamp(), clock_timestamp() WHERE NOT EXISTS (SELECT FROM "
    "coalesced_jobs d WHERE d.kind = :kind AND d.account = '' AND (d.done < d.wanted OR "
    f"{_DONE_TONIGHT.format('d')})) "
    "ON CONFLICT (kind, account) DO UPDATE SET wanted = j.wanted + 1, trigger = 'time', "
    "wanted_at = excluded.wanted_at, due_at = excluded.due_at "
    f"WHERE j.done >= j.wanted AND (j.done_at IS NULL OR NOT {_DONE_TONIGHT.format('j')})"
)


class Looked(NamedTuple):
    """What a look at one rule came to. ``account`` ``None``: all were looked at; ``error``: why it failed.

    ``reaches_back``: as far back was looked as every night; ``magnitude``: when a finding is worse than
    what somebody knew of.
    """

    rule: str
    severity: Severity
    looked_at: datetime
    since: datetime
    account: str | None
    findings: Sequence[Finding]
    is_cut: bool
    seconds: Decimal
    error: str | None
    reaches_back: bool = True
    magnitude: Magnitude | None = None


class Recorded(NamedTuple):
    """How the inbox changed: issues that are new or came again, and those that are gone."""

    opened: int = 0
    resolved: int = 0


async def record_look(writer: Writer, look: Looked) -> Recorded:
    """Have the inbox say what a look at a rule found, unless a later one has been recorded.

    What failed, or found more than is kept, resolves nothing: what it did not tell may be there still. A look
    at one account, or at some days, is none at the rule.
    """
    is_whole = look.account is None and look.reaches_back
    is_complete = is_whole and look.error is None
    noted = await writer.execute(
        _note_look,
        {
            "rule": look.rule,
            "looked_at": look.looked_at,
            "whole_at": look.looked_at if is_whole else None,
            "checked_at": look.looked_at if is_complete else None,
            "since": look.since if is_complete else None,
            "seconds": look.seconds if is_complete else None,
            "found": len(look.findings) if is_complete else None,
            "is_cut": look.is_cut and is_complete,
            "error": look.error,
            "whole": is_whole,
        },
    )
    if noted.scalar_one_or_none() is None or look.error is not None:
        return Recorded()
    found = await _record_findings(writer, look)
    if look.is_cut:
        return Recorded(sum(found.values()))
    scope = {"rule": look.rule, "account": look.account, "since": look.since, "now": look.looked_at}
    told = {"found": list(found), "reaches_back": look.reaches_back}
    gone = await writer.execute(_resolve, {**scope, **told})
    return Recorded(sum(found.values()), len(gone.all()))


async def _record_findings(writer: Writer, look: Looked) -> dict[int, bool]:
    """The ids of the issues, and whether they are new or came again."""
    # The same may be found twice in one look; a statement cannot touch a row twice.
    by_key = {(one.account, one.subject): one for one in look.findings}
    if not by_key:
        return {}
    findings = list(by_key.values())
    grows = look.magnitude
    rows = await writer.execute(
        _find,
        {
            "rule": look.rule,
            "severity": look.severity,
            "now": look.looked_at,
            "accounts": [one.account for one in findings],
            "subjects": [one.subject for one in findings],
            "summaries": [one.summary for one in findings],
            "details": [_as_json(one.details) for one in findings],
            "abouts": [one.about for one in findings],
            "magnitudes": [one.magnitude for one in findings],
            "times": 1 if grows is None else grows.times,
            "more": 0 if grows is None else grows.more,
        },
    )
    return {row.id: row.is_new for row in rows}


async def forget_other_rules(writer: Writer, rules: Sequence[str]) -> None:
    """Resolve what rules found that there are no more: this version does not look for it."""
    await writer.execute(_forget_rules, {"rules": list(rules)})


async def acknowledge(writer: Writer, issue_id: int, *, by: str, note: str | None, now: datetime) -> None:
    """Note that somebody knows of an issue as bad as it is now, as long as it is not resolved.

    Again changes the note, if there is one.
    """
    await writer.execute(_acknowledge, {"id": issue_id, "by": by, "note": note, "now": now})


async def settle(writer: Writer, rule: str, account: str, subject: str, now: datetime) -> None:
    """Resolve what a rule found of an account that it would find no more, before its next look says so."""
    asked = {"rule": rule, "account": account, "subject": subject, "now": now}
    await writer.execute(_settle, asked)


async def want_nightly(writer: Writer, hour: int) -> None:
    """Have the rules looked at once a night, which begins at an hour of UTC."""
    await writer.execute(_want_nightly, {"kind": RULES, "hour": hour})


async def ask_check(writer: Writer, job_id: UUID, now: datetime) -> AskedJob:
    """Record a wish for a check of all rules, or join the one that is not finished."""
    asked = await ask_job(writer, RULES, job_id, now)
    if not asked.joined:
        await want(writer, RULES, {"": "api"}, 0)
    return asked


async def begin_asked_checks(writer: Writer, now: datetime) -> list[UUID]:
    """The jobs that wait for a check of all rules: it is under way."""
    return [row.id for row in await writer.execute(_begin_asked, {"now": now})]


async def end_asked_checks(
    writer: Writer, ids: Sequence[UUID], result: dict[str, Any], now: datetime
) -> None:
    """Note what the check came to that these jobs waited for."""
    await writer.execute(_end_asked, {"ids": list(ids), "result": _as_json(result), "now": now})


async def rules_done(writer: Writer) -> set[str]:
    """The rules that were looked at as a whole since that was last asked for, in whatever way that ended."""
    return {row.rule for row in await writer.execute(_done, {"kind": RULES})}


def _as_json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()
