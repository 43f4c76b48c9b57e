"""What happened to others: each test is named after it, and does it to us."""

import uuid
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import select

from core.domain.access import Scope
from core.metrics import serving
from core.settings import Settings
from models import tables as t
from models.session import Database
from services.api.security.permissions import NEEDED, PUBLIC
from services.api.security.rates import Rates
from tests.services.api.conftest import Api, Start
from tests.services.api.people import PASSWORD, client, make_token, make_user
from tests.services.api.portfolio import TOKEN, position_id
from tests.services.api.test_permissions import routes, spelled
from tests.services.api.wire import FORGED, head, raw

CANARY = "lk_canary-canary-canary-canary-canary"


# -- private ids ----------------------------------------------------------------------------------------


async def test_a_private_id_is_no_key_to_a_public_route(api: Api, database: Database) -> None:
    """Guessable numbers of others' rows were answered without anybody being asked who they are."""
    assert not [route for route in PUBLIC if "{" in route], "what is public takes no id"
    ids = ["0", "1", "2", "-1", str(2**63), str(position_id("aapl")), str(uuid.uuid4()), "U1111111", "owner"]
    api.context.rates = Rates(0, 1)
    async with client(api) as stranger:
        for route in NEEDED:
            method, path = route.split()
            if "{" not in path:
                continue
            before, _, rest = path.partition("{")
            after = rest.partition("}")[2]
            told = set()
            for one in ids:
                answer = await stranger.request(method, f"{before}{one}{after}")
                assert answer.status_code == 401, (route, one)
                told.add((answer.json()["code"], answer.json()["detail"]))
            assert len(told) == 1, f"{route} tells a stranger which ids there are"
    async with database.read() as reader:
        assert (await reader.execute(select(t.positions.c.id))).first() is not None


# -- secrets in addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["token={}", "x=1&PassWord={}", "q=lk_abc", "setup%5Ftoken={}", "q={}"])
async def test_a_token_in_a_query_string_is_refused_on_every_route_and_told_to_no_log(
    api: Api, query: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Addresses end up in the logs of proxies, in histories and in Referer."""
    api.context.rates = Rates(0, 1)
    for route in routes():
        method, path = spelled(route)
        if method == "WEBSOCKET":
            continue
        answer = await api.http.request(method, f"{path}?{query.format(CANARY)}")
        assert (answer.status_code, answer.json()["code"]) == (400, "token_in_url"), route
        assert CANARY not in answer.text
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    line = f"GET /api/v1/stream?{query.format(CANARY)}"
    answer = await raw(api, head(api, line, *upgrade, key), until=b"\r\n")
    assert b" 400 " in answer
    told = capsys.readouterr()
    assert CANARY not in told.out + told.err


# -- pages of other sites -------------------------------------------------------------------------------


async def test_a_page_elsewhere_reads_nothing_by_cors(api: Api) -> None:
    """Whatever Origin was sent came back as the one that may read, with credentials."""
    for origin in ("https://evil.example", "null", f"http://{api.address}.evil.example"):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        for method in ("GET", "OPTIONS"):
            answer = await api.http.request(method, "/api/v1/accounts", headers=asked)
            assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_a_name_that_was_pointed_at_us_opens_neither_page_nor_socket(api: Api) -> None:
    """DNS rebinding: the browser thinks that we are evil.example, and that it may read what we say."""
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    for host in ("evil.example", f"127.0.0.1.evil.example:{api.settings.api_port}", "localhost.", "10.0.0.1"):
        for path, more in (("/", ()), ("/api/v1/stream", (*upgrade, key, f"Origin: http://{host}"))):
            lines = (f"GET {path} HTTP/1.1", f"Host: {host}", *more, "", "")
            answer = await raw(api, "\r\n".join(lines).encode(), until=b"\r\n")
            assert b" 421 " in answer, (host, path, answer)
    twice = f"GET /livez HTTP/1.1\r\nHost: evil.example\r\nHost: {api.address}\r\n\r\n"
    assert b" 200 " not in await raw(api, twice.encode(), until=b"\r\n")


# -- metrics --------------------------------------------------------------------------------------------


async def test_metrics_are_not_open_to_the_world(api: Api, database: Database) -> None:
    async with client(api) as stranger:
        assert (await stranger.get("/metrics")).status_code == 401
    _, token = await make_token(database, Scope.READ)
    async with client(api, token) as prometheus:
        answer = await prometheus.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        for secret in ("U1111111", TOKEN, token):
            assert secret not in answer.text


def test_the_metrics_of_link_and_worker_listen_on_loopback_and_only_where_a_port_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[tuple[int, str]] = []
    monkeypatch.setattr(serving, "start_http_server", lambda port, addr: served.append((port, addr)))
    serving.serve(settings.metrics_host, 0)
    assert served == []
    serving.serve(settings.metrics_host, 9100)
    assert served == [(9100, "127.0.0.1")]


# -- paths ----------------------------------------------------------------------------------------------


@pytest.fixture
async def site(start: Start, settings: Settings, database: Database, tmp_path: Path) -> Api:
    assert database
    root = tmp_path / "static"
    root.mkdir()
    (root / "index.html").write_text("the page", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("hunter2", encoding="utf-8")
    (tmp_path / "secret").write_text("hunter2", encoding="utf-8")
    return await start(settings, static=root)


CLIMBING = (
    "/../secret.txt",
    "/..%2fsecret",
    "/%2e%2e/secret",
    "/%2e%2e%2fsecret.txt",
    "/..%5csecret",
    "/..%00/secret.txt",
    "//../secret",
    "/_app/../../secret.txt",
    "/....//secret.txt",
    "/%252e%252e/secret",
)


@pytest.mark.parametrize("path", CLIMBING)
async def test_no_path_climbs_out_of_the_page(site: Api, path: str) -> None:
    answer = await raw(site, head(site, f"GET {path}", "Connection: close"))
    assert b"hunter2" not in answer
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 404", b"HTTP/1.1 400"))


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "//evil.example/..", "/\\evil.example", "/%2f%2fevil.example", "/api//evil.example/"],
)
async def test_no_path_leads_to_another_site(site: Api, path: str) -> None:
    """A slash was put in order by a redirect to //evil.example."""
    answer = await raw(site, head(site, f"GET {path}", "Connection: close"))
    status = int(answer.split(b" ", 2)[1])
    assert status in {200, 400, 404}
    assert b"\r\nlocation:" not in answer.lower()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..\\..\\boot.ini", "/etc/passwd", "a\0b.xml", FORGED, "\u202exml.exe"]
)
async def test_the_name_of_a_statement_is_no_path(api: Api, database: Database, name: str) -> None:
    answer = await api.http.post("/api/v1/imports", params={"name": name}, content=b"<FlexQueryResponse/>")
    assert answer.status_code == 202
    async with database.read() as reader:
        asked = select(t.jobs.c.details["name"].astext).where(t.jobs.c.kind == "import")
        (kept,) = (await reader.execute(asked)).scalars()
    assert "/" not in kept
    assert "\0" not in kept


