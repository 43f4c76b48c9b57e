"""The same POST twice."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi import Request
from sqlalchemy import func, select, update
from starlette.responses import Response

from models import tables as t
from models.session import Database
from models.stores.idempotency import KEPT_FOR, SILENT_FOR
from services.api.exchange import show_once
from services.api.layers import once
from tests.services.api.conftest import Api, Route
from tests.services.api.portfolio import PAPER, TOKEN, USD
from tests.services.api.wire import head, raw
from tests.waiting import eventually

SNAPSHOTS, CHECK, RESYNC, IMPORTS = (
    "/api/v1/snapshots",
    "/api/v1/issues/check",
    "/api/v1/sync/resync",
    "/api/v1/imports",
)
KEY = {"Idempotency-Key": "a key of mine"}
FILE = b"<FlexQueryResponse></FlexQueryResponse>"


async def jobs_of(database: Database, kind: str) -> int:
    async with database.read() as reader:
        query = select(func.count()).select_from(t.jobs).where(t.jobs.c.kind == kind)
        return int((await reader.execute(query)).scalar_one())


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


async def keys(database: Database) -> list[Any]:
    async with database.read() as reader:
        return list((await reader.execute(select(t.idempotency_keys))).all())


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [(SNAPSHOTS, "snapshot", b""), (CHECK, "rules", b""), (RESYNC, "resync", b""), (IMPORTS, "import", FILE)],
)
async def test_what_is_sent_again_has_the_same_answer_and_no_second_effect(
    api: Api, database: Database, path: str, kind: str, body: bytes
) -> None:
    before = await jobs_of(database, kind)
    first = await api.http.post(path, content=body, headers=KEY)
    assert first.status_code == 202, first.text
    assert "idempotency-replayed" not in first.headers
    async with database.write() as writer:
        # Otherwise the second would join the first because that is not finished.
        await writer.execute(update(t.jobs).values(status="succeeded", finished_at=api.context.clock()))
    again = await api.http.post(path, content=body, headers=KEY)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-type"] == first.headers["content-type"]
    assert await jobs_of(database, kind) == before + 1


async def test_a_large_body_that_streams_in_is_told_by_what_it_holds(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "MOST_READ_FIRST", 10)
    body = FILE * 100
    first = await api.http.post(IMPORTS, content=pieces(body), headers=KEY)
    again = await api.http.post(IMPORTS, content=pieces(body), headers=KEY)
    assert (first.status_code, again.content) == (202, first.content)
    other = await api.http.post(IMPORTS, content=pieces(body + b" "), headers=KEY)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await jobs_of(database, "import") == 1


@pytest.mark.parametrize(
    ("path", "query", "body"),
    [(SNAPSHOTS, {"account": PAPER}, b""), (CHECK, {}, b""), (SNAPSHOTS, {"account": USD}, b"x")],
)
async def test_a_key_is_of_one_request(api: Api, path: str, query: dict[str, str], body: bytes) -> None:
    await api.http.post(SNAPSHOTS, params={"account": USD}, headers=KEY)
    answer = await api.http.post(path, params=query, content=body, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_of_many_at_once_one_is_done_and_the_others_are_told_to_ask_again(
    api: Api, database: Database
) -> None:
    answers = await asyncio.gather(*(api.http.post(SNAPSHOTS, headers=KEY) for _ in range(12)))
    done = [answer for answer in answers if answer.status_code == 202]
    waiting = [answer for answer in answers if answer.status_code == 409]
    assert len(done) + len(waiting) == 12
    assert len({answer.content for answer in done}) == 1
    for answer in waiting:
        assert answer.json()["code"] == "request_in_progress"
        assert int(answer.headers["retry-after"]) > 0
    assert await jobs_of(database, "snapshot") == 1


async def test_while_the_first_is_at_it_the_second_is_told_to_ask_again(api: Api, database: Database) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield FILE
        arrived.set()
        await go_on.wait()

    headers = {**KEY, "transfer-encoding": "chunked"}
    first = asyncio.create_task(api.http.post(IMPORTS, content=slowly(), headers=headers))
    await arrived.wait()
    await eventually(lambda: keys(database), len)
    second = await api.http.post(IMPORTS, content=FILE, headers=KEY)
    assert (second.status_code, second.json()["code"]) == (409, "request_in_progress")
    go_on.set()
    assert (await first).status_code == 202


async def test_after_a_refusal_the_key_may_be_used_for_the_better_request(api: Api) -> None:
    refused = await api.http.post(SNAPSHOTS, params={"account": "U0"}, headers=KEY)
    assert refused.status_code == 404
    assert (await api.http.post(SNAPSHOTS, params={"account": USD}, headers=KEY)).status_code == 202


async def die_before(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Stop where a killed process would: nothing after it happens."""

    async def dead(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(once, name, dead)


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [(SNAPSHOTS, "snapshot", b""), (CHECK, "rules", b""), (RESYNC, "resync", b""), (IMPORTS, "import", FILE)],
)
async def test_who_died_between_the_effect_and_the_answer_is_followed_by_one_who_finds_the_effect(
    api: Api, database: Database, path: str, kind: str, body: bytes
) -> None:
    before = await jobs_of(database, kind)
    with pytest.MonkeyPatch.context() as patch:
        await die_before(patch, "keep_answer")
        assert (await api.http.post(path, content=body, headers=KEY)).status_code == 500
    assert await jobs_of(database, kind) == before + 1
    async with database.write() as writer:
        await writer.execute(update(t.jobs).values(status="succeeded", finished_at=api.context.clock()))
    waiting = await api.http.post(path, content=body, headers=KEY)
    assert waiting.json()["code"] == "request_in_progress"
    silent_since = api.context.clock() - SILENT_FOR
    async with database.write() as writer:
        await writer.execute(update(t.idempotency_keys).values(heard_at=silent_since))
    other = await api.http.post(path, content=body + b"other", headers=KEY)
    assert other.json()["code"] == "idempotency_key_reused"
    found = await api.http.post(path, content=body, headers=KEY)
    assert found.status_code == 202
    assert found.json()["job"]["status"] == "succeeded", "it is the job of the first"
    assert await jobs_of(database, kind) == before + 1


