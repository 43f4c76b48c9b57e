"""*Save snapshot* in a real browser: asked for, followed, and told in words."""

import re

import pytest
from playwright.async_api import expect

from tests.services.api.web.book import run, snapshot
from tests.services.api.web.conftest import Open, Watched
from tests.services.api.web.replay import Replay

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
FIRST, SECOND, THIRD = "DU1000001", "DU1000002", "DU1000003"


async def ask(filled: Replay, opened: Open) -> Watched:
    """Press the button by the keyboard, and have the job asked for."""
    watched = await opened()
    button = watched.testid("save-snapshot")
    await expect(watched.testid("last-snapshot")).to_have_text(re.compile(r"Last snapshot 4\d\smin ago"))
    await button.focus()
    await watched.page.keyboard.press("Enter")
    await expect(button).to_have_attribute("aria-disabled", "true")
    await expect(watched.testid("save-outcome")).to_have_text("Saving a snapshot…")
    # Who presses again while it is being saved asks for nothing more, and keeps the focus.
    await watched.page.keyboard.press("Enter")
    await expect(button).to_be_focused()
    assert list(filled.asked.values()) == ["job-1"]
    return watched


async def test_a_snapshot_is_saved_and_its_time_and_coverage_are_told(filled: Replay, opened: Open) -> None:
    watched = await ask(filled, opened)
    filled.snapshots[:0] = [snapshot(2, 2, FIRST, coverage="0.965")]
    filled.runs.insert(0, run(2, "job-1", 1))
    filled.jobs["job-1"] = filled.job("job-1", "succeeded")
    outcome = watched.testid("save-outcome")
    await expect(outcome).to_contain_text(
        re.compile(r"Saved at \d\d:\d\d\s+· 96\.5\s% of the value at fresh prices")
    )
    assert await outcome.get_attribute("role") == "status"
    await expect(watched.testid("saved-link")).to_have_attribute("href", "/api/v1/snapshots/2")
    await expect(watched.testid("last-snapshot")).to_have_text(re.compile(r"Last snapshot \d+\ss ago"))
    button = watched.testid("save-snapshot")
    await expect(button).to_have_attribute("aria-disabled", "false")
    await button.click()
    await expect(outcome).to_have_text("Saving a snapshot…")
    assert list(filled.asked.values()) == ["job-1", "job-2"]


async def test_what_could_not_be_saved_of_some_accounts_is_told_beside_what_was(
    filled: Replay, opened: Open
) -> None:
    watched = await ask(filled, opened)
    filled.snapshots[:0] = [snapshot(2, 2, FIRST, coverage="0.9"), snapshot(3, 2, THIRD)]
    filled.runs.insert(0, run(2, "job-1", 2, (SECOND, "incomplete: positions")))
    filled.jobs["job-1"] = filled.job("job-1", "succeeded")
    outcome = watched.testid("save-outcome")
    await expect(outcome).to_contain_text(re.compile(r"2 accounts\s+· at least 90\.0\s%"))
    await expect(outcome).to_contain_text(
        "Not saved: the broker has not told the positions in full (Options)."
    )


async def test_why_nothing_could_be_saved_is_told_in_words_and_without_account_numbers_in_private(
    filled: Replay, opened: Open
) -> None:
    watched = await ask(filled, opened)
    filled.runs.insert(0, run(2, "job-1", 0, (FIRST, "needs_login"), (THIRD, "needs_login")))
    filled.jobs["job-1"] = filled.job("job-1", "failed", "No snapshot could be taken.")
    outcome = watched.testid("save-outcome")
    await expect(outcome).to_have_text(
        re.compile(rf"Not saved:\s+IB Gateway needs a login \(Long term, {THIRD}\)\.")
    )
    await watched.page.keyboard.press("b")
    await expect(outcome).not_to_contain_text(THIRD)


async def test_before_the_first_snapshot_it_says_so(filled: Replay, opened: Open) -> None:
    filled.snapshots.clear()
    watched = await opened()
    await expect(watched.testid("last-snapshot")).to_contain_text("No snapshot yet")
