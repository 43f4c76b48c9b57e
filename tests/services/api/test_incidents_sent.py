"""What was sent to others, and was too much for them or taken for something else."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from http import HTTPStatus

import httpx
import pytest

from services.api import bodies, protocol
from services.api.security.permissions import NEEDED, PUBLIC
from services.api.security.rates import Rates
from tests.services.api.conftest import Api
from tests.services.api.test_permissions import spelled
from tests.services.api.wire import FORGED, head, raw
from tests.waiting import SECONDS

DEEP = b"[" * 8_000


# -- too much -------------------------------------------------------------------------------------------


def with_a_body() -> list[str]:
    takes = ["POST", "PUT", "PATCH", "DELETE"]
    return [route for route in {**NEEDED, **dict.fromkeys(PUBLIC)} if route.split()[0] in takes]


@pytest.mark.parametrize("route", sorted(set(with_a_body()) - {"POST /api/v1/imports"}))
async def test_a_huge_body_is_refused_or_not_read(api: Api, route: str) -> None:
    method, path = spelled(route)
    piece = b" " * 65_536

    async def without_end() -> AsyncIterator[bytes]:
        for _ in range(500):
            yield piece

    try:
        answer = await api.http.request(method, path, content=without_end())
    except httpx.TransportError:
        pass  # it hung up before all of it was sent
    else:
        assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    assert (await api.http.get("/livez")).status_code == 200


async def test_a_body_that_comes_too_slowly_is_not_waited_for(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "SECONDS", 0.05)
    begun = head(api, "POST /api/v1/session", "Content-Length: 9") + b"{"
    answer = await raw(api, begun, until=b"}")
    assert b" 422 " in answer.partition(b"\r\n")[0]
    assert b"did not come" in answer


@pytest.mark.parametrize(
    "flood", [b"X-A: " + b"a" * 1_000_000, b"".join(b"X-%d: a\r\n" % n for n in range(100_000))]
)
async def test_a_flood_of_headers_is_cut_off(api: Api, flood: bytes) -> None:
    """Parsers that hold what they were sent of a head for as long as it goes on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.settings.api_port)
    writer.write(b"GET /livez HTTP/1.1\r\n" + flood)
    try:
        async with asyncio.timeout(SECONDS):
            answer = await reader.read()
    except ConnectionResetError:
        answer = b""  # what had been sent already was not taken any more
    assert answer == b"" or b" 431 " in answer.partition(b"\r\n")[0]
    writer.close()
    assert (await api.http.get("/livez")).status_code == 200


@pytest.mark.parametrize("begun", [b"", b"GET /livez HTTP/1.1\r\nX-A: ", b"GET /livez HTTP/1.1\r\n\r\nGET /"])
async def test_a_head_that_does_not_end_is_not_waited_for(
    api: Api, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slowloris: a few thousand connections that never say what they want."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    answer = await raw(api, begun.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nHost: localhost\r\n"))
    assert answer.count(b"HTTP/1.1") == begun.count(b"\r\n\r\n")


# -- what is sent as JSON -------------------------------------------------------------------------------