async def test_who_is_at_it_for_long_says_so(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "BEAT_SECONDS", 0.02)
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield FILE
        await go_on.wait()

    first = asyncio.create_task(api.http.post(IMPORTS, content=slowly(), headers=KEY))
    begun = await eventually(lambda: keys(database), len)
    await eventually(lambda: keys(database), lambda found: found[0].heard_at > begun[0].heard_at)
    go_on.set()
    assert (await first).status_code == 202


async def test_a_body_that_does_not_come_is_not_waited_for(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "SECONDS", 0.05)
    sent = head(api, f"POST {IMPORTS}", "Idempotency-Key: mine", "Content-Length: 40", "Connection: close")
    answer = await raw(api, sent + FILE[:10])
    assert answer.startswith(b"HTTP/1.1 422 ")
    assert b"did not come within" in answer
    assert await keys(database) == []


async def test_a_key_counts_for_a_day_and_is_forgotten_afterwards(api: Api, database: Database) -> None:
    first = await api.http.post(SNAPSHOTS, headers=KEY)
    await api.http.post(SNAPSHOTS, headers={"Idempotency-Key": "another"})
    async with database.write() as writer:
        await writer.execute(
            update(t.idempotency_keys).values(
                created_at=api.context.clock() - KEPT_FOR - timedelta(seconds=1)
            )
        )
    again = await api.http.post(SNAPSHOTS, headers=KEY)
    assert "idempotency-replayed" not in again.headers
    assert again.json()["job"]["id"] != first.json()["job"]["id"]
    assert len(await keys(database)) == 1


async def test_neither_keys_nor_owners_are_kept_in_clear(api: Api, database: Database) -> None:
    await api.http.post(SNAPSHOTS, headers=KEY)
    (row,) = await keys(database)
    assert row.key_hash == hashlib.sha256(KEY["Idempotency-Key"].encode()).hexdigest()
    assert TOKEN not in str(row)


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "é"])
async def test_what_can_be_no_key_is_refused(api: Api, key: str) -> None:
    answer = await api.http.post(SNAPSHOTS, headers=[("Idempotency-Key", key.encode())])
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_an_answer_with_a_secret_is_not_kept(api: Api, database: Database, route: Route) -> None:
    asked = 0

    async def secretive(request: Request) -> Response:
        nonlocal asked
        asked += 1
        show_once(request)
        return Response(b'{"secret":"of mine"}', 201, media_type="application/json")

    route(api, "POST", "/api/v1/secrets", secretive)
    first = await api.http.post("/api/v1/secrets", headers=KEY)
    assert (first.status_code, first.json()) == (201, {"secret": "of mine"})
    again = await api.http.post("/api/v1/secrets", headers=KEY)
    assert (again.status_code, again.json()["code"], asked) == (409, "answer_not_kept", 1)
    (row,) = await keys(database)
    assert row.body is None


async def test_without_the_database_nothing_is_begun(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object, **__: object) -> None:
        raise OSError("away")

    monkeypatch.setattr(once, "claim", away)
    answer = await api.http.post(SNAPSHOTS, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")


async def test_nobody_gets_the_answer_of_somebody_else(api: Api, database: Database) -> None:
    await api.http.post(SNAPSHOTS, headers=KEY)
    async with database.write() as writer:
        await writer.execute(update(t.idempotency_keys).values(owner="somebody else"))
    answer = await api.http.post(SNAPSHOTS, headers=KEY)
    assert "idempotency-replayed" not in answer.headers
    assert await jobs_of(database, "snapshot") == 2
