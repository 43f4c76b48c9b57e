"""Where there are several logins, the screen about the sync tells of each."""

from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import expect

from tests.services.api.web.conftest import Open
from tests.services.api.web.recorded import recorded
from tests.services.api.web.replay import Replay, now, stamp
from tests.services.api.web.test_screens import violations

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ONE, TWO, NEW = "127.0.0.1:4001", "gateway-of-the-company.example.org:4001", "10.0.0.7:4002"


@pytest.fixture
def told(filled: Replay) -> Replay:
    """One login that is live, one whose gateway is away, and one that waits for a person."""
    (live,) = recorded("sync")["logins"]
    live |= {"since": stamp(now() - timedelta(hours=3))}
    away = {"gateway": "down", "ibkr": "unknown", "complete": False}
    gone = {"reason": "gateway_unreachable", "state": "disconnected", "login": TWO, "accounts": ["U1111111"]}
    waits = {"reason": "needs_login", "state": "needs_login", "login": NEW, "accounts": []}
    logins = [
        live | {"login": ONE, "accounts": ["DU2222222", "U7654321"]},
        live | away | gone | {"since": stamp(now() - timedelta(minutes=20))},
        live | away | waits | {"since": stamp(now() - timedelta(days=2))},
    ]
    links = {name: value for name, value in logins[1].items() if name not in {"login", "accounts"}}
    filled.answers["sync"] = recorded("sync") | {"logins": logins, "links": links}
    filled.answers["sync/history"] = recorded("sync-history")
    filled.answers |= {path: recorded(path) for path in ("dead", "jobs")}
    return filled


async def said(opened: Open, **look: Any) -> Any:
    watched = await opened("/sync", **look)
    await expect(watched.testid("login")).to_have_count(3)
    return watched


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [1440, 390])
async def test_each_login_is_told_in_plain_words_with_its_accounts(
    opened: Open, theme: str, width: int
) -> None:
    watched = await said(opened, theme=theme, width=width, height=900)
    rows = watched.testid("login")
    assert await rows.evaluate_all("all => all.map(one => one.dataset.live)") == ["true", "false", "false"]
    for row, words in enumerate(
        (
            (ONE, "DU2222222, U7654321", "live", "since"),
            (TWO, "U1111111", "IB Gateway is not reachable"),
            (NEW, "has named no account yet", "IB Gateway needs a login", "Sign in to TWS or IB Gateway"),
        )
    ):
        for one in words:
            await expect(rows.nth(row)).to_contain_text(one)
    # What is gravest has its advice in the chain above.
    await expect(rows.nth(1)).not_to_contain_text("Check that")
    assert await violations(watched.page) == []
    assert await watched.page.evaluate("document.documentElement.scrollWidth") <= width


async def test_a_single_login_needs_no_list(told: Replay, opened: Open) -> None:
    told.answers["sync"] = recorded("sync")
    watched = await opened("/sync")
    await expect(watched.testid("dataset").first).to_be_visible()
    await expect(watched.testid("logins")).to_have_count(0)
