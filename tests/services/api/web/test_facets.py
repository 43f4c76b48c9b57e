"""Open, closed, cash and map: what of the portfolio the positions screen shows, over a real API."""

from decimal import Decimal

import pytest
from playwright.async_api import expect

from models.session import Database
from tests.services.api.conftest import Api
from tests.services.api.kept import seed_snapshots
from tests.services.api.portfolio import USD
from tests.services.api.web.conftest import Look
from tests.services.api.web.test_screens import shown, violations

pytestmark = pytest.mark.browser


@pytest.fixture
async def kept(seeded: Database) -> None:
    await seed_snapshots(seeded)


async def test_closed_positions_are_those_of_the_api_and_lead_to_their_story(api: Api, look: Look) -> None:
    page = await look("/positions")
    await page.get_by_test_id("facet-closed").click()
    await expect(page).to_have_url(f"http://{api.address}/positions?show=closed")
    told = (await api.get("/api/v1/positions", status="closed"))["items"]
    assert told
    await expect(page.get_by_test_id("closed-row")).to_have_count(len(told))
    assert await shown(page, "closed-row", "data-position-id") == [one["id"] for one in told]
    symbol = told[0]["symbol"]
    await page.get_by_test_id("closed-symbol").fill(symbol.lower())
    await expect(page).to_have_url(f"http://{api.address}/positions?show=closed&symbol={symbol}")
    fewer = (await api.get("/api/v1/positions", status="closed", symbol=symbol))["items"]
    await expect(page.get_by_test_id("closed-row")).to_have_count(len(fewer))
    href = await page.get_by_test_id("closed-export").get_attribute("href")
    exported = await page.context.request.get(f"http://{api.address}{href}")
    assert len((await exported.text()).splitlines()) == len(fewer) + 1
    await page.get_by_test_id("closed-symbol").fill("NOTHING")
    await expect(page.get_by_test_id("closed-empty")).to_contain_text("No closed position matches")
    await page.get_by_test_id("facet-open").click()
    await expect(page.get_by_test_id("position-row").first).to_be_visible()


@pytest.mark.usefixtures("kept")
async def test_cash_is_that_of_each_accounts_newest_snapshot(api: Api, look: Look) -> None:
    page = await look("/positions?show=cash")
    accounts = (await api.get("/api/v1/portfolio/allocation", by="account"))["accounts"]
    assert len(accounts) == 2
    for one in accounts:
        panel = page.locator(f'[data-testid="cash"][data-account="{one["account"]}"]')
        snapshot = await api.get(f"/api/v1/snapshots/{one['snapshot_id']}")
        await expect(panel.get_by_test_id("cash-row")).to_have_count(len(snapshot["cash"]))
        (usd,) = snapshot["cash"]
        await expect(panel.get_by_test_id("cash-row")).to_contain_text(f"{Decimal(usd['cash']):,.2f}")
    unknown = page.locator(f'[data-testid="cash"]:not([data-account="{USD}"])').get_by_test_id("cash-total")
    await expect(unknown).to_contain_text("—")
    await expect(page.get_by_test_id("flows-empty")).to_contain_text("come with a statement")
    await page.keyboard.press("b")
    await expect(page.get_by_test_id("cash-row").first).not_to_contain_text("9,000")


@pytest.mark.usefixtures("kept")
async def test_the_map_has_a_rectangle_for_each_thing_that_is_held_as_large_as_it_is(
    api: Api, look: Look
) -> None:
    page = await look(f"/positions?show=map&account={USD}")
    told = await api.get("/api/v1/portfolio/allocation", account=USD, by="instrument", top=60)
    drawn = {one["key"]: Decimal(one["market_value"]) for one in told["items"] if one["market_value"]}
    tiles = page.get_by_test_id("map-tile")
    await expect(tiles).to_have_count(len(drawn))
    areas = {}
    for tile in await tiles.all():
        box = await tile.bounding_box()
        assert box is not None
        areas[await tile.get_attribute("data-key")] = box["width"] * box["height"]
    whole, worth = sum(areas.values()), sum(map(abs, drawn.values()))
    for key, value in drawn.items():
        assert abs(areas[key] / whole - float(abs(value) / worth)) < 0.01, key
    # What has no known value is not drawn, and not hidden either.
    await expect(page.get_by_test_id("map-left-out")).to_contain_text("no known value")
    held = next(
        one
        for one in (await api.get("/api/v1/positions", account=USD))["items"]
        if str(one["conid"]) in drawn
    )
    await page.locator(f'[data-testid="map-tile"][data-key="{held["conid"]}"] a').click()
    await expect(page).to_have_url(f"http://{api.address}/positions/{held['id']}")
    await page.goto(f"http://{api.address}/positions?show=map&account={USD}&by=asset_class")
    await expect(page.get_by_test_id("map-tile").filter(has_text="Stock")).to_be_visible()


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [1440, 390])
async def test_no_facet_has_a_violation_or_is_too_wide(api: Api, look: Look, theme: str, width: int) -> None:
    page = await look("/positions", theme=theme, width=width)
    for facet, sign in (("closed", "closed-row"), ("cash", "cash-row"), ("map", "map-tile")):
        await page.goto(f"http://{api.address}/positions?show={facet}")
        await expect(page.get_by_test_id(sign).first).to_be_visible()
        assert await violations(page) == [], facet
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, facet
    # Where there is no room for words, the rectangle still has a name.
    tile = page.get_by_test_id("map-tile").first
    await tile.evaluate("tile => tile.classList.add('tiny')")
    assert await violations(page) == []


async def test_before_the_first_snapshot_cash_and_map_say_what_to_do(look: Look) -> None:
    page = await look("/positions?show=cash")
    await expect(page.get_by_test_id("cash-empty")).to_contain_text("No snapshot was taken yet")
    await page.get_by_test_id("facet-map").click()
    await expect(page.get_by_test_id("map-empty")).to_contain_text("No snapshot was taken yet")
