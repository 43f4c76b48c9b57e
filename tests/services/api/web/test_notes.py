"""Notes, tags, prices, the timeline, accounts called otherwise: over a real API, in a browser."""

from datetime import timedelta

import pytest
from playwright.async_api import Route, expect

from models.session import Database
from tests.services.api.conftest import Api
from tests.services.api.kept import seed_snapshots
from tests.services.api.portfolio import NOW, USD, position_id
from tests.services.api.test_prices import mark
from tests.services.api.web.conftest import Look
from tests.services.api.web.test_screens import violations

pytestmark = pytest.mark.browser

STORY = f"/positions/{position_id('aapl')}"
NOTES = f"/api/v1/positions/{position_id('aapl')}/notes"


async def test_notes_are_written_changed_and_removed(api: Api, look: Look) -> None:
    page = await look(STORY)
    words = "Sell above 250.\nThe buy-back ends in May."
    await page.get_by_test_id("new-note").fill(words)
    await page.get_by_test_id("write-note").click()
    note = page.get_by_test_id("note")
    await expect(note).to_contain_text("Sell above 250.")
    await expect(page.get_by_test_id("new-note")).to_have_value("")
    assert [one["body"] for one in (await api.get(NOTES))["items"]] == [words]
    await page.keyboard.press("b")  # a person's words may hold amounts
    await expect(note).not_to_contain_text("250")
    await page.keyboard.press("b")
    await note.get_by_test_id("change-note").click()
    await page.get_by_test_id("note-words").fill("Sold half.")
    await page.get_by_test_id("keep-change").click()
    await expect(note).to_contain_text("Sold half.")
    await expect(note).to_contain_text("changed")
    await note.get_by_test_id("remove-note").click()
    await page.get_by_test_id("really-remove").click()
    await expect(note).to_have_count(0)
    assert (await api.get(NOTES))["items"] == []


async def test_tags_are_given_taken_away_and_lead_to_what_has_them(api: Api, look: Look) -> None:
    await api.http.post(f"/api/v1/positions/{position_id('won')}/tags", json={"tag": "dividend"})
    page = await look(STORY)
    for typed in ("Dividend", "long   term,"):
        await page.get_by_test_id("new-tag").fill(typed)
        await page.get_by_test_id("add-tag").click()
        await expect(page.get_by_test_id("new-tag")).to_have_value("")
    await expect(page.get_by_test_id("tag")).to_have_text(["dividend", "long term"])
    assert (await api.get(NOTES))["tags"] == ["dividend", "long term"]
    await page.get_by_role("button", name="Take the tag long term away").click()
    await expect(page.get_by_test_id("tag")).to_have_text(["dividend"])
    # Another browser gives one meanwhile: it is not taken away by what this one does.
    await api.http.post(f"/api/v1/positions/{position_id('aapl')}/tags", json={"tag": "elsewhere"})
    await page.get_by_test_id("new-tag").fill("growth")
    await page.get_by_test_id("add-tag").click()
    await expect(page.get_by_test_id("tag")).to_have_text(["dividend", "elsewhere", "growth"])
    await page.get_by_role("link", name="dividend", exact=True).click()
    await expect(page.get_by_test_id("timeline-bar")).to_have_count(2)
    await page.get_by_test_id("facet-closed").click()
    await expect(page.get_by_test_id("closed-row")).to_have_count(1)
    href = await page.get_by_test_id("closed-export").get_attribute("href")
    exported = await page.context.request.get(f"http://{api.address}{href}")
    assert len((await exported.text()).splitlines()) == 2
    await page.get_by_test_id("facet-timeline").click()
    await expect(page.get_by_test_id("timeline-bar")).to_have_count(2)
    await page.get_by_test_id("tag-choice").select_option("")
    await expect(page.get_by_test_id("timeline-bar")).to_have_count(6)


async def test_a_note_that_cannot_be_kept_stays_in_its_box_and_is_kept_once(api: Api, look: Look) -> None:
    page = await look(STORY)
    await page.get_by_test_id("new-note").fill("kept here")
    problem = {"code": "busy", "detail": "It could not be kept."}
    await page.route("**/notes", lambda route: route.fulfill(status=409, json=problem))
    await page.get_by_test_id("write-note").click()
    await expect(page.get_by_test_id("notes").get_by_role("alert")).to_have_text("It could not be kept.")
    await expect(page.get_by_test_id("new-note")).to_have_value("kept here")
    # One whose answer is lost was kept: asked for again, it is not kept twice.
    await page.unroute("**/notes")

    async def lose(route: Route) -> None:
        await route.fetch()
        await route.fulfill(status=409, json=problem)

    await page.route("**/notes", lose)
    await page.get_by_test_id("write-note").click()
    await expect(page.get_by_test_id("notes").get_by_role("alert")).to_have_text("It could not be kept.")
    await page.unroute("**/notes")
    await page.get_by_test_id("write-note").click()
    await expect(page.get_by_test_id("new-note")).to_have_value("")
    await expect(page.get_by_test_id("note")).to_have_count(1)
    assert [one["body"] for one in (await api.get(NOTES))["items"]] == ["kept here"]


