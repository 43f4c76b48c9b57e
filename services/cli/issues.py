"""``issues list``, ``show`` and ``acknowledge``."""

from typing import Any, NamedTuple

import msgspec
import typer

from core.clock import utc_now
from core.domain.rules import Severity
from core.errors import LotkeeperError
from core.settings import Profile, Settings
from models.queries.issues import (
    IssueChoice,
    IssueKey,
    IssueRow,
    PastAcknowledgement,
    issue_by_id,
    issues_page,
    past_acknowledgements,
)
from models.queries.rules.catalogue import BY_NAME
from models.session import Database, Reader
from models.stores.issues import acknowledge
from services.cli import show_issues
from services.cli.auditing import audited
from services.cli.on_database import on_database

_LAST_ID = 2**63
BY = "cli"
"""Who acknowledges here."""


class UnknownIssueError(LotkeeperError):
    """There is no issue with this number."""

    code = "unknown_issue"
    exit_code = 2


class UnknownRuleError(LotkeeperError):
    """There is no rule of this name."""

    code = "unknown_rule"
    exit_code = 2


class ResolvedError(LotkeeperError):
    """It is found no more: there is nothing to know of."""

    code = "issue_resolved"
    exit_code = 2


class Asked(NamedTuple):
    """Which issues: how they stand, how grave, of which rule and account, and how many after which one."""

    status: IssueChoice
    severity: Severity | None
    rule: str | None
    account: str | None
    limit: int
    before: int | None


class _Whole(NamedTuple):
    row: IssueRow
    past: list[PastAcknowledgement]


def run_list(profile: Profile | None, asked: Asked, *, as_json: bool) -> None:
    """Print a page of issues.

    Raises:
        UnknownRuleError: there is no such rule.
        UnknownIssueError: the one to go on from is not there.
        LotkeeperError: as ``on_database``.
    """
    if asked.rule is not None and asked.rule not in BY_NAME:
        raise UnknownRuleError(f"There is no rule {asked.rule}. See: lotkeeper validate rules")

    async def work(database: Database, _: Settings) -> list[IssueRow]:
        async with database.read() as reader:
            last = None if asked.before is None else await _issue(reader, asked.before)
            return await issues_page(
                reader,
                status=asked.status,
                severity=asked.severity,
                rule=asked.rule,
                account=asked.account,
                after=None if last is None else IssueKey(last.opened_at, last.id),
                limit=asked.limit + 1,
            )

    found = on_database(profile, asked.account, work)
    page = found[: asked.limit]
    following = page[-1].id if len(found) > asked.limit else None
    if as_json:
        told = {"issues": [_as_json(row) for row in page], "next_before": following}
        typer.echo(msgspec.json.encode(told).decode())
    else:
        show_issues.listed(page, following, status=asked.status)


def run_show(profile: Profile | None, issue_id: int, *, as_json: bool) -> None:
    """Print one issue, whole.

    Raises:
        UnknownIssueError: there is none with this number.
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, _: Settings) -> _Whole:
        return await _whole(database, issue_id)

    _tell(on_database(profile, None, work), as_json=as_json)


def run_acknowledge(profile: Profile | None, issue_id: int, note: str | None, *, as_json: bool) -> None:
    """Say that an issue is known, and print it.

    Raises:
        UnknownIssueError: there is none with this number.
        ResolvedError: it is found no more.
        LotkeeperError: as ``on_database``.
    """
    if note is not None and not note.strip():
        raise typer.BadParameter("--note is empty. Leave it out, or say what you know.")

    async def work(database: Database, _: Settings) -> _Whole:
        async with database.read() as reader:
            if (await _issue(reader, issue_id)).resolved_at is not None:
                raise ResolvedError(f"Issue {issue_id} is resolved: it is found no more.")
        async with database.write() as writer:
            await acknowledge(writer, issue_id, by=BY, note=note, now=utc_now())
            await audited(writer, "issue_acknowledge", str(issue_id))
        return await _whole(database, issue_id)

    _tell(on_database(profile, None, work), as_json=as_json)


def _tell(one: _Whole, *, as_json: bool) -> None:
    if as_json:
        told = {"issue": _as_json(one.row), "acknowledged_before": [past._asdict() for past in one.past]}
        typer.echo(msgspec.json.encode(told).decode())
    else:
        show_issues.shown(one.row, one.past)


async def _whole(database: Database, issue_id: int) -> _Whole:
    async with database.read() as reader:
        return _Whole(await _issue(reader, issue_id), await past_acknowledgements(reader, issue_id))


async def _issue(reader: Reader, issue_id: int) -> IssueRow:
    row = await issue_by_id(reader, issue_id) if 0 < issue_id < _LAST_ID else None
    if row is None:
        raise UnknownIssueError(f"There is no issue {issue_id}. See: lotkeeper issues list --status all")
    return row


def _as_json(row: IssueRow) -> dict[str, Any]:
    rule = BY_NAME.get(row.rule)
    return {**row._asdict(), "status": row.status, "remedy": None if rule is None else rule.remedy}
