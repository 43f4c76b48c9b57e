"""Whether what we show is live, and if not, why. Pure: values in, values out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from core.domain.freshness import BEAT_LIMIT, link_reason, value_reason
from core.domain.link import LinkState, UpDown
from services.api.schemas.common import Freshness, Links

UNKNOWN = Links(gateway="unknown", ibkr="unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The broker link's last beat, with our own time of its arrival."""

    gateway: UpDown
    ibkr: UpDown
    since: datetime
    reason: str
    complete: bool
    epoch: int
    beat_at: datetime
    state: LinkState = "disconnected"
    last_message_at: datetime | None = None
    clock_offset_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What follows from the links for everything we show. ``reason`` ``None`` means live.

    ``state`` is the link's own word of itself, ``None`` while it says nothing.
    """

    links: Links
    reason: str | None
    since: datetime | None
    epoch: int = 0
    state: LinkState | None = None
    login: str = ""


NOBODYS: Final = Verdict(links=UNKNOWN, reason="broker_link_down", since=None)
"""Of accounts that no login lists."""

PASSING: Final = frozenset({"not_yet_synced", "ib_1100", "incomplete"})
"""Reasons that nobody has to do anything about."""


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """What holds of several together: the gravest, and of the gravest the one that has been so for longest.

    There is at least one.
    """
    return max(verdicts, key=lambda one: (_gravity(one), -_seconds(one.since)))


def _gravity(verdict: Verdict) -> int:
    return 0 if verdict.reason is None else 1 if verdict.reason in PASSING else 2


def _seconds(since: datetime | None) -> float:
    return 0.0 if since is None else since.timestamp()


def conclude(
    *,
    link: Link | None,
    following_since: datetime | None,
    lost_at: datetime | None,
    synced_before: bool,
    worker_down: bool,
    now: datetime,
    login: str = "",
) -> Verdict:
    """Judge the link of a login.

    ``following_since`` is when we began to follow the streams, ``None`` while we cannot; then ``lost_at``
    says since when. ``synced_before`` tells a resync under way from the very first one.
    ``worker_down``: facts wait and nobody records them, so what the broker says now is not what we show.
    """
    if following_since is None:
        return Verdict(links=UNKNOWN, reason="stream_down", since=lost_at, login=login)
    if link is None:
        if now - following_since <= BEAT_LIMIT:
            return Verdict(links=UNKNOWN, reason="not_yet_synced", since=following_since, login=login)
        return Verdict(links=UNKNOWN, reason="broker_link_down", since=following_since, login=login)
    if now - link.beat_at > BEAT_LIMIT:
        return Verdict(
            links=UNKNOWN, reason="broker_link_down", since=link.beat_at, epoch=link.epoch, login=login
        )
    return Verdict(
        links=Links(gateway=link.gateway, ibkr=link.ibkr),
        reason=_reason(link, synced_before=synced_before) or ("worker_down" if worker_down else None),
        since=link.since,
        epoch=link.epoch,
        state=link.state,
        login=login,
    )


def _reason(link: Link, *, synced_before: bool) -> str | None:
    return link_reason(
        gateway=link.gateway,
        ibkr=link.ibkr,
        state=link.state,
        reason=link.reason,
        complete=link.complete,
        synced_before=synced_before,
    )


def whole_age(as_of: datetime, now: datetime) -> int:
    """Whole seconds; never negative, also where the clock of another machine is ahead of ours."""
    return max(0, int((now - as_of).total_seconds()))


def freshness(
    verdict: Verdict,
    *,
    as_of: datetime | None,
    received_at: datetime | None,
    now: datetime,
    cadence: timedelta | None = None,
    complete: bool = True,
) -> Freshness:
    """The block for one value or one list.

    ``complete`` is false where the download that the value belongs to has a gap; a value without a time was
    never received.
    """
    age = None if as_of is None else whole_age(as_of, now)
    reason = verdict.reason
    if reason is None:
        reason = value_reason(as_of, now, cadence=cadence, complete=complete)
    return Freshness(
        source="live" if reason is None else "last_known",
        as_of=as_of,
        received_at=received_at,
        age_seconds=age,
        stale=reason is not None,
        reason=reason,
        links=verdict.links,
    )
