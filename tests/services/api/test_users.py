"""Users: signing in by name, what an admin decides, passwords and sessions."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from core.clock import utc_now
from core.domain.access import Scope
from core.passwords import verify_password
from core.settings import Settings
from models import tables as t
from models.session import Database
from models.stores.sign_in_tries import FREE_FROM_ADDRESS, FREE_TRIES
from services.api.security import hashing
from services.stack.ports import free_port
from tests.services.api.conftest import Api, Start
from tests.services.api.people import PASSWORD, client, make_token, make_user, signed_in
from tests.services.api.portfolio import PAPER, TOKEN, USD

PATH = "/api/v1/users"
OTHER = "copper meadow train 7"
NEW = {"name": "Anna", "password": PASSWORD, "scope": "read", "accounts": [USD]}


async def sign_in(api: Api, name: str, password: str) -> httpx.Response:
    async with client(api) as one:
        return await one.post("/api/v1/session", json={"name": name, "password": password})


async def test_a_user_signs_in_by_name_and_is_told_what_they_may(api: Api) -> None:
    answer = await api.http.post(PATH, json=NEW)
    assert answer.status_code == 201, answer.text
    assert answer.json()["name"] == "anna"
    assert "password" not in set(answer.json())
    async with signed_in(api, "ANNA ") as one:
        who = (await one.get("/api/v1/session")).json()
        assert (who["name"], who["kind"], who["scope"], who["accounts"]) == ("anna", "user", "read", [USD])


async def test_only_the_hash_of_a_password_is_kept(api: Api, database: Database) -> None:
    await api.http.post(PATH, json=NEW)
    async with database.read() as reader:
        kept = (await reader.execute(select(t.users.c.password_hash))).scalar_one()
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_an_unknown_name_is_answered_as_a_wrong_password(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await make_user(database, "anna")
    worked: list[object] = []
    hash_it = hashing.Hashing.__call__

    async def counting(self: hashing.Hashing, work: Any, *arguments: Any) -> Any:
        worked.append(work)
        return await hash_it(self, work, *arguments)

    monkeypatch.setattr(hashing.Hashing, "__call__", counting)
    answers = [await sign_in(api, name, "not the password") for name in ("anna", "nobody", "öäü\0", "owner")]
    async with database.write() as writer:
        await writer.execute(update(t.users).where(t.users.c.id == user).values(disabled_at=utc_now()))
    answers.append(await sign_in(api, "anna", PASSWORD))
    assert {answer.status_code for answer in answers} == {401}
    told = [{**answer.json(), "request_id": ""} for answer in answers]
    assert all(one == told[0] for one in told)
    assert worked == [verify_password] * 5, "the same work for each"


async def test_a_password_counts_however_its_letters_are_composed(api: Api) -> None:
    composed, decomposed = "grün fällt öfter", "gru\u0308n fa\u0308llt o\u0308fter"
    await api.http.post(PATH, json={**NEW, "password": composed})
    assert (await sign_in(api, "anna", decomposed)).status_code == 204


@pytest.mark.parametrize(
    "wanted",
    [
        {"password": "elevenchars"},
        {"password": "x" * 129},
        {"password": "passwordpassword"},
        {"password": "Anna2026!!!!!!"},
        {"password": "violin harbour\0lamp"},
    ],
)
async def test_a_password_that_is_easily_guessed_is_refused(api: Api, wanted: dict[str, str]) -> None:
    answer = await api.http.post(PATH, json={**NEW, **wanted})
    assert (answer.status_code, answer.json()["code"]) == (422, "password_refused")


@pytest.mark.parametrize(
    "wanted",
    [
        {"name": "owner"},
        {"name": "a b"},
        {"name": "-a"},
        {"name": "a" * 65},
        {"name": ""},
        {"scope": "root"},
        {"accounts": [1]},
        {"more": 1},
    ],
)
async def test_what_no_user_can_be_is_refused(api: Api, wanted: dict[str, Any]) -> None:
    answer = await api.http.post(PATH, json={**NEW, **wanted})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_a_name_is_given_once(api: Api) -> None:
    assert (await api.http.post(PATH, json=NEW)).status_code == 201
    answer = await api.http.post(PATH, json={**NEW, "name": "anna"})
    assert (answer.status_code, answer.json()["code"]) == (409, "user_exists")


async def test_users_are_listed_newest_first_page_by_page(api: Api, database: Database) -> None:
    for name in ("anna", "bert", "carl"):
        await make_user(database, name)
    page = await api.get(PATH, limit=2)
    assert [each["name"] for each in page["items"]] == ["carl", "bert"]
    page = await api.get(PATH, limit=2, cursor=page["next_cursor"])
    assert [each["name"] for each in page["items"]] == ["anna"]
    assert page["next_cursor"] is None


async def test_a_change_of_a_user_counts_at_once_and_closes_sockets(api: Api, database: Database) -> None:
    await make_user(database, "anna", Scope.READ, frozenset({USD}))
    async with signed_in(api, "anna") as one:
        (pair,) = one.cookies.items()
        own = {"Cookie": "=".join(pair), "Origin": f"http://{api.address}"}
        async with api.socket(additional_headers=own) as socket:
            await socket.next("hello")
            wish = f"/api/v1/snapshots?account={USD}"
            assert (await one.post(wish)).status_code == 403
            answer = await api.http.patch(f"{PATH}/anna", json={"scope": "sync"})
            assert (answer.json()["scope"], answer.json()["accounts"]) == ("sync", [USD])
            assert await socket.closed() == 4401
        assert (await one.post(wish)).status_code == 202
        answer = await api.http.patch(f"{PATH}/anna", json={"accounts": None})
        assert (answer.json()["scope"], answer.json()["accounts"]) == ("sync", None)


async def test_who_is_disabled_is_signed_out_and_stays_out(api: Api, database: Database) -> None:
    await make_user(database, "anna")
    async with signed_in(api, "anna") as one:
        assert (await one.get("/api/v1/session")).status_code == 200
        answer = await api.http.patch(f"{PATH}/anna", json={"disabled": True})
        assert answer.json()["disabled_at"] is not None
        assert (await one.get("/api/v1/session")).status_code == 401
        assert (await sign_in(api, "anna", PASSWORD)).status_code == 401
        answer = await api.http.patch(f"{PATH}/anna", json={"disabled": False})
        assert answer.json()["disabled_at"] is None
        assert (await one.get("/api/v1/session")).status_code == 401, "that session is over for good"
        assert (await sign_in(api, "anna", PASSWORD)).status_code == 204


async def test_who_is_removed_leaves_neither_sessions_nor_tokens(api: Api, database: Database) -> None:
    anna = await make_user(database, "anna", accounts=frozenset({USD}))
    await make_token(database, accounts=frozenset({USD}), user_id=anna)
    async with signed_in(api, "anna") as one:
        assert (await api.http.delete(f"{PATH}/anna")).status_code == 204
        assert (await one.get("/api/v1/session")).status_code == 401
    async with database.read() as reader:
        for table in (t.users, t.user_accounts, t.api_tokens, t.api_token_accounts, t.user_sessions):
            assert (await reader.execute(select(table))).all() == [], table.name
    assert (await api.http.delete(f"{PATH}/anna")).status_code == 404


async def test_an_admin_of_some_accounts_decides_about_no_others(api: Api, database: Database) -> None:
    await make_user(database, "anna", Scope.ADMIN, frozenset({USD}))
    await make_user(database, "bert", Scope.READ)
    async with signed_in(api, "anna") as one:
        for method, path, body in (
            ("POST", PATH, {**NEW, "name": "carl", "accounts": None}),
            ("POST", PATH, {**NEW, "name": "carl", "accounts": [PAPER]}),
            ("PATCH", f"{PATH}/bert", {"disabled": True}),
            ("PATCH", f"{PATH}/anna", {"accounts": None}),
            ("DELETE", f"{PATH}/bert", None),
            ("POST", f"{PATH}/bert/password", {"new_password": OTHER}),
        ):
            answer = await one.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "account_not_yours"), path
        assert (await one.post(PATH, json={**NEW, "name": "carl"})).status_code == 201


async def test_an_admin_of_some_accounts_is_told_of_nobody_who_sees_others(
    api: Api, database: Database
) -> None:
    """Nor of the accounts: that somebody sees one tells that there is one."""
    anna = await make_user(database, "anna", Scope.ADMIN, frozenset({USD}))
    bert = await make_user(database, "bert", Scope.READ, frozenset({PAPER, USD}))
    carl = await make_user(database, "carl", Scope.READ, frozenset({USD}))
    await make_user(database, "dora")
    await make_user(database, "emil", Scope.READ, frozenset())
    wide, narrow, own = [
        [await make_token(database, accounts=accounts, user_id=user) for user in users]
        for accounts, users in ((None, (bert, None)), (frozenset({USD}), (bert, None)), (None, (carl, anna)))
    ]
    elsewhere = await make_token(database, accounts=frozenset({PAPER}))
    seen = [number for number, _ in (*narrow, *own)]
    async with signed_in(api, "bert") as his, signed_in(api, "carl"), signed_in(api, "anna") as one:
        users = (await one.get(PATH)).json()["items"]
        assert [each["name"] for each in users] == ["emil", "carl", "anna"]
        tokens = (await one.get("/api/v1/tokens")).json()["items"]
        assert sorted(each["id"] for each in tokens) == sorted(seen)
        for number, _ in (*wide, elsewhere):
            assert (await one.delete(f"/api/v1/tokens/{number}")).status_code == 404
        assert (await one.delete(f"/api/v1/tokens/{seen[0]}")).status_code == 204
        sessions = (await one.get("/api/v1/sessions")).json()["items"]
        assert [each["name"] for each in sessions] == ["anna", "carl"]
        (theirs,) = (await his.get("/api/v1/sessions")).json()["items"]
        assert (await one.delete(f"/api/v1/sessions/{theirs['id']}")).status_code == 404
        assert (await one.delete(f"/api/v1/sessions/{sessions[1]['id']}")).status_code == 204
    itself, program = await make_token(database, Scope.ADMIN, frozenset({USD}))
    async with client(api, program) as one:
        tokens = (await one.get("/api/v1/tokens")).json()["items"]
        assert sorted(each["id"] for each in tokens) == [*sorted(seen[1:]), itself]


async def test_an_unknown_user_or_account_is_said_to_be_unknown(api: Api, database: Database) -> None:
    await make_user(database, "anna")
    for name in ("nobody", "%00", "a b"):
        assert (await api.http.patch(f"{PATH}/{name}", json={})).json()["code"] == "user_not_found"
    answer = await api.http.patch(f"{PATH}/anna", json={"accounts": ["U0"]})
    assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")


async def test_changing_a_password_asks_for_the_present_one_and_ends_the_other_sessions(
    api: Api, database: Database
) -> None:
    await make_user(database, "anna")
    async with signed_in(api, "anna") as one, signed_in(api, "anna") as other:
        path = f"{PATH}/anna/password"
        for sent in ({}, {"current_password": "a wrong one here"}):
            answer = await one.post(path, json={"new_password": OTHER, **sent})
            assert (answer.status_code, answer.json()["code"]) == (403, "password_wrong")
        answer = await one.post(path, json={"new_password": OTHER, "current_password": PASSWORD})
        assert answer.status_code == 204, answer.text
        assert (await one.get("/api/v1/session")).status_code == 200
        assert (await other.get("/api/v1/session")).status_code == 401
    assert (await sign_in(api, "anna", PASSWORD)).status_code == 401
    assert (await sign_in(api, "anna", OTHER)).status_code == 204


async def test_only_an_admin_sets_anothers_password(api: Api, database: Database) -> None:
    await make_user(database, "anna", Scope.SYNC)
    await make_user(database, "bert")
    sent = {"new_password": OTHER, "current_password": PASSWORD}
    async with signed_in(api, "anna") as one:
        for name in ("bert", "nobody"):
            answer = await one.post(f"{PATH}/{name}/password", json=sent)
            assert (answer.status_code, answer.json()["code"]) == (403, "scope_needed")
        answer = await api.http.post(f"{PATH}/anna/password", json={"new_password": OTHER})
        assert answer.status_code == 204
        assert (await one.get("/api/v1/session")).status_code == 401
    assert (await sign_in(api, "anna", OTHER)).status_code == 204


async def test_a_password_kept_by_other_parameters_is_kept_anew_at_the_next_sign_in(
    api: Api, database: Database
) -> None:
    await make_user(database, "anna")
    old = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    async with database.write() as writer:
        await writer.execute(update(t.users).values(password_hash=old))
    assert (await sign_in(api, "anna", PASSWORD)).status_code == 204
    async with database.read() as reader:
        kept = (await reader.execute(select(t.users.c.password_hash))).scalar_one()
    assert "m=19456,t=2,p=1" in kept
    assert (await sign_in(api, "anna", PASSWORD)).status_code == 204


async def make_it_longer(database: Database) -> None:
    """After the wrong passwords that are free the wait is of a second, which a busy machine lets pass: 16."""
    async with database.write() as writer:
        anna = t.sign_in_tries.c.party == "127.0.0.1 anna"
        counted = (await writer.execute(select(t.sign_in_tries.c.wrong).where(anna))).scalar_one()
        assert counted == FREE_TRIES
        await writer.execute(update(t.sign_in_tries).where(anna).values(wrong=FREE_TRIES + 4))


async def test_somebody_guessing_a_name_makes_it_wait_and_shuts_nobody_out(
    api: Api, database: Database
) -> None:
    await make_user(database, "anna")
    async with signed_in(api, "anna") as one:
        api.context.auth._known_good.clear()
        for _ in range(4):
            assert (await sign_in(api, "anna", "a wrong one here")).status_code == 401
        await make_it_longer(database)
        answer = await sign_in(api, "anna", PASSWORD)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
        assert int(answer.headers["retry-after"]) >= 1
        assert (await sign_in(api, "bert", "a wrong one here")).status_code == 401
        assert (await one.get("/api/v1/session")).status_code == 200


async def test_who_guesses_a_name_keeps_nobody_out_who_comes_from_elsewhere(
    api: Api, database: Database
) -> None:
    await make_user(database, "anna")
    for _ in range(4):
        assert (await sign_in(api, "anna", "a wrong one here")).status_code == 401
    await make_it_longer(database)
    assert (await sign_in(api, "anna", PASSWORD)).status_code == 429
    elsewhere = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
    async with client(api, transport=elsewhere) as one:
        answer = await one.post("/api/v1/session", json={"name": "anna", "password": PASSWORD})
    assert answer.status_code == 204


async def test_wrong_passwords_are_counted_by_all_replicas_together(
    api: Api, database: Database, start: Start, settings: Settings
) -> None:
    await make_user(database, "anna")
    other = await start(settings.model_copy(update={"api_port": free_port()}))
    for number in range(FREE_TRIES):
        answer = await sign_in((api, other)[number % 2], "anna", "a wrong one here")
        assert answer.status_code == 401
    await make_it_longer(database)
    for each in (api, other):
        answer = await sign_in(each, "anna", PASSWORD)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
        assert 1 <= int(answer.headers["retry-after"]) <= 16
    assert (await sign_in(other, "bert", "a wrong one here")).status_code == 401, "of another name it is not"
    async with database.write() as writer:
        passed = t.sign_in_tries.c.tried_at - timedelta(seconds=16)
        await writer.execute(update(t.sign_in_tries).values(tried_at=passed))
    assert (await sign_in(other, "anna", PASSWORD)).status_code == 204
    async with database.read() as reader:
        left = list((await reader.execute(select(t.sign_in_tries.c.party))).scalars())
    assert sorted(left) == ["* anna", "* bert", "127.0.0.1 *", "127.0.0.1 bert"]
    async with database.write() as writer:
        old = t.sign_in_tries.c.tried_at - timedelta(hours=2)
        await writer.execute(update(t.sign_in_tries).values(tried_at=old))
    assert (await sign_in(api, "carl", "a wrong one here")).status_code == 401
    async with database.read() as reader:
        left = list((await reader.execute(select(t.sign_in_tries.c.party))).scalars())
    assert sorted(left) == ["* carl", "127.0.0.1 *", "127.0.0.1 carl"], "what is old is forgotten"


async def test_one_address_guesses_no_more_at_several_replicas(
    api: Api, start: Start, settings: Settings
) -> None:
    other = await start(settings.model_copy(update={"api_port": free_port()}))
    statuses = []
    for number in range(FREE_FROM_ADDRESS + 4):
        answer = await sign_in((api, other)[number % 2], f"user{number}", "a wrong one here")
        statuses.append(answer.status_code)
    # Meanwhile one is forgotten every six seconds.
    assert statuses[:FREE_FROM_ADDRESS] == [401] * FREE_FROM_ADDRESS
    assert statuses.count(429) >= 2


async def test_many_sign_ins_at_once_neither_fill_the_memory_nor_outrun_the_count(
    api: Api, database: Database
) -> None:
    await make_user(database, "anna")
    answers = await asyncio.gather(*(sign_in(api, "anna", f"a wrong one {n:04}") for n in range(30)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= 10


async def test_a_session_that_is_not_used_for_a_week_is_over(api: Api, database: Database) -> None:
    await make_user(database, "anna")
    async with signed_in(api, "anna") as one:
        for days, status in ((6, 200), (8, 401)):
            async with database.write() as writer:
                seen = utc_now() - timedelta(days=days)
                await writer.execute(update(t.user_sessions).values(last_seen_at=seen))
            api.context.auth.forget()
            assert (await one.get("/api/v1/session")).status_code == status
            async with database.read() as reader:
                kept = (await reader.execute(select(t.user_sessions.c.last_seen_at))).scalar_one()
            assert (kept > seen) == (status == 200), "being used is kept"


async def test_sessions_are_listed_and_ended_ones_own_and_an_admins_everybodys(
    api: Api, database: Database
) -> None:
    await make_user(database, "anna")
    await make_user(database, "bert")
    path = "/api/v1/sessions"
    async with (
        signed_in(api, "anna") as one,
        signed_in(api, "anna") as another,
        signed_in(api, "bert") as bert,
    ):
        listed = (await one.get(path)).json()["items"]
        assert [(each["name"], each["current"]) for each in listed] == [("anna", False), ("anna", True)]
        assert {each["address"] for each in listed} == {"127.0.0.1"}
        (his,) = (await bert.get(path)).json()["items"]
        assert (await one.delete(f"{path}/{his['id']}")).status_code == 404
        assert (await one.delete(f"{path}/{listed[0]['id']}")).status_code == 204
        assert (await another.get(path)).status_code == 401
        assert [each["name"] for each in (await api.get(path))["items"]] == ["bert", "anna"]
        assert (await api.http.delete(f"{path}/{his['id']}")).status_code == 204
        assert (await bert.get(path)).status_code == 401
        page = await api.get(path, limit=1)
        assert page["next_cursor"] is None
        async with client(api) as owner:
            await owner.post("/api/v1/session", json={"token": TOKEN})
        page = await api.get(path, limit=1)
        assert [(each["name"], each["kind"]) for each in page["items"]] == [("owner", "owner")]
        assert [each["name"] for each in (await api.get(path, cursor=page["next_cursor"]))["items"]] == [
            "anna"
        ]


@pytest.mark.parametrize(
    "sent",
    [
        {"name": "anna"},
        {"password": "x"},
        {"name": "anna", "password": "x", "token": "y"},
        {"name": "a" * 65, "password": "x"},
        {"name": "anna", "password": "x" * 513},
    ],
)
async def test_half_of_what_signs_in_is_a_problem(api: Api, sent: dict[str, str]) -> None:
    async with client(api) as one:
        answer = await one.post("/api/v1/session", json=sent)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_over_https_the_cookie_is_bound_to_this_very_host(api: Api, database: Database) -> None:
    await make_user(database, "anna")
    transport = httpx.ASGITransport(api.server.config.app)
    async with httpx.AsyncClient(transport=transport, base_url=f"https://{api.address}") as one:
        answer = await one.post("/api/v1/session", json={"name": "anna", "password": PASSWORD})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"__Host-lotkeeper_session_{api.settings.api_port}=")
        for attribute in ("Secure", "HttpOnly", "SameSite=strict", "Path=/"):
            assert attribute in cookie
        assert "Domain" not in cookie
        assert (await one.get("/api/v1/session")).status_code == 200
        secret = next(iter(one.cookies.values()))
        one.cookies.clear()
        plain = {"Cookie": f"lotkeeper_session_{api.settings.api_port}={secret}"}
        assert (await one.get("/api/v1/session", headers=plain)).status_code == 401
