"""What people are told of what stands wrong, and when: once, once more if it is worse, and when it is over.

Pure: what is seen now and what was told before go in, news and what to remember come out.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from core.domain.rules import RANKS, Severity

SETTLES: Final = timedelta(seconds=60)
"""What stands for less than this is not told: most of it mends itself. Over is what is gone for as long."""

_SETTLES_OF: Final[Mapping[str, timedelta]] = {
    "link": timedelta(minutes=2),  # a gateway that is restarted, a network that blinks
    "dataset": timedelta(minutes=5),
    "difference": timedelta(minutes=2),
    "price": timedelta(0),
    # A new installation takes its first in the night, and tries it some days later.
    "no_backup": timedelta(days=8),
}
NEEDS_LOGIN: Final = "link:needs_login"
_DEMAND_A_PERSON: Final = frozenset({NEEDS_LOGIN, "link:client_id_in_use", "link:fenced"})
"""What nobody but its owner can end: told as soon as it turns out to be that, even while markets are shut."""

WATCHED_SOURCES: Final = frozenset(
    {"daily_loss", "drawdown", "price", "disk", "api_errors", "pool", "backup", "no_backup"}
)
"""What is looked at for people's sake alone; everything else is known anyhow."""

_SAID_ONCE: Final = frozenset({"price"})
"""Of these no end is told: they tell of a moment."""


class Condition(NamedTuple):
    """Something that stands wrong. ``id`` is the same as long as it is the same thing.

    ``kind`` is where it comes from, and after a colon what exactly: ``link:needs_login``, ``issue``.
    ``since`` is from when on, as far as that is known.
    """

    id: str
    kind: str
    severity: Severity
    account: str | None
    summary: str
    remedy: str
    since: datetime | None

    @property
    def source(self) -> str:
        """The kind without what exactly it is."""
        return self.kind.partition(":")[0]


class Standing(NamedTuple):
    """What is remembered of a condition. ``held`` is that it was due in quiet hours and nobody was told."""

    condition: Condition
    first_seen: datetime
    last_seen: datetime
    gone_at: datetime | None = None
    told_at: datetime | None = None
    told_kind: str | None = None
    told_severity: Severity | None = None
    held: bool = False
    muted_until: datetime | None = None

    def flat(self) -> dict[str, Any]:
        """Its fields and those of its condition, side by side."""
        told = self._asdict()
        condition: Condition = told.pop("condition")
        return {**condition._asdict(), **told}


class QuietHours(NamedTuple):
    """From one time of day until just before another, by the clock of a zone; may go over midnight."""

    start: time
    end: time
    zone: ZoneInfo

    def covers(self, at: datetime) -> bool:
        """Whether a moment is in them."""
        now = at.astimezone(self.zone).time()
        if self.start <= self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end


class Policy(NamedTuple):
    """What its owner wants to be told. ``quiet_all``: errors wait for the end of quiet hours as well."""

    least: Severity = "warning"
    remind_after: timedelta | None = timedelta(hours=24)
    quiet: QuietHours | None = None
    quiet_all: bool = False


class What(StrEnum):
    """What there is to tell of a condition."""

    NEW = "new"
    WORSE = "worse"
    STILL = "still"
    OVER = "over"
    PASSED = "passed"
    """It came and went in quiet hours."""


class News(NamedTuple):
    """One thing to tell. ``stood`` is how long the condition has stood, or did."""

    what: What
    condition: Condition
    stood: timedelta


class Decision(NamedTuple):
    """What to tell now, the gravest first, and what to remember; what is in neither is forgotten."""

    news: tuple[News, ...]
    standing: Mapping[str, Standing]


def decide(
    seen: Sequence[Condition],
    known: Mapping[str, Standing],
    policy: Policy,
    now: datetime,
    *,
    markets_open: bool | None = None,
) -> Decision:
    """What to tell of what is ``seen`` now, knowing what was.

    ``markets_open``: whether anything that is held trades now; ``None`` is not known, and counts as open. A
    link that is down while they are shut is told when they open, unless it waits for a person.
    """
    is_quiet = policy.quiet is not None and policy.quiet.covers(now)
    news: list[News] = []
    standing: dict[str, Standing] = {}
    for condition in seen:
        one = _seen_again(condition, known.get(condition.id), now)
        what = _due(one, policy, now, markets_open=markets_open)
        if what is not None:
            if is_quiet and (policy.quiet_all or condition.severity != "error"):
                one = one._replace(held=True)
            else:
                news.append(News(what, condition, now - one.first_seen))
                one = one._replace(
                    told_at=now, told_kind=condition.kind, told_severity=condition.severity, held=False
                )
        standing[condition.id] = one
    for key, former in known.items():
        if key in standing:
            continue
        kept, told = _gone(former, now, is_quiet=is_quiet)
        if kept is not None:
            standing[key] = kept
        if told is not None:
            news.append(told)
    return Decision(tuple(sorted(news, key=_place)), standing)


