"""A page that is left open all day: on a wall, on paper, through a sleep, and with everything moving."""

import asyncio
import random

import pytest
from playwright.async_api import expect

from bench.frames import FRAMES
from tests.services.api.web.book import fill
from tests.services.api.web.conftest import Open
from tests.services.api.web.replay import Replay

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.usefixtures("filled")
async def test_a_kiosk_is_the_screen_alone_and_takes_turns(opened: Open) -> None:
    watched = await opened("/?kiosk=5")
    page = watched.page
    await expect(watched.testid("net-liquidation")).to_be_visible()
    await expect(watched.testid("freshness-pill")).to_be_visible()
    await expect(page.get_by_role("navigation", name="Screens").first).to_be_hidden()
    await expect(watched.testid("sign-out").first).to_be_hidden()
    await expect(page).to_have_url(f"{watched.url}/positions?kiosk=5")
    await expect(watched.testid("position-row").first).to_be_visible()
    await expect(page).to_have_url(f"{watched.url}/performance?kiosk=5")
    await page.keyboard.press("Escape")
    await expect(page).to_have_url(f"{watched.url}/performance")
    await expect(watched.testid("sign-out").first).to_be_visible()
    assert await page.evaluate("document.documentElement.dataset.kiosk") is None


@pytest.mark.usefixtures("filled")
async def test_the_palette_makes_a_kiosk_of_this_screen(opened: Open) -> None:
    watched = await opened("/positions?account=DU1000001")
    await expect(watched.testid("position-row").first).to_be_visible()
    await watched.page.keyboard.press("Control+k")
    # It is fetched when it is first asked for.
    await expect(watched.page.get_by_role("combobox", name="Screen, position or action")).to_be_focused()
    await watched.page.keyboard.type("kiosk")
    await expect(watched.testid("command").first).to_contain_text("Kiosk")
    await watched.page.keyboard.press("Enter")
    await expect(watched.page).to_have_url(f"{watched.url}/positions?account=DU1000001&kiosk=")
    await expect(watched.testid("sign-out").first).to_be_hidden()
    await watched.testid("kiosk-leave").hover()
    await watched.testid("kiosk-leave").click()
    await expect(watched.page).to_have_url(f"{watched.url}/positions?account=DU1000001")


async def test_on_paper_stands_every_row_and_nothing_to_click(replay: Replay, opened: Open) -> None:
    fill(replay, 400)
    watched = await opened("/positions")
    await expect(watched.testid("position-row").first).to_be_visible()
    assert await watched.testid("position-row").count() < 100
    await watched.page.emulate_media(media="print", color_scheme="dark")
    await watched.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert await watched.testid("position-row").count() == 400
    for gone in ("sign-out", "filter", "facet-map"):
        await expect(watched.testid(gone).first).to_be_hidden()
    # Dark on white, whatever the screen is.
    assert await watched.page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    whole = "document.querySelector('main').scrollHeight > document.querySelector('main').clientHeight + 1"
    assert not await watched.page.evaluate(whole)
    await watched.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert await watched.testid("position-row").count() < 100


async def test_after_a_laptops_sleep_the_page_is_right_without_a_reload(filled: Replay, opened: Open) -> None:
    watched = await opened("/positions")
    page = watched.page
    await expect(watched.row("p-0").get_by_test_id("cell-quantity")).not_to_be_empty()
    await page.evaluate("window.stays = true")
    debugger = await page.context.new_cdp_session(page)
    # As a closed lid: the page stands still, and its connection is gone when it goes on.
    await debugger.send("Page.setWebLifecycleState", {"state": "frozen"})
    await filled.stop()
    filled.rows["positions"]["p-0"] |= {"quantity": "4321"}
    del filled.rows["positions"]["p-1"]
    await filled.start()
    await filled.upsert("positions", "p-3", quantity="77")
    await debugger.send("Page.setWebLifecycleState", {"state": "active"})
    await expect(watched.testid("freshness-pill")).to_have_attribute("data-level", "live")
    await expect(watched.row("p-0").get_by_test_id("cell-quantity")).to_have_text("4,321")
    await expect(watched.row("p-3").get_by_test_id("cell-quantity")).to_have_text("77")
    await expect(watched.row("p-1")).to_have_count(0)
    assert await page.evaluate("window.stays")
    # The browser's own, of a server that was away, and no other.
    assert all("WebSocket" in one or "ERR_" in one or "Failed to load" in one for one in watched.complaints)
    watched.complaints.clear()


async def test_a_thousand_positions_that_move_are_shown_and_the_page_stays_smooth(
    replay: Replay, opened: Open
) -> None:
    fill(replay, 1000)
    watched = await opened("/positions?sort=-daily_pnl")
    await expect(watched.testid("position-row").first).to_be_visible()
    dice = random.Random(1)  # noqa: S311 - prices, not secrets
    moving = True

    async def move() -> None:
        number = 0
        while moving:
            number += 1
            await replay.upsert(
                "positions", f"p-{dice.randrange(1000)}", daily_pnl=f"{dice.randint(-9999, 9999)}.5"
            )
            await asyncio.sleep(1 / 20)

    feeding = asyncio.create_task(move())
    try:
        gaps, changes = await watched.page.evaluate(FRAMES, 5)
    finally:
        moving = False
        await feeding
    # No figure for a machine that is busy with other tests: only that the page never stands still.
    assert max(gaps) < 1000
    assert len(gaps) > 20
    assert changes > 20
    await replay.upsert("positions", "p-7", daily_pnl="123456.78")
    first = watched.testid("position-row").first
    await expect(first).to_have_attribute("data-position-id", "p-7")
