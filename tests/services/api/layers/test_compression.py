"""Answers by gzip and Brotli."""

import asyncio
import gzip
import zlib

import brotli
import pytest
from fastapi import Request
from starlette.responses import Response

from services.api.exchange import show_once
from services.api.layers import exports
from services.api.layers.compression import coding_for
from tests.services.api.conftest import Api, Route
from tests.services.api.portfolio import TOKEN

LIST = "/api/v1/executions"


async def raw(api: Api, path: str, coding: str) -> tuple[dict[str, str], bytes]:
    """The answer as it comes over the line."""
    async with api.http.stream("GET", path, headers={"Accept-Encoding": coding}) as answer:
        return dict(answer.headers), b"".join([part async for part in answer.aiter_raw()])


def unpacked(coding: str, body: bytes) -> bytes:
    unpacked: bytes = gzip.decompress(body) if coding == "gzip" else brotli.decompress(body)
    return unpacked


@pytest.mark.parametrize("coding", ["gzip", "br"])
@pytest.mark.parametrize("path", [LIST, "/openapi.json", "/metrics", f"{LIST}.csv", f"{LIST}.ndjson"])
async def test_text_is_packed_as_the_client_can_read_it(api: Api, path: str, coding: str) -> None:
    _, plain = await raw(api, path, "identity")
    headers, packed = await raw(api, path, coding)
    assert headers["content-encoding"] == coding
    assert "Accept-Encoding" in headers["vary"]
    assert len(packed) < len(plain)
    if path.startswith(LIST) and "." in path:
        assert unpacked(coding, packed) == plain
    else:
        assert unpacked(coding, packed)[:20] == plain[:20]
    if "content-length" in headers:
        assert int(headers["content-length"]) == len(packed)


@pytest.mark.parametrize(
    "path", ["/livez", "/api/v1/session", f"{LIST}.parquet", "/api/v1/nothing", "/api/v1/imports"]
)
async def test_what_is_small_packed_or_secret_stays_as_it_is(api: Api, path: str) -> None:
    headers, _ = await raw(api, path, "gzip, br")
    assert "content-encoding" not in headers


async def test_an_answer_that_shows_a_secret_is_not_packed(api: Api, route: Route) -> None:
    async def secretive(request: Request) -> Response:
        show_once(request)
        return Response(b'"%b"' % (b"x" * 5000), media_type="application/json")

    route(api, "GET", "/api/v1/secrets", secretive)
    headers, body = await raw(api, "/api/v1/secrets", "br")
    assert ("content-encoding" in headers, len(body)) == (False, 5002)


@pytest.mark.parametrize("coding", ["gzip", "br"])
async def test_what_streams_goes_on_streaming(api: Api, coding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first row is there before the second is asked for."""
    monkeypatch.setattr(exports, "MAX_LIMIT", 1)
    go_on = asyncio.Event()
    following = exports.Exports._following

    async def later(self: exports.Exports, scope: object, cursor: str) -> object:
        await go_on.wait()
        return await following(self, scope, cursor)  # type: ignore[arg-type]

    monkeypatch.setattr(exports.Exports, "_following", later)
    unpack = zlib.decompressobj(31).decompress if coding == "gzip" else brotli.Decompressor().process
    found = b""
    async with api.http.stream("GET", f"{LIST}.ndjson", headers={"Accept-Encoding": coding}) as answer:
        async for part in answer.aiter_raw():
            found += unpack(part)
            if found.count(b"\n") == 1:
                go_on.set()
    assert found.count(b"\n") > 2


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("br;q=0, gzip;q=0", None),
        ("*", "br"),
        ("*;q=0.5, br;q=0", "gzip"),
        ("identity", None),
        ("deflate", None),
        ("", None),
        ("GZIP", "gzip"),
        ("gzip;q=2", None),
    ],
)
def test_the_coding_that_is_liked_most_is_sent(accepted: str, coding: str | None) -> None:
    assert coding_for(accepted) == coding


async def test_what_was_cut_off_does_not_end_well_when_it_is_packed(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MAX_LIMIT", 1)

    async def away(*_: object) -> None:
        raise OSError("away")

    monkeypatch.setattr(exports.Exports, "_following", away)
    reader, writer = await asyncio.open_connection("127.0.0.1", api.settings.api_port)
    writer.write(
        f"GET {LIST}.csv HTTP/1.1\r\nHost: {api.address}\r\nAccept-Encoding: gzip\r\n"
        f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
    )
    received = await reader.read()
    writer.close()
    assert b"content-encoding: gzip" in received.lower()
    assert not received.endswith(b"0\r\n\r\n"), "no end of a chunked answer"
