from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.domain.freshness import VALUE_CADENCE
from services.api.freshness import UNKNOWN, Link, Verdict, conclude, freshness, worst
from services.api.schemas.common import Links

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SINCE = NOW - timedelta(minutes=5)
UP = Links(gateway="up", ibkr="up")


def seconds(count: float) -> datetime:
    return NOW - timedelta(seconds=count)


def link(**fields: Any) -> Link:
    known: dict[str, Any] = {
        "gateway": "up",
        "ibkr": "up",
        "since": SINCE,
        "reason": "",
        "complete": True,
        "epoch": 7,
        "beat_at": seconds(0.5),
    }
    return Link(**(known | fields))


LINKS: list[tuple[str, Link | None, dict[str, Any], str | None, Links, datetime | None]] = [
    ("all is well", link(), {}, None, UP, SINCE),
    (
        "ibkr not told of yet, but the resync ended well",
        link(ibkr="unknown"),
        {},
        None,
        Links(gateway="up", ibkr="unknown"),
        SINCE,
    ),
    ("the last beat within its limit", link(beat_at=seconds(2.5)), {}, None, UP, SINCE),
    ("the beats stopped", link(beat_at=seconds(2.6)), {}, "broker_link_down", UNKNOWN, seconds(2.6)),
    (
        "the beats stopped while the gateway was down",
        link(gateway="down", beat_at=seconds(9)),
        {},
        "broker_link_down",
        UNKNOWN,
        seconds(9),
    ),
    ("no beat yet, just begun", None, {"following_since": seconds(1)}, "not_yet_synced", UNKNOWN, seconds(1)),
    ("no beat at all", None, {"following_since": seconds(3)}, "broker_link_down", UNKNOWN, seconds(3)),
    ("redis away", link(), {"following_since": None}, "stream_down", UNKNOWN, seconds(60)),
    (
        "gateway refuses",
        link(gateway="down", ibkr="unknown", reason="gateway_unreachable"),
        {},
        "gateway_unreachable",
        Links(gateway="down", ibkr="unknown"),
        SINCE,
    ),
    (
        "gateway down without a reason",
        link(gateway="down"),
        {},
        "gateway_unreachable",
        Links(gateway="down", ibkr="up"),
        SINCE,
    ),
    (
        "gateway silent",
        link(gateway="down", reason="gateway_silent"),
        {},
        "gateway_silent",
        Links(gateway="down", ibkr="up"),
        SINCE,
    ),
    (
        "client id taken",
        link(gateway="down", reason="client_id_in_use"),
        {},
        "client_id_in_use",
        Links(gateway="down", ibkr="up"),
        SINCE,
    ),
    (
        "ibkr lost",
        link(ibkr="down", reason="ib_1100"),
        {},
        "ib_1100",
        Links(gateway="up", ibkr="down"),
        SINCE,
    ),
    (
        "answers and tells nothing",
        link(ibkr="unknown", state="degraded", reason="data_stale"),
        {},
        "data_stale",
        Links(gateway="up", ibkr="unknown"),
        SINCE,
    ),
    (
        "held back for lack of room",
        link(ibkr="unknown", state="degraded", reason="no_room"),
        {},
        "no_room",
        Links(gateway="up", ibkr="unknown"),
        SINCE,
    ),
    (
        "somebody else has the login",
        link(gateway="unknown", ibkr="unknown", state="fenced", reason="fenced", complete=False),
        {},
        "fenced",
        UNKNOWN,
        SINCE,
    ),
    ("ibkr lost without a reason", link(ibkr="down"), {}, "ib_1100", Links(gateway="up", ibkr="down"), SINCE),
    (
        "needs a login",
        link(ibkr="down", reason="needs_login"),
        {},
        "needs_login",
        Links(gateway="up", ibkr="down"),
        SINCE,
    ),
    ("back, the resync under way", link(complete=False), {}, "incomplete", UP, SINCE),
    (
        "the very first resync under way",
        link(complete=False),
        {"synced_before": False},
        "not_yet_synced",
        UP,
        SINCE,
    ),
    ("nobody records", link(), {"worker_down": True}, "worker_down", UP, SINCE),
    (
        "the link's reason weighs more",
        link(ibkr="down"),
        {"worker_down": True},
        "ib_1100",
        Links(gateway="up", ibkr="down"),
        SINCE,
    ),
]


