import asyncio
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, update

from core.clock import utc_now
from core.settings import Settings
from models import tables as t
from models.session import Database
from services.api.security.throttle import Throttle
from tests.services.api.conftest import Api, Start
from tests.services.api.people import client as client_of
from tests.services.api.portfolio import TOKEN

GUARDED = (
    "/api/v1/accounts",
    "/api/v1/accounts/ALL/summary",
    "/api/v1/positions",
    "/api/v1/executions",
    "/api/v1/sync",
    "/api/v1/session",
    "/api/v1/nothing",
    "/api",
    "/api/",
    "/metrics",
    "/openapi.json",
    "/asyncapi.json",
)
OPEN = ("/livez", "/readyz", "/", "/positions")


def nobody(api: Api) -> httpx.AsyncClient:
    return client_of(api)


async def test_without_a_token_only_health_and_the_page_answer(api: Api) -> None:
    async with nobody(api) as client:
        for path in GUARDED:
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), path
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert (await client.post("/api/v1/sync/resync")).status_code == 401
        for path in OPEN:
            assert (await client.get(path)).status_code in {200, 503}, path


@pytest.mark.parametrize("header", ["Bearer wrong", "Basic dGVzdA==", f"Token {TOKEN}", "Bearer"])
async def test_a_wrong_token_is_refused(api: Api, header: str) -> None:
    async with nobody(api) as client:
        answer = await client.get("/api/v1/accounts", headers={"Authorization": header})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("name", ["token", "access_token", "API_KEY"])
async def test_a_token_in_the_address_is_refused_even_if_right(api: Api, name: str) -> None:
    answer = await api.http.get("/api/v1/accounts", params={name: TOKEN})
    assert (answer.status_code, answer.json()["code"]) == (400, "token_in_url")


async def test_ten_wrong_tokens_a_minute_are_enough(api: Api) -> None:
    async with nobody(api) as client:
        for _ in range(10):
            answer = await client.post("/api/v1/session", json={"token": "wrong"})
            assert answer.status_code == 401
        answer = await client.post("/api/v1/session", json={"token": "wrong"})
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
        assert 0 < int(answer.headers["retry-after"]) <= 61
        right = await client.post("/api/v1/session", json={"token": TOKEN})
        assert right.status_code == 429, "a guess that is right must not shine through"


async def test_whoever_was_let_in_before_is_not_shut_out_by_others_there(api: Api) -> None:
    await api.get("/api/v1/accounts")
    async with nobody(api) as client:
        for _ in range(11):
            await client.get("/api/v1/accounts", headers={"Authorization": "Bearer wrong"})
    await api.get("/api/v1/accounts")


def test_the_throttle_forgets_after_its_window() -> None:
    now = 0.0
    throttle = Throttle(lambda: now, attempts=2, window_seconds=60)
    throttle.note_wrong("a")
    throttle.note_wrong("a")
    assert throttle.wait_seconds("a") == 61
    assert throttle.wait_seconds("b") == 0
    now = 60.5
    assert throttle.wait_seconds("a") == 0


async def signed_in(api: Api) -> httpx.AsyncClient:
    client = nobody(api)
    answer = await client.post("/api/v1/session", json={"token": TOKEN})
    assert answer.status_code == 204, answer.text
    return client


async def test_a_token_is_traded_for_a_cookie_that_scripts_cannot_read(api: Api, database: Database) -> None:
    async with nobody(api) as client:
        answer = await client.post("/api/v1/session", json={"token": TOKEN})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"lotkeeper_session_{api.settings.api_port}=")
        for attribute in ("HttpOnly", "SameSite=strict", "Path=/"):
            assert attribute in cookie
        assert (await client.get("/api/v1/session")).json() == {
            "authenticated": True,
            "profile": "main",
            "version": api.context.version,
            "name": "owner",
            "kind": "owner",
            "scope": "admin",
            "accounts": None,
        }
        secret = client.cookies[f"lotkeeper_session_{api.settings.api_port}"]
    async with database.read() as reader:
        row = (await reader.execute(select(t.user_sessions))).one()
    assert secret not in str(row), "only the hash is kept"
    assert TOKEN not in str(row)


async def test_signing_out_ends_the_session_for_copies_of_the_cookie_too(api: Api) -> None:
    client = await signed_in(api)
    copy = dict(client.cookies)
    assert (await client.get("/api/v1/accounts")).status_code == 200
    assert (await client.delete("/api/v1/session")).status_code == 204
    await client.aclose()
    async with nobody(api) as thief:
        thief.cookies.update(copy)
        answer = await thief.get("/api/v1/accounts")
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_a_session_expires(api: Api, database: Database) -> None:
    client = await signed_in(api)
    async with database.write() as writer:
        await writer.execute(update(t.user_sessions).values(expires_at=utc_now() - timedelta(seconds=1)))
    assert (await client.get("/api/v1/session")).status_code == 401
    await client.aclose()
    async with nobody(api) as other:
        await other.post("/api/v1/session", json={"token": TOKEN})
    async with database.read() as reader:
        assert len((await reader.execute(select(t.user_sessions))).all()) == 1, "what expired is removed"


