"""Pictures of every screen, taken of the demo: ``make screenshots`` writes docs/screenshots anew."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
from playwright.async_api import Browser, BrowserContext, async_playwright

from services.stack.ports import free_port

OUT = Path(__file__).parents[1] / "docs" / "screenshots"
SCREENS = {
    "overview": "/",
    "positions": "/positions",
    "timeline": "/positions?show=timeline&range=all",
    "map": "/positions?show=map",
    "cash": "/positions?show=cash",
    "performance": "/performance",
    "realized": "/realized",
    "executions": "/executions",
    "reconciliation": "/reconciliation",
    "sync": "/sync",
    "settings": "/settings",
}
"""And the story of one position, which is found first."""
_FOUND = "/api/v1/positions?symbol=AAPL&limit=1"
Theme = Literal["dark", "light"]
THEMES: tuple[Theme, ...] = ("dark", "light")
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
_READY_WITHIN_SECONDS = 300
_RECKONED_WITHIN_SECONDS = 20
_SETTLES_MS = 2_500
"""Until what was asked for is drawn, and its flashes have faded."""


@asynccontextmanager
async def demo() -> AsyncIterator[tuple[str, str]]:
    """A demo of its own, with its past imported and a snapshot taken: its address and its token."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="lotkeeper-pictures-") as home:
        program = str(Path(sys.executable).with_name("lotkeeper"))
        process = await asyncio.create_subprocess_exec(
            *(program, "demo", "--port", str(port)),
            env={**os.environ, "LOTKEEPER_HOME": home},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with httpx.AsyncClient(base_url=url) as http, asyncio.timeout(_READY_WITHIN_SECONDS):
                await _until(lambda: _is_ready(http))
                token = (Path(home) / "demo" / "api-token").read_text("utf-8").strip()
                http.headers["Authorization"] = f"Bearer {token}"
                await _until(lambda: _has(http, "imports"))
                (await http.post("/api/v1/snapshots")).raise_for_status()
                await _until(lambda: _has(http, "snapshots"))
                await _say_something(http)
                # What was imported is reckoned beside: days, measures, comparisons.
                await asyncio.sleep(_RECKONED_WITHIN_SECONDS)
            yield url, token
        finally:
            process.send_signal(signal.SIGINT)
            await process.wait()


async def _until(is_so: Callable[[], Awaitable[bool]]) -> None:
    while not await is_so():  # noqa: ASYNC110 - of another process
        await asyncio.sleep(1)


async def _is_ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).is_success
    except httpx.TransportError:
        return False


async def _has(http: httpx.AsyncClient, listed: str) -> bool:
    return bool((await http.get(f"/api/v1/{listed}")).raise_for_status().json()["items"])


async def _say_something(http: httpx.AsyncClient) -> None:
    """What its owner thinks of the position whose story is told."""
    path = f"/api/v1{_story_of((await http.get(_FOUND)).raise_for_status().json())}"
    note = {"body": "Long term: for the buy-back.\nSell above 250, or when it has ended."}
    (await http.post(f"{path}/notes", json=note)).raise_for_status()
    for tag in ("long term", "technology"):
        (await http.post(f"{path}/tags", json={"tag": tag})).raise_for_status()


def _story_of(found: dict[str, Any]) -> str:
    return f"/positions/{found['items'][0]['id']}"


async def take(browser: Browser, url: str, token: str, theme: Theme, size: str, out: Path) -> None:
    """All screens in one theme and one size."""
    width, height = SIZES[size]
    context = await browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, locale="en-US", timezone_id="UTC"
    )
    signed_in = await context.request.post(
        f"{url}/api/v1/session", data={"token": token}, headers={"origin": url}
    )
    if not signed_in.ok:
        raise RuntimeError(f"the demo did not let us in: {signed_in.status}")
    page = await context.new_page()
    for name, path in {**SCREENS, "position": await _a_position(context, url)}.items():
        await page.goto(url + path)
        await page.wait_for_timeout(_SETTLES_MS)
        await page.screenshot(path=out / f"{name}-{theme}-{size}.jpg", type="jpeg", quality=78)
    await context.close()


async def _a_position(context: BrowserContext, url: str) -> str:
    """One that has something to tell."""
    return _story_of(await (await context.request.get(url + _FOUND)).json())


async def main() -> None:
    """Take them all."""
    executable = os.environ.get("LOTKEEPER_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory(prefix="lotkeeper-taken-") as taken:
        async with demo() as (url, token), async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
            for theme in THEMES:
                for size in SIZES:
                    await take(browser, url, token, theme, size, Path(taken))
            await browser.close()
        replace(Path(taken))


def replace(taken: Path) -> None:
    """Put these in the place of those of before, which stay until all are there."""
    shutil.rmtree(OUT, ignore_errors=True)
    shutil.copytree(taken, OUT)
    print(f"{len(list(OUT.iterdir()))} pictures in {OUT}")  # noqa: T201 - it is run by hand


if __name__ == "__main__":
    asyncio.run(main())
