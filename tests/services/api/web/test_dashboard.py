"""The page in a real browser, against a real server that replays what the API says."""

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.services.api.web.book import fill
from tests.services.api.web.conftest import Open, Watched
from tests.services.api.web.replay import PASSWORD, Replay, freshness

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

REFUSED = re.compile("status of 401|status of 404")
GONE = re.compile("WebSocket connection to|ERR_CONNECTION|Failed to load resource")


def forgive(watched: Watched, pattern: re.Pattern[str]) -> None:
    """The browser itself reports refused requests; only those are expected here."""
    watched.complaints[:] = [text for text in watched.complaints if not pattern.search(text)]


@pytest.mark.usefixtures("filled")
async def test_asks_for_the_token_and_says_where_it_is_then_shows_the_portfolio(
    opened: Open, token: str
) -> None:
    watched = await opened(signed_in=False)
    sign_in = watched.testid("sign-in")
    await expect(sign_in).to_contain_text("api-token")
    await expect(sign_in).to_contain_text("LOTKEEPER_HOME")
    await watched.testid("token-input").fill("wrong")
    await watched.testid("sign-in-submit").click()
    await expect(watched.testid("sign-in-error")).to_contain_text("not accepted")
    await watched.testid("token-input").fill(f" {token} ")
    await watched.testid("sign-in-submit").click()
    await expect(watched.testid("net-liquidation")).to_have_text("1,284,310.57")
    forgive(watched, REFUSED)


async def test_where_there_are_users_it_asks_for_a_name_and_takes_the_token_as_well(
    filled: Replay, opened: Open
) -> None:
    filled.has_users = True
    watched = await opened(signed_in=False)
    await watched.testid("name-input").fill("anna")
    await watched.testid("password-input").fill("a wrong one here")
    await watched.testid("sign-in-submit").click()
    await expect(watched.testid("sign-in-error")).to_have_text("The name or the password is wrong.")
    await watched.testid("way-token").click()
    await expect(watched.testid("token-input")).to_be_focused()
    await expect(watched.testid("sign-in-error")).to_have_count(0)
    await watched.testid("way-name").click()
    await expect(watched.testid("name-input")).to_have_value("anna")
    await watched.testid("password-input").fill(PASSWORD)
    await watched.testid("sign-in-submit").click()
    await expect(watched.testid("net-liquidation")).to_have_text("1,284,310.57")
    forgive(watched, REFUSED)


async def test_who_has_a_second_factor_is_asked_for_its_code_once_the_password_is_right(
    filled: Replay, opened: Open
) -> None:
    filled.has_users, filled.code = True, "492039"
    watched = await opened(signed_in=False)
    await watched.testid("name-input").fill("anna")
    await watched.testid("password-input").fill(PASSWORD)
    await expect(watched.testid("code-input")).to_have_count(0)
    await watched.testid("sign-in-submit").click()
    await expect(watched.testid("code-input")).to_be_focused()
    await expect(watched.testid("sign-in-error")).to_have_count(0)
    await watched.testid("code-input").fill("000000")
    await watched.testid("sign-in-submit").click()
    await expect(watched.testid("sign-in-error")).to_contain_text("This code is wrong")
    await expect(watched.testid("code-input")).to_have_value("")
    await watched.testid("name-input").fill("bert")
    await expect(watched.testid("code-input")).to_have_count(0)
    await watched.testid("name-input").fill("anna")
    await watched.testid("sign-in-submit").click()
    await watched.testid("code-input").fill("492039")
    await watched.testid("code-input").press("Enter")
    await expect(watched.testid("net-liquidation")).to_have_text("1,284,310.57")
    forgive(watched, REFUSED)


