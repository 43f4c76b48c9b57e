"""What an account is called, and the cost method it is reckoned by, changed over HTTP."""

from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select, text

from core.domain.access import Scope
from core.settings import Settings
from core.streams.redis import RedisStreams
from models import tables as t
from models.session import Database
from models.stores.accounts import name_accounts
from models.stores.imports import File, begin_import
from models.stores.stated_names import forget_names
from services.position_sync.sweep import Sweep
from tests.services.api.conftest import Api
from tests.services.api.people import make_user, signed_in
from tests.services.api.portfolio import AAPL, NOW, PAPER, USD
from tests.services.api.restricted import bearing
from tests.waiting import eventually

PATH = f"/api/v1/accounts/{USD}"


async def change(api: Api, **told: Any) -> dict[str, Any]:
    answer = await api.http.patch(PATH, json=told)
    assert answer.status_code == 200, answer.text
    row: dict[str, Any] = answer.json()
    return row


async def listed(api: Api) -> dict[str, Any]:
    rows = (await api.get("/api/v1/accounts"))["items"]
    found: dict[str, Any] = next(row for row in rows if row["account"] == USD)
    return found


async def test_an_account_is_called_as_its_owner_wants(api: Api, database: Database) -> None:
    told = await change(api, alias="  My   savings ")
    assert (told["alias"], told["account"], told["cost_method"]) == ("My savings", USD, "fifo")
    assert (await listed(api))["alias"] == "My savings", "at once, not with the next reload"
    # A statement that comes later calls it as it likes.
    async with database.write() as writer:
        await name_accounts(writer, [(USD, "USD", "As the broker says")])
    assert (await change(api, cost_method="fifo"))["alias"] == "My savings"


async def test_without_a_word_of_its_owner_it_is_called_as_statements_do(
    api: Api, database: Database
) -> None:
    assert (await change(api, alias=None))["alias"] == "Main"
    assert (await change(api, alias="Mine"))["alias"] == "Mine"
    assert (await change(api, alias=None))["alias"] == "Main"
    # The same word, said by its owner, stays when the statement is undone.
    await change(api, alias="Main")
    async with database.write() as writer:
        file = File("a.xml", "flex", "a" * 64, 1, b"")
        number = await begin_import(writer, file, trigger="cli", stated_at=NOW, now=NOW)
        await writer.execute(
            insert(t.stated_accounts).values(import_id=number, line=1, account=USD, alias="Main")
        )
        await forget_names(writer, number)
    assert (await change(api, cost_method="fifo"))["alias"] == "Main"
    assert (await change(api, alias=None))["alias"] is None


async def test_a_worker_folds_its_books_anew_by_the_method(
    api: Api, database: Database, settings: Settings, streams: RedisStreams
) -> None:
    told = await change(api, cost_method="lifo")
    assert (told["cost_method"], (await listed(api))["cost_method"]) == ("lifo", "lifo")
    async with database.read() as reader:
        books = (
            await reader.execute(
                select(t.ledger_books.c.cost_method, t.ledger_books.c.dirty).where(
                    t.ledger_books.c.account == USD, t.ledger_books.c.conid == AAPL
                )
            )
        ).all()
        wanted = (
            await reader.execute(text("SELECT wanted - done FROM coalesced_jobs WHERE kind = 'sweep'"))
        ).scalar_one()
    assert [tuple(book) for book in books] == [("lifo", True)]
    assert wanted > 0, "the sweep that folds them is asked for at once"
    await Sweep(database, streams, settings).run()
    async with database.read() as reader:
        dirty = (
            await reader.execute(
                text("SELECT count(*) FROM ledger_books WHERE dirty AND account = :one"), {"one": USD}
            )
        ).scalar_one()
    assert dirty == 0


async def test_other_replicas_hear_of_it(api: Api, database: Database) -> None:
    await change(api, alias="Told")

    async def told() -> list[bytes]:
        async with database.read() as reader:
            return [bytes(row.payload) for row in await reader.execute(select(t.outbox))]

    assert any(b'"accounts"' in payload and USD.encode() in payload for payload in await eventually(told))


@pytest.mark.parametrize(
    "body",
    [
        b'{"alias": ""}',
        b'{"alias": "  "}',
        b'{"alias": "a\\u0000"}',
        b'{"cost_method": "best"}',
        b'{"nick": "x"}',
        b"{}",
        b"no",
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_changes(api: Api, body: bytes) -> None:
    before = await listed(api)
    answer = await api.http.patch(PATH, content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert "fifo, lifo, hifo or average" in answer.json()["detail"]
    long = await api.http.patch(PATH, json={"alias": "x" * 61})
    assert long.status_code == 422
    after = await listed(api)
    assert (after["alias"], after["cost_method"]) == (before["alias"], before["cost_method"])
    nobody = await api.http.patch("/api/v1/accounts/U999", json={"alias": "x"})
    assert (nobody.status_code, nobody.json()["code"]) == (404, "account_not_found")


async def test_it_is_written_down_who_did_it_and_needs_the_scope(api: Api, database: Database) -> None:
    await make_user(database, "rita", Scope.SYNC)
    async with signed_in(api, "rita") as rita:
        answer: httpx.Response = await rita.patch(PATH, json={"alias": "Rita's"})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_needed")
    await change(api, alias="Mine")
    await change(api, cost_method="average")
    rows = (await api.get("/api/v1/audit"))["items"]
    told = {(row["action"], row["target"], row["outcome"]) for row in rows}
    assert {("account_change", USD, "ok"), ("account_change", f"{USD} fifo -> average", "ok")} <= told


async def test_who_sees_some_accounts_changes_these_only(both: Api) -> None:
    theirs = bearing("theirs")
    mine = await both.http.patch(f"/api/v1/accounts/{PAPER}", json={"alias": "Toy"}, headers=theirs)
    assert (mine.status_code, mine.json()["alias"]) == (200, "Toy")
    answer = await both.http.patch(PATH, json={"alias": "Mine"}, headers=theirs)
    assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")
    assert (await listed(both))["alias"] != "Mine"