# -- answers that others keep ---------------------------------------------------------------------------


async def test_no_private_answer_is_kept_by_anybody_on_the_way(api: Api) -> None:
    """A cache in front answered one user with the page of another."""
    api.context.rates = Rates(0, 1)
    for route in NEEDED:
        method, path = spelled(route)
        if method != "GET":
            continue
        for one in (path, f"{path}?format=.css"):
            async with api.http.stream("GET", one) as answer:  # not to its end: events have none
                kept = answer.headers["cache-control"]
            assert "no-store" in kept or "private" in kept, one
            assert "Authorization" in answer.headers["vary"], one
            assert "Cookie" in answer.headers["vary"], one
    for path in ("/api/v1/accounts/x.css", "/metrics/x.css", "/openapi.json/x.js"):
        answer = await api.http.get(path)
        assert answer.status_code in {404, 503}, path  # 503: the page was not built


# -- guessing -------------------------------------------------------------------------------------------


async def test_there_is_no_user_before_somebody_makes_one(api: Api) -> None:
    """admin/admin."""
    async with client(api) as stranger:
        for name in ("admin", "root", "sa", "owner", "lotkeeper"):
            sent = {"name": name, "password": name}
            api.context.auth.throttle._wrong.clear()
            assert (await stranger.post("/api/v1/session", json=sent)).status_code == 401


async def test_signing_in_never_takes_up_a_session_that_somebody_brought(
    api: Api, database: Database
) -> None:
    """Session fixation."""
    await make_user(database, "anna")
    name = api.context.auth.cookie()
    got = []
    for brought in ("", f"{name}=brought-by-somebody"):
        async with client(api) as one:
            answer = await one.post(
                "/api/v1/session", json={"name": "anna", "password": PASSWORD}, headers={"Cookie": brought}
            )
            got.append(answer.cookies[name])
    assert all(len(secret) >= 43 for secret in got)
    assert all(one != other for one, other in pairwise([*got, "brought-by-somebody"]))


async def test_signing_in_anew_ends_the_session_of_before(api: Api, database: Database) -> None:
    await make_user(database, "anna")
    async with client(api) as one:
        for _ in range(2):
            before = dict(one.cookies)
            answer = await one.post("/api/v1/session", json={"name": "anna", "password": PASSWORD})
            assert answer.status_code == 204
        assert (await one.get("/api/v1/session")).status_code == 200
    async with client(api, cookies=before) as thief:
        assert (await thief.get("/api/v1/session")).status_code == 401


async def test_a_parameter_that_comes_twice_counts_once(api: Api) -> None:
    """Parameter pollution: what was checked was the one, and what was used the other."""
    rows = (await api.get("/api/v1/positions"))["items"]
    assert len({row["account"] for row in rows}) > 1
    answer = await api.http.get("/api/v1/positions?account=U1111111&account=DU2222222")
    assert {row["account"] for row in answer.json()["items"]} == {"DU2222222"}


async def test_a_body_says_nothing_but_what_its_route_asks_for(api: Api, database: Database) -> None:
    """Mass assignment: a user who changed their password became an admin with the same request."""
    await make_user(database, "anna")
    async with client(api) as one:
        await one.post("/api/v1/session", json={"name": "anna", "password": PASSWORD})
        sent = {
            "current_password": PASSWORD,
            "new_password": "copper meadow train 7",
            "scope": "admin",
            "accounts": None,
            "disabled": False,
        }
        answer = await one.post("/api/v1/users/anna/password", json=sent)
        assert answer.status_code in {204, 422}
        assert (await one.get("/api/v1/session")).json()["scope"] == "read"


async def test_trace_is_answered_by_nothing(api: Api) -> None:
    for path in ("/", "/api/v1/accounts", "/livez"):
        answer = await raw(api, head(api, f"TRACE {path}", "Connection: close", "X-Echo: hunter2"))
        assert b"hunter2" not in answer
        assert b" 405 " in answer.partition(b"\r\n")[0]