@pytest.mark.usefixtures("filled")
async def test_while_there_is_no_user_it_makes_the_first_one(opened: Open, token: str) -> None:
    watched = await opened(signed_in=False)
    await watched.testid("way-first").click()
    await expect(watched.testid("sign-in")).to_contain_text("lotkeeper user setup-token")
    await watched.testid("token-input").fill(token)
    await watched.testid("name-input").fill("anna")
    await watched.testid("password-input").fill("passwordpassword")
    await watched.testid("sign-in-submit").click()
    await expect(watched.testid("sign-in-error")).to_contain_text("one of the commonest")
    await watched.testid("password-input").fill(PASSWORD)
    await watched.testid("sign-in-submit").click()
    await expect(watched.testid("net-liquidation")).to_have_text("1,284,310.57")
    forgive(watched, re.compile(f"{REFUSED.pattern}|status of 422"))


@pytest.mark.usefixtures("filled")
async def test_the_overview_shows_the_servers_figures_signed_and_labelled(opened: Open) -> None:
    watched = await opened()
    await expect(watched.testid("net-liquidation")).to_have_text("1,284,310.57")
    await expect(watched.testid("daily-pnl")).to_have_text("▲+8,412.36")
    await expect(watched.testid("realized-pnl")).to_have_text("▼−1,204.50")
    await expect(watched.testid("win-rate")).to_contain_text("57.1")
    await expect(watched.testid("total-trades")).to_have_text("1,872")
    await expect(watched.testid("open-positions")).to_have_text("45")
    await expect(watched.testid("coverage")).to_contain_text("44 of 45")
    await expect(watched.testid("account-row")).to_have_count(3)
    await expect(watched.testid("freshness-pill")).to_have_attribute("data-level", "live")
    await expect(watched.testid("profile-label").first).to_have_text("DEMO")
    await expect(watched.page).to_have_title("▲ +8,412.36 USD · Overview · Lotkeeper")


async def test_a_delta_changes_a_row_and_a_close_removes_it(filled: Replay, opened: Open) -> None:
    watched = await opened("/positions")
    quantity = watched.row("p-0").get_by_test_id("cell-quantity")
    await expect(quantity).to_have_text("400")
    await filled.upsert("positions", "p-0", quantity="425.5000")
    await expect(quantity).to_have_text("425.5")
    await filled.delete("positions", "p-0")
    await expect(watched.row("p-0")).to_have_count(0)
    await expect(watched.testid("row-count")).to_have_text("44 open")


@pytest.mark.usefixtures("filled")
async def test_a_missing_figure_is_a_dash_and_never_zero(opened: Open) -> None:
    watched = await opened("/positions")
    await expect(watched.row("p-5").get_by_test_id("cell-market-value")).to_have_text("—")
    await expect(watched.row("p-5").get_by_test_id("cell-daily-pnl")).to_have_text("—")


async def test_a_lost_frame_is_noticed_and_asked_for_again(filled: Replay, opened: Open) -> None:
    watched = await opened("/positions")
    await expect(watched.row("p-0").get_by_test_id("cell-quantity")).to_have_text("400")
    await filled.lose_a_frame("positions", "p-0", quantity="77")
    await expect(watched.row("p-0").get_by_test_id("cell-quantity")).to_have_text("77")
    assert {"topic": "positions", "epoch": "1", "after_seq": 0} in filled.subscribed


async def test_when_the_broker_goes_the_numbers_stay_and_the_page_says_since_when_and_why(
    filled: Replay, opened: Open
) -> None:
    watched = await opened()
    pill = watched.testid("freshness-text")
    await expect(pill).to_have_text("live", ignore_case=True)
    await filled.status("gateway_unreachable", gateway="down", ibkr="unknown")
    await expect(pill).to_have_text(
        re.compile(r"last known\s· since \d\d:\d\d\s· IB Gateway is not reachable")
    )
    await expect(watched.testid("net-liquidation")).to_have_text("1,284,310.57")
    await expect(watched.testid("as-of")).to_contain_text("As of")
    await watched.testid("freshness-pill").click()
    panel = watched.testid("freshness-panel")
    await expect(panel).to_contain_text("LOTKEEPER_IB_PORT")
    await expect(panel).to_contain_text(re.compile(r"IB Gateway\W*not reachable\W*IBKR\W*not known"))
    await filled.status()
    await expect(pill).to_have_text("live", ignore_case=True)


