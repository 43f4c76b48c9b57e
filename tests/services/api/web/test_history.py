"""What accounts were worth and earned: the history, the calendar, the inbox, the performance screen."""

import re

import pytest
from playwright.async_api import expect

from tests.services.api.web.conftest import Open, Watched
from tests.services.api.web.recorded import recorded
from tests.services.api.web.replay import Replay, stamp
from tests.services.api.web.replay import now as this_moment
from tests.waiting import comes

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

BROKEN = {"status": 503, "code": "overloaded", "detail": "The server has too much to do."}
ISSUE = {
    "id": 7,
    "rule": "broker-difference",
    "severity": "warning",
    "status": "open",
    "account": "DU1000001",
    "subject": "AAPL",
    "summary": "AAPL: Lotkeeper says 150, the broker says 160.",
    "details": {},
    "about_at": None,
    "first_seen": "2026-11-20T15:00:00Z",
    "opened_at": "2026-11-20T15:00:00Z",
    "last_seen": "2026-11-20T15:00:00Z",
    "times_seen": 1,
    "reopened": 0,
    "resolved_at": None,
    "magnitude": None,
    "acknowledged_at": None,
    "acknowledged_by": None,
    "acknowledged_magnitude": None,
    "note": None,
}


def forgive(watched: Watched, status: int) -> None:
    watched.complaints[:] = [text for text in watched.complaints if f"status of {status}" not in text]


def asked(replay: Replay, path: str) -> list[dict[str, str]]:
    return [question for where, question in replay.questions if where == path]


@pytest.mark.usefixtures("filled")
async def test_the_history_shows_the_last_value_its_return_and_what_came(opened: Open) -> None:
    watched = await opened()
    await expect(watched.testid("history-value")).to_have_text("10,094.00 USD")
    await expect(watched.testid("history-return")).to_have_text("▼−0.06\u00a0%")
    await expect(watched.testid("history-drawdown")).to_have_text("▼−2.00\u00a0%")
    await expect(watched.testid("chart")).to_have_attribute("data-points", "3")
    await expect(watched.testid("chart-mark")).to_have_count(1)
    await expect(watched.testid("chart-mark").locator("title")).to_have_text("Nov 17, 2026: +100.00")
    await expect(watched.testid("history-span")).to_contain_text("Return since Nov 16, 2026")


@pytest.mark.usefixtures("filled")
async def test_the_points_of_a_chart_are_read_with_the_keyboard(opened: Open) -> None:
    watched = await opened()
    chart = watched.page.get_by_role("group", name="Value.")
    await chart.focus()
    await watched.page.keyboard.press("ArrowLeft")
    await expect(watched.testid("history-value")).to_have_text("10,300.00 USD")
    await expect(watched.testid("history-flow")).to_have_text("+100.00")
    await expect(watched.page.get_by_text("Nov 17, 2026: 10,300.00 USD, +1.98\u00a0%")).to_have_count(1)
    await watched.page.keyboard.press("Home")
    await expect(watched.testid("history-value")).to_have_text("10,000.00 USD")


async def test_a_range_and_a_zoom_live_in_the_address_and_ask_for_more_points(
    filled: Replay, opened: Open
) -> None:
    watched = await opened("/?range=all")
    await expect(watched.testid("history-value")).to_have_text("10,094.00 USD")
    assert "from" not in asked(filled, "portfolio/history")[-1]
    await watched.testid("range-1W").click()
    await expect(watched.page).to_have_url(re.compile(r"range=1W"))
    await expect(watched.testid("range-1W")).to_have_attribute("aria-pressed", "true")
    await comes(lambda: asked(filled, "portfolio/history")[-1]["resolution"] == "hour")
    await watched.testid("range-more").select_option("2026")
    await comes(lambda: "to" in asked(filled, "portfolio/history")[-1])
    question = asked(filled, "portfolio/history")[-1]
    assert (question["from"], question["to"]) == ("2026-01-01T00:00:00Z", "2027-01-01T12:00:00Z")
    box = await watched.testid("chart").locator("svg").bounding_box()
    assert box is not None
    await watched.page.mouse.move(box["x"] + 40, box["y"] + 60)
    await watched.page.mouse.down()
    await watched.page.mouse.move(box["x"] + 300, box["y"] + 60, steps=5)
    await watched.page.mouse.up()
    await expect(watched.page).to_have_url(re.compile(r"zoom=\d+\.\.\d+"))
    await expect(watched.testid("zoom-out")).to_be_visible()
    await comes(lambda: "part_from" in asked(filled, "portfolio/history")[-1])
    closer = asked(filled, "portfolio/history")[-1]
    assert closer["part_from"] < closer["part_to"]
    assert (closer["from"], closer["resolution"]) == (question["from"], "hour")
    await watched.testid("zoom-out").click()
    await expect(watched.page).not_to_have_url(re.compile("zoom"))
    await watched.testid("range-more").select_option("custom")
    await watched.page.get_by_label("From").fill("2026-11-02")
    await watched.page.get_by_label("To", exact=True).fill("2026-11-20")
    await watched.testid("range-apply").click()
    await expect(watched.page).to_have_url(re.compile("range=2026-11-02..2026-11-20"))


