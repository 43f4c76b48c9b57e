"""Rules about what was not seen: hours without a snapshot, times of which the executions are not known."""

import math
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import text

from core.domain.rules import Finding, Magnitude
from core.domain.snapshot_runs import hour_of
from models.queries.gaps import GapRow, open_gaps
from models.queries.rules.rule import Findings, Rule, Scope
from models.queries.snapshots import SnapshotGap, snapshot_gaps
from models.session import Reader

_MOST_GAPS: Final = 2_000
_HOUR: Final = timedelta(hours=1)
_before = text("SELECT max(hour) FROM snapshots WHERE account = :account AND hour < :first")


async def _began(reader: Reader, gap: SnapshotGap) -> datetime:
    """The first hour of a gap that may have begun before what is looked at.

    Hours that are missing for another reason before it are another gap: they are not where it begins.
    """
    asked = {"account": gap.account, "first": gap.first}
    seen: datetime | None = (await reader.execute(_before, asked)).scalar_one()
    whole = await snapshot_gaps(
        reader,
        until=gap.last + _HOUR,
        since=None if seen is None else seen + _HOUR,
        account=gap.account,
        limit=1,
    )
    return whole[0].first if whole else gap.first


async def _snapshot_gap(reader: Reader, scope: Scope) -> Findings:
    until = hour_of(scope.now)
    gaps = await snapshot_gaps(
        reader, until=until, since=scope.since, account=scope.account, limit=_MOST_GAPS
    )
    for gap in gaps:
        first = gap.first
        if first < scope.since + _HOUR:
            # It began before what is looked at: it is named by its own beginning all the same.
            first = await _began(reader, gap)
        hours = (gap.last - first) // _HOUR + 1
        since = f"from {first:%Y-%m-%d %H:%M}Z" if hours > 1 else f"of {first:%Y-%m-%d %H:%M}Z"
        told = "1 hour" if hours == 1 else f"{hours} hours"
        summary = f"{told} {since} without a snapshot: {gap.reason.replace('_', ' ')}"
        details = {"first": first, "last": gap.last, "hours": hours, "reason": gap.reason}
        yield Finding(gap.account, f"{first:%Y-%m-%dT%HZ}", summary, details, gap.last, Decimal(hours))


async def _data_gap(reader: Reader, scope: Scope) -> Findings:
    for gap in await open_gaps(reader):
        if scope.account is not None and gap.account != scope.account:
            continue
        summary = (
            f"The executions from {gap.started_at:%Y-%m-%d %H:%M}Z to {gap.ended_at:%Y-%m-%d %H:%M}Z "
            f"are not known: {gap.reason}"
        )
        details = {"started_at": gap.started_at, "ended_at": gap.ended_at, "reason": gap.reason}
        hours = Decimal(math.ceil((gap.ended_at - gap.started_at) / _HOUR))
        yield Finding(gap.account, gap_subject(gap), summary, details, magnitude=hours)


def gap_subject(gap: GapRow) -> str:
    """What a finding about a time without executions is about, the same each time it is found."""
    return f"{gap.started_at:%Y-%m-%dT%H:%M:%S.%fZ}"


SNAPSHOT_GAP: Final = Rule(
    name="snapshot-gap",
    title="Every hour has its snapshot",
    severity="warning",
    checks="Each account has a snapshot of every full hour since its first one, as long as the login lists "
    "it. Hours in a row that are missing for one reason are one finding.",
    remedy="The value of those hours is lost: IBKR tells none of the past. The reason says what to mend: "
    "the broker link or the gateway was down, or nothing ran (`not running`). Daily values can be had from "
    "a Flex statement. Then acknowledge it.",
    magnitude=Magnitude("time", "the number of hours", times=Decimal(2), more=Decimal(24)),
    check=_snapshot_gap,
)
DATA_GAP: Final = Rule(
    name="data-gap",
    title="The executions of all times are known",
    severity="warning",
    checks="No time stands open of which the gateway can tell the executions no more and no statement did "
    "yet.",
    remedy="Import a Flex statement that covers it, with the section *Trades* at the level of executions: "
    "`lotkeeper flex fetch`, or `lotkeeper import flex FILE`.",
    magnitude=Magnitude("time", "the number of hours, begun ones too", more=Decimal(1)),
    check=_data_gap,
)
