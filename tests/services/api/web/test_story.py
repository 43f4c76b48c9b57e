"""What was realized, and the story of one position."""

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.services.api.web.conftest import Open
from tests.services.api.web.recorded import recorded
from tests.services.api.web.replay import Replay
from tests.waiting import comes

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def asked(replay: Replay, path: str) -> list[dict[str, str]]:
    return [question for where, question in replay.questions if where == path]


async def test_what_was_realized_is_shown_as_the_server_tells_it(filled: Replay, opened: Open) -> None:
    watched = await opened("/realized?by=day")
    rows = filled.answers["realized"]["items"]
    await expect(watched.testid("realized-row")).to_have_count(len(rows))
    second = watched.page.locator("[data-key='2026-11-18']")
    await expect(second).to_contain_text("Nov 18, 2026")
    await expect(second.get_by_test_id("realized-pnl")).to_have_text("▲+278.00")
    await expect(second).to_contain_text("+278.01")
    await expect(second).to_contain_text("−0.01")
    third = watched.page.locator("[data-key='2026-11-14']")
    await expect(third.get_by_test_id("realized-pnl")).to_have_text("—")
    await expect(third).to_contain_text("1 unknown")
    await expect(third).to_contain_text("provisional")


async def test_a_filter_is_the_address_the_question_and_the_file(filled: Replay, opened: Open) -> None:
    watched = await opened("/realized")
    await watched.testid("realized-by").select_option("symbol")
    await watched.testid("realized-year").select_option("2026")
    await watched.testid("realized-method").select_option("lifo")
    await watched.testid("realized-symbol").fill("aapl")
    await expect(watched.page).to_have_url(re.compile("symbol=aapl"))
    wanted = {
        "group_by": "symbol",
        "symbol": "AAPL",
        "from": "2026-01-01T00:00:00Z",
        "to": "2027-01-01T00:00:00Z",
        "method": "lifo",
    }
    await comes(lambda: wanted | {"limit": "100"} in asked(filled, "realized"))
    assert wanted | {"limit": "100", "group_by": "year"} in asked(filled, "realized"), "the sums of the year"
    await expect(watched.testid("as-if")).to_contain_text("last in, first out")
    address = await watched.testid("export-csv").get_attribute("href")
    assert address is not None
    assert address.startswith("/api/v1/realized.csv?")
    query = await watched.page.evaluate(
        "address => Object.fromEntries(new URL(address, location.href).searchParams)", address
    )
    assert query == wanted, "exactly the filtered rows, and all of them"
    await watched.testid("realized-clear").click()
    await expect(watched.page).to_have_url(f"{watched.url}/realized?by=symbol")


async def test_further_rows_come_when_they_are_asked_for(filled: Replay, opened: Open) -> None:
    page = recorded("realized")

    def told(question: dict[str, str]) -> dict[str, Any]:
        if question.get("cursor") == "next":
            return page | {"items": [row | {"key": "2025-01-01"} for row in page["items"][:1]]}
        return page | {"next_cursor": "next"}

    filled.answers["realized"] = told
    watched = await opened("/realized?by=day")
    await expect(watched.testid("realized-row")).to_have_count(3)
    await watched.testid("more-rows").click()
    await expect(watched.testid("realized-row")).to_have_count(4)
    await expect(watched.testid("more-rows")).to_have_count(0)


async def test_nothing_realized_is_said(filled: Replay, opened: Open) -> None:
    filled.answers["realized"] |= {"items": []}
    watched = await opened("/realized")
    await expect(watched.testid("realized-empty")).to_contain_text("Nothing was closed yet")
    await watched.page.goto(f"{watched.url}/realized?symbol=XYZ")
    await expect(watched.testid("realized-empty")).to_contain_text("matches the filter")


async def test_a_position_tells_its_story(filled: Replay, opened: Open) -> None:
    cost = filled.answers["positions/p-0"]["differences"][0]
    assert (cost["kind"], cost["cause"]) == ("cost_mismatch", None)
    cost["ours"] = "150.1"
    watched = await opened("/positions?open=p-0")
    await watched.testid("whole-story").click()
    await expect(watched.page).to_have_url(f"{watched.url}/positions/p-0")
    row = filled.rows["positions"]["p-0"]
    await expect(watched.testid("position-symbol")).to_have_text(row["symbol"])
    await expect(watched.testid("position-value")).to_have_text("107,388.00")
    await expect(watched.testid("chart-mark")).to_have_count(2)
    await expect(watched.testid("chart-mark").first.locator("title")).to_contain_text("Opened 100 @ 231.10")
    await expect(watched.testid("lot")).to_have_count(2)
    await expect(watched.testid("disposal").first).to_contain_text("+178.90")
    await expect(watched.testid("fill")).to_have_count(2)
    await expect(watched.testid("fill").first).to_contain_text("+3.50")
    await expect(watched.testid("difference").first).to_contain_text("ours 150.10, the broker’s 150.04")
    await expect(watched.testid("difference").first).to_contain_text("Another average cost")
    await expect(watched.page.locator("[data-method=hifo]")).to_contain_text("+278.00")
    await expect(watched.testid("position-event")).to_have_count(2)


async def test_a_position_is_live_and_a_fill_begins_a_new_chapter(filled: Replay, opened: Open) -> None:
    watched = await opened("/positions/p-0")
    await expect(watched.testid("position-value")).to_have_text("107,388.00")
    # What the page asks for when the stream begins is asked by now.
    await expect(watched.testid("lot")).to_have_count(2)
    await watched.page.wait_for_load_state("networkidle")
    before = len(asked(filled, "positions/p-0/lots"))
    await filled.upsert("positions", "p-0", market_value="107400.5")
    await expect(watched.testid("position-value")).to_have_text("107,400.50")
    assert len(asked(filled, "positions/p-0/lots")) == before, "a price is none"
    await filled.upsert("positions", "p-0", quantity="500")
    await comes(lambda: len(asked(filled, "positions/p-0/lots")) > before)
    await expect(watched.testid("position-facts")).to_contain_text("150.00")
    await watched.page.keyboard.press("b")
    await expect(watched.testid("position-value")).to_have_text("•••••")
    await expect(watched.testid("position-facts")).not_to_contain_text("150.00")
    await expect(watched.testid("life")).to_contain_text("average entry •••••")


@pytest.mark.usefixtures("filled")
async def test_a_position_that_is_not_there_is_said(opened: Open) -> None:
    watched = await opened("/positions/nobody")
    await expect(watched.testid("position-missing")).to_contain_text("There is no such position")
    watched.complaints[:] = [text for text in watched.complaints if "status of 404" not in text]
