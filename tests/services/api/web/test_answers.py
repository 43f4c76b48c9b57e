"""What is shown is the answer to what is asked, all of it, and no more than is known."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import expect

from tests.services.api.web.conftest import Open
from tests.services.api.web.recorded import recorded
from tests.services.api.web.replay import Replay, Row, now, stamp
from tests.services.api.web.test_history import BROKEN, asked, forgive
from tests.waiting import comes

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SCREEN = ("reconciliations", "reconciliations/differences", "imports", "jobs", "sync", "dead")


@pytest.fixture
def told(filled: Replay) -> Replay:
    """With what the screens about the link and the broker's figures ask for."""
    filled.answers |= {path: recorded(path.rpartition("/")[2]) for path in SCREEN}
    filled.answers["sync/history"] = recorded("sync-history")
    nothing: Row = {"items": [], "next_cursor": None}
    filled.answers |= dict.fromkeys(("tokens", "sessions"), nothing)
    return filled


def held_back(replay: Replay, path: str, name: str, value: str) -> Callable[[], None]:
    """A question with this in it is answered when what is returned is called."""
    answer = replay.answers[path]
    free = asyncio.Event()

    async def slow(question: dict[str, str]) -> Any:
        if question.get(name) == value:
            await free.wait()
        return answer(question) if callable(answer) else answer

    replay.answers[path] = slow
    return free.set


async def test_further_lots_and_fills_of_a_position_are_the_next_ones(filled: Replay, opened: Open) -> None:
    def pages(path: str, key: str, names: Callable[[int], object]) -> None:
        one = recorded(path)
        rows = [one["items"][0] | {key: names(number)} for number in range(150)]

        def page(question: dict[str, str]) -> Row:
            first, limit = int(question.get("cursor", 0)), int(question["limit"])
            more = str(first + limit) if first + limit < len(rows) else None
            return one | {"items": rows[first : first + limit], "next_cursor": more}

        filled.answers[f"positions/p-0/{path.removeprefix('position-')}"] = page

    pages("lots", "seq", lambda number: number)
    pages("position-executions", "exec_id", lambda number: f"{number:04}")
    watched = await opened("/positions/p-0")
    await expect(watched.testid("lot")).to_have_count(100)
    await expect(watched.testid("fill")).to_have_count(100)
    await watched.testid("more-rows").first.click()
    await expect(watched.testid("more-rows")).to_have_count(1)
    await watched.testid("more-rows").click()
    await expect(watched.testid("lot")).to_have_count(150)
    await expect(watched.testid("fill")).to_have_count(150)
    before = len(asked(filled, "positions/p-0/lots"))
    await filled.upsert("positions", "p-0", quantity="500")
    await comes(lambda: len(asked(filled, "positions/p-0/lots")) >= before + 2)
    await expect(watched.testid("lot")).to_have_count(150)


async def test_what_was_closed_of_a_short_lot_has_one_sign(filled: Replay, opened: Open) -> None:
    lots = recorded("lots")
    short = lots["items"][0]
    short = short | {"disposals": [short["disposals"][0] | {"quantity": "-100"}]}
    filled.answers["positions/p-0/lots"] = lots | {"items": [short]}
    watched = await opened("/positions/p-0")
    await expect(watched.testid("disposal").locator("td").nth(1)).to_have_text("100")


async def test_no_figure_of_the_question_before_stands_under_the_new_one(
    filled: Replay, opened: Open
) -> None:
    paths = ("performance/measures", "portfolio/drawdowns", "portfolio/history", "portfolio/calendar")
    free = [held_back(filled, path, "account", "DU1000002") for path in paths]
    for screen, figures in (
        ("/performance", ("months", "fall", "history-return")),
        ("/", ("calendar-month", "calendar-read", "history-value", "history-return")),
    ):
        watched = await opened(screen)
        for figure in figures:
            await expect(watched.testid(figure).first).to_contain_text(re.compile(r"\d"))
            await expect(watched.testid(figure).first.locator(".skeleton")).to_have_count(0)
        await watched.testid("account-choice").select_option("DU1000002")
        await expect(watched.testid("history-return").locator(".skeleton")).to_have_count(1)
        for figure in figures:
            shown = watched.testid(figure).filter(has_not=watched.page.locator(".skeleton"))
            await expect(shown).to_have_count(0)
    for let_go in free:
        let_go()
    await expect(watched.testid("history-value")).to_have_text("10,094.00 USD")


async def test_sums_of_another_year_are_not_told_as_this_ones(filled: Replay, opened: Open) -> None:
    let_go = held_back(filled, "realized", "from", "2025-01-01T00:00:00Z")
    watched = await opened("/realized?year=2026")
    await expect(watched.testid("sums")).to_contain_text("278")
    await watched.testid("realized-year").select_option("2025")
    await expect(watched.testid("sums")).not_to_contain_text("278")
    await expect(watched.testid("realized-row")).to_have_count(0)
    let_go()
    await expect(watched.testid("sums")).to_contain_text("278")