async def test_when_the_server_goes_the_page_says_so_itself_and_comes_back_without_a_reload(
    filled: Replay, opened: Open
) -> None:
    watched = await opened("/positions")
    await expect(watched.row("p-0").get_by_test_id("cell-quantity")).to_have_text("400")
    await watched.page.evaluate("window.stillTheSamePage = true")
    await filled.stop()
    pill = watched.testid("freshness-pill")
    await expect(pill).to_have_attribute("data-level", "offline")
    await expect(pill).to_contain_text("this browser cannot reach Lotkeeper")
    await expect(watched.row("p-0").get_by_test_id("cell-quantity")).to_have_text("400")
    await expect(watched.row("p-0").locator("[data-stale=true]")).to_have_count(1)
    filled.rows["positions"]["p-0"]["quantity"] = "9"
    await filled.start()
    await expect(pill).to_have_attribute("data-level", "live", timeout=40_000)
    await expect(watched.row("p-0").get_by_test_id("cell-quantity")).to_have_text("9")
    assert await watched.page.evaluate("window.stillTheSamePage")
    forgive(watched, GONE)


async def test_an_ended_session_asks_for_the_token_and_shows_nothing_of_the_account(
    filled: Replay, opened: Open
) -> None:
    watched = await opened()
    await expect(watched.testid("net-liquidation")).to_have_text("1,284,310.57")
    filled.sign_everybody_out()
    await filled.cut()
    await expect(watched.testid("sign-in")).to_be_visible()
    await expect(watched.page.get_by_text("1,284,310.57")).to_have_count(0)
    forgive(watched, re.compile(f"{REFUSED.pattern}|WebSocket connection to"))


@pytest.mark.usefixtures("filled")
async def test_signing_out_ends_the_session(opened: Open) -> None:
    watched = await opened()
    await expect(watched.testid("freshness-pill")).to_have_attribute("data-level", "live")
    await watched.testid("sign-out").first.click()
    await expect(watched.testid("sign-in")).to_be_visible()
    await watched.page.reload()
    await expect(watched.testid("sign-in")).to_be_visible()
    forgive(watched, REFUSED)


@pytest.mark.usefixtures("filled")
async def test_filter_and_order_live_in_the_address(opened: Open) -> None:
    watched = await opened("/positions?q=apple&account=DU1000002&sort=-quantity")
    await expect(watched.testid("position-row")).to_have_count(1)
    await expect(watched.testid("row-count")).to_have_text("1 of 45 open")
    await watched.testid("clear-filters").click()
    await expect(watched.testid("position-row")).to_have_count(45)
    await watched.page.keyboard.press("/")
    await watched.page.keyboard.type("toyota")
    await expect(watched.testid("position-row")).to_have_count(3)
    await watched.testid("sort-market-value").click()
    await expect(watched.page).to_have_url(f"{watched.url}/positions?sort=-market_value&q=toyota")
    values = await watched.testid("cell-market-value").all_inner_texts()
    numbers = [float(text.replace(",", "").replace("−", "-")) for text in values]
    assert numbers == sorted(numbers, reverse=True)


async def test_rows_keep_their_places_under_the_pointer(filled: Replay, opened: Open) -> None:
    watched = await opened("/positions?sort=-daily_pnl")
    first = watched.testid("position-row").first
    leader = await first.get_attribute("data-position-id")
    last = await watched.testid("position-row").nth(3).get_attribute("data-position-id")
    assert last is not None
    await first.hover()
    await filled.upsert("positions", last, daily_pnl="99999999")
    await expect(watched.row(last).get_by_test_id("cell-daily-pnl")).to_contain_text("+99,999,999")
    assert await first.get_attribute("data-position-id") == leader
    await watched.page.mouse.move(0, 0)
    await expect(first).to_have_attribute("data-position-id", last)


async def test_a_row_opens_its_story_and_says_plainly_what_is_doubtful(filled: Replay, opened: Open) -> None:
    watched = await opened("/positions")
    await watched.row("p-0").get_by_role("button").click()
    await expect(watched.testid("position-event")).to_have_count(2)
    await expect(watched.testid("position-event").first).to_contain_text("Opened")
    filled.events["p-2"] = []
    await watched.row("p-2").get_by_role("button").click()
    await expect(watched.testid("position-story")).to_contain_text("the broker says 160")
    await expect(watched.page).to_have_url(re.compile(r"open=p-2"))