async def test_where_no_hours_are_kept_a_close_look_is_drawn_of_days(filled: Replay, opened: Open) -> None:
    whole = recorded("portfolio-history")
    filled.answers["portfolio/history"] = lambda question: (
        {**whole, "resolution": "hour", "points": [], "points_found": 0}
        if question["resolution"] == "hour"
        else whole
    )
    zoom = "1763355600..1763528400"
    watched = await opened(f"/?range=all&zoom={zoom}")
    await expect(watched.testid("history")).to_have_attribute("data-resolution", "day")
    await expect(watched.testid("chart")).to_have_attribute("data-points", "3")
    await watched.page.goto(f"{watched.url}/?range=1D")
    await expect(watched.testid("history-empty")).to_contain_text("No value is known of this time")


async def test_an_account_is_chosen_for_all_of_the_overview(filled: Replay, opened: Open) -> None:
    watched = await opened()
    await watched.testid("account-choice").select_option("DU1000002")
    await expect(watched.page).to_have_url(re.compile("account=DU1000002"))
    for path in ("portfolio/history", "portfolio/calendar"):
        await comes(lambda path=path: asked(filled, path)[-1].get("account") == "DU1000002")


async def test_what_is_not_answered_is_said_and_asked_for_again(filled: Replay, opened: Open) -> None:
    answer = filled.answers["portfolio/history"]
    filled.answers["portfolio/history"] = BROKEN
    watched = await opened()
    trouble = watched.testid("history").get_by_test_id("trouble")
    await expect(trouble).to_contain_text("could not be loaded. The server has too much to do.")
    filled.answers["portfolio/history"] = answer
    await trouble.get_by_role("button").click()
    await expect(watched.testid("history-value")).to_have_text("10,094.00 USD")
    await expect(trouble).to_have_count(0)
    forgive(watched, 503)


@pytest.mark.usefixtures("filled")
async def test_the_calendar_has_each_day_and_each_month(opened: Open) -> None:
    watched = await opened("/?year=2026")
    calendar = watched.testid("calendar")
    await expect(calendar.locator("[data-day]")).to_have_count(3)
    await expect(watched.testid("calendar-month")).to_have_text("▼−0.06\u00a0%")
    await expect(watched.testid("calendar-read")).to_have_text(re.compile(r"2026\s+▼−6.00"))
    await watched.page.get_by_role("group", name="Days of 2026").focus()
    await watched.page.keyboard.press("ArrowLeft")
    await watched.page.keyboard.press("ArrowUp")
    await expect(watched.testid("calendar-read")).to_contain_text("Nov 17, 2026")
    await expect(watched.testid("calendar-read")).to_contain_text("+200.00")
    await calendar.get_by_role("button", name="The year before").click()
    await expect(watched.page).to_have_url(re.compile("year=2025"))


async def test_the_inbox_says_what_wants_attention_or_that_nothing_does(filled: Replay, opened: Open) -> None:
    filled.answers["portfolio/summary"] |= {"open_differences": 0, "gaps": 0}
    filled.answers["portfolio/summary"]["open_issues"] |= {"error": 0, "warning": 0, "review": 0}
    watched = await opened()
    await expect(watched.testid("inbox-empty")).to_contain_text("Nothing wants your attention")
    filled.answers["portfolio/summary"]["open_issues"] |= {"warning": 9}
    filled.answers["portfolio/summary"] |= {"open_differences": 2}
    filled.answers["issues"] |= {"items": [ISSUE], "checked_at": stamp(this_moment())}
    await watched.page.reload()
    await expect(watched.testid("inbox-count")).to_have_text("9")
    await expect(watched.testid("inbox-issue")).to_contain_text("the broker says 160")
    await expect(watched.testid("inbox")).to_contain_text("2 books differ")
    await expect(watched.testid("inbox")).to_contain_text("and 8 more")
    await watched.page.keyboard.press("b")
    await expect(watched.testid("inbox-issue")).to_contain_text("the broker says •••••")


