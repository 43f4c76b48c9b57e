"""What wants attention now, from everything that is known of it anyhow. Pure: values in, values out."""

from collections.abc import Collection, Iterator, Mapping, Sequence, Sized
from datetime import UTC, datetime
from typing import Final, NamedTuple

from core.domain.alerting import Condition
from core.domain.freshness import CADENCES
from core.domain.rules import RANKS
from models.queries.differences import DifferenceRow
from models.queries.gaps import GapRow
from models.queries.issues import CheckRow, IssueRow
from models.queries.jobs_listed import FailingWork
from models.queries.rules.catalogue import BY_NAME
from models.queries.rules.gaps import DATA_GAP, gap_subject
from models.queries.rules.standing import (
    BROKER_DIFFERENCE,
    COST_DIFFERENCE,
    COST_STANDS,
    DEAD_FACT,
    DIFFERENCE_STANDS,
    difference_rule,
    difference_subject,
)
from models.queries.sync import DeadRow, JobRow
from services.api.freshness import PASSING, Verdict
from services.api.live.feed import Judged
from services.api.live.picture import DatasetState
from services.api.schemas.alerts import Alert

MOST_OF_ONE: Final = 500
"""Of one source."""

TOLD_BY_RULES: Final = (DATA_GAP.name, BROKER_DIFFERENCE.name, COST_DIFFERENCE.name, DEAD_FACT.name)
"""What these rules found already, is an issue: acknowledged there it wants no attention here either."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FAR: Final = 2**61
_LINK_REMEDY: Final = {
    "needs_login": "Log in to TWS or IB Gateway: it waits for a person.",
    "client_id_in_use": "Another program uses this client id: end it, or set LOTKEEPER_IB_CLIENT_ID.",
    "fenced": "Another broker link has this login. End it, or leave the login to it.",
    "no_room": "Redis and the disk are full of facts that no worker has taken: start one, or make room.",
    "stream_down": "Redis cannot be reached: start it, or look at LOTKEEPER_REDIS_URL.",
    "worker_down": "Facts wait and no worker records them: start one with `lotkeeper worker`.",
    "broker_link_down": "The broker link does not run: start it with `lotkeeper broker`, or `lotkeeper up`.",
    "ib_1100": "The gateway has lost IBKR. It comes back by itself; look at IBKR's system status.",
}
_TRY_AGAIN: Final = "Look at the error, mend what it names, and ask for it again."


class Known(NamedTuple):
    """All that alerts are made of. ``told`` are findings that are issues already."""

    judged: Judged
    datasets: Mapping[tuple[str, str], DatasetState]
    watched: Collection[str]
    issues: list[IssueRow]
    told: set[tuple[str, str | None, str]]
    checks: Mapping[str, CheckRow]
    gaps: list[GapRow]
    differences: list[DifferenceRow]
    dead: list[DeadRow]
    jobs: list[JobRow]
    work: list[FailingWork]
    watch: list[Condition]


def alerts_of(known: Known, now: datetime) -> list[Alert]:
    """All of them, the gravest first."""
    found = [
        *_link(known),
        *_datasets(known, now),
        *_issues(known),
        *_rules(known),
        *_gaps(known),
        *_differences(known, now),
        *_dead(known),
        *_jobs(known),
        *_work(known),
        *_watch(known),
    ]
    return sorted(found, key=place)


def place(alert: Alert) -> tuple[int, int, str]:
    """Where an alert stands: by how grave it is, then what came last, then by its id."""
    since = alert.since
    before = _FAR if since is None else -round((since - _EPOCH).total_seconds() * 1_000_000)
    return RANKS[alert.severity], before, alert.id


def is_cut(known: Known) -> bool:
    """Whether there is more of one source than is listed."""
    sources: tuple[Sized, ...] = (known.issues, known.differences, known.jobs, known.work)
    return any(len(source) >= MOST_OF_ONE for source in sources)


class LinkTrouble(NamedTuple):
    """A login that is not live; ``accounts`` are its own where there are several logins that list any.

    ``lists_none``: nothing that is shown depends on it.
    """

    id: str
    verdict: Verdict
    accounts: Sequence[str]
    lists_none: bool = False


def links_in_trouble(judged: Judged) -> list[LinkTrouble]:
    """Each login that is not live."""
    waiting = [
        LinkTrouble(f"link:{one.login}", one, (), lists_none=True)
        for one in judged.waiting
        # Where no login lists any, what is said of all together is said of one of them.
        if one.reason and (judged.apart or one.login != judged.verdict.login)
    ]
    if not judged.apart:
        return [*([LinkTrouble("link", judged.verdict, ())] if judged.verdict.reason else []), *waiting]
    by_login: dict[str, list[str]] = {}
    for account, verdict in sorted(judged.apart.items()):
        if verdict.reason is not None:
            by_login.setdefault(verdict.login, []).append(account)
    apart = [
        LinkTrouble(f"link:{accounts[0]}", judged.apart[accounts[0]], accounts)
        for accounts in by_login.values()
    ]
    return [*apart, *waiting]


def _link(known: Known) -> Iterator[Alert]:
    for name, verdict, accounts, lists_none in links_in_trouble(known.judged):
        reason = verdict.reason or ""
        what = f"What is shown of {', '.join(accounts)}" if accounts else "What is shown"
        if lists_none:
            what = f"The gateway {verdict.login}, which has told of no account yet,"
        yield Alert(
            id=name,
            source="link",
            severity="warning" if reason in PASSING else "error",
            account=None,
            summary=f"{what} is not live: {reason.replace('_', ' ')}",
            remedy=_LINK_REMEDY.get(reason, "Look at the broker link's log and at the gateway."),
            since=verdict.since,
            href="/api/v1/sync",
        )


def _datasets(known: Known, now: datetime) -> Iterator[Alert]:
    # While the link is down everything is old: the link says so.
    for (account, name), state in sorted(known.datasets.items()):
        is_live = known.judged.of([account]).reason is None
        cadence = CADENCES.get(name)
        is_old = is_live and cadence is not None and now - state.as_of > cadence
        if account not in known.watched or (state.complete and not is_old):
            continue
        what = name.replace("_", " ")
        yield Alert(
            id=f"dataset:{account}:{name}",
            source="dataset",
            severity="warning",
            account=account,
            summary=f"The download of {what} has stopped coming"
            if state.complete
            else f"The download of {what} is not complete",
            remedy="`lotkeeper resync`, or POST /api/v1/sync/resync, asks for everything again.",
            since=state.as_of,
            href="/api/v1/sync",
        )


def _issues(known: Known) -> Iterator[Alert]:
    for row in known.issues:
        rule = BY_NAME.get(row.rule)
        yield Alert(
            id=f"issue:{row.id}",
            source="issue",
            severity=row.severity,
            account=row.account,
            summary=row.summary,
            remedy="" if rule is None else rule.remedy,
            since=row.opened_at,
            href=f"/api/v1/issues/{row.id}",
        )


def _rules(known: Known) -> Iterator[Alert]:
    for name, check in sorted(known.checks.items()):
        if check.error is not None and name in BY_NAME:
            yield Alert(
                id=f"rule:{name}",
                source="rule",
                severity="warning",
                account=None,
                summary=f"{BY_NAME[name].title}: looking at it came to no end ({check.error})",
                remedy="The worker's log says why. `lotkeeper validate` looks at all rules again.",
                since=check.looked_at,
                href="/api/v1/validation",
            )


def _gaps(known: Known) -> Iterator[Alert]:
    for gap in known.gaps:
        if (DATA_GAP.name, gap.account, gap_subject(gap)) in known.told:
            continue
        yield Alert(
            id=f"gap:{gap.account}:{gap_subject(gap)}",
            source="gap",
            severity=DATA_GAP.severity,
            account=gap.account,
            summary=f"The executions from {gap.started_at:%Y-%m-%d %H:%M}Z to {gap.ended_at:%Y-%m-%d %H:%M}Z "
            f"are not known: {gap.reason}",
            remedy=DATA_GAP.remedy,
            since=gap.detected_at,
            href="/api/v1/sync",
        )


def _differences(known: Known, now: datetime) -> Iterator[Alert]:
    for row in known.differences:
        rule = difference_rule(row)
        if now - row.since <= (COST_STANDS if rule is COST_DIFFERENCE else DIFFERENCE_STANDS).time:
            continue  # it may settle by itself
        if (rule.name, row.account, difference_subject(row)) in known.told:
            continue
        yield Alert(
            id=f"difference:{row.id}",
            source="difference",
            severity=rule.severity,
            account=row.account,
            summary=f"{row.symbol}: {row.kind.replace('_', ' ')}",
            remedy=rule.remedy,
            since=row.since,
            href="/api/v1/reconciliations/differences",
        )


def _dead(known: Known) -> Iterator[Alert]:
    for row in known.dead:
        if (DEAD_FACT.name, None, row.category) in known.told:
            continue
        what = "One message" if row.kinds == 1 else f"{row.kinds:,} messages"
        yield Alert(
            id=f"dead:{row.category}",
            source="dead_fact",
            severity=DEAD_FACT.severity,
            account=None,
            summary=f"{what} that could not be used: {row.category}",
            remedy=DEAD_FACT.remedy,
            since=row.last_seen_at,
            href=f"/api/v1/dead?category={row.category}",
        )


def _jobs(known: Known) -> Iterator[Alert]:
    for row in known.jobs:
        yield Alert(
            id=f"job:{row.id}",
            source="job",
            severity="warning",
            account=None,
            summary=f"A job failed ({row.kind.replace('_', ' ')}): {row.error or 'it does not say why'}",
            remedy=_TRY_AGAIN,
            since=row.finished_at or row.created_at,
            href=f"/api/v1/jobs/{row.id}",
        )


def _work(known: Known) -> Iterator[Alert]:
    for row in known.work:
        times = "once" if row.attempts == 1 else f"{row.attempts:,} times in a row"
        yield Alert(
            id=f"work:{row.kind}:{row.account}",
            source="work",
            severity="warning",
            account=row.account or None,
            summary=f"The worker's own work failed {times} ({row.kind.replace('_', ' ')})",
            remedy="It is tried again by itself; the worker's log says why it fails.",
            since=row.wanted_at,
            href="/api/v1/sync",
        )


def _watch(known: Known) -> Iterator[Alert]:
    for condition in known.watch:
        yield Alert(
            id=f"watch:{condition.id}",
            source="watch",
            severity=condition.severity,
            account=None,
            summary=condition.summary
            if condition.account is None
            else f"{condition.account}: {condition.summary}",
            remedy=condition.remedy,
            since=condition.since,
            href="/api/v1/alerts",
        )