@pytest.mark.usefixtures("filled")
async def test_privacy_hides_every_amount_also_from_the_title(opened: Open) -> None:
    watched = await opened()
    await expect(watched.testid("net-liquidation")).to_have_text("1,284,310.57")
    await watched.page.keyboard.press("b")
    await expect(watched.testid("net-liquidation")).to_have_text("•••••")
    await expect(watched.testid("daily-pnl")).to_have_text("•••••")
    await expect(watched.page).to_have_title("Overview · Lotkeeper")
    content = await watched.page.content()
    assert "1,284,310" not in content
    assert "8,412.36" not in content
    await watched.page.keyboard.press("g")
    await watched.page.keyboard.press("p")
    await expect(watched.row("p-0").get_by_test_id("cell-quantity")).to_have_text("•••••")
    await expect(watched.row("p-0").get_by_test_id("cell-account")).to_have_text("•••••01")


async def test_different_base_currencies_are_never_added_up(filled: Replay, opened: Open) -> None:
    for name in ("net_liquidation", "daily_pnl", "base_currency"):
        filled.rows["summary"]["ALL"][name] = None
    filled.rows["summary"]["DU1000002"]["base_currency"] = "EUR"
    watched = await opened()
    await expect(watched.testid("mixed-currencies")).to_contain_text("USD, EUR")
    await expect(watched.testid("net-liquidation")).to_have_text(["812,400.12", "391,005.40", "80,905.05"])


async def test_the_first_run_shows_the_next_step(replay: Replay, opened: Open) -> None:
    replay.block = freshness("gateway_unreachable", gateway="down", ibkr="unknown")
    watched = await opened()
    first_run = watched.testid("first-run")
    await expect(first_run).to_contain_text("Connect to TWS or IB Gateway")
    await expect(first_run).to_contain_text("LOTKEEPER_IB_HOST")


async def test_thousands_of_rows_are_drawn_as_they_come_into_sight(replay: Replay, opened: Open) -> None:
    fill(replay, 6_000)
    watched = await opened("/positions?sort=account")
    await expect(watched.testid("row-count")).to_have_text("6,000 open")
    assert await watched.testid("position-row").count() < 100
    region = watched.page.get_by_role("region", name="Positions")
    await region.evaluate("element => element.scrollTo(0, element.scrollHeight)")
    await expect(watched.page.locator('[aria-rowindex="6001"]')).to_be_visible()
    last = watched.page.locator('[aria-rowindex="6001"]')
    identity = await last.get_attribute("data-position-id")
    assert identity is not None
    await replay.upsert("positions", identity, market_price="4321.5")
    await expect(last.get_by_test_id("cell-market-price")).to_have_text("4,321.50")


@pytest.mark.parametrize("path", ["/", "/positions", "/positions?open=p-0", "/nowhere"])
@pytest.mark.usefixtures("filled")
async def test_a_phone_never_scrolls_sideways(opened: Open, path: str) -> None:
    watched = await opened(path, width=390, height=844)
    ready = watched.page.get_by_text("There is no such page") if path == "/nowhere" else None
    await expect(
        ready or watched.page.locator("[data-testid=net-liquidation], [data-testid=position-row]").first
    ).to_be_visible()
    if "open" in path:
        await expect(watched.testid("position-event")).to_have_count(2)
    width = await watched.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    forgive(watched, re.compile("Not found: /nowhere"))


@pytest.mark.usefixtures("filled")
async def test_nothing_but_the_page_itself_is_ever_asked_for(opened: Open) -> None:
    watched = await opened(signed_in=True)
    asked: list[Any] = []
    watched.page.on("request", lambda request: asked.append(request.url))
    await watched.page.reload()
    await expect(watched.testid("net-liquidation")).to_have_text("1,284,310.57")
    assert [url for url in asked if not url.startswith(watched.url)] == []