async def test_a_session_dies_with_the_token_it_was_traded_for(
    start: Start, settings: Settings, seeded: Database
) -> None:
    assert seeded
    api = await start(settings.model_copy(update={"api_token": None}))
    path = settings.token_file
    assert path.stat().st_mode & 0o777 == 0o600
    token = path.read_text(encoding="utf-8").strip()
    async with nobody(api) as client:
        assert (await client.post("/api/v1/session", json={"token": token})).status_code == 204
        assert (await client.get("/api/v1/accounts")).status_code == 200
        replace(path, "another-token")
        assert (await client.get("/api/v1/accounts")).status_code == 401
        client.cookies.clear()
        bearer = {"Authorization": "Bearer another-token"}
        assert (await client.get("/api/v1/accounts", headers=bearer)).status_code == 200
        path.unlink()
        assert (await client.get("/api/v1/accounts", headers=bearer)).status_code == 401
        assert path.stat().st_mode & 0o777 == 0o600


def replace(path: Path, token: str) -> None:
    fresh = path.with_name("fresh")
    fresh.write_text(token, encoding="utf-8")
    fresh.rename(path)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"token": 1}', b'{"token": ""}', b'{"token": "a", "b": 1}', b"{" * 9_000]
)
async def test_a_sign_in_without_a_token_is_a_problem(api: Api, body: bytes) -> None:
    async with nobody(api) as client:
        answer = await client.post("/api/v1/session", content=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[broken"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 202),
        ({"Sec-Fetch-Site": "none"}, 202),
        ({}, 202),
    ],
)
async def test_a_page_of_another_site_cannot_act_with_our_cookie(
    api: Api, headers: dict[str, str], status: int
) -> None:
    client = await signed_in(api)
    answer = await client.post("/api/v1/sync/resync", headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "cross_site"
        assert (await client.delete("/api/v1/session", headers=headers)).status_code == 403
        assert (await client.get("/api/v1/accounts", headers=headers)).status_code == 200
    await client.aclose()


async def test_our_own_page_may_act_with_our_cookie(api: Api) -> None:
    client = await signed_in(api)
    own = {"Origin": f"http://{api.address}"}
    assert (await client.post("/api/v1/sync/resync", headers=own)).status_code == 202
    await client.aclose()


@pytest.mark.parametrize("path", ["/api/v1/accounts", "/livez", "/"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8321", "127.0.0.1.evil.example", "10.0.0.1", "", "[::1"]
)
async def test_a_foreign_host_name_is_refused(api: Api, host: str, path: str) -> None:
    answer = await api.http.get(path, headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "host_not_allowed")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1:1234", "[::1]:8321"])
async def test_loopback_names_are_ours_on_any_port(api: Api, host: str) -> None:
    assert (await api.http.get("/livez", headers={"Host": host})).status_code == 200


async def test_a_broken_cookie_signs_nobody_in(api: Api) -> None:
    name = api.context.auth.cookie()
    async with nobody(api) as client:
        for cookie in (f"{name}=made-up", "nonsense", f"{name}=", "other=1", "a[b]=c;=;"):
            answer = await client.get("/api/v1/session", headers={"Cookie": cookie})
            assert answer.status_code == 401, cookie


@pytest.mark.parametrize(
    "others",
    [
        'prefs={"theme": "dark", "rows": [1, 2]}',
        "_ga",
        "seen=a b c",
        "list[0]=1",
        "domain=example",
        'quoted="no end',
        "näme=1",
        "expires=Mon, 1 Jan 2029",
    ],
)
async def test_what_other_programs_of_this_machine_leave_in_the_browser_signs_nobody_out(
    api: Api, others: str
) -> None:
    """Cookies know no ports: all that listens on localhost gets those of all."""
    client = await signed_in(api)
    ((name, secret),) = client.cookies.items()
    client.cookies.clear()
    for sent in (
        f"{others}; {name}={secret}",
        f"{name}={secret}; {others}",
        f"a=1;{name}={secret};;{others}",
    ):
        answer = await client.get("/api/v1/session", headers={"Cookie": sent.encode()})
        assert answer.status_code == 200, sent
    await client.aclose()


async def test_answers_carry_strict_headers(api: Api) -> None:
    for path in ("/api/v1/accounts", "/livez", "/api/v1/nothing", "/"):
        headers = (await api.http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert "server" not in headers
    assert (await api.http.get("/api/v1/accounts")).headers["cache-control"] == "no-store"


async def test_no_secret_reaches_the_log(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    client = await signed_in(api)
    await asyncio.gather(
        *(client.get("/api/v1/accounts", headers={"Authorization": "Bearer canary-7"}) for _ in range(3))
    )
    await client.aclose()
    told = capsys.readouterr()
    for secret in (TOKEN, "canary-7", *client.cookies.values()):
        assert secret not in told.out + told.err