@pytest.mark.parametrize(
    ("_name", "link_", "given", "reason", "links", "since"), LINKS, ids=[row[0] for row in LINKS]
)
def test_what_follows_from_the_links(
    _name: str,
    link_: Link | None,
    given: dict[str, Any],
    reason: str | None,
    links: Links,
    since: datetime | None,
) -> None:
    known: dict[str, Any] = {
        "following_since": SINCE,
        "lost_at": seconds(60),
        "synced_before": True,
        "worker_down": False,
        "now": NOW,
    }
    verdict = conclude(link=link_, **(known | given))
    assert (verdict.reason, verdict.links, verdict.since) == (reason, links, since)


LIVE = Verdict(links=UP, reason=None, since=SINCE, epoch=7)
DOWN = Verdict(links=Links(gateway="up", ibkr="down"), reason="ib_1100", since=SINCE, epoch=7)
AGE = VALUE_CADENCE.total_seconds()
VALUES: list[tuple[str, Verdict, dict[str, Any], str, str | None]] = [
    ("fresh", LIVE, {"as_of": seconds(1), "cadence": VALUE_CADENCE}, "live", None),
    ("at its limit", LIVE, {"as_of": seconds(AGE), "cadence": VALUE_CADENCE}, "live", None),
    ("beyond its limit", LIVE, {"as_of": seconds(AGE + 1), "cadence": VALUE_CADENCE}, "last_known", "old"),
    ("old, but comes on change", LIVE, {"as_of": seconds(90_000)}, "live", None),
    ("with a gap", LIVE, {"as_of": seconds(1), "complete": False}, "last_known", "incomplete"),
    ("never received", LIVE, {"as_of": None}, "last_known", "incomplete"),
    ("fresh, but the link is down", DOWN, {"as_of": seconds(1)}, "last_known", "ib_1100"),
    (
        "the link weighs more than age and gap",
        DOWN,
        {"as_of": seconds(9e5), "cadence": VALUE_CADENCE, "complete": False},
        "last_known",
        "ib_1100",
    ),
]


@pytest.mark.parametrize(
    ("_name", "verdict", "given", "source", "reason"), VALUES, ids=[row[0] for row in VALUES]
)
def test_how_far_a_value_is_trusted(
    _name: str, verdict: Verdict, given: dict[str, Any], source: str, reason: str | None
) -> None:
    block = freshness(verdict, received_at=given["as_of"], now=NOW, **given)
    assert (block.source, block.reason, block.stale) == (source, reason, reason is not None)
    assert block.links == verdict.links


def test_an_age_is_whole_seconds_and_never_negative() -> None:
    ahead = freshness(LIVE, as_of=NOW + timedelta(seconds=5), received_at=NOW, now=NOW)
    assert ahead.age_seconds == 0
    assert freshness(LIVE, as_of=seconds(5.9), received_at=NOW, now=NOW).age_seconds == 5
    assert freshness(LIVE, as_of=None, received_at=None, now=NOW).age_seconds is None


def test_the_gravest_of_several_links_counts_and_of_these_the_one_that_is_so_for_longest() -> None:
    longest = Verdict(links=UP, reason="incomplete", since=NOW - timedelta(days=3))
    waits = Verdict(links=UNKNOWN, reason="needs_login", since=SINCE)
    silent = Verdict(links=UNKNOWN, reason="broker_link_down", since=NOW)
    assert worst([LIVE, longest]) is longest
    assert worst([LIVE, silent, longest, waits]) is waits
    assert worst([LIVE]) is LIVE
