"""The positions screen with 1,000 rows of which 20 a second move, in a browser: how long its frames take.

All of it is real: each mark goes over Redis to an API of its own, and by its WebSocket to Chromium.
The floors, in the same run: that page while nothing moves, and one of 20 rows, all in sight, that move, too.
``python -m bench.frames [SECONDS]``
"""

import asyncio
import os
import random
import shutil
import sys
from decimal import Decimal
from typing import Any, NamedTuple

import asyncpg
from playwright.async_api import Page, async_playwright

from bench.report import figure, percentile
from bench.rig import TOKEN, process, servers, until_ready
from bench.seed import connect
from core.clock import utc_now
from core.events import facts
from core.settings import Settings
from core.streams.redis import RedisStreams
from services.stack.ports import free_port

ROWS, FEW = 1_000, 20
UPDATES_A_SECOND = 20
_SETTLES_SECONDS = 3.0
FRAMES = """seconds => new Promise(resolve => {
    const gaps = [];
    let changes = 0;
    new MutationObserver(found => { changes += found.length; })
        .observe(document.querySelector('tbody'), {subtree: true, childList: true, characterData: true});
    let last = performance.now();
    const end = last + seconds * 1000;
    const step = now => {
        gaps.push(now - last);
        last = now;
        if (now < end) requestAnimationFrame(step); else resolve([gaps, changes]);
    };
    requestAnimationFrame(step);
})"""
"""For so many seconds: the milliseconds between frames, and how much changed in the table."""


class Seen(NamedTuple):
    """Milliseconds between frames, and those that the page's thread worked in a second."""

    frames: list[float]
    worked_ms: float


async def _hold(settings: Settings, rows: int) -> None:
    """So many open positions of one account, and no others."""
    connection: asyncpg.Connection = await connect(settings)
    await connection.execute("TRUNCATE positions, ledger_books, instruments, broker_accounts, marks CASCADE")
    await connection.execute(
        "INSERT INTO broker_accounts (account, base_currency, paper, first_seen_at, last_seen_at) "
        "VALUES ('DU1', 'USD', true, now(), now())"
    )
    await connection.execute(
        "INSERT INTO instruments (conid, symbol, local_symbol, sec_type, currency, multiplier, exchange, "
        "trading_class, expiry, option_right, updated_at) SELECT c, 'S' || c, 'S' || c, 'STK', 'USD', 1, "
        "'SMART', '', '', '', now() FROM generate_series(1, $1::bigint) AS c",
        rows,
    )
    await connection.execute(
        "INSERT INTO ledger_books (account, conid, quantity) SELECT 'DU1', conid, 10 FROM instruments"
    )
    await connection.execute(
        "INSERT INTO positions (id, account, conid, ordinal, status, side, quantity, max_quantity, "
        "average_cost, cost_basis, realized_pnl, commission, opened_at, provisional, missing_commissions, "
        "estimated, event_count, lot_count, version, updated_at) SELECT gen_random_uuid(), 'DU1', conid, 1, "
        "'open', 'long', 10, 10, 100, 1000, 0, 1, now(), false, 0, false, 1, 1, 1, now() FROM instruments"
    )
    await connection.close()


async def _move(settings: Settings, rows: int, is_over: asyncio.Event) -> None:
    streams = RedisStreams.connect(settings)
    dice = random.Random(1)  # noqa: S311 - prices, not secrets
    while not is_over.is_set():
        price = Decimal(dice.randint(50, 150))
        mark = facts.MarkReported(
            received_at=utc_now(),
            account="DU1",
            conid=dice.randint(1, rows),
            quantity=Decimal(10),
            market_price=price,
            market_value=price * 10,
            daily_pnl=Decimal(dice.randint(-9_999, 9_999)) / 2,
            unrealized_pnl=price * 10 - 1_000,
            realized_pnl=None,
        )
        batch = facts.encode(facts.TickBatch(epoch=1, ticks=(mark,)))
        await streams.append(settings.ticks_stream, [batch], keep_entries=10_000)
        await asyncio.sleep(1 / UPDATES_A_SECOND)
    await streams.close()


async def _worked(debugger: Any) -> float:
    told = await debugger.send("Performance.getMetrics")
    return float(next(one["value"] for one in told["metrics"] if one["name"] == "TaskDuration")) * 1_000


async def _watch(page: Page, settings: Settings, rows: int, seconds: float, *, moving: bool) -> Seen:
    is_over = asyncio.Event()
    debugger = await page.context.new_cdp_session(page)
    await debugger.send("Performance.enable")
    feeding = asyncio.create_task(_move(settings, rows, is_over)) if moving else None
    before = await _worked(debugger)
    frames, changes = await page.evaluate(FRAMES, seconds)
    worked = await _worked(debugger) - before
    is_over.set()
    if feeding is not None:
        await feeding
        if not changes:
            raise SystemExit("nothing moved on the page: the figure would be of nothing")
    return Seen(frames, worked / seconds)


async def _page_of(rows: int, settings: Settings, seconds: float, *movings: bool) -> list[Seen]:
    await _hold(settings, rows)
    url = f"http://{settings.api_host}:{settings.api_port}"
    executable = os.environ.get("LOTKEEPER_CHROMIUM") or shutil.which("chromium")
    with process(settings, "api"):
        await until_ready(settings)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
            context = await browser.new_context(viewport={"width": 1440, "height": 900})
            await context.request.post(
                f"{url}/api/v1/session", data={"token": TOKEN}, headers={"origin": url}
            )
            page = await context.new_page()
            await page.goto(f"{url}/positions?sort=-daily_pnl")
            await page.get_by_test_id("position-row").first.wait_for()
            await asyncio.sleep(_SETTLES_SECONDS)
            seen = [await _watch(page, settings, rows, seconds, moving=moving) for moving in movings]
            await browser.close()
    return seen


async def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 15.0
    async with servers(api_port=free_port()) as settings:
        idle, many = await _page_of(ROWS, settings, seconds, False, True)
        [few] = await _page_of(FEW, settings, seconds, True)
    what = f"{ROWS:,} positions at {UPDATES_A_SECOND} updates/s"
    figure(f"a frame of {what}, p95", percentile(many.frames, 0.95), percentile(idle.frames, 0.95), "ms")
    figure(f"the page's thread with {what}, a second", many.worked_ms, few.worked_ms, "ms")


if __name__ == "__main__":
    asyncio.run(main())
