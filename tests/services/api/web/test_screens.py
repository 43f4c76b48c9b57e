"""Each screen answers its question with what the API says: a real API over the seeded portfolio."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import text

from models.session import Database
from tests.services.api.conftest import Api
from tests.services.api.portfolio import USD
from tests.services.api.web.conftest import Look
from tests.services.api.web.test_accessibility import AXE, TAGS

pytestmark = pytest.mark.browser


async def violations(page: Page) -> list[Any]:
    await page.evaluate(AXE.read_text())
    result = await page.evaluate("tags => axe.run({runOnly: {type: 'tag', values: tags}})", TAGS)
    return [
        (found["id"], node["target"], node["failureSummary"])
        for found in result["violations"]
        for node in found["nodes"]
    ]


async def shown(page: Page, testid: str, attribute: str) -> list[str]:
    rows = await page.get_by_test_id(testid).all()
    return [await row.get_attribute(attribute) or "" for row in rows]


async def test_executions_are_those_of_the_api_and_the_export_is_exactly_what_is_shown(
    api: Api, look: Look
) -> None:
    page = await look(f"/executions?account={USD}")
    told = await api.get("/api/v1/executions", account=USD)
    assert len(told["items"]) > 1
    await expect(page.get_by_test_id("execution")).to_have_count(len(told["items"]))
    assert await shown(page, "execution", "data-exec-id") == [one["exec_id"] for one in told["items"]]
    symbol = told["items"][0]["symbol"]
    await page.get_by_test_id("executions-symbol").fill(symbol.lower())
    await expect(page).to_have_url(f"http://{api.address}/executions?account={USD}&symbol={symbol}")
    fewer = await api.get("/api/v1/executions", account=USD, symbol=symbol)
    assert len(fewer["items"]) < len(told["items"])
    await expect(page.get_by_test_id("execution")).to_have_count(len(fewer["items"]))
    href = await page.get_by_test_id("export-csv").get_attribute("href")
    exported = await page.context.request.get(f"http://{api.address}{href}")
    rows = list(csv.DictReader(io.StringIO(await exported.text())))
    assert [row["exec_id"] for row in rows] == await shown(page, "execution", "data-exec-id")
    await page.reload()
    await expect(page.get_by_test_id("execution")).to_have_count(len(fewer["items"]))
    await page.get_by_test_id("executions-symbol").fill("NOTHING")
    await expect(page.get_by_test_id("executions-empty")).to_contain_text("No execution matches")


async def test_thousands_of_executions_come_page_by_page_and_few_are_drawn(
    api: Api, look: Look, seeded: Database
) -> None:
    async with seeded.write() as writer:
        columns = [
            row.column_name
            for row in await writer.execute(
                text(
                    "SELECT column_name FROM information_schema.columns WHERE table_name = 'executions' "
                    "AND table_schema = current_schema() AND is_generated = 'NEVER' ORDER BY ordinal_position"
                )
            )
        ]
        made = {
            "exec_id": "'many.' || n",
            "exec_base_id": "'many.' || n",
            "executed_at": "e.executed_at - n * interval '1 second'",
        }
        chosen = ", ".join(made.get(name, f"e.{name}") for name in columns)
        await writer.execute(
            text(
                f"INSERT INTO executions ({', '.join(columns)}) SELECT {chosen} "  # noqa: S608 - its own columns
                "FROM (SELECT * FROM executions WHERE exec_id = '0001.ac.01.01') e, "
                "generate_series(1, 3000) n"
            )
        )
    page = await look("/executions?symbol=ES")
    count = page.get_by_test_id("executions-count")
    await expect(count).to_contain_text("loaded; more come")
    for _ in range(40):
        await page.evaluate(
            "document.querySelector('[role=region][aria-label=Executions]').scrollTo({top: 1e9})"
        )
        if "more come" not in (await count.text_content() or ""):
            break
        await page.wait_for_timeout(150)
    await expect(count).to_contain_text("executions")
    total = len([one async for one in api_rows(api)])
    await expect(count).to_have_text(f"{total:,} executions")
    assert await page.get_by_test_id("execution").count() < 80


async def api_rows(api: Api) -> AsyncIterator[Any]:
    cursor: str | None = None
    while True:
        more = {} if cursor is None else {"cursor": cursor}
        told = await api.get("/api/v1/executions", symbol="ES", limit=500, **more)
        for row in told["items"]:
            yield row
        cursor = told["next_cursor"]
        if cursor is None:
            return


async def test_reconciliation_says_what_is_not_the_brokers_and_why(api: Api, look: Look) -> None:
    page = await look("/reconciliation")
    told = (await api.get("/api/v1/reconciliations/differences"))["items"]
    assert told
    await expect(page.get_by_test_id("verdict")).to_have_attribute("data-open", str(len(told)))
    assert await shown(page, "difference", "data-id") == [str(one["id"]) for one in told]
    quantity = next(one for one in told if one["kind"] == "quantity_mismatch")
    row = page.locator(f'[data-testid="difference"][data-id="{quantity["id"]}"]')
    await expect(row.get_by_test_id("ours")).to_have_text(quantity["ours"])
    await expect(row.get_by_test_id("brokers")).to_have_text(quantity["brokers"])
    await expect(row).to_contain_text("Cause: not explained")
    await page.get_by_test_id("choose-all").click()
    everything = (await api.get("/api/v1/reconciliations/differences", status="all"))["items"]
    await expect(page.get_by_test_id("difference")).to_have_count(len(everything))
    await expect(page).to_have_url(f"http://{api.address}/reconciliation?status=all")
    compared = (await api.get("/api/v1/reconciliations"))["items"]
    await expect(page.get_by_test_id("comparison")).to_have_count(len(compared))
    await page.get_by_test_id("resync").click()
    await expect(page.get_by_test_id("progress")).to_have_attribute("data-phase", "queued")
    job = (await api.get("/api/v1/jobs", kind="resync"))["items"][0]
    assert job["status"] == "queued"


@pytest.mark.parametrize("width", [1440, 390])
async def test_a_difference_is_dismissed_with_a_reason_and_taken_back(
    api: Api, look: Look, seeded: Database, width: int
) -> None:
    page = await look("/reconciliation", width=width)
    listed = (await api.get("/api/v1/reconciliations/differences"))["items"]
    verdict, difference = page.get_by_test_id("verdict"), page.get_by_test_id("difference")
    await expect(verdict).to_have_attribute("data-open", str(len(listed)))
    for left, one in enumerate(reversed(listed)):
        row = page.locator(f'[data-testid="difference"][data-id="{one["id"]}"]')
        await row.get_by_test_id("dismiss").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("note")).to_be_focused()
        await expect(page.get_by_test_id("dismiss-really")).to_be_disabled()
        if left == 0:
            assert await violations(page) == []
            await page.keyboard.press("Escape")
            await expect(row.get_by_test_id("dismiss")).to_be_focused()
            await page.keyboard.press("Enter")
            await expect(page.get_by_test_id("note")).to_be_focused()
        await page.keyboard.type("a gift of Anna")
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("said")).to_be_focused()
        await expect(page.get_by_test_id("said")).to_contain_text(f"{one['symbol']} is dismissed")
        await expect(row).to_have_count(0)
    await expect(page.get_by_test_id("no-differences")).to_be_visible()
    await expect(verdict).to_contain_text(f"but for {len(listed)} that were dismissed")
    assert (await api.get("/api/v1/reconciliations/differences"))["items"] == []
    await page.get_by_test_id("choose-acknowledged").click()
    await expect(difference).to_have_count(len(listed))
    await expect(difference.first.get_by_test_id("reason")).to_contain_text("by owner: a gift of Anna")
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await difference.first.get_by_test_id("take-back").press("Enter")
    await expect(page.get_by_test_id("said")).to_contain_text("is open again")
    await expect(difference).to_have_count(len(listed) - 1)
    await expect(verdict).to_have_attribute("data-open", "1")
    # What the broker says changes, and the page hears of it by itself.
    async with seeded.write() as writer:
        changed = "UPDATE reconciliation_differences SET brokers = 7, acknowledgement_ended_at = now() "
        await writer.execute(text(changed + "WHERE id = :id"), {"id": listed[1]["id"]})
    await expect(verdict).to_have_attribute("data-open", "2")
    await page.get_by_test_id("choose-open").click()
    again = page.locator(f'[data-testid="difference"][data-id="{listed[1]["id"]}"]')
    await expect(again.get_by_test_id("reason")).to_contain_text("when it was")
    # Nor is it dismissed by who looks at figures that are others by now.
    await again.get_by_test_id("dismiss").press("Enter")
    async with seeded.write() as writer:
        await writer.execute(
            text("UPDATE reconciliation_differences SET brokers = 8 WHERE id = :id"), {"id": listed[1]["id"]}
        )
    await page.get_by_test_id("note").fill("a gift")
    await page.get_by_test_id("dismiss-really").click()
    await expect(page.get_by_role("alert")).to_contain_text("Its figures are others by now")


async def test_a_statement_is_tried_first_then_imported(look: Look, seeded: Database) -> None:
    page = await look("/reconciliation")
    drop = """content => {
        const data = new DataTransfer();
        data.items.add(new File([content], 'a.xml', {type: 'application/xml'}));
        const zone = document.querySelector('[data-testid=drop-zone]');
        zone.dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
    }"""
    await expect(page.get_by_test_id("drop-zone")).to_be_visible()
    await page.evaluate(drop, "<FlexQueryResponse/>")
    await expect(page.get_by_test_id("progress").first).to_have_attribute("data-phase", "queued")
    report = (
        '{"name": "a.xml", "dry_run": true, "sections": {"trades": {"new": 3, "matched": 1, "corrected": 0, '
        '"disputed": 0, "ignored": {}}}, "periods": [], "changed_books": 1, "changes": [{"account": "U1", '
        '"symbol": "AAPL", "currency": "USD", "quantity_before": "0", "quantity": "0", '
        '"realized_before": "10", "realized": "-2.5"}]}'
    )
    async with seeded.write() as writer:
        asked = (
            await writer.execute(
                text("SELECT details ->> 'dry_run' FROM jobs WHERE kind = 'import' AND status = 'queued'")
            )
        ).scalar_one()
        assert asked == "true"
        await writer.execute(
            text(
                "UPDATE jobs SET status = 'succeeded', progress = 1, details = CAST(:report AS jsonb) "
                "WHERE kind = 'import'"
            ),
            {"report": report},
        )
    await expect(page.get_by_test_id("import-report")).to_contain_text("3 new, 1 known already")
    await expect(page.get_by_test_id("change")).to_contain_text("+10.00 →\u00a0▼−2.50")
    await page.get_by_test_id("import-really").click()
    await expect(page.get_by_test_id("progress").first).to_have_attribute("data-phase", "queued")
    async with seeded.read() as reader:
        found = await reader.execute(
            text("SELECT details ->> 'dry_run' FROM jobs WHERE kind = 'import' AND status = 'queued'")
        )
        assert found.scalar_one() == "false"


async def test_sync_health_says_where_it_is_broken_and_what_failed(
    api: Api, look: Look, seeded: Database
) -> None:
    async with seeded.write() as writer:
        await writer.execute(
            text(
                "INSERT INTO jobs (id, kind, status, error, requested_by, created_at, finished_at) VALUES "
                "(gen_random_uuid(), 'rules', 'failed', 'The disk is full.', 'api', now(), now())"
            )
        )
    page = await look("/sync")
    told = await api.get("/api/v1/sync")
    await expect(page.get_by_test_id("dataset")).to_have_count(len(told["datasets"]))
    hops = {"up": "ok", "down": "broken", "unknown": "unknown"}
    assert (await shown(page, "station", "data-hop"))[:3] == ["ok", "ok", hops[told["links"]["gateway"]]]
    await expect(page.get_by_test_id("gap")).to_have_count(len(told["gaps"]))
    await expect(page.get_by_test_id("job-error")).to_have_text("The disk is full.")
    bars = (await api.get("/api/v1/sync/history", range="7d"))["items"]
    await page.get_by_test_id("choose-7d").click()
    await expect(page.locator("[data-testid=bars] [data-status]")).to_have_count(len(bars))
    await page.get_by_test_id("retry-job").click()
    await expect(page.get_by_test_id("job").first).to_have_attribute("data-status", "queued")
    assert (await api.get("/api/v1/jobs", kind="rules"))["items"][0]["status"] == "queued"


async def test_settings_change_what_is_seen_and_make_a_token_that_works(api: Api, look: Look) -> None:
    page = await look("/settings")
    accounts = (await api.get("/api/v1/accounts"))["items"]
    await expect(page.get_by_test_id("account")).to_have_count(len(accounts))
    await page.get_by_test_id("choose-light").click()
    await page.get_by_test_id("choose-blue").click()
    await page.reload()
    root = page.locator("html")
    await expect(root).to_have_attribute("data-theme", "light")
    await expect(root).to_have_attribute("data-pnl", "blue")
    await page.get_by_test_id("new-token").click()
    await page.get_by_test_id("token-name").fill("notebook")
    await page.get_by_test_id("make-token").click()
    secret = await page.get_by_test_id("token-secret").text_content()
    answer = await api.http.get("/api/v1/session", headers={"Authorization": f"Bearer {secret}"})
    assert (answer.status_code, answer.json()["scope"]) == (200, "read")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.get_by_role("button", name="Copy").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    await page.get_by_test_id("new-token").click()
    await page.get_by_test_id("token-name").fill("another")
    await page.get_by_test_id("make-token").click()
    await expect(page.get_by_test_id("token")).to_have_count(2)
    await expect(page.get_by_role("button", name="Copied")).to_have_count(0)
    another = page.locator('[data-testid="token"][data-name="another"]')
    await another.get_by_test_id("revoke-token").click()
    await page.get_by_test_id("revoke-really").click()
    await expect(page.get_by_test_id("token")).to_have_count(1)
    await page.get_by_test_id("revoke-token").click()
    await page.get_by_test_id("revoke-really").click()
    await expect(page.get_by_test_id("token")).to_have_count(0)
    answer = await api.http.get("/api/v1/session", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 401


async def test_the_palette_finds_screens_positions_and_actions(api: Api, look: Look) -> None:
    page = await look("/")
    held = (await api.get("/api/v1/positions"))["items"][0]
    await expect(page.get_by_test_id("palette-toggle")).to_be_visible()
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("combobox", name="Screen, position or action")).to_be_focused()
    await page.keyboard.type("recon")
    await expect(page.get_by_test_id("command").first).to_contain_text("Reconciliation")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"http://{api.address}/reconciliation")
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("combobox", name="Screen, position or action")).to_be_focused()
    await page.keyboard.type(held["symbol"])
    await page.get_by_test_id("command").filter(has_text="Position").first.click()
    await expect(page).to_have_url(f"http://{api.address}/positions/{held['id']}")
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("combobox", name="Screen, position or action")).to_be_focused()
    await page.keyboard.type("hide amounts")
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("privacy-toggle").first).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [1440, 390])
async def test_no_screen_has_a_violation_or_is_too_wide(api: Api, look: Look, theme: str, width: int) -> None:
    page = await look("/executions", theme=theme, width=width)
    for path, sign in (
        ("/executions?include=corrected", "execution"),
        ("/reconciliation?status=all", "difference"),
        ("/sync", "dataset"),
        ("/settings", "account"),
    ):
        await page.goto(f"http://{api.address}{path}")
        await expect(page.get_by_test_id(sign).first).to_be_visible()
        assert await violations(page) == [], path
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
    await page.keyboard.press("Control+k")
    await expect(page.get_by_test_id("palette")).to_be_visible()
    assert await violations(page) == []
