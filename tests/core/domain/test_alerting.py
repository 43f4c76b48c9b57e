"""When people are told of what stands wrong, and in which words."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from core.domain.alerting import (
    SETTLES,
    Condition,
    News,
    Policy,
    QuietHours,
    Standing,
    What,
    decide,
    in_words,
    spelled,
)
from core.domain.rules import Severity

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
AT_NIGHT = QuietHours(time(22), time(7), ZoneInfo("UTC"))
LATE = datetime(2026, 11, 27, 23, tzinfo=UTC)


def disk(severity: Severity = "error") -> Condition:
    return Condition("disk", "disk", severity, None, "The disk is full", "Make room.", None)


def link(reason: str, severity: Severity = "error") -> Condition:
    return Condition("link", f"link:{reason}", severity, None, f"Not live: {reason}", "Log in.", NOON)


class Owner:
    """Looks again and again, and hears."""

    def __init__(self, policy: Policy | None = None, at: datetime = NOON) -> None:
        self.policy = policy or Policy()
        self.now = at
        self.standing: Mapping[str, Standing] = {}
        self.heard: list[tuple[What, str]] = []

    def sees(
        self, *seen: Condition, after: timedelta = timedelta(0), markets_open: bool | None = None
    ) -> Sequence[News]:
        self.now += after
        decision = decide(seen, self.standing, self.policy, self.now, markets_open=markets_open)
        self.standing = decision.standing
        self.heard += [(one.what, one.condition.id) for one in decision.news]
        return decision.news


def test_it_is_told_once_it_has_stood_for_a_while_and_once_when_it_is_over() -> None:
    owner = Owner()
    assert owner.sees(disk()) == ()
    assert owner.sees(disk(), after=SETTLES - timedelta(seconds=1)) == ()
    [news] = owner.sees(disk(), after=timedelta(seconds=1))
    assert (news.what, news.stood) == (What.NEW, SETTLES)
    for _ in range(100):
        assert owner.sees(disk(), after=timedelta(minutes=10)) == ()
    assert owner.sees(after=timedelta(seconds=10)) == ()
    [news] = owner.sees(after=SETTLES)
    assert news.what is What.OVER
    assert news.stood == SETTLES + timedelta(minutes=1000, seconds=10)
    assert owner.standing == {}


def test_what_comes_and_goes_within_a_moment_is_never_told() -> None:
    owner = Owner()
    for _ in range(50):
        owner.sees(disk(), after=timedelta(seconds=30))
        owner.sees(after=timedelta(seconds=30))
    assert owner.heard == []


def test_what_was_told_and_flickers_is_not_told_again() -> None:
    owner = Owner()
    owner.sees(disk())
    owner.sees(disk(), after=SETTLES)
    for _ in range(50):
        owner.sees(after=timedelta(seconds=20))
        owner.sees(disk(), after=timedelta(seconds=20))
    assert owner.heard == [(What.NEW, "disk")]


def test_what_becomes_worse_is_told_again_and_what_becomes_better_is_not() -> None:
    owner = Owner()
    owner.sees(disk("warning"))
    owner.sees(disk("warning"), after=SETTLES)
    [news] = owner.sees(disk("error"), after=timedelta(seconds=10))
    assert news.what is What.WORSE
    assert owner.sees(disk("warning"), after=timedelta(seconds=10)) == ()
    assert owner.sees(disk("error"), after=timedelta(seconds=10)) == (), "it was told that it is an error"


def test_what_stands_is_told_again_every_day_or_never() -> None:
    for remind_after, expected in ((timedelta(hours=24), 3), (None, 0)):
        owner = Owner(Policy(remind_after=remind_after))
        owner.sees(disk())
        for _ in range(24 * 3 + 1):
            owner.sees(disk(), after=timedelta(hours=1))
        assert [what for what, _ in owner.heard].count(What.STILL) == expected


def test_less_than_is_wanted_is_not_told() -> None:
    owner = Owner(Policy(least="error"))
    owner.sees(disk("warning"))
    assert owner.sees(disk("warning"), after=timedelta(days=3)) == ()
    assert owner.sees(after=timedelta(days=3)) == ()


@pytest.mark.parametrize("markets_open", [True, None])
def test_a_link_that_is_down_is_told_after_two_minutes_while_markets_are_open(
    markets_open: bool | None,
) -> None:
    owner = Owner()
    owner.sees(link("gateway_unreachable"), markets_open=markets_open)
    assert owner.sees(link("gateway_unreachable"), after=SETTLES, markets_open=markets_open) == ()
    assert len(owner.sees(link("gateway_unreachable"), after=SETTLES, markets_open=markets_open)) == 1


def test_a_link_that_is_down_while_markets_are_shut_is_told_when_they_open() -> None:
    owner = Owner()
    owner.sees(link("gateway_unreachable"), markets_open=False)
    assert owner.sees(link("gateway_unreachable"), after=timedelta(hours=9), markets_open=False) == ()
    assert len(owner.sees(link("gateway_unreachable"), after=timedelta(seconds=10), markets_open=True)) == 1


def test_a_gateway_that_waits_for_a_person_is_told_of_while_markets_are_shut_too() -> None:
    owner = Owner()
    owner.sees(link("gateway_unreachable"), markets_open=True)
    [news] = owner.sees(link("gateway_unreachable"), after=timedelta(minutes=2), markets_open=True)
    assert news.what is What.NEW
    [news] = owner.sees(link("needs_login"), after=timedelta(seconds=10), markets_open=False)
    assert news.what is What.WORSE
    assert owner.sees(link("needs_login"), after=timedelta(seconds=10), markets_open=False) == ()


def test_at_night_errors_are_told_and_the_rest_in_the_morning() -> None:
    owner = Owner(Policy(quiet=AT_NIGHT), at=LATE)
    warning = disk("warning")._replace(id="late")
    owner.sees(warning, disk())
    assert [one.condition.id for one in owner.sees(warning, disk(), after=SETTLES)] == ["disk"]
    assert owner.sees(warning, disk(), after=timedelta(hours=7)) == ()
    morning = owner.sees(warning, disk(), after=timedelta(hours=1))
    assert [(one.what, one.condition.id) for one in morning] == [(What.NEW, "late")]


def test_what_came_and_went_at_night_is_told_in_the_morning() -> None:
    owner = Owner(Policy(quiet=AT_NIGHT), at=LATE)
    owner.sees(disk("warning"))
    owner.sees(disk("warning"), after=timedelta(hours=1))
    owner.sees(after=timedelta(hours=1))
    assert owner.sees(after=timedelta(hours=1)) == ()
    [news] = owner.sees(after=timedelta(hours=5))
    assert news.what is What.PASSED
    assert owner.standing == {}


def test_that_it_is_over_waits_for_the_morning() -> None:
    owner = Owner(Policy(quiet=AT_NIGHT), at=LATE)
    owner.sees(disk())
    owner.sees(disk(), after=SETTLES)
    owner.sees(after=timedelta(minutes=1))
    assert owner.sees(after=timedelta(hours=1)) == ()
    assert [one.what for one in owner.sees(after=timedelta(hours=7))] == [What.OVER]


def test_errors_wait_for_the_morning_where_that_is_wanted() -> None:
    owner = Owner(Policy(quiet=AT_NIGHT, quiet_all=True), at=LATE)
    owner.sees(disk())
    assert owner.sees(disk(), after=timedelta(hours=7)) == ()
    assert len(owner.sees(disk(), after=timedelta(hours=1))) == 1


def test_what_is_muted_is_not_told_until_then_nor_that_it_is_over() -> None:
    owner = Owner()
    owner.sees(disk())
    muted = owner.standing["disk"]._replace(muted_until=NOON + timedelta(hours=5))
    owner.standing = {"disk": muted}
    assert owner.sees(disk(), after=timedelta(hours=4)) == ()
    owner.sees(after=timedelta(seconds=10))
    assert owner.sees(after=timedelta(minutes=10)) == ()
    assert owner.standing["disk"].muted_until is not None, "it may come again within that time"
    assert len(owner.sees(disk(), after=timedelta(hours=1)) + owner.sees(disk(), after=SETTLES)) == 1


def test_a_price_is_told_at_once_and_its_end_never() -> None:
    owner = Owner()
    met = Condition("price:1", "price", "warning", None, "AAPL is at 200 USD", "", NOON)
    assert len(owner.sees(met)) == 1
    owner.sees(after=timedelta(hours=1))
    assert owner.sees(after=timedelta(hours=1)) == ()
    assert owner.standing == {}


def test_a_price_that_is_met_at_night_is_told_in_the_morning() -> None:
    owner = Owner(Policy(quiet=AT_NIGHT), at=LATE)
    met = Condition("price:1", "price", "warning", None, "AAPL is at 200 USD", "", NOON)
    assert owner.sees(met) == ()
    owner.sees(after=timedelta(hours=1))
    [news] = owner.sees(after=timedelta(hours=7))
    assert news.what is What.PASSED


def test_a_mute_of_what_was_told_outlives_that_it_is_gone() -> None:
    owner = Owner()
    owner.sees(disk())
    owner.sees(disk(), after=SETTLES)
    owner.standing = {"disk": owner.standing["disk"]._replace(muted_until=NOON + timedelta(hours=5))}
    owner.sees(after=timedelta(minutes=10))
    assert owner.sees(after=timedelta(minutes=10)) == ()
    for _ in range(10):
        assert owner.sees(disk(), after=timedelta(minutes=10)) == ()
    owner.sees(after=timedelta(hours=5))
    assert [one.what for one in owner.sees(after=timedelta(minutes=2))] == [What.OVER]


@pytest.mark.parametrize(
    ("start", "end", "at", "covered"),
    [
        (22, 7, 23, True),
        (22, 7, 6, True),
        (22, 7, 7, False),
        (22, 7, 22, True),
        (9, 17, 12, True),
        (9, 17, 17, False),
        (9, 17, 8, False),
    ],
)
def test_quiet_hours_may_go_over_midnight(start: int, end: int, at: int, covered: bool) -> None:
    hours = QuietHours(time(start), time(end), ZoneInfo("US/Eastern"))
    moment = datetime(2026, 11, 27, at, tzinfo=ZoneInfo("US/Eastern"))
    assert hours.covers(moment.astimezone(UTC)) is covered


def test_one_message_tells_all_the_gravest_first() -> None:
    review = disk("review")._replace(id="review", summary="A figure is unusual", remedy="", account="...567")
    news = (
        News(What.NEW, link("needs_login"), timedelta(minutes=2)),
        News(What.STILL, review, timedelta(days=1)),
        News(What.OVER, disk(), timedelta(hours=3, minutes=20)),
    )
    message = in_words(news, profile="main", zone=ZoneInfo("US/Eastern"), address="http://127.0.0.1:8321/")
    assert message.title == "Lotkeeper (main): Not live: needs_login, and 1 more"
    assert message.severity == "error"
    assert message.body.splitlines() == [
        "ERROR: Not live: needs_login, since 2026-11-27 07:00 EST",
        "  Log in.",
        "REVIEW [...567]: still: A figure is unusual",
        "ERROR: over: The disk is full",
        "  It stood for 3 h 20 min.",
        "",
        "http://127.0.0.1:8321/",
    ]


def test_a_message_of_ends_alone_says_so() -> None:
    over = News(What.OVER, disk(), timedelta(minutes=5))
    zone = ZoneInfo("UTC")
    assert in_words([over], profile="main", zone=zone, address=None).title == (
        "Lotkeeper (main): over: The disk is full"
    )
    assert in_words([over, over], profile="main", zone=zone, address=None).title == (
        "Lotkeeper (main): 2 things are over"
    )


def test_a_message_of_very_much_says_how_much_more_there_is() -> None:
    news = [News(What.NEW, disk()._replace(id=str(number)), SETTLES) for number in range(25)]
    body = in_words(news, profile="main", zone=ZoneInfo("UTC"), address=None).body
    assert body.count("ERROR") == 20
    assert body.endswith("And 5 more.")


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(0), "a moment"),
        (timedelta(seconds=40), "40 s"),
        (timedelta(minutes=3, seconds=5), "3 min 5 s"),
        (timedelta(hours=2), "2 h"),
        (timedelta(days=2, seconds=30), "2 d"),
    ],
)
def test_times_are_spelled_in_two_units(span: timedelta, words: str) -> None:
    assert spelled(span) == words
