"""What was set aside, over HTTP: listed, shown whole, asked to be tried again, let rest."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text

from models import tables as t
from models.session import Database
from tests.services.api.conftest import Api
from tests.services.api.portfolio import NOW, PAPER, USD

PATH = "/api/v1/dead"


@pytest.fixture
async def four(api: Api, database: Database) -> Api:
    """The portfolio's own, and three more: one of an account, one that was applied, one that was dropped."""
    rows: tuple[dict[str, Any], ...] = (
        {"account": USD, "category": "validation", "status": "open"},
        {"account": USD, "category": "validation", "status": "retried", "resolved_at": NOW},
        {"account": None, "category": "database", "status": "dropped", "resolved_at": NOW},
    )
    async with database.write() as writer:
        for number, row in enumerate(rows):
            await writer.execute(
                insert(t.dead_facts).values(
                    fingerprint=f"{number:064d}",
                    reason="a quantity of NaN",
                    payload="{}",
                    source="facts",
                    epoch=3,
                    seq=number,
                    first_seen_at=NOW,
                    last_seen_at=NOW + timedelta(seconds=number),
                    **row,
                )
            )
    return api


async def numbers(api: Api, **asked: str) -> list[int]:
    return [row["id"] for row in (await api.get(PATH, **asked))["items"]]


async def test_what_stands_open_is_listed_the_newest_first_and_never_its_content(four: Api) -> None:
    page = await four.get(PATH)
    assert [row["id"] for row in page["items"]] == [2, 1]
    assert page["items"][1]["reason"] == "unknown message id 999"
    assert "payload" not in page["items"][1]
    first = await four.get(PATH, status="all", limit=3)
    rest = await four.get(PATH, status="all", limit=3, cursor=first["next_cursor"])
    assert [row["id"] for row in first["items"] + rest["items"]] == [4, 3, 2, 1]
    assert rest["next_cursor"] is None


async def test_it_is_narrowed_by_status_category_and_account(four: Api) -> None:
    assert await numbers(four, status="retried") == [3]
    assert await numbers(four, category="parsing") == [1]
    assert await numbers(four, account=USD) == [2]
    assert await numbers(four, account=PAPER, status="all") == []
    for asked, code in (
        ({"account": "U0"}, "account_not_found"),
        ({"category": "bad luck"}, "validation_failed"),
        ({"cursor": "x"}, "cursor_invalid"),
    ):
        assert (await four.http.get(PATH, params=asked)).json()["code"] == code


async def test_one_is_shown_whole(four: Api) -> None:
    told = await four.get(f"{PATH}/1")
    assert (told["payload"], told["occurrences"], told["status"]) == ("secret payload", 3, "open")
    for number in ("9", "0", str(2**70)):
        answer = await four.http.get(f"{PATH}/{number}")
        assert (answer.status_code, answer.json()["code"]) == (404, "dead_fact_not_found")


async def test_asking_twice_for_a_retry_is_one_job(four: Api, database: Database) -> None:
    first = await four.http.post(f"{PATH}/1/retry")
    again = await four.http.post(f"{PATH}/1/retry")
    other = await four.http.post(f"{PATH}/4/retry")
    assert [answer.status_code for answer in (first, again, other)] == [202, 202, 202]
    assert first.json() == again.json()
    assert first.json()["job"]["kind"] == "dead_retry"
    assert other.json()["job"]["id"] != first.json()["job"]["id"]
    async with database.read() as reader:
        asked = await reader.execute(text("SELECT details FROM jobs WHERE kind = 'dead_retry' ORDER BY 1"))
        assert [row.details for row in asked] == [{"dead_fact": 1}, {"dead_fact": 4}]


async def test_what_was_applied_is_not_tried_again(four: Api) -> None:
    answer = await four.http.post(f"{PATH}/3/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_applied")
    missing = await four.http.post(f"{PATH}/9/retry")
    assert missing.json()["code"] == "dead_fact_not_found"


async def test_what_is_dropped_stands_open_no_more_and_can_be_dropped_again(four: Api) -> None:
    told = (await four.http.post(f"{PATH}/1/drop")).json()
    assert (told["status"], told["payload"]) == ("dropped", "secret payload")
    assert await numbers(four) == [2]
    again = (await four.http.post(f"{PATH}/1/drop")).json()
    assert again["resolved_at"] == told["resolved_at"]
    assert (await four.http.post(f"{PATH}/3/drop")).json()["status"] == "retried"
    assert (await four.http.post(f"{PATH}/9/drop")).status_code == 404
