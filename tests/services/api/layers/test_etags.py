"""What is known already is not sent again."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from core.settings import Settings
from models import tables as t
from models.session import Database
from services.api.layers.etags import etag_of, matches
from tests.services.api.conftest import Api, Start
from tests.services.api.portfolio import AAPL, NOW, position_id
from tests.waiting import eventually

LIST = "/api/v1/executions"
HISTORY = (
    LIST,
    "/api/v1/realized",
    "/api/v1/performance",
    "/api/v1/imports",
    "/api/v1/snapshots",
    f"/api/v1/positions/{position_id('won')}/lots",
    f"/api/v1/jobs/{position_id('job')}",
    "/api/v1/positions?as_of=2026-11-19T00:00:00Z",
)


@pytest.mark.parametrize("path", HISTORY)
async def test_history_that_has_not_changed_is_not_sent_again(api: Api, path: str) -> None:
    # Why it is not live is told with it, and is another thing once nobody has spoken for a while.
    await eventually(lambda: api.get("/api/v1/sync"), lambda sync: "down" in sync["freshness"]["reason"])
    first = await api.http.get(path)
    assert first.status_code == 200
    again = await api.http.get(path, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert "content-type" not in again.headers
    assert again.headers["cache-control"] == "no-store"
    other = await api.http.get(path, headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.content[:10]) == (200, first.content[:10])


async def test_history_that_has_changed_has_another_name(api: Api, database: Database) -> None:
    etag = (await api.http.get(LIST)).headers["etag"]
    async with database.write() as writer:
        await writer.execute(update(t.instruments).where(t.instruments.c.conid == AAPL).values(symbol="APL"))
    answer = await api.http.get(LIST, headers={"If-None-Match": etag})
    assert answer.status_code == 200
    assert answer.headers["etag"] != etag


@pytest.mark.usefixtures("seeded")
async def test_that_time_goes_by_changes_no_name_and_stands_in_the_headers(
    start: Start, settings: Settings
) -> None:
    now = NOW + timedelta(seconds=10)

    def clock() -> datetime:
        return now

    api = await start(settings, clock=clock)
    first = await api.http.get(LIST)
    now += timedelta(seconds=1)
    again = await api.http.get(LIST, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    ages = [int(answer.headers["lotkeeper-freshness-age-seconds"]) for answer in (first, again)]
    assert ages[1] == ages[0] + 1
    assert first.json()["freshness"]["age_seconds"] == ages[0]


@pytest.mark.parametrize("path", ["/api/v1/positions", "/api/v1/accounts", "/api/v1/sync", "/livez"])
async def test_what_is_live_has_no_name(api: Api, path: str) -> None:
    assert "etag" not in (await api.http.get(path)).headers


async def test_neither_refusals_nor_posts_have_a_name(api: Api) -> None:
    assert "etag" not in (await api.http.get(f"{LIST}?account=U0")).headers
    assert "etag" not in (await api.http.post("/api/v1/snapshots")).headers


@pytest.mark.parametrize("coding", ["gzip", "br", "identity"])
async def test_a_name_is_of_the_content_however_it_was_sent(api: Api, coding: str) -> None:
    etag = (await api.http.get("/api/v1/instruments", headers={"Accept-Encoding": "identity"})).headers[
        "etag"
    ]
    headers = {"Accept-Encoding": coding, "If-None-Match": etag}
    assert (await api.http.get("/api/v1/instruments", headers=headers)).status_code == 304


@pytest.mark.parametrize(
    "path", [LIST, "/api/v1/positions", "/livez", "/readyz", "/metrics", "/openapi.json"]
)
async def test_head_is_get_without_the_body(api: Api, path: str) -> None:
    got = await api.http.get(path)
    head = await api.http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "etag", "cache-control", "content-security-policy", "vary"):
        assert head.headers.get(name) == got.headers.get(name)


async def test_head_of_nothing_is_nothing(api: Api) -> None:
    answer = await api.http.head("/api/v1/nothing")
    assert (answer.status_code, answer.content) == (404, b"")
    api.http.headers.pop("authorization")
    assert (await api.http.head(LIST)).status_code == 401


@pytest.mark.parametrize(
    ("told", "known"),
    [('W/"a"', True), ('"a"', True), ('"b", W/"a"', True), ("*", True), ('"b"', False), ("", False)],
)
def test_names_are_compared_weakly(told: str, known: bool) -> None:
    assert matches(told, 'W/"a"') is known


def test_a_symbol_that_looks_like_freshness_is_not_left_out_of_the_name() -> None:
    one, other = (
        b'{"note":"\\"freshness\\":{\\"source\\":\\"live\\",\\"as_of\\":null,\\"received_at\\":null,\\"age_seconds\\":%d"}'
        % age
        for age in (1, 2)
    )
    assert etag_of(one) != etag_of(other)