BOMBS = {
    "deep": DEEP,
    "deep within": b'{"note":' + DEEP,
    "deep keys": b'{"a":' * 2_000,
    "a huge number": b'{"name":' + b"9" * 10_000 + b"}",
    "a huge exponent": b'{"days": 1e999999, "note": 1e999999}',
    "not a number": b'{"days": NaN}',
    "a lone surrogate": b'{"name": "\\ud800", "password": "\\udfff violin harbour", "token": null}',
    "a lone surrogate as token": b'{"token": "\\ud800"}',
    "deep within nothing known": b'{"x":' + DEEP,
    "bytes of a surrogate": b'{"name": "\xed\xa0\x80", "password": "x"}',
    "NUL": b'{"name": "\\u0000", "password": "\\u0000 violin harbour lamp", "note": "\\u0000"}',
    "a key twice": b'{"name": "a", "name": "b", "password": "x"}',
    "prototype": b'{"__proto__": {"scope": "admin"}, "constructor": {}}',
    "another charset": '{"name": "a"}'.encode("utf-16"),
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_no_json_is_too_much_for_any_route(api: Api, bomb: str) -> None:
    api.context.rates = Rates(0, 1)
    for route in set(with_a_body()) - {"POST /api/v1/imports"}:
        api.context.auth.throttle._wrong.clear()
        method, path = spelled(route)
        answer = await api.http.request(method, path, content=BOMBS[bomb])
        assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, (route, answer.text)


@pytest.mark.parametrize("bomb", BOMBS)
async def test_no_json_is_too_much_for_the_socket(api: Api, bomb: str) -> None:
    async with api.socket() as socket:
        await socket.send(BOMBS[bomb].decode("utf-8", "replace"))
        assert (await socket.next("error"))["code"] == "malformed_message"
        await socket.subscribe("positions")
        await socket.next("snapshot")


@pytest.mark.parametrize("bomb", BOMBS)
async def test_no_cursor_is_too_much(api: Api, bomb: str) -> None:
    cursor = base64.urlsafe_b64encode(BOMBS[bomb]).rstrip(b"=").decode()
    answer = await api.http.get("/api/v1/executions", params={"cursor": cursor})
    assert 400 <= answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, answer.text


ODD = ("%00%ED%A0%80%ff", "9" * 5_000, "1e999", "%0d%0aset-cookie:%20a=b")


@pytest.mark.parametrize("odd", ODD)
async def test_no_parameter_is_too_odd_for_any_route(api: Api, odd: str) -> None:
    api.context.rates = Rates(0, 1)
    for path, methods in (await api.get("/openapi.json"))["paths"].items():
        for method, described in methods.items():
            if method not in {"get", "delete", "patch"} or path == "/api/v1/session":
                continue
            parameters = described.get("parameters", ())
            within = re.sub(r"\{\w+\}", lambda _: odd, path)
            asked = [within, *(f"{within}?{one['name']}={odd}" for one in parameters if one["in"] == "query")]
            for one in asked:
                async with api.http.stream(method.upper(), one) as answer:  # not to its end: events have none
                    assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, (method, one)
                    assert "set-cookie" not in answer.headers


# -- lines that nobody wrote ----------------------------------------------------------------------------


async def test_what_is_sent_makes_up_neither_headers_nor_lines_of_the_log(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = FORGED.replace("\r\n", "%0D%0A").replace(" ", "%20").replace("[", "%5B").replace("]", "%5D")
    for line in (
        f"GET /api/v1/positions?symbol={forged}",
        f"GET /{forged}",
        f"GET /api/v1/{forged}",
        f"GET /api/v1/accounts/{forged}/summary",
        f"POST /api/v1/imports?name={forged}",
    ):
        answer = await raw(api, head(api, line, "Connection: close", "Content-Length: 0"))
        lines = answer.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
        assert not [one for one in lines if one.startswith(b"set-cookie")], line
    told = capsys.readouterr()
    assert not [line for line in (told.out + told.err).splitlines() if line.startswith("2026-01-01")]


async def test_a_header_with_a_line_end_in_it_is_refused(api: Api) -> None:
    for sent in (b"X-Request-Id: a\rb", b"X-A: b\n c", b"X-A\x00: b", b"X-A : b", b"Content-Length: 1, 2"):
        answer = await raw(api, head(api, "GET /livez", sent.decode("latin-1"), "Connection: close"))
        assert b"x-request-id: a\r\n" not in answer.lower()
        assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Content-Length: 4\r\nContent-Length: 40",
        "Content-Length: +4",
    ],
)
async def test_a_request_within_a_request_is_not_answered(api: Api, framing: str) -> None:
    """Smuggling: proxy and server disagreed where a request ends."""
    smuggled = head(api, "GET /api/v1/accounts", "Connection: close")
    lines = f"POST /api/v1/session HTTP/1.1\r\nHost: {api.address}\r\n{framing}\r\n\r\n0\r\n\r\n"
    answer = await raw(api, lines.encode() + smuggled)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1 ") == 1
