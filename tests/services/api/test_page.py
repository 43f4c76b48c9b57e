from pathlib import Path

import pytest
from starlette.datastructures import Headers

from core.settings import Settings
from models.session import Database
from services.api.page import Page
from tests.services.api.conftest import Api, Start

POLICY = "default-src 'none'; script-src 'self' 'sha256-abc='; style-src 'self'"
INDEX = f'<html><meta http-equiv="content-security-policy" content="{POLICY}"><body>Lotkeeper</body></html>'


@pytest.fixture
def built(tmp_path: Path) -> Path:
    root = tmp_path / "static"
    (root / "_app/immutable").mkdir(parents=True)
    (root / "index.html").write_text(INDEX, encoding="utf-8")
    (root / "index.html.br").write_bytes(b"brotli")
    (root / "index.html.gz").write_bytes(b"gzip")
    (root / "_app/immutable/start.abc.js").write_text("start()", encoding="utf-8")
    (root / "_app/version.json").write_text("{}", encoding="utf-8")
    (root / "theme.js").write_text("theme()", encoding="utf-8")
    return root


@pytest.fixture
async def site(start: Start, settings: Settings, database: Database, built: Path) -> Api:
    assert database
    api = await start(settings, static=built)
    api.http.headers.pop("authorization")
    return api


@pytest.mark.parametrize("path", ["/", "/index.html", "/positions", "/positions/some/where"])
async def test_the_page_answers_for_its_own_routes(site: Api, path: str) -> None:
    answer = await site.http.get(path, headers={"Accept-Encoding": "identity"})
    assert (answer.status_code, answer.text) == (200, INDEX)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-security-policy"] == f"{POLICY}; frame-ancestors 'none'"
    assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("identity", None),
        ("", None),
    ],
)
async def test_files_are_sent_as_they_were_compressed(site: Api, accepted: str, encoding: str | None) -> None:
    async with site.http.stream("GET", "/", headers={"Accept-Encoding": accepted}) as answer:
        body = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert body == {"br": b"brotli", "gzip": b"gzip", None: INDEX.encode()}[encoding]


async def test_hashed_files_are_kept_for_ever_and_others_asked_for_again(site: Api) -> None:
    hashed = await site.http.get("/_app/immutable/start.abc.js")
    assert hashed.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert hashed.headers["content-type"] == "text/javascript; charset=utf-8"
    for path in ("/theme.js", "/_app/version.json"):
        answer = await site.http.get(path)
        assert answer.headers["cache-control"] == "no-cache"
        again = await site.http.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["/_app/immutable/old.js", "/missing.png", "/%2e%2e/pyproject.toml"])
async def test_a_file_that_is_not_there_is_not_the_page(site: Api, path: str) -> None:
    answer = await site.http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_only_reading_is_answered(site: Api) -> None:
    assert (await site.http.head("/")).status_code == 200
    answer = await site.http.post("/positions")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_a_newer_build_is_served_without_a_restart(site: Api, built: Path) -> None:
    assert (await site.http.get("/new.txt")).status_code == 404
    (built / "new.txt").write_text("new", encoding="utf-8")
    (built / "index.html").write_text("<html>newer</html>", encoding="utf-8")
    (built / "index.html.br").unlink()
    (built / "index.html.gz").unlink()
    answer = await site.http.get("/")
    assert answer.text == "<html>newer</html>"
    assert "default-src 'none'" in answer.headers["content-security-policy"], (
        "strict where the page says nothing"
    )
    assert (await site.http.get("/new.txt")).text == "new"


def test_a_page_that_was_not_built_says_so_plainly(tmp_path: Path) -> None:
    answer = Page(tmp_path).answer("GET", "/", Headers())
    assert answer.status_code == 503
    assert "make web" in bytes(answer.body).decode()