def _seen_again(condition: Condition, known: Standing | None, now: datetime) -> Standing:
    if known is None:
        return Standing(condition, now, now)
    if known.gone_at is not None and known.told_at is None:
        # What settled before anybody was told begins anew.
        return known._replace(condition=condition, first_seen=now, last_seen=now, gone_at=None)
    return known._replace(condition=condition, last_seen=now, gone_at=None)


def _due(one: Standing, policy: Policy, now: datetime, *, markets_open: bool | None) -> What | None:
    condition = one.condition
    demands = condition.kind in _DEMAND_A_PERSON
    is_unwanted = RANKS[condition.severity] > RANKS[policy.least] or (
        one.muted_until is not None and now < one.muted_until
    )
    if is_unwanted or (condition.source == "link" and markets_open is False and not demands):
        return None
    if one.told_at is None or one.told_severity is None:
        settled = now - one.first_seen >= _SETTLES_OF.get(condition.source, SETTLES)
        return What.NEW if settled else None
    if RANKS[condition.severity] < RANKS[one.told_severity] or (demands and one.told_kind != condition.kind):
        return What.WORSE
    if policy.remind_after is not None and now - one.told_at >= policy.remind_after:
        return What.STILL
    return None


def _gone(former: Standing, now: datetime, *, is_quiet: bool) -> tuple[Standing | None, News | None]:
    one = former if former.gone_at is not None else former._replace(gone_at=now)
    gone_at = one.gone_at or now
    is_muted = one.muted_until is not None and now < one.muted_until
    if one.told_at is None and not one.held:
        # Remembered a moment longer, for what comes and goes; and while somebody wants to hear nothing of it.
        return (one if is_muted or now - gone_at < SETTLES else None), None
    if now - gone_at < SETTLES or is_quiet or is_muted:
        return one, None
    if one.condition.source in _SAID_ONCE and one.told_at is not None:
        return None, None
    what = What.PASSED if one.told_at is None else What.OVER
    return None, News(what, one.condition, gone_at - one.first_seen)


def _place(news: News) -> tuple[bool, int, str]:
    return news.what in {What.OVER, What.PASSED}, RANKS[news.condition.severity], news.condition.id


# -- in words ----------------------------------------------------------------------------------------------


class Message(NamedTuple):
    """What is sent: a line, and the whole. ``severity`` is the gravest of what it tells."""

    title: str
    body: str
    severity: Severity


_WORDS: Final[Mapping[What, str]] = {
    What.NEW: "",
    What.WORSE: "worse now: ",
    What.STILL: "still: ",
    What.OVER: "over: ",
    What.PASSED: "came and went: ",
}
_MOST_LISTED: Final = 20


def in_words(news: Sequence[News], *, profile: str, zone: ZoneInfo, address: str | None) -> Message:
    """One message of all that there is to tell, which must be something.

    ``address`` is where the page is; times are by the clock of ``zone``.
    """
    standing = [one for one in news if one.what not in {What.OVER, What.PASSED}]
    told = standing or news
    first = told[0]
    if standing:
        rest = f", and {len(told) - 1} more" if len(told) > 1 else ""
        title = f"{_WORDS[first.what]}{first.condition.summary}{rest}"
    elif len(told) == 1:
        title = f"{_WORDS[first.what]}{first.condition.summary}"
    else:
        title = f"{len(told)} things are over"
    lines = [line for one in news[:_MOST_LISTED] for line in _lines(one, zone)]
    if len(news) > _MOST_LISTED:
        lines.append(f"And {len(news) - _MOST_LISTED} more.")
    if address is not None:
        lines += ["", address]
    return Message(f"Lotkeeper ({profile}): {title}", "\n".join(lines), _gravest(told))


def _lines(news: News, zone: ZoneInfo) -> Iterable[str]:
    condition = news.condition
    whose = f" [{condition.account}]" if condition.account else ""
    since = f", since {condition.since.astimezone(zone):%Y-%m-%d %H:%M %Z}" if condition.since else ""
    yield f"{condition.severity.upper()}{whose}: {_WORDS[news.what]}{condition.summary}{since}"
    if news.what in {What.OVER, What.PASSED}:
        yield f"  It stood for {spelled(news.stood)}."
    elif condition.remedy:
        yield f"  {condition.remedy}"


def _gravest(news: Sequence[News]) -> Severity:
    return min((one.condition.severity for one in news), key=RANKS.__getitem__)


def spelled(span: timedelta) -> str:
    """A time in its greatest two units: ``3 h 20 min``, ``2 d``, ``40 s``."""
    seconds = max(0, int(span.total_seconds()))
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    parts: list[tuple[int, str]] = []
    for name, size in units:
        count, seconds = divmod(seconds, size)
        if count or parts:
            parts.append((count, name))
    shown = [f"{count} {name}" for count, name in parts[:2] if count]
    return " ".join(shown) or "a moment"
