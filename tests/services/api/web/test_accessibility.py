"""axe-core over every state of the page, in both themes and on both sizes."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.services.api.web.book import run
from tests.services.api.web.conftest import Open, Watched
from tests.services.api.web.replay import STATIC, Replay, freshness

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
AXE = STATIC.parent / "web" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
def axe() -> str:
    if not AXE.exists():
        pytest.fail("axe-core is not installed: run `npm ci` in services/api/web.")
    return Path(AXE).read_text()


async def violations(watched: Watched, axe: str) -> list[Any]:
    # Through the debugger, so that the page's own policy stays as strict as it is.
    await watched.page.evaluate(axe)
    result = await watched.page.evaluate("tags => axe.run({runOnly: {type: 'tag', values: tags}})", TAGS)
    return [
        (found["id"], node["target"], node["failureSummary"])
        for found in result["violations"]
        for node in found["nodes"]
    ]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [1440, 390])
async def test_no_violation_in_any_state(
    filled: Replay, opened: Open, axe: str, theme: str, width: int
) -> None:
    watched = await opened("/", theme=theme, width=width)
    await expect(watched.testid("net-liquidation")).to_be_visible()
    assert await violations(watched, axe) == []
    await watched.testid("save-snapshot").click()
    filled.runs.insert(
        0, run(2, "job-1", 0, ("DU1000001", "needs_login"), ("DU1000002", "old: NetLiquidation"))
    )
    filled.jobs["job-1"] = filled.job("job-1", "failed", "No snapshot could be taken.")
    await expect(watched.testid("not-saved")).to_have_count(2)
    assert await violations(watched, axe) == []
    await filled.status("gateway_unreachable", gateway="down", ibkr="unknown")
    await watched.testid("freshness-pill").click()
    await expect(watched.testid("freshness-panel")).to_be_visible()
    assert await violations(watched, axe) == []
    # Few enough rows that none is cut by the edge of the list: half a row is too small a target for axe.
    await watched.page.goto(f"{watched.url}/positions?q=apple&open=p-0")
    await expect(watched.testid("position-event")).to_have_count(2)
    assert await violations(watched, axe) == []
    await watched.page.keyboard.press("?")
    await expect(watched.page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    assert await violations(watched, axe) == []


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_no_violation_before_there_is_anything_to_show(
    replay: Replay, opened: Open, axe: str, theme: str
) -> None:
    replay.block = freshness("not_yet_synced", gateway="up", ibkr="unknown")
    watched = await opened("/", theme=theme)
    await expect(watched.testid("first-run")).to_be_visible()
    assert await violations(watched, axe) == []
    replay.sign_everybody_out()
    await watched.page.reload()
    await expect(watched.testid("sign-in")).to_be_visible()
    assert await violations(watched, axe) == []
    await watched.testid("way-first").click()
    await expect(watched.testid("name-input")).to_be_visible()
    assert await violations(watched, axe) == []
    watched.complaints[:] = [text for text in watched.complaints if "status of 401" not in text]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(
    ("path", "shown"),
    [("/performance", "months"), ("/realized?year=2026", "realized-row"), ("/positions/p-0", "fill")],
)
@pytest.mark.usefixtures("filled")
async def test_no_violation_on_the_other_screens(
    opened: Open, axe: str, theme: str, path: str, shown: str
) -> None:
    for width in (1440, 390):
        watched = await opened(path, theme=theme, width=width)
        await expect(watched.testid(shown).first).to_be_visible()
        await expect(watched.testid("freshness-pill")).to_have_attribute("data-level", "live")
        assert await violations(watched, axe) == []
