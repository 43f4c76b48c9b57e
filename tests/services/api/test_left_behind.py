"""Whoever has lost a password, a session or a right leaves nothing behind, however quick they were."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy import select, update

from core.clock import utc_now
from core.domain.access import Scope
from core.passwords import hash_password
from models import tables as t
from models.session import Database, Writer
from models.stores.sessions import end_sessions_of
from models.stores.users import hold_user, set_access, set_password
from services.api.layers import exports
from services.api.routers import users as users_router
from tests.databases import waiting_for_locks
from tests.services.api.conftest import Api
from tests.services.api.people import PASSWORD, client, make_token, make_user, signed_in
from tests.services.api.portfolio import PAPER, USD
from tests.waiting import eventually

OTHER = "copper meadow train 7"
HASHED = hash_password(OTHER)
USERS, TOKENS, SESSION = "/api/v1/users", "/api/v1/tokens", "/api/v1/session"


@asynccontextmanager
async def while_somebody_changes(database: Database) -> AsyncIterator[Writer]:
    """A transaction of another process, that commits when what is asked for meanwhile waits for it."""
    async with database.write() as writer:
        yield writer
        await eventually(lambda: waiting_for_locks(database, "lotkeeper-api"))


async def at_once(asked: Awaitable[httpx.Response]) -> httpx.Response:
    return await asked


async def sign_in(api: Api, password: str) -> httpx.Response:
    async with client(api) as one:
        return await one.post(SESSION, json={"name": "anna", "password": password})


# -- passwords -------------------------------------------------------------------------------------------


async def test_a_sign_in_that_began_with_the_password_of_before_is_none(api: Api, database: Database) -> None:
    anna = await make_user(database, "anna")
    async with while_somebody_changes(database) as writer:
        await set_password(writer, anna, HASHED, utc_now())
        await end_sessions_of(writer, anna)
        asked = asyncio.create_task(sign_in(api, PASSWORD))
    answer = await asked
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    async with database.read() as reader:
        assert (await reader.execute(select(t.user_sessions))).all() == []
    assert (await sign_in(api, OTHER)).status_code == 204


async def test_of_two_who_change_the_same_password_the_later_one_has_it_no_more(
    api: Api, database: Database
) -> None:
    anna = await make_user(database, "anna")
    async with signed_in(api, "anna") as thief:
        async with while_somebody_changes(database) as writer:
            await set_password(writer, anna, HASHED, utc_now())
            sent = {"current_password": PASSWORD, "new_password": "a third one of all"}
            asked = asyncio.create_task(at_once(thief.post(f"{USERS}/anna/password", json=sent)))
        answer = await asked
    assert (answer.status_code, answer.json()["code"]) == (403, "password_wrong")
    assert (await sign_in(api, OTHER)).status_code == 204


async def test_a_token_that_was_being_made_when_its_makers_session_ended_is_not_made(
    api: Api, database: Database
) -> None:
    anna = await make_user(database, "anna")
    async with signed_in(api, "anna") as thief:
        async with while_somebody_changes(database) as writer:
            await end_sessions_of(writer, anna)
            wanted = {"name": "x", "scope": "read"}
            asked = asyncio.create_task(at_once(thief.post(TOKENS, json=wanted)))
        assert (await asked).status_code == 401
    assert (await api.get(TOKENS))["items"] == []


@pytest.mark.parametrize("by_self", [True, False])
async def test_a_new_password_revokes_the_users_tokens_and_no_others(
    api: Api, database: Database, by_self: bool
) -> None:
    anna, bert = await make_user(database, "anna"), await make_user(database, "bert")
    _, hers = await make_token(database, user_id=anna)
    kept = [(await make_token(database, user_id=bert))[1], (await make_token(database))[1]]
    sent = {"new_password": OTHER, "current_password": PASSWORD}
    async with client(api, hers) as program, signed_in(api, "anna") as one, client(api) as page:
        assert (await page.post(SESSION, json={"token": hers})).status_code == 204
        answer = await (one if by_self else api.http).post(f"{USERS}/anna/password", json=sent)
        assert answer.status_code == 204, answer.text
        assert (await program.get(SESSION)).status_code == 401
        assert (await page.get(SESSION)).status_code == 401, "nor the session that it was traded for"
    for token in kept:
        async with client(api, token) as other:
            assert (await other.get(SESSION)).status_code == 200


async def test_tokens_stay_where_whoever_changes_the_password_says_so(api: Api, database: Database) -> None:
    _, hers = await make_token(database, user_id=await make_user(database, "anna"))
    sent = {"new_password": OTHER, "keep_tokens": True}
    assert (await api.http.post(f"{USERS}/anna/password", json=sent)).status_code == 204
    async with client(api, hers) as program:
        assert (await program.get(SESSION)).status_code == 200


async def test_what_was_not_compared_with_the_password_was_no_guess(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_user(database, "anna")
    with monkeypatch.context() as busy:
        busy.setattr("services.api.security.hashing.MOST_WAITING", 0)
        for _ in range(12):
            assert (await sign_in(api, PASSWORD)).status_code == 429
    assert (await sign_in(api, PASSWORD)).status_code == 204


# -- rights ----------------------------------------------------------------------------------------------


async def test_two_changes_of_a_user_at_once_are_both_made(api: Api, database: Database) -> None:
    anna = await make_user(database, "anna", Scope.ADMIN, frozenset({USD}))
    async with while_somebody_changes(database) as writer:
        await hold_user(writer, "anna")
        await set_access(writer, anna, Scope.READ, frozenset({USD}))
        asked = asyncio.create_task(at_once(api.http.patch(f"{USERS}/anna", json={"accounts": [PAPER]})))
    told = (await asked).json()
    assert (told["scope"], told["accounts"]) == ("read", [PAPER])


async def test_who_lost_a_right_elsewhere_makes_nothing_by_what_is_remembered(
    api: Api, database: Database
) -> None:
    anna = await make_user(database, "anna", Scope.ADMIN)
    new = {"name": "carl", "password": PASSWORD, "scope": "admin", "accounts": None}
    async with signed_in(api, "anna") as one:
        assert (await one.get(USERS)).status_code == 200
        async with database.write() as writer:
            await set_access(writer, anna, Scope.READ, None)
        answer = await one.post(USERS, json=new)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_needed")


async def test_a_token_that_was_revoked_elsewhere_is_traded_for_no_session(
    api: Api, database: Database
) -> None:
    number, secret = await make_token(database)
    async with client(api, secret) as program:
        assert (await program.get(SESSION)).status_code == 200
    async with database.write() as writer:
        await writer.execute(t.api_tokens.delete().where(t.api_tokens.c.id == number))
    async with client(api) as page:
        assert (await page.post(SESSION, json={"token": secret})).status_code == 401


async def test_a_token_being_revoked_is_traded_for_no_session(api: Api, database: Database) -> None:
    number, secret = await make_token(database)
    async with client(api) as page:
        async with while_somebody_changes(database) as writer:
            await writer.execute(t.api_tokens.delete().where(t.api_tokens.c.id == number))
            asked = asyncio.create_task(at_once(page.post(SESSION, json={"token": secret})))
        assert (await asked).status_code == 401


async def test_a_token_makes_no_users_and_changes_no_passwords(api: Api, database: Database) -> None:
    """What leaked, and was revoked, would be followed by what it made."""
    anna = await make_user(database, "anna", Scope.ADMIN)
    for maker in (None, anna):
        _, secret = await make_token(database, Scope.ADMIN, user_id=maker)
        async with client(api, secret) as program, client(api) as page:
            await page.post(SESSION, json={"token": secret})
            for who in (program, page):
                new = {"name": "carl", "password": PASSWORD, "scope": "admin", "accounts": None}
                made = await who.post(USERS, json=new)
                changed = await who.post(f"{USERS}/anna/password", json={"new_password": OTHER})
                for answer in (made, changed):
                    assert (answer.status_code, answer.json()["code"]) == (403, "sign_in_needed")
    assert (await sign_in(api, PASSWORD)).status_code == 204


# -- what lasts ------------------------------------------------------------------------------------------


async def test_a_file_that_is_being_sent_ends_when_its_reader_may_see_it_no_more(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MAX_LIMIT", 1)
    anna = await make_user(database, "anna")
    following, asked = exports.Exports._following, 0

    async def lose_it(self: exports.Exports, *of: object) -> object:
        nonlocal asked
        asked += 1
        async with database.write() as writer:
            await set_access(writer, anna, Scope.READ, frozenset({PAPER}))
        api.context.auth.forget()
        return await following(self, *of)  # type: ignore[arg-type]

    monkeypatch.setattr(exports.Exports, "_following", lose_it)
    async with signed_in(api, "anna") as one:
        with pytest.raises(httpx.RemoteProtocolError):
            await one.get("/api/v1/executions.csv")
    assert asked == 1


async def test_one_socket_that_cannot_be_checked_leaves_no_other_unchecked(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd, number = (await make_token(database)), (await make_token(database))
    still_valid, checked = api.context.auth.still_valid, asyncio.Event()

    async def failing(identity: object) -> bool:
        if getattr(identity, "token_id", None) == odd[0]:
            checked.set()
            raise RuntimeError("odd")
        return await still_valid(identity)  # type: ignore[arg-type]

    monkeypatch.setattr(api.context.auth, "still_valid", failing)
    async with (
        api.socket(additional_headers={"Authorization": f"Bearer {odd[1]}"}) as one,
        api.socket(additional_headers={"Authorization": f"Bearer {number[1]}"}) as other,
    ):
        await one.next("hello")
        await other.next("hello")
        await checked.wait()
        await api.http.delete(f"{TOKENS}/{number[0]}")
        assert await other.closed() == 4401
        await one.next("heartbeat")


async def test_a_user_may_be_called_as_a_file_is(api: Api, database: Database) -> None:
    await make_user(database, "anna.csv")
    answer = await api.http.patch(f"{USERS}/anna.csv", json={"disabled": True})
    assert answer.status_code == 200, answer.text
    async with database.write() as writer:
        await writer.execute(update(t.users).values(disabled_at=None))
    assert (await api.http.delete(f"{USERS}/anna.csv")).status_code == 204
    assert users_router.checked_name("anna.csv") == "anna.csv"
