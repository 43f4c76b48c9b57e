"""A second factor: set up, asked for, used once, and removed."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, select, update

from core.domain.access import Scope
from core.second_factor import RECOVERY_CODES, STEP_SECONDS, code_of, step_at
from core.settings import Settings
from models import tables as t
from models.session import Database
from models.stores.sign_in_tries import FREE_TRIES, LONGEST_WAIT_SECONDS
from services.api.problems import ProblemError
from services.api.security import throttle
from services.stack.ports import free_port
from tests.services.api.conftest import Api, Start
from tests.services.api.people import PASSWORD, client, make_token, make_user, signed_in
from tests.services.api.portfolio import seed

PATH = "/api/v1/users/anna/second-factor"
WITH_PASSWORD = {"current_password": PASSWORD}


class Time:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_a_step(self) -> None:
        self.now += timedelta(seconds=STEP_SECONDS)

    def code(self, secret: str) -> str:
        return code_of(secret, step_at(self.now))


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def api(start: Start, settings: Settings, database: Database, time: Time) -> Api:
    await seed(database)
    await make_user(database, "anna")
    return await start(settings, clock=time)


async def sign_in(api: Api, **sent: str) -> httpx.Response:
    async with client(api) as one:
        return await one.post("/api/v1/session", json={"name": "anna", "password": PASSWORD, **sent})


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"] if answer.content else ""


async def set_up(one: httpx.AsyncClient, time: Time) -> tuple[str, list[str]]:
    """The secret and the recovery codes; the code of the next step has not been used."""
    answer = await one.post(PATH, json=WITH_PASSWORD)
    assert answer.status_code == 200, answer.text
    secret = answer.json()["secret"]
    answer = await one.post(f"{PATH}/prove", json={"code": time.code(secret)})
    assert answer.status_code == 200, answer.text
    time.pass_a_step()
    return secret, answer.json()["codes"]


async def test_who_set_it_up_signs_in_with_password_and_code(api: Api, time: Time) -> None:
    async with signed_in(api, "anna") as one, signed_in(api, "anna") as other:
        begun = await one.post(PATH, json=WITH_PASSWORD)
        secret = begun.json()["secret"]
        assert begun.json()["address"].startswith(
            f"otpauth://totp/Lotkeeper%20{api.settings.profile}:anna?secret={secret}&"
        )
        assert begun.headers["cache-control"] == "no-store"
        assert (await sign_in(api)).status_code == 204, "it is not proved yet"
        wrong = await one.post(f"{PATH}/prove", json={"code": "000000"})
        assert told(wrong) == (403, "second_factor_wrong")
        codes = (await one.post(f"{PATH}/prove", json={"code": time.code(secret)})).json()["codes"]
        assert len(set(codes)) == RECOVERY_CODES
        assert (await one.get("/api/v1/session")).status_code == 200
        assert (await other.get("/api/v1/session")).status_code == 401, "the other sessions are over"
    assert told(await sign_in(api)) == (401, "second_factor_needed")
    assert told(await sign_in(api, code=time.code(secret))) == (401, "second_factor_wrong"), "it proved it"
    time.pass_a_step()
    assert told(await sign_in(api, code=time.code(secret), password="a wrong one here")) == (
        401,
        "unauthorized",
    )
    assert (await sign_in(api, code=time.code(secret))).status_code == 204
    users = (await api.get("/api/v1/users"))["items"]
    assert [(one["name"], one["second_factor"]) for one in users] == [("anna", True)]


async def test_a_code_is_good_once_also_for_those_who_come_at_once(api: Api, time: Time) -> None:
    async with signed_in(api, "anna") as one:
        secret, _ = await set_up(one, time)
    code = time.code(secret)
    answers = await asyncio.gather(*(sign_in(api, code=code) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [204, 401, 401]
    time.pass_a_step()
    assert (await sign_in(api, code=time.code(secret))).status_code == 204
    earlier = code_of(secret, step_at(time.now) - 1)
    assert told(await sign_in(api, code=earlier)) == (401, "second_factor_wrong")


async def test_a_recovery_code_lets_in_once_and_only_its_hash_is_kept(
    api: Api, time: Time, database: Database
) -> None:
    async with signed_in(api, "anna") as one:
        _, codes = await set_up(one, time)
    async with database.read() as reader:
        kept = list((await reader.execute(select(t.recovery_codes.c.code_hash))).scalars())
    assert len(kept) == RECOVERY_CODES
    assert not {*kept} & {*codes}
    assert (await sign_in(api, code=codes[0].upper().replace("-", " "))).status_code == 204
    assert told(await sign_in(api, code=codes[0])) == (401, "second_factor_wrong")
    assert (await sign_in(api, code=codes[1])).status_code == 204


async def pass_seconds(database: Database, seconds: float) -> None:
    """For the count of tries, whose clock is PostgreSQL's."""
    async with database.write() as writer:
        earlier = t.sign_in_tries.c.tried_at - timedelta(seconds=seconds)
        await writer.execute(update(t.sign_in_tries).values(tried_at=earlier))


