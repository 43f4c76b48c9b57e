"""A server that replays, a real Chromium, and a page that tells what went wrong in it."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from models.session import Database
from tests.services.api.conftest import Api
from tests.services.api.portfolio import TOKEN as API_TOKEN
from tests.services.api.portfolio import seed_comparisons
from tests.services.api.web.book import fill
from tests.services.api.web.replay import COOKIE, STATIC, TOKEN, Replay

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)  # of each test, whichever others are run with it


@dataclass
class Watched:
    """A page, and every complaint the browser had about it."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def testid(self, name: str) -> Any:
        return self.page.get_by_test_id(name)

    def row(self, identity: str) -> Any:
        return self.page.locator(f'[data-testid="position-row"][data-position-id="{identity}"]')


Open = Callable[..., Awaitable[Watched]]
Look = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(loop_scope="session")
async def replay() -> AsyncIterator[Replay]:
    if not (STATIC / "index.html").exists():
        pytest.fail("The dashboard is not built: run `make web`.")
    async with Replay() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def filled(replay: Replay) -> Replay:
    return fill(replay)


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    executable = os.environ.get("LOTKEEPER_CHROMIUM") or shutil.which("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A browser for tests with a loop of their own, as those with a database have."""
    async with launched() as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def one_chromium() -> AsyncIterator[Browser]:
    """One for all tests of a process: each has a context of its own. To start it takes seconds."""
    async with launched() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def opened(one_chromium: Browser, replay: Replay) -> AsyncIterator[Open]:
    """Opens pages; at the end no page may have complained, except where a test takes a complaint away."""
    contexts: list[BrowserContext] = []
    pages: list[Watched] = []

    async def open_page(
        path: str = "/", *, signed_in: bool = True, width: int = 1440, height: int = 900, theme: Any = "dark"
    ) -> Watched:
        context = await one_chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, locale="en-US", timezone_id="UTC"
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        if signed_in:
            await context.add_cookies([{"name": COOKIE, "value": replay.welcome(), "url": replay.url}])
        page = await context.new_page()
        watched = Watched(page=page, url=replay.url)
        pages.append(watched)
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                watched.complaints.append(message.text) if message.type in {"error", "warning"} else None
            ),
        )
        await page.goto(replay.url + path)
        return watched

    yield open_page
    for context in contexts:
        await context.close()
    for watched in pages:
        assert watched.complaints == []


def is_complaint(told: ConsoleMessage) -> bool:
    """What a page says that is no refusal, which it has to show."""
    return told.type in {"error", "warning"} and "status of 409" not in told.text


@pytest.fixture
async def look(chromium: Browser, api: Api, seeded: Database) -> AsyncIterator[Look]:
    """Opens a screen, signed in; no page may complain."""
    await seed_comparisons(seeded)
    complaints: list[str] = []
    contexts = []

    async def open_screen(path: str, *, width: int = 1440, theme: Any = "dark") -> Page:
        context = await chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, locale="en-US", timezone_id="UTC"
        )
        contexts.append(context)
        url = f"http://{api.address}"
        signed_in = await context.request.post(
            f"{url}/api/v1/session", data={"token": API_TOKEN}, headers={"origin": url}
        )
        assert signed_in.status == 204
        page = await context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda told: complaints.append(told.text) if is_complaint(told) else None,
        )
        await page.goto(url + path)
        return page

    yield open_screen
    for context in contexts:
        await context.close()
    assert complaints == []


@pytest.fixture
def token() -> str:
    return TOKEN
