"""From the broker's socket to the text on the screen, through every real part."""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from playwright.async_api import Page, async_playwright, expect
from websockets.asyncio.client import ClientConnection, connect

from core.domain.money import plain
from tests.e2e.conftest import PATIENCE_SECONDS, Stack
from tests.waiting import SECONDS, eventually, eventually_now

PATIENCE = PATIENCE_SECONDS * 1000  # as Playwright counts: in milliseconds
_CENT = Decimal("0.01")
pytestmark = pytest.mark.xdist_group("e2e")

CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
async def page(demo: Stack) -> AsyncIterator[Page]:
    """A signed-in page."""
    chromium = os.environ.get("LOTKEEPER_CHROMIUM") or shutil.which("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        await page.goto(demo.url)
        await page.get_by_label("token").fill(demo.token)
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("net-liquidation")).to_contain_text("1", timeout=PATIENCE)
        yield page
        await browser.close()


async def hear(socket: ClientConnection, kind: str) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = json.loads(await socket.recv())
        if message["type"] == kind:
            return message


async def hear_quantity(socket: ClientConnection, key: str, quantity: Decimal) -> None:
    while True:
        message = await hear(socket, "delta")
        for operation in message["ops"]:
            if operation["key"] == key and Decimal(operation["value"]["quantity"]) == quantity:
                return


@pytest.mark.browser
async def test_a_fill_travels_from_the_broker_to_the_database_the_socket_and_the_screen(
    demo: Stack, page: Page
) -> None:
    row = next(row for row in demo.positions() if row["sec_type"] == "STK" and row["side"] == "long")
    wanted = Decimal(row["quantity"]) + 7
    await page.goto(f"{demo.url}/positions")
    cell = page.locator(f'[data-position-id="{row["id"]}"]').get_by_test_id("cell-quantity")
    await expect(cell).to_be_visible(timeout=PATIENCE)

    async with connect(f"ws://127.0.0.1:{demo.port}/api/v1/stream", max_size=None) as socket:
        await socket.send(json.dumps({"type": "auth", "token": demo.token}))
        await socket.send(json.dumps({"type": "subscribe", "topics": [{"topic": "positions"}]}))
        await asyncio.wait_for(hear(socket, "snapshot"), SECONDS)
        exec_id = demo.simulator.fill(account=row["account"], conid=row["conid"], side="BOT", quantity="7")
        await asyncio.wait_for(hear_quantity(socket, row["id"], wanted), SECONDS)

    connection = await asyncpg.connect(demo.runtime.database_url.replace("+asyncpg", ""))
    stored = await connection.fetchrow(
        "SELECT quantity, position_id::text FROM executions WHERE exec_id = $1", exec_id
    )
    kept = await connection.fetchval("SELECT quantity FROM positions WHERE id = $1::uuid", row["id"])
    await connection.close()
    assert stored is not None
    assert (stored["quantity"], stored["position_id"]) == (Decimal(7), row["id"])
    assert kept == wanted
    await expect(cell).to_have_text(f"{wanted.normalize():,f}", timeout=PATIENCE)


@pytest.mark.browser
async def test_the_page_keeps_the_last_known_numbers_while_the_gateway_is_away(
    demo: Stack, page: Page
) -> None:
    pill = page.get_by_test_id("freshness-pill")
    figure = page.get_by_test_id("net-liquidation")
    # While nothing is traded values grow old, though the link is live.
    demo.simulator.resume_market()
    await expect(pill).to_contain_text("Live", ignore_case=True, timeout=PATIENCE)
    demo.simulator.pause_market()

    await asyncio.to_thread(demo.resync)  # whatever was on its way has come with it

    async def at_rest() -> str:
        told, shown = demo.get("/portfolio/summary")["net_liquidation"], await figure.inner_text()
        digits = "".join(letter for letter in shown if letter.isdigit() or letter == ".")
        return shown if digits and abs(Decimal(digits) - Decimal(told)) <= _CENT else ""

    before = await eventually(at_rest, seconds=PATIENCE_SECONDS)
    demo.simulator.refuse(True)
    demo.simulator.drop_connections()
    await expect(pill).to_contain_text("last known", ignore_case=True, timeout=PATIENCE)
    assert await figure.inner_text() == before
    reason = demo.get("/sync")["freshness"]["reason"]
    assert reason == "gateway_unreachable"

    demo.simulator.refuse(False)
    await expect(pill).to_contain_text("Live", ignore_case=True, timeout=PATIENCE)
    assert page.url.startswith(demo.url)


def test_the_database_holds_what_the_broker_holds(demo: Stack) -> None:
    held = demo.until_equal()
    assert len(held) >= 40
    assert len({account for account, _ in held}) == 3
    rows = demo.positions()
    assert {row["currency"] for row in rows} >= {"USD", "EUR", "GBP"}
    assert {row["sec_type"] for row in rows} >= {"STK", "OPT", "FUT", "CASH"}


@pytest.mark.parametrize("name", ["broker", "worker", "api", "simulator", "redis", "postgres"])
def test_a_killed_process_comes_back_and_nothing_is_lost(demo: Stack, name: str) -> None:
    key = next(iter(sorted(demo.book())))
    before = demo.pid(name)
    assert before is not None
    if name != "simulator":
        demo.simulator.fill(account=key[0], conid=key[1], side="BOT", quantity="3")
    os.kill(before, signal.SIGKILL)
    if name != "simulator":
        for _ in range(3):
            demo.simulator.fill(account=key[0], conid=key[1], side="SLD", quantity="2")
    eventually_now(lambda: demo.pid(name), lambda pid: pid not in {None, before}, seconds=PATIENCE_SECONDS)
    if name == "simulator":
        eventually_now(lambda: _paused(demo), seconds=PATIENCE_SECONDS)
    demo.until_equal()
    eventually_now(lambda: _source(demo), lambda source: source == "live", seconds=PATIENCE_SECONDS)


def _paused(demo: Stack) -> bool:
    try:
        demo.simulator.pause_market()
    except OSError:
        return False
    return True


def _source(demo: Stack) -> str | None:
    try:
        source: str = demo.get("/sync")["freshness"]["source"]
    except OSError:
        return None
    return source


async def test_every_reply_says_how_fresh_it_is(demo: Stack) -> None:
    account = demo.get("/accounts")["items"][0]["account"]
    row = demo.positions()[0]
    for path in (
        "/accounts",
        f"/accounts/{account}/summary",
        "/positions",
        f"/positions/{row['id']}/events",
        "/executions",
        "/sync",
    ):
        freshness = demo.get(path)["freshness"]
        assert freshness["source"] in {"live", "delayed", "last_known"}, path
        assert freshness["links"].keys() >= {"gateway", "ibkr"}, path


async def test_executions_are_stored_once_though_the_broker_repeats_them(demo: Stack) -> None:
    key = next(iter(sorted(demo.book())))
    exec_id = demo.simulator.fill(account=key[0], conid=key[1], side="BOT", quantity="1")

    async def stored() -> list[dict[str, Any]]:
        items = demo.get("/executions", account=key[0], limit=500)["items"]
        return [row for row in items if row["exec_id"] == exec_id]

    await eventually(stored)
    demo.simulator.duplicate(exec_id)
    demo.until_equal()
    found = await stored()
    assert len(found) == 1
    assert found[0]["quantity"] == plain(Decimal(1))