async def test_what_no_fill_closed_is_told_beside_what_the_broker_tells_of_fills(
    filled: Replay, opened: Open
) -> None:
    row = recorded("realized")["items"][1] | {
        "realized_pnl": "154.55",
        "realized_without_fill": "-123.45",
        "disposals_without_fill": 2,
    }
    filled.answers["realized"]["items"][1] = row
    watched = await opened("/realized?year=2026&by=day")
    chip = watched.page.locator("[data-key='2026-11-18']").get_by_test_id("without-fill")
    await expect(chip).to_have_text("of which −123.45 without a fill")
    await expect(watched.testid("sums").get_by_test_id("without-fill")).to_have_count(2)
    await expect(watched.page.get_by_role("columnheader", name="The broker’s, of fills")).to_be_visible()


async def test_the_inbox_is_not_empty_while_nobody_knows(filled: Replay, opened: Open) -> None:
    summary = filled.answers["portfolio/summary"]
    summary |= {"open_differences": 0, "gaps": 0}
    filled.answers["portfolio/summary"] = BROKEN
    watched = await opened()
    await expect(watched.testid("inbox").get_by_test_id("trouble")).to_contain_text("could not be loaded")
    await expect(watched.testid("inbox-empty")).to_have_count(0)
    filled.answers["portfolio/summary"] = summary
    await watched.testid("inbox").get_by_role("button", name="Try again").click()
    await expect(watched.testid("inbox-empty")).to_be_visible()
    forgive(watched, 503)


async def test_what_is_set_aside_is_not_nothing_while_it_cannot_be_told(told: Replay, opened: Open) -> None:
    told.answers["sync"] |= {"gaps": [], "last_errors": []}
    told.answers["dead"] = BROKEN
    watched = await opened("/sync")
    wrong = watched.page.get_by_role("region", name="What went wrong")
    await expect(wrong.get_by_test_id("trouble")).to_contain_text("What is set aside could not be loaded.")
    await expect(watched.testid("no-trouble")).to_have_count(0)
    forgive(watched, 503)


async def test_a_server_that_hangs_is_said_to(told: Replay, opened: Open) -> None:
    watched = await opened("/sync")
    await expect(watched.testid("dataset").first).to_be_visible()
    report = told.answers["sync"]

    async def hangs(_: dict[str, str]) -> Any:
        await asyncio.sleep(11)
        return report

    told.answers["sync"] = hangs
    trouble = watched.page.locator("main > * > [data-testid=trouble]")
    await expect(trouble).to_contain_text("this is the last one. Lotkeeper does not answer.", timeout=30_000)


async def test_the_verdict_is_as_old_as_the_account_that_was_longest_not_compared(
    told: Replay, opened: Open
) -> None:
    told.answers["reconciliations/differences"] |= {"items": []}
    compared = told.answers["reconciliations"]
    compared["items"][0]["finished_at"] = stamp(now())
    compared["compared_at"] = stamp(now() - timedelta(days=7, hours=1))
    watched = await opened("/reconciliation")
    verdict = watched.testid("verdict")
    await expect(verdict).to_contain_text("Everything matches the broker")
    await expect(verdict).to_contain_text("Compared 7 d ago")
    compared["compared_at"] = None
    await watched.page.reload()
    await expect(verdict).to_contain_text("Not every account was compared yet")
    told.answers["reconciliations"] = BROKEN
    await watched.page.reload()
    await expect(verdict.get_by_test_id("trouble")).to_be_visible()
    await expect(verdict.get_by_role("heading").locator(".skeleton")).to_have_count(1)
    forgive(watched, 503)


async def test_accounts_without_a_common_currency_are_chosen_one_by_one(filled: Replay, opened: Open) -> None:
    filled.rows["summary"]["DU1000002"]["base_currency"] = "EUR"
    for screen in ("/", "/performance"):
        watched = await opened(screen)
        await expect(watched.testid("account-choice")).to_have_value("DU1000001")
        await expect(watched.testid("account-choice").locator("option")).to_have_count(3)
    watched = await opened("/realized")
    await expect(watched.testid("account-choice").locator("option")).to_have_count(4)


async def test_who_has_to_set_up_a_second_factor_is_told(told: Replay, opened: Open) -> None:
    told.factor_due = True
    watched = await opened()
    await watched.testid("factor-due").get_by_role("link").click()
    await expect(watched.page).to_have_url(f"{watched.url}/settings")
    await expect(watched.testid("freshness-text")).to_have_text("A second factor is needed", ignore_case=True)


async def test_a_snapshot_asked_for_twice_at_once_is_one(told: Replay, opened: Open) -> None:
    watched = await opened()
    await expect(watched.testid("palette-toggle")).to_be_visible()
    await watched.page.keyboard.press("Control+k")
    await expect(watched.page.get_by_role("combobox", name="Screen, position or action")).to_be_focused()
    await watched.page.keyboard.type("save a snap")
    await watched.page.evaluate(
        """() => {
            const press = () => new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true});
            document.activeElement.dispatchEvent(press());
            document.activeElement.dispatchEvent(press());
        }"""
    )
    await expect(watched.page).to_have_url(f"{watched.url}/sync")
    assert len(told.asked) == 1


@pytest.mark.usefixtures("filled")
async def test_the_tools_beside_the_menu_are_one_line_each(opened: Open) -> None:
    watched = await opened()
    await expect(watched.testid("palette-toggle")).to_be_visible()
    tools = watched.page.locator("aside .tool")
    heights = await tools.evaluate_all("all => all.map(one => one.offsetHeight)")
    assert heights == [32] * 5
