"""API tokens: made for programs, bounded by their makers, gone at once when they are revoked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core.clock import utc_now
from core.domain.access import Scope
from core.settings import Settings
from models import tables as t
from models.session import Database
from models.stores.users import set_access, set_disabled
from tests.services.api.conftest import QUICK, Api, Start
from tests.services.api.people import client, make_token, make_user, signed_in
from tests.services.api.portfolio import PAPER, USD

PATH = "/api/v1/tokens"


async def status(api: Api, token: str, path: str = "/api/v1/session") -> int:
    async with client(api, token) as one:
        return (await one.get(path)).status_code


async def made(api: Api, **wanted: Any) -> dict[str, Any]:
    answer = await api.http.post(PATH, json={"name": "grafana", "scope": "read", **wanted})
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_token_is_shown_once_and_kept_as_a_hash(api: Api, database: Database) -> None:
    told = await made(api, accounts=[USD])
    secret, token = told["secret"], told["token"]
    assert secret.startswith("lk_")
    assert len(secret) == 46
    assert token["prefix"] == secret[:9]
    assert (token["scope"], token["accounts"], token["user"]) == ("read", [USD], None)
    async with client(api, secret) as one:
        who = (await one.get("/api/v1/session")).json()
    assert (who["name"], who["kind"], who["scope"], who["accounts"]) == ("grafana", "token", "read", [USD])
    assert secret not in str((await api.get(PATH))["items"])
    async with database.read() as reader:
        assert secret not in str((await reader.execute(select(t.api_tokens))).one())


async def test_when_a_token_was_last_used_is_told_to_the_hour(api: Api) -> None:
    told = await made(api)
    assert told["token"]["last_used_at"] is None
    assert await status(api, told["secret"]) == 200
    (listed,) = (await api.get(PATH))["items"]
    used = datetime.fromisoformat(listed["last_used_at"])
    assert (used.minute, used.second) == (0, 0)
    assert timedelta(0) <= utc_now() - used < timedelta(hours=2)


async def test_a_token_is_good_for_a_year_unless_it_is_said_otherwise(api: Api) -> None:
    def lasts(told: dict[str, Any]) -> int:
        return (datetime.fromisoformat(told["token"]["expires_at"]) - utc_now()).days

    assert lasts(await made(api)) == 364
    assert lasts(await made(api, days=30)) == 29
    assert (await made(api, expires_at=None))["token"]["expires_at"] is None
    at = "2099-01-01T00:00:00+02:00"
    assert (await made(api, expires_at=at))["token"]["expires_at"] == "2098-12-31T22:00:00Z"


@pytest.mark.parametrize(
    "wanted",
    [
        {"scope": "owner"},
        {"name": ""},
        {"name": "a\nb"},
        {"days": 0},
        {"days": 1, "expires_at": None},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2099-01-01T00:00:00"},
        {"expires_at": "0001-01-01T00:00:00+23:00"},
        {"accounts": "all"},
        {"accounts": ["\0"]},
        {"more": 1},
    ],
)
async def test_what_no_token_can_be_is_refused(api: Api, wanted: dict[str, Any]) -> None:
    answer = await api.http.post(PATH, json={"name": "x", "scope": "read", **wanted})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), answer.text


async def test_a_token_expires_by_the_clock_and_not_by_what_is_remembered(
    start: Start, settings: Settings, seeded: Database
) -> None:
    now = datetime(2026, 11, 20, 21, tzinfo=UTC)
    _, secret = await make_token(seeded, expires_at=now + timedelta(seconds=1))
    api = await start(settings, clock=lambda: now)
    assert await status(api, secret) == 200
    now += timedelta(seconds=1)
    api.context.auth.forget()
    assert await status(api, secret) == 401


async def test_a_token_revoked_closes_its_sockets_and_no_others(api: Api) -> None:
    told, kept = await made(api), await made(api)
    async with (
        api.socket(additional_headers={"Authorization": f"Bearer {told['secret']}"}) as socket,
        api.socket(additional_headers={"Authorization": f"Bearer {kept['secret']}"}) as other,
    ):
        await socket.next("hello")
        await other.next("hello")
        answer = await api.http.delete(f"{PATH}/{told['token']['id']}")
        assert answer.status_code == 204
        assert (await socket.next("error"))["code"] == "unauthorized"
        assert await socket.closed() == 4401
        assert await status(api, told["secret"]) == 401
        await other.next("heartbeat")
    assert (await api.http.delete(f"{PATH}/{told['token']['id']}")).status_code == 404
    assert (await api.http.delete(f"{PATH}/0")).status_code == 404


async def test_a_token_revoked_here_closes_its_sockets_without_waiting_for_the_next_look(
    start: Start, settings: Settings, seeded: Database
) -> None:
    number, secret = await make_token(seeded)
    api = await start(settings, pace=replace(QUICK, heartbeat_seconds=3600))
    async with api.socket(additional_headers={"Authorization": f"Bearer {secret}"}) as socket:
        await socket.next("hello")
        assert await status(api, secret) == 200
        assert (await api.http.delete(f"{PATH}/{number}")).status_code == 204
        assert await status(api, secret) == 401, "what is remembered of it is forgotten"
        assert await socket.closed() == 4401


async def test_a_token_revoked_elsewhere_closes_its_sockets_soon(api: Api, database: Database) -> None:
    number, secret = await make_token(database)
    async with api.socket(additional_headers={"Authorization": f"Bearer {secret}"}) as socket:
        await socket.next("hello")
        async with database.write() as writer:
            await writer.execute(t.api_tokens.delete().where(t.api_tokens.c.id == number))
        assert await socket.closed() == 4401


async def test_a_session_that_a_token_was_traded_for_may_no_more_and_ends_with_it(
    api: Api, database: Database
) -> None:
    number, secret = await make_token(database, accounts=frozenset({USD}))
    async with client(api) as one:
        assert (await one.post("/api/v1/session", json={"token": secret})).status_code == 204
        who = (await one.get("/api/v1/session")).json()
        assert (who["kind"], who["scope"], who["accounts"]) == ("token", "read", [USD])
        assert (await one.post("/api/v1/sync/resync")).status_code == 403
        assert [each["current"] for each in (await one.get("/api/v1/sessions")).json()["items"]] == [True]
        await api.http.delete(f"{PATH}/{number}")
        assert (await one.get("/api/v1/session")).status_code == 401


async def test_a_users_token_may_never_do_or_see_more_than_its_maker(api: Api, database: Database) -> None:
    anna = await make_user(database, "anna", Scope.SYNC, frozenset({USD}))
    async with signed_in(api, "anna") as one:
        wider = await one.post(PATH, json={"name": "x", "scope": "admin"})
        assert (wider.status_code, wider.json()["code"]) == (403, "scope_needed")
        other = await one.post(PATH, json={"name": "x", "scope": "read", "accounts": [PAPER]})
        assert (other.status_code, other.json()["code"]) == (403, "account_not_yours")
        told = (await one.post(PATH, json={"name": "x", "scope": "sync"})).json()
    async with client(api, told["secret"]) as program:

        async def may() -> tuple[str, list[str] | None]:
            who = (await program.get("/api/v1/session")).json()
            return who["scope"], who["accounts"]

        assert await may() == ("sync", [USD])
        async with database.write() as writer:
            await set_access(writer, anna, Scope.READ, frozenset({PAPER}))
        api.context.auth.forget()
        assert await may() == ("read", [PAPER])
        async with database.write() as writer:
            await set_disabled(writer, anna, utc_now())
        api.context.auth.forget()
        assert (await program.get("/api/v1/session")).status_code == 401


async def test_what_a_token_may_otherwise_closes_its_sockets_so_that_they_come_anew(
    api: Api, database: Database
) -> None:
    anna = await make_user(database, "anna")
    _, secret = await make_token(database, user_id=anna)
    async with api.socket(additional_headers={"Authorization": f"Bearer {secret}"}) as socket:
        await socket.next("hello")
        answer = await api.http.patch("/api/v1/users/anna", json={"accounts": [USD]})
        assert answer.status_code == 200
        assert await socket.closed() == 4401


async def test_a_token_makes_no_tokens_and_sees_and_revokes_only_itself(api: Api, database: Database) -> None:
    number, secret = await make_token(database)
    theirs, _ = await make_token(database)
    async with client(api, secret) as one:
        answer = await one.post(PATH, json={"name": "x", "scope": "read"})
        assert (answer.status_code, answer.json()["code"]) == (403, "sign_in_needed")
        assert [each["id"] for each in (await one.get(PATH)).json()["items"]] == [number]
        assert (await one.delete(f"{PATH}/{theirs}")).status_code == 404
        assert (await one.delete(f"{PATH}/{number}")).status_code == 204
        assert (await one.get(PATH)).status_code == 401


@pytest.mark.parametrize(
    "asked",
    [
        {"scope": "admin"},
        {"accounts": None},
        {"accounts": [USD, PAPER]},
        {"scope": "read", "accounts": [PAPER]},
    ],
)
async def test_a_token_lets_no_user_do_more(api: Api, database: Database, asked: dict[str, Any]) -> None:
    await make_user(database, "anna", Scope.SYNC, frozenset({USD}))
    _, secret = await make_token(database, Scope.ADMIN)
    async with client(api, secret) as one:
        answer = await one.patch("/api/v1/users/anna", json=asked)
        assert (answer.status_code, answer.json()["code"]) == (403, "sign_in_needed")
    [anna] = (await api.get("/api/v1/users"))["items"]
    assert (anna["scope"], anna["accounts"]) == ("sync", [USD])


async def test_a_token_takes_away_what_only_who_signs_in_gives_back(api: Api, database: Database) -> None:
    await make_user(database, "anna", Scope.SYNC, frozenset({USD, PAPER}))
    _, secret = await make_token(database, Scope.ADMIN)
    async with client(api, secret) as one:
        for less in ({"scope": "read"}, {"accounts": [USD]}, {"disabled": True}):
            answer = await one.patch("/api/v1/users/anna", json=less)
            assert answer.status_code == 200, answer.text
        again = await one.patch("/api/v1/users/anna", json={"disabled": False})
        assert (again.status_code, again.json()["code"]) == (403, "sign_in_needed")
        assert (await api.http.patch("/api/v1/users/anna", json={"disabled": False})).status_code == 200
        assert (await one.patch("/api/v1/users/anna", json={"disabled": False})).status_code == 200
        factor = await one.post("/api/v1/users/anna/second-factor/remove", json={})
        assert (factor.status_code, factor.json()["code"]) == (403, "sign_in_needed")
        assert (await one.delete("/api/v1/users/anna")).status_code == 204


async def test_users_see_and_revoke_their_own_tokens_and_an_admin_everybodys(
    api: Api, database: Database
) -> None:
    anna, bert = await make_user(database, "anna"), await make_user(database, "bert")
    hers, _ = await make_token(database, user_id=anna)
    his, _ = await make_token(database, user_id=bert)
    async with signed_in(api, "anna") as one:
        assert [each["id"] for each in (await one.get(PATH)).json()["items"]] == [hers]
        assert (await one.delete(f"{PATH}/{his}")).status_code == 404
        assert (await one.delete(f"{PATH}/{hers}")).status_code == 204
    page = await api.get(PATH, limit=1)
    assert [each["user"] for each in page["items"]] == ["bert"]
    assert page["next_cursor"] is None
    await make_token(database)
    page = await api.get(PATH, limit=1)
    assert [each["id"] for each in (await api.get(PATH, cursor=page["next_cursor"]))["items"]] == [his]


async def test_an_unknown_account_is_given_to_no_token(api: Api) -> None:
    answer = await api.http.post(PATH, json={"name": "x", "scope": "read", "accounts": ["U0"]})
    assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")
