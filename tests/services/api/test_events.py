import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest

from core.clock import utc_now
from core.settings import Settings
from core.streams.redis import RedisStreams
from services.api.routers import events
from tests.services.api.conftest import Api
from tests.services.api.mirror import Mirror
from tests.services.api.portfolio import mark, position_id, tick
from tests.services.api.test_auth import signed_in
from tests.waiting import comes

KEY = str(position_id("aapl"))
PATH = "/api/v1/stream/events"


class Reader:
    """Reads events as a browser does."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()
        self.last_id = ""
        self.comments: list[str] = []

    async def next(self, kind: str = "", topic: str = "") -> Any:
        """The next message of this type and topic."""
        async for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "id":
                self.last_id = value
            elif line.startswith(":"):
                self.comments.append(value)
                if kind == "comment":
                    return value
            elif name == "data":
                message = json.loads(value)
                if (not kind or message["type"] == kind) and topic in {"", message.get("topic")}:
                    return message
        raise EOFError


@asynccontextmanager
async def reading(api: Api, last_id: str = "", **query: Any) -> AsyncIterator[Reader]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with api.http.stream("GET", PATH, params=query, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "content-length" not in answer.headers
        yield Reader(answer)


async def test_a_script_reads_what_the_websocket_says(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    mirror = Mirror()
    async with reading(api, topics="positions,executions") as reader:
        assert (await reader.next())["type"] == "hello"
        assert (await reader.next())["type"] == "status"
        mirror.take(await reader.next("snapshot", "positions"))
        told = await reader.next("snapshot", "executions")
        assert len(told["data"]) == 4
        await tick(streams, settings, mark(utc_now(), market_price=Decimal(200)))
        while mirror.rows[KEY]["market_price"] != "200":
            mirror.take(await reader.next("delta", "positions"))
        assert (
            reader.last_id
            == f"executions={told['epoch']}:{told['seq']},positions={mirror.epoch}:{mirror.seq}"
        )
        assert json.loads(await reader.next("comment"))["seqs"]["positions"] == mirror.seq


async def test_the_last_event_id_resumes_each_topic_where_it_was(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    mirror, topic = Mirror(), api.context.hub.topics["positions"]
    async with reading(api) as reader:
        mirror.take(await reader.next("snapshot", "positions"))
        await reader.next("snapshot", "summary")
        last_id, before = reader.last_id, topic.seq
    await tick(streams, settings, mark(utc_now(), market_price=Decimal(200)))
    await comes(lambda: topic.seq, lambda seq: seq > before)
    async with reading(api, last_id) as reader:
        resumed = await reader.next("resumed", "positions")
        assert resumed["after_seq"] == mirror.seq
        mirror.take(await reader.next("delta", "positions"))
        assert mirror.rows[KEY]["market_price"] == "200"
        # What was read for one topic alone is no place in the other.
        assert reader.last_id == f"positions={mirror.epoch}:{mirror.seq}"


@pytest.mark.parametrize("last_id", ["nonsense", "positions=0000:7", "positions=x:y,summary=1"])
async def test_an_id_that_is_no_place_here_begins_anew(api: Api, last_id: str) -> None:
    async with reading(api, last_id, topics="positions") as reader:
        assert len((await reader.next("snapshot"))["data"]) == 3


async def test_an_unknown_topic_is_a_problem(api: Api) -> None:
    answer = await api.http.get(PATH, params={"topics": "positions,weather"})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_without_a_token_nothing_is_told(api: Api) -> None:
    async with httpx.AsyncClient(base_url=api.http.base_url, trust_env=False) as stranger:
        assert (await stranger.get(PATH)).status_code == 401


async def test_when_the_session_ends_so_do_its_events(api: Api) -> None:
    client = await signed_in(api)
    async with client.stream("GET", PATH) as answer:
        reader = Reader(answer)
        await reader.next("hello")
        await client.delete("/api/v1/session")
        assert (await reader.next("error"))["code"] == "unauthorized"
        with pytest.raises(EOFError):
            await reader.next("hello")
    await client.aclose()


async def test_the_server_says_goodbye_and_when_to_come_back(api: Api) -> None:
    async with reading(api) as reader:
        await reader.next("snapshot", "summary")
        api.context.hub.say_bye()
        assert (await reader.next("bye"))["retry_after_ms"] == 500
        assert [line async for line in reader._lines] == ["retry: 500", ""]


async def test_whoever_leaves_is_let_go_of(api: Api) -> None:
    async with reading(api) as reader:
        await reader.next("hello")
        assert len(api.context.hub.clients) == len(api.context.sockets) == 1
    await comes(lambda: len(api.context.hub.clients) + len(api.context.sockets), lambda count: count == 0)


def test_every_place_of_an_id_is_read() -> None:
    assert events._PLACE.findall("jobs=ab:3,positions=0f:12") == [
        ("jobs", "ab", "3"),
        ("positions", "0f", "12"),
    ]