async def test_who_guesses_codes_has_to_wait_at_every_replica_and_the_right_password_ends_no_wait(
    api: Api, time: Time, start: Start, settings: Settings, database: Database
) -> None:
    async with signed_in(api, "anna") as one:
        secret, _ = await set_up(one, time)
    other = await start(settings.model_copy(update={"api_port": free_port()}), clock=time)
    for number in range(FREE_TRIES):
        assert told(await sign_in((api, other)[number % 2], code="000000")) == (401, "second_factor_wrong")
        assert told(await sign_in(api)) == (401, "second_factor_needed")
    for _ in range(5):
        await pass_seconds(database, LONGEST_WAIT_SECONDS)
        assert told(await sign_in(other, code="000000")) == (401, "second_factor_wrong")
        other.context.auth.throttle._wrong.clear()
    for each in (api, other):
        answer = await sign_in(each, code=time.code(secret))
        assert told(answer) == (429, "too_many_attempts")
        assert 16 <= int(answer.headers["retry-after"]) <= 32
    await pass_seconds(database, LONGEST_WAIT_SECONDS)
    assert (await sign_in(api, code=time.code(secret))).status_code == 204
    assert told(await sign_in(api, code="000000")) == (401, "second_factor_wrong"), "it begins anew"


async def test_codes_that_are_guessed_at_once_do_not_outrun_the_count(
    api: Api, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with signed_in(api, "anna") as one:
        await set_up(one, time)
    monkeypatch.setattr(api.context.auth.throttle, "_attempts", 100)
    answers = await asyncio.gather(
        *(api.context.auth.second_factor.check(1, "000000", "127.0.0.1") for _ in range(20)),
        return_exceptions=True,
    )
    codes = [getattr(answer, "code", "") for answer in answers]
    wrong = codes.count("second_factor_wrong")
    # The first wait is of a second, which a busy machine may let pass meanwhile.
    assert FREE_TRIES <= wrong <= FREE_TRIES + 2
    assert wrong + codes.count("too_many_attempts") == 20


async def test_one_address_guesses_no_more_codes_than_passwords(api: Api, time: Time) -> None:
    async with signed_in(api, "anna") as one:
        await set_up(one, time)
    for _ in range(throttle.ATTEMPTS):
        api.context.auth.throttle.note_wrong("10.0.0.9")
    with pytest.raises(ProblemError) as refused:
        await api.context.auth.second_factor.check(1, "000000", "10.0.0.9")
    assert refused.value.code == "too_many_attempts"


async def test_it_is_set_up_by_themselves_with_their_password_and_one_at_a_time(
    api: Api, time: Time, database: Database
) -> None:
    await make_user(database, "bert", Scope.ADMIN)
    _, token = await make_token(database, user_id=1)
    async with signed_in(api, "anna") as anna, signed_in(api, "bert") as bert, client(api, token) as program:
        for who in (bert, program, api.http):
            assert told(await who.post(PATH, json=WITH_PASSWORD)) == (403, "scope_needed")
            assert told(await who.post(f"{PATH}/prove", json={"code": "1"})) == (403, "scope_needed")
        wrong = {"current_password": "a wrong one here"}
        assert told(await anna.post(PATH, json=wrong)) == (403, "password_wrong")
        assert told(await anna.post(PATH, json={})) == (422, "validation_failed")
        assert told(await anna.post(f"{PATH}/prove", json={"code": "1"})) == (404, "second_factor_not_found")
        first = (await anna.post(PATH, json=WITH_PASSWORD)).json()["secret"]
        secret = (await anna.post(PATH, json=WITH_PASSWORD)).json()["secret"]
        assert first != secret
        proofs = [anna.post(f"{PATH}/prove", json={"code": time.code(one)}) for one in (first, secret)]
        assert [(await one).status_code for one in proofs] == [403, 200], "the one begun last counts"
        assert told(await anna.post(PATH, json=WITH_PASSWORD)) == (409, "second_factor_set")
        again = await anna.post(f"{PATH}/prove", json={"code": time.code(secret)})
        assert told(again) == (409, "second_factor_set")


async def test_it_is_removed_with_password_and_code_or_by_an_admin(
    api: Api, time: Time, database: Database
) -> None:
    await make_user(database, "bert")
    async with signed_in(api, "anna") as anna, signed_in(api, "bert") as bert:
        path = f"{PATH}/remove"
        assert told(await anna.post(path, json={**WITH_PASSWORD, "code": "1"})) == (
            404,
            "second_factor_not_found",
        )
        secret, codes = await set_up(anna, time)
        assert told(await bert.post(path, json={})) == (403, "scope_needed")
        assert told(await anna.post(path, json=WITH_PASSWORD)) == (422, "validation_failed")
        assert told(await anna.post(path, json={"code": time.code(secret)})) == (403, "password_wrong")
        wrong = {**WITH_PASSWORD, "code": "000000"}
        assert told(await anna.post(path, json=wrong)) == (403, "second_factor_wrong")
        assert (await anna.post(path, json={**WITH_PASSWORD, "code": time.code(secret)})).status_code == 204
        assert (await sign_in(api)).status_code == 204
        assert told(await sign_in(api, code=codes[0])) == (204, ""), "nothing is asked, nothing is looked at"
        await set_up(anna, time)
        assert told(await sign_in(api, code=codes[1])) == (401, "second_factor_wrong"), (
            "they were the old ones"
        )
        assert (await api.http.post(path, json={})).status_code == 204
        assert told(await api.http.post(path, json={})) == (404, "second_factor_not_found")
        assert (await anna.get("/api/v1/session")).status_code == 401
    assert (await sign_in(api)).status_code == 204


async def test_it_is_written_who_set_it_up_and_who_failed_and_no_secret(
    api: Api, time: Time, database: Database
) -> None:
    async with signed_in(api, "anna") as one:
        secret, codes = await set_up(one, time)
    await sign_in(api)
    await sign_in(api, code="000000")
    await sign_in(api, code=codes[0])
    await api.http.post(f"{PATH}/remove", json={})
    async with database.read() as reader:
        rows: list[Any] = list(await reader.execute(select(t.audit_log).order_by(t.audit_log.c.id)))
    assert [(row.actor, row.action, row.outcome) for row in rows] == [
        ("anna", "sign_in", "ok"),
        ("anna", "second_factor_begin", "ok"),
        ("anna", "second_factor_set", "ok"),
        ("anna", "sign_in", "second_factor_needed"),
        ("anna", "sign_in", "second_factor_wrong"),
        ("anna", "sign_in", "ok"),
        ("owner", "second_factor_remove", "ok"),
    ]
    assert [one for one in (secret, *codes) if one in str(rows)] == []


async def test_tokens_and_the_first_sign_in_of_others_are_asked_for_none(
    api: Api, time: Time, database: Database
) -> None:
    async with signed_in(api, "anna") as one:
        await set_up(one, time)
        made = await one.post("/api/v1/tokens", json={"name": "grafana", "scope": "read"})
    await make_user(database, "bert")
    async with signed_in(api, "bert"), client(api, made.json()["secret"]) as program:
        assert (await program.get("/api/v1/session")).status_code == 200


async def test_what_was_shown_once_is_not_kept_for_repetitions(api: Api) -> None:
    async with signed_in(api, "anna") as one:
        key = {"idempotency-key": "a key of its own"}
        first = await one.post(PATH, json=WITH_PASSWORD, headers=key)
        assert first.status_code == 200
        assert told(await one.post(PATH, json=WITH_PASSWORD, headers=key)) == (409, "answer_not_kept")


async def kept_secret(database: Database) -> str:
    async with database.read() as reader:
        return str((await reader.execute(select(t.second_factors.c.secret))).scalar_one())


async def test_the_database_alone_makes_no_codes(api: Api, time: Time, database: Database) -> None:
    async with signed_in(api, "anna") as one:
        secret, codes = await set_up(one, time)
    sealed = await kept_secret(database)
    assert secret not in sealed
    key = api.settings.second_factor_key_file
    old = key.read_text()
    key.write_text("another")
    assert told(await sign_in(api, code=time.code(secret))) == (503, "second_factor_unreadable")
    assert (await sign_in(api, code=codes[0])).status_code == 204, "that needs no key"
    key.write_text(f"another\n{old}")
    assert (await sign_in(api, code=time.code(secret))).status_code == 204
    anew = await kept_secret(database)
    assert anew.split(".")[:2] != sealed.split(".")[:2], "it is sealed with the new one"
    key.write_text("another")
    time.pass_a_step()
    assert (await sign_in(api, code=time.code(secret))).status_code == 204, "the old one is needed no more"


async def test_a_code_that_nothing_was_compared_with_counts_as_no_try(
    api: Api, time: Time, database: Database
) -> None:
    async with signed_in(api, "anna") as one:
        secret, _ = await set_up(one, time)
    sealed, key = await kept_secret(database), api.settings.second_factor_key_file
    old = key.read_text()
    key.unlink()
    for _ in range(2 * FREE_TRIES):
        assert told(await sign_in(api, code=time.code(secret))) == (503, "second_factor_unreadable")
    assert not key.exists(), "nobody else has what a new one seals"
    key.mkdir()
    answer = await sign_in(api, code=time.code(secret))
    assert told(answer) == (503, "second_factor_unreadable")
    assert str(key) not in answer.text
    key.rmdir()
    key.write_text(old)
    for broken in (f"{sealed[:12]}!", sealed[:12], sealed[:-4]):
        async with database.write() as writer:
            await writer.execute(update(t.second_factors).values(secret=broken))
        assert told(await sign_in(api, code=time.code(secret))) == (503, "second_factor_unreadable")
    async with database.write() as writer:
        await writer.execute(update(t.second_factors).values(secret=sealed))
    assert (await sign_in(api, code=time.code(secret))).status_code == 204


async def test_no_key_of_its_own_seals_beside_that_of_others(api: Api, database: Database) -> None:
    await make_user(database, "bert")
    async with signed_in(api, "anna") as one, signed_in(api, "bert") as other:
        await one.post(PATH, json=WITH_PASSWORD)
        key = api.settings.second_factor_key_file
        old = key.read_text()
        path = PATH.replace("anna", "bert")
        for write in (key.unlink, lambda: key.write_text("another")):
            write()
            assert told(await other.post(path, json=WITH_PASSWORD)) == (503, "second_factor_unreadable")
        key.write_text(f"another\n{old}")
        assert (await other.post(path, json=WITH_PASSWORD)).status_code == 200
        key.unlink()
        async with database.write() as writer:
            await writer.execute(delete(t.second_factors))
        assert (await other.post(path, json=WITH_PASSWORD)).status_code == 200, "nothing is sealed any more"
    assert key.exists()


async def test_a_secret_from_before_there_was_a_key_is_sealed_with_the_next_right_code(
    api: Api, time: Time, database: Database
) -> None:
    async with signed_in(api, "anna") as one:
        secret, _ = await set_up(one, time)
    async with database.write() as writer:
        await writer.execute(update(t.second_factors).values(secret=secret))
    assert told(await sign_in(api, code="000000")) == (401, "second_factor_wrong")
    assert await kept_secret(database) == secret
    assert (await sign_in(api, code=time.code(secret))).status_code == 204
    assert secret not in await kept_secret(database)
    time.pass_a_step()
    assert (await sign_in(api, code=time.code(secret))).status_code == 204


async def test_where_everybody_needs_one_nobody_passes_who_has_none(
    start: Start, settings: Settings, database: Database, time: Time
) -> None:
    await seed(database)
    user = await make_user(database, "anna", Scope.ADMIN)
    _, token = await make_token(database, user_id=user)
    api = await start(settings.model_copy(update={"api_second_factor_required": True}), clock=time)
    async with signed_in(api, "anna") as one, client(api, token) as program:
        assert (await one.get("/api/v1/session")).status_code == 200
        for path in ("/api/v1/accounts", "/api/v1/users", "/metrics", "/api/v1/stream/events"):
            assert told(await one.get(path)) == (403, "second_factor_required"), path
        made = await one.post("/api/v1/tokens", json={"name": "x", "scope": "read"})
        assert told(made) == (403, "second_factor_required")
        cookie = "; ".join(f"{name}={value}" for name, value in one.cookies.items())
        page = {"Cookie": cookie, "Origin": f"http://{api.address}"}
        async with api.socket(additional_headers=page) as socket:
            assert (await socket.next())["code"] == "second_factor_required"
            assert await socket.closed() == 4403
        for who in (program, api.http):
            assert (await who.get("/api/v1/accounts")).status_code == 200, "programs are asked for none"
        await set_up(one, time)
        assert (await one.get("/api/v1/accounts")).status_code == 200
        async with api.socket(additional_headers=page) as socket:
            await socket.next("hello")
        assert (await api.http.post(f"{PATH}/remove", json={})).status_code == 204
    async with signed_in(api, "anna") as one:
        assert told(await one.get("/api/v1/accounts")) == (403, "second_factor_required")
