"""Who did what: written for whatever the table of routes names, and never changed."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from core.clock import utc_now
from core.domain.access import Scope
from core.settings import Settings
from core.streams.redis import RedisStreams
from models import tables as t
from models.session import Database
from services.api.security.audit import TOLD_AGAIN_SECONDS, Refusals
from services.position_sync.tidy import tidy
from tests.services.api.conftest import Api
from tests.services.api.people import PASSWORD, client, make_token, make_user, signed_in
from tests.services.api.portfolio import TOKEN

PATH = "/api/v1/audit"


async def entries(api: Api, **asked: Any) -> list[tuple[str, ...]]:
    listed = (await api.get(PATH, **asked))["items"]
    return [(one["actor"], one["kind"], one["action"], one["target"], one["outcome"]) for one in listed]


async def test_signing_in_and_out_is_written_and_what_fails_as_well(api: Api, database: Database) -> None:
    await make_user(database, "anna")
    async with signed_in(api, "anna") as one:
        await one.delete("/api/v1/session")
    async with client(api) as stranger:
        for sent in (
            {"name": "Anna", "password": "a wrong one here"},
            {"name": PASSWORD, "password": "x"},
            {"token": "wrong"},
        ):
            assert (await stranger.post("/api/v1/session", json=sent)).status_code == 401
    assert (await api.http.post("/api/v1/session", json={"token": TOKEN})).status_code == 204
    assert await entries(api) == [
        ("owner", "owner", "sign_in", "", "ok"),
        ("", "nobody", "sign_in", "", "unauthorized"),
        ("", "nobody", "sign_in", "", "unauthorized"),
        ("anna", "nobody", "sign_in", "", "unauthorized"),
        ("anna", "user", "sign_out", "", "ok"),
        ("anna", "user", "sign_in", "", "ok"),
    ]
    (first, *_) = (await api.get(PATH))["items"]
    assert first["address"] == "127.0.0.1"


async def test_what_was_done_is_written_and_by_whom(api: Api) -> None:
    made = (await api.http.post("/api/v1/tokens", json={"name": "grafana", "scope": "sync"})).json()
    new = {"name": "anna", "password": PASSWORD, "scope": "read", "accounts": None}
    await api.http.post("/api/v1/users", json=new)
    await api.http.patch("/api/v1/users/anna", json={"scope": "sync"})
    await api.http.post("/api/v1/users/anna/password", json={"new_password": "copper meadow train 7"})
    await api.http.delete("/api/v1/users/anna")
    async with client(api, made["secret"]) as program:
        await program.post("/api/v1/sync/resync")
        await program.post("/api/v1/snapshots")
        await program.post("/api/v1/imports", params={"name": "a.csv"}, content=b"x")
        await program.post("/api/v1/issues/check")
        await program.post("/api/v1/issues/7/acknowledge")
        await program.post("/api/v1/reconciliations/differences/8/acknowledge")
        await program.delete("/api/v1/reconciliations/differences/9/acknowledge")
    number = made["token"]["id"]
    await api.http.delete(f"/api/v1/tokens/{number}")
    by_owner, by_program = ("owner", "owner"), (f"grafana#{number}", "token")
    assert (await entries(api))[::-1] == [
        (*by_owner, "token_create", "grafana", "ok"),
        (*by_owner, "user_create", "anna", "ok"),
        (*by_owner, "user_change", "anna", "ok"),
        (*by_owner, "user_password", "anna", "ok"),
        (*by_owner, "user_remove", "anna", "ok"),
        (*by_program, "resync", "", "ok"),
        (*by_program, "snapshot", "", "ok"),
        (*by_program, "import", "a.csv", "ok"),
        (*by_program, "issues_check", "", "ok"),
        (*by_program, "issue_acknowledge", "7", "issue_not_found"),
        (*by_program, "difference_acknowledge", "8", "difference_not_found"),
        (*by_program, "difference_take_back", "9", "difference_not_found"),
        (*by_owner, "token_revoke", str(number), "ok"),
    ]


async def test_what_is_sent_cannot_keep_itself_out_of_it(api: Api) -> None:
    await api.http.post("/api/v1/imports", params={"name": "a\0b.csv"}, content=b"x")
    await api.http.delete("/api/v1/users/%00")
    assert [(action, target) for _, _, action, target, _ in await entries(api)] == [
        ("user_remove", ""),
        ("import", "ab.csv"),
    ]


async def test_what_was_refused_is_written(api: Api, database: Database) -> None:
    number, secret = await make_token(database, Scope.READ)
    async with client(api, secret) as program:
        assert (await program.post("/api/v1/sync/resync")).status_code == 403
    assert await entries(api) == [(f"a program's#{number}", "token", "resync", "", "scope_needed")]


async def test_what_was_refused_to_a_reader_is_written_once_in_a_while(api: Api, database: Database) -> None:
    number, secret = await make_token(database, Scope.READ)
    now = 100.0
    api.context.refusals = Refusals(lambda: now)
    refused = [
        (f"a program's#{number}", "token", "refused", route, "scope_needed")
        for route in ("GET /api/v1/settings", "GET /api/v1/users")
    ]
    async with client(api, secret) as program:
        for path in ["/api/v1/users", "/api/v1/settings", "/api/v1/positions"] * 3:
            await program.get(path)
        assert await entries(api) == refused, "however often it asks"
        now += TOLD_AGAIN_SECONDS
        await program.get("/api/v1/users")
        assert len(await entries(api)) == 3
    other, secret = await make_token(database, Scope.READ)
    async with client(api, secret) as program:
        await program.get("/api/v1/users")
    assert (await entries(api, action="refused"))[0][0] == f"a program's#{other}"


async def test_strangers_cannot_fill_it(api: Api) -> None:
    assert await entries(api) == []
    async with client(api) as stranger:
        for _ in range(12):
            await stranger.post("/api/v1/session", json={"token": "wrong"})
        await stranger.post("/api/v1/session", content=b"{")
        await stranger.post("/api/v1/sync/resync")
    assert len(await entries(api)) == 10, "as many as may be tried in a minute"


async def test_it_is_read_page_by_page_and_by_actor_and_action(api: Api, database: Database) -> None:
    await make_user(database, "anna")
    for _ in range(2):
        async with signed_in(api, "anna") as one:
            await one.delete("/api/v1/session")
    page = await api.get(PATH, limit=3)
    assert [one["action"] for one in page["items"]] == ["sign_out", "sign_in", "sign_out"]
    page = await api.get(PATH, limit=3, cursor=page["next_cursor"])
    assert [one["action"] for one in page["items"]] == ["sign_in"]
    assert page["next_cursor"] is None
    assert len(await entries(api, action="sign_in")) == 2
    assert await entries(api, actor="bert") == []


async def test_no_secret_is_in_it(api: Api, database: Database) -> None:
    await make_user(database, "anna")
    async with signed_in(api, "anna") as one:
        secrets = [*one.cookies.values()]
        made = await one.post("/api/v1/tokens", json={"name": "x", "scope": "read"})
        secrets.append(made.json()["secret"])
    async with client(api) as stranger:
        await stranger.post("/api/v1/session", json={"name": PASSWORD, "password": PASSWORD})
        await stranger.post("/api/v1/setup", json={"setup_token": "s3cret", "name": "b", "password": "p4ss"})
    async with database.read() as reader:
        written = str((await reader.execute(select(t.audit_log))).all())
    for secret in (*secrets, PASSWORD, TOKEN, "s3cret", "p4ss"):
        assert secret not in written


async def written(database: Database, *ages: int) -> None:
    async with database.write() as writer:
        for days in ages:
            await writer.execute(
                insert(t.audit_log).values(
                    at=utc_now() - timedelta(days=days),
                    actor="anna",
                    kind="user",
                    action="sign_in",
                    outcome="ok",
                )
            )


@pytest.mark.parametrize(
    "change",
    [
        update(t.audit_log).values(actor="bert"),
        delete(t.audit_log),
        text("TRUNCATE audit_log"),
    ],
)
async def test_nobody_changes_it_afterwards(database: Database, change: Any) -> None:
    await written(database, 1)
    with pytest.raises(DBAPIError, match="append-only"):
        async with database.write() as writer:
            await writer.execute(change)
    async with database.read() as reader:
        assert (await reader.execute(select(t.audit_log.c.actor))).scalars().all() == ["anna"]


async def test_what_is_older_than_is_wanted_is_forgotten(
    database: Database, streams: RedisStreams, settings: Settings
) -> None:
    await written(database, 1, 99, 101)
    await tidy(database, streams, settings.model_copy(update={"audit_days": 100}))
    async with database.read() as reader:
        assert (await reader.execute(select(func.count()).select_from(t.audit_log))).scalar_one() == 2