async def test_without_its_tags_a_position_is_given_none(look: Look) -> None:
    page = await look("/settings")
    await page.route("**/notes?limit=1*", lambda route: route.fulfill(status=409, json={"detail": "Away."}))
    await page.goto(page.url.replace("/settings", STORY))
    await expect(page.get_by_test_id("notes")).to_contain_text("Away.")
    await expect(page.get_by_test_id("new-tag")).to_be_disabled()


async def test_the_chart_draws_prices_and_more_of_them_closely(
    api: Api, look: Look, seeded: Database
) -> None:
    await seed_snapshots(seeded)
    for hours in range(1, 9 * 24):
        await mark(seeded, NOW - timedelta(hours=hours), str(150 + hours % 7))
    page = await look(STORY)
    told = await api.get(f"/api/v1/positions/{position_id('aapl')}/prices")
    chart = page.get_by_test_id("life").get_by_test_id("chart")
    events = (await api.get(f"/api/v1/positions/{position_id('aapl')}/events"))["items"]
    # Now, and where the line ends: nothing is known since.
    await expect(chart).to_have_attribute("data-points", str(len(told["items"]) + len(events) + 2))
    await chart.get_by_role("group").focus()
    async with page.expect_response(lambda one: "/prices?" in one.url and "from=" in one.url) as answered:
        await page.keyboard.press("+")
    closer = await (await answered.value).json()
    assert 0 < len(closer["items"]) < len(told["items"])
    await expect(page.get_by_test_id("story-zoom-out")).to_be_visible()
    await page.get_by_test_id("story-zoom-out").click()
    await expect(page.get_by_test_id("story-zoom-out")).to_have_count(0)


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [1440, 390])
async def test_the_timeline_has_a_bar_for_each_life_where_it_belongs(
    api: Api, look: Look, width: int, theme: str
) -> None:
    page = await look("/positions?show=timeline&range=1M", width=width, theme=theme)
    told = {one["id"]: one for one in (await api.get("/api/v1/positions", status="all"))["items"]}
    lives = page.get_by_test_id("timeline-bar")
    await expect(lives).to_have_count(len(told))
    rows = {(one["account"], one["conid"]) for one in told.values()}
    await expect(page.get_by_test_id("timeline-row")).to_have_count(len(rows))
    places = {}
    for number in range(await lives.count()):
        life = lives.nth(number)
        box = await life.bounding_box()
        assert box is not None
        assert (box["width"] >= 24, box["height"] >= 24) == (True, True), "a finger finds it"
        places[await life.get_attribute("data-position-id")] = box["x"]
    in_time = sorted(told, key=lambda one: (told[one]["opened_at"], one))
    assert sorted(places, key=lambda one: (round(places[one]), told[one]["opened_at"], one)) == in_time
    won = page.locator(f'[data-position-id="{position_id("won")}"]')
    assert "realized" in (await won.get_attribute("aria-label") or "")
    assert await violations(page) == []
    await won.click()
    await expect(page).to_have_url(f"http://{api.address}/positions/{position_id('won')}")


async def test_a_time_in_which_nothing_was_held_says_so(look: Look) -> None:
    page = await look("/positions?show=timeline&range=2019")
    await expect(page.get_by_test_id("timeline-empty")).to_contain_text("Nothing was held in this time")
    await page.get_by_test_id("range-all").click()
    await expect(page.get_by_test_id("timeline-bar").first).to_be_visible()


async def test_an_account_is_called_otherwise_and_reckoned_otherwise(api: Api, look: Look) -> None:
    page = await look("/settings")
    row = page.locator(f'[data-testid="account"][data-account="{USD}"]')
    await row.get_by_test_id("change-account").click()
    await page.get_by_test_id("alias").fill("My savings")
    await page.get_by_test_id("cost-method").select_option("lifo")
    await expect(page.get_by_role("dialog")).to_contain_text("Every lot of this account is counted anew")
    assert await violations(page) == []
    await page.get_by_test_id("keep-account").click()
    await expect(row).to_contain_text("My savings")
    await expect(row).to_contain_text("Last in, first out")
    told = {one["account"]: one for one in (await api.get("/api/v1/accounts"))["items"]}[USD]
    assert (told["alias"], told["cost_method"]) == ("My savings", "lifo")


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_the_story_with_notes_has_nothing_to_complain_of(api: Api, look: Look, theme: str) -> None:
    await api.http.post(NOTES, json={"body": "Sell above 250."})
    await api.http.post(f"/api/v1/positions/{position_id('aapl')}/tags", json={"tag": "dividend"})
    page = await look(STORY, theme=theme)
    await expect(page.get_by_test_id("note")).to_be_visible()
    assert await violations(page) == []