async def test_performance_shows_the_measures_as_the_server_tells_them(filled: Replay, opened: Open) -> None:
    returns = filled.answers["performance/measures"]["returns"]
    watched = await opened("/performance")
    assert returns["time_weighted"]["value"] == "-0.000594059406"
    await expect(watched.testid("measure-twr")).to_have_text("▼−0.06\u00a0%")
    await expect(watched.testid("measure-gain")).to_have_text("▼−6.00")
    await expect(watched.testid("measures")).to_contain_text("the time is shorter than a year")
    await expect(watched.testid("fall")).to_have_count(1)
    await expect(watched.testid("fall")).to_contain_text("not yet")
    await expect(watched.testid("months").locator("tr[data-year='2026']")).to_contain_text("−0.06")
    await expect(watched.testid("performance-as-of")).to_have_text("Values up to Nov 18, 2026")


async def test_a_benchmark_is_drawn_and_measured_beside(filled: Replay, opened: Open) -> None:
    watched = await opened("/performance")
    name = filled.answers["benchmarks"]["items"][0]["name"]
    await watched.testid("benchmark-choice").select_option(name)
    await expect(watched.page).to_have_url(re.compile("benchmark="))
    await expect(watched.testid("history-benchmark")).to_be_visible()
    await expect(watched.testid("beside")).to_contain_text(f"Return of {name}")
    await comes(lambda: asked(filled, "portfolio/history")[-1].get("benchmark") == name)


@pytest.mark.usefixtures("filled")
async def test_hidden_amounts_leave_returns(opened: Open) -> None:
    watched = await opened()
    await expect(watched.testid("history-value")).to_have_text("10,094.00 USD")
    await watched.page.keyboard.press("b")
    await expect(watched.testid("history-value")).to_have_text("••••• USD")
    await expect(watched.testid("history-return")).to_have_text("▼−0.06\u00a0%")
    content = await watched.page.content()
    for amount in ("10,094", "10,300", "10.2K", "+100.00"):
        assert amount not in content


async def test_when_the_server_goes_the_history_stays(filled: Replay, opened: Open) -> None:
    watched = await opened()
    await expect(watched.testid("history-value")).to_have_text("10,094.00 USD")
    await filled.stop()
    await expect(watched.testid("freshness-pill")).to_have_attribute("data-level", "offline")
    await expect(watched.testid("history-value")).to_have_text("10,094.00 USD")
    before = len(filled.questions)
    await filled.start()
    await expect(watched.testid("freshness-pill")).to_have_attribute("data-level", "live", timeout=40_000)
    await expect(watched.testid("chart")).to_be_visible()
    assert len(filled.questions) > before, "asked again by itself"
    gone = re.compile("WebSocket connection to|ERR_CONNECTION|Failed to load resource")
    watched.complaints[:] = [text for text in watched.complaints if not gone.search(text)]


async def test_fills_are_marked_on_the_value_where_little_time_is_looked_at(
    filled: Replay, opened: Open
) -> None:
    one = recorded("executions")["items"][0]
    fills = [
        one | {"exec_id": "b", "side": "SLD", "symbol": "MSFT", "executed_at": "2026-11-17T20:00:00Z"},
        one | {"exec_id": "a", "side": "BOT", "symbol": "AAPL", "executed_at": "2026-11-17T15:00:00Z"},
    ]
    filled.answers["executions"] = {"items": fills, "next_cursor": None}
    watched = await opened("/?range=1M")
    marks = watched.testid("chart-mark")
    await expect(marks).to_have_count(2)
    title = await marks.first.locator("title").text_content() or ""
    assert re.fullmatch(r"Nov 17, 2026: bought [\d.,]+ AAPL, sold [\d.,]+ MSFT", title)
    question = asked(filled, "executions")[-1]
    assert question["limit"] == "200"
    assert question["from"] < fills[1]["executed_at"] < question["to"]
    await expect(watched.testid("history-span")).to_contain_text("grey: fills")
    # More than can be told apart are not drawn, and that is said.
    filled.answers["executions"] = {"items": fills, "next_cursor": "more"}
    other = await opened("/?range=1M")
    await expect(other.testid("history-span")).to_contain_text("too many fills to mark")
    await expect(other.testid("chart-mark")).to_have_count(1)
