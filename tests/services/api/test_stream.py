import asyncio
import json
from dataclasses import replace as with_
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from core.clock import utc_now
from core.domain.freshness import VALUE_CADENCE
from core.events.changes import DatasetRecorded
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.api.live.pace import Pace
from tests.services.api.conftest import QUICK, Api, Start
from tests.services.api.mirror import Mirror
from tests.services.api.people import make_token
from tests.services.api.portfolio import (
    AAPL,
    NOW,
    PAPER,
    TOKEN,
    USD,
    beat,
    changed,
    mark,
    position_id,
    publish,
    tick,
)
from tests.services.api.test_auth import replace, signed_in
from tests.waiting import eventually

KEY = str(position_id("aapl"))


async def test_a_subscriber_sees_positions_open_change_and_close(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    mirror = Mirror()
    async with api.socket() as socket:
        hello = await socket.next("hello")
        assert (hello["profile"], hello["topics"]) == ("main", list(api.context.hub.topics))
        assert (await socket.next("status"))["links"] == {"gateway": "unknown", "ibkr": "unknown"}
        await socket.subscribe("positions")
        await mirror.until(socket, lambda rows: len(rows) == 3)

        new = str(position_id("new"))
        await publish(streams, settings, changed("new", conid=1, symbol="NEW"))
        await mirror.until(socket, lambda rows: new in rows)
        await tick(streams, settings, mark(utc_now(), conid=1, market_price=Decimal("1.5")))
        await mirror.until(socket, lambda rows: rows[new]["market_price"] == "1.5")
        await publish(
            streams,
            settings,
            changed("new", conid=1, version=8, status="closed", quantity=Decimal(0), closed_at=NOW),
        )
        await mirror.until(socket, lambda rows: new not in rows)

        await publish(streams, settings, changed(version=9, removed=True))
        await mirror.until(socket, lambda rows: KEY not in rows)
        await publish(streams, settings, changed(version=8))
        await publish(streams, settings, changed(version=10, quantity=Decimal(7)))
        await mirror.until(socket, lambda rows: KEY in rows and rows[KEY]["quantity"] == "7")


async def test_an_older_version_of_a_position_changes_nothing(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    mirror = Mirror()
    async with api.socket() as socket:
        await socket.subscribe("positions")
        older = changed(version=4, quantity=Decimal(1))
        await publish(streams, settings, changed(version=6, provisional=True), older)
        await mirror.until(socket, lambda rows: rows.get(KEY, {}).get("provisional") is True)
        assert mirror.rows[KEY]["quantity"] == "100"


async def test_a_mark_for_nothing_that_is_held_is_not_shown(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    mirror = Mirror()
    async with api.socket() as socket:
        await socket.subscribe("positions")
        await tick(streams, settings, mark(utc_now(), conid=4242), mark(utc_now()))
        await mirror.until(socket, lambda rows: rows[KEY]["market_price"] == "161")
        assert len(mirror.rows) == 3
        # It was early: when the position opens, it has its price at once.
        await publish(streams, settings, changed("early", conid=4242))
        early = str(position_id("early"))
        await mirror.until(socket, lambda rows: early in rows)
        assert mirror.rows[early]["market_price"] == "161"


async def test_frames_are_conflated_before_they_are_numbered(
    start: Start, settings: Settings, streams: RedisStreams, seeded: Database
) -> None:
    assert seeded
    api = await start(settings.model_copy(update={"stream_conflate_ms": 400}))
    mirror = Mirror()
    async with api.socket() as socket:
        await socket.subscribe("positions")
        await mirror.until(socket, lambda rows: len(rows) == 3)
        before = mirror.seq
        for price in range(200, 240):
            await tick(streams, settings, mark(utc_now(), market_price=Decimal(price)))
        await mirror.until(socket, lambda rows: rows[KEY]["market_price"] == "239")
        assert mirror.seq - before <= 10


async def test_whoever_comes_back_gets_exactly_what_was_missed(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    mirror = Mirror()
    async with api.socket() as socket:
        await socket.subscribe("positions")
        await mirror.until(socket, lambda rows: len(rows) == 3)
    hub = api.context.hub
    for price in (200, 201, 202):
        await tick(streams, settings, mark(utc_now(), market_price=Decimal(price)))
    aapl = hub.picture.positions[KEY]

    async def price_now() -> object:
        told = hub.picture.mark_of(aapl)
        return told and told.market_price

    await eventually(price_now, lambda price: price == 202)
    async with api.socket() as socket:
        resume = {"topic": "positions", "epoch": mirror.epoch, "after_seq": mirror.seq}
        await socket.send({"type": "subscribe", "topics": [resume]})
        resumed = await socket.next("resumed", "snapshot", "reset")
        assert (resumed["type"], resumed["after_seq"]) == ("resumed", mirror.seq)
        assert resumed["replayed"] >= 1
        await mirror.until(socket, lambda rows: rows[KEY]["market_price"] == "202")


@pytest.mark.parametrize(
    ("resume", "reason"),
    [
        ({"epoch": "another", "after_seq": 1}, "epoch_changed"),
        ({"epoch": None, "after_seq": 10**6}, "sequence_ahead"),
        ({"epoch": None, "after_seq": 0}, "too_far_behind"),
    ],
)
async def test_what_cannot_be_resumed_is_reset_with_a_snapshot(
    start: Start,
    settings: Settings,
    streams: RedisStreams,
    seeded: Database,
    resume: dict[str, Any],
    reason: str,
) -> None:
    assert seeded
    pace = Pace(heartbeat_seconds=0.3, ring_frames=2)
    api = await start(settings.model_copy(update={"stream_conflate_ms": 0}), pace=pace)
    mirror = Mirror()
    async with api.socket() as socket:
        await socket.subscribe("positions")
        for price in (200, 201, 202, 203):
            await tick(streams, settings, mark(utc_now(), market_price=Decimal(price)))
            await mirror.until(socket, lambda rows, p=price: rows[KEY]["market_price"] == str(p))
        wanted = {"topic": "positions", **resume, "epoch": resume["epoch"] or mirror.epoch}
        await socket.send({"type": "subscribe", "topics": [wanted]})
        reset = await socket.next("reset", "resumed")
        assert (reset["type"], reset["topic"], reset["reason"]) == ("reset", "positions", reason)
        assert (await socket.next("snapshot"))["epoch"] == mirror.epoch


async def test_a_reader_that_is_too_slow_is_reset_and_then_right_again(
    start: Start, settings: Settings, streams: RedisStreams, seeded: Database
) -> None:
    assert seeded
    api = await start(settings.model_copy(update={"stream_conflate_ms": 0}))
    api.context.queue_frames = 4
    await publish(
        streams, settings, *(changed(f"p{n}", conid=10_000 + n, description="x" * 2_000) for n in range(200))
    )

    async def held() -> int:
        return len(api.context.hub.picture.positions)

    await eventually(held, lambda count: count == 203)
    async with api.socket(max_queue=1) as socket:
        await socket.subscribe("positions")
        await socket.next("snapshot")
        sent = 0

        async def overflowed() -> bool:
            nonlocal sent
            sent += 1
            ticks = [
                mark(utc_now(), conid=10_000 + n, quantity=None, market_price=Decimal(sent))
                for n in range(200)
            ]
            await tick(streams, settings, *ticks)
            return any(client._behind for client in api.context.hub.clients)

        await eventually(overflowed)
        reset = await socket.next("reset")
        assert (reset["topic"], reset["reason"]) == ("positions", "slow_reader")
        mirror = Mirror()
        await tick(streams, settings, mark(utc_now(), market_price=Decimal(777)))
        await mirror.until(socket, lambda rows: rows.get(KEY, {}).get("market_price") == "777")
        assert len(mirror.rows) == 203


async def test_a_heartbeat_tells_the_sequence_of_each_topic(api: Api) -> None:
    async with api.socket() as socket:
        await socket.subscribe("positions", "summary")
        beat_ = await socket.next("heartbeat", where=lambda m: len(m["seqs"]) == 2)
        assert beat_["seqs"] == {name: api.context.hub.topics[name].seq for name in ("positions", "summary")}
        await socket.send({"type": "unsubscribe", "topics": ["summary"]})
        await socket.next("heartbeat", where=lambda m: list(m["seqs"]) == ["positions"])


async def test_the_status_tells_of_the_link_at_once_and_rows_follow(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    mirror = Mirror()
    async with api.socket() as socket:
        await socket.subscribe("positions")
        await tick(streams, settings, beat(utc_now()), mark(utc_now()))
        up = await socket.next("status", where=lambda m: m["links"]["gateway"] == "up")
        assert (up["freshness"]["source"], up["reason"]) == ("live", None)
        down_since = utc_now()
        await tick(streams, settings, beat(utc_now(), ibkr="down", reason="ib_1100", since=down_since))
        down = await socket.next("status", where=lambda m: m["reason"] == "ib_1100")
        assert down["freshness"]["source"] == "last_known"
        assert down["links"] == {"gateway": "up", "ibkr": "down"}
        assert down["since"] is not None
        # The state alone is news, too.
        await tick(streams, settings, beat(utc_now(), state="connecting", ibkr="down", reason="ib_1100"))
        await socket.next("status", where=lambda m: m["state"] == "connecting")
        await socket.subscribe("positions")
        await mirror.until(socket, lambda rows: rows[KEY]["freshness"]["reason"] == "ib_1100")
        # Up again, but not complete: last known until the resync ends.
        await tick(streams, settings, beat(utc_now(), complete=False))
        await socket.next("status", where=lambda m: m["reason"] == "incomplete")
        await tick(streams, settings, beat(utc_now()))
        await socket.next("status", where=lambda m: m["reason"] is None)


async def test_who_subscribes_as_a_value_grows_old_does_not_keep_that_from_the_others(
    start: Start, settings: Settings, streams: RedisStreams, seeded: Database
) -> None:
    assert seeded
    now = NOW
    # No rounds of the clock's own: what is told here follows from what happens here.
    silent = with_(QUICK, watch_seconds=3600)
    api = await start(settings, clock=lambda: now, pace=silent)

    def reason_of(delta: Any) -> object:
        rows = {op["key"]: op["value"]["freshness"] for op in delta["ops"]}
        return PAPER in rows and (rows[PAPER]["reason"] or "live")

    async def beat_at() -> object:
        link = next(iter(api.context.hub.picture.links.values()), None)
        return link and link.beat_at

    async with api.socket() as first, api.socket() as second:
        await first.subscribe("summary")
        await first.next("snapshot")
        await tick(streams, settings, beat(now))
        await first.next("delta", where=lambda m: reason_of(m) == "live")
        now += VALUE_CADENCE + timedelta(seconds=1)
        await tick(streams, settings, beat(now))
        await eventually(beat_at, lambda at: at == now)
        await second.subscribe("summary")
        snapshot = await second.next("snapshot")
        assert snapshot["data"][PAPER]["freshness"]["reason"] == "old"
        again = DatasetRecorded(account=PAPER, dataset="positions", as_of=NOW, complete=True)
        await publish(streams, settings, again)
        await first.next("delta", where=lambda m: reason_of(m) == "old")


async def test_what_came_over_an_earlier_connection_is_not_live(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    async with api.socket() as socket:
        await tick(streams, settings, beat(utc_now()), epoch=2)
        told = await socket.next("status", where=lambda m: m["links"]["gateway"] == "up")
        assert told["freshness"]["reason"] == "incomplete", (
            "this connection's positions were not recorded yet"
        )


async def test_the_beats_of_a_replaced_link_are_not_heard(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    async with api.socket() as socket:
        await tick(streams, settings, beat(utc_now()), epoch=2)
        await tick(streams, settings, beat(utc_now(), gateway="down"), epoch=1)
        await tick(streams, settings, beat(utc_now(), ibkr="down"), epoch=2)
        told = await socket.next("status", where=lambda m: m["links"]["gateway"] != "unknown")
        assert told["links"] == {"gateway": "up", "ibkr": "up"}
        assert (await socket.next("status"))["links"] == {"gateway": "up", "ibkr": "down"}


MALFORMED = [
    "",
    "{",
    "[]",
    '"x"',
    '{"type":"nonsense"}',
    '{"type":"subscribe"}',
    '{"type":"subscribe","topics":[]}',
    '{"type":"subscribe","topics":[{"topic":"positions","after_seq":-1}]}',
    '{"topics":[]}',
]


async def test_a_message_that_is_none_is_answered_and_the_socket_lives_on(api: Api) -> None:
    async with api.socket() as socket:
        for text in MALFORMED:
            await socket.send(text)
            assert (await socket.next("error"))["code"] == "malformed_message", text
        await socket.connection.send(b"\xff\xfe")
        assert (await socket.next("error"))["code"] == "malformed_message"
        await socket.send({"type": "subscribe", "topics": [{"topic": "weather"}]})
        unknown = await socket.next("error")
        assert (unknown["code"], unknown["topic"]) == ("unknown_topic", "weather")
        await socket.send({"type": "auth", "token": TOKEN})
        assert (await socket.next("error"))["code"] == "already_authenticated"
        await socket.subscribe("positions")
        await socket.next("snapshot")


async def test_a_client_that_only_talks_nonsense_is_closed(api: Api) -> None:
    async with api.socket() as socket:
        for _ in range(20):
            await socket.send("nonsense")
        assert await socket.closed() == 1008


async def test_what_is_said_on_a_socket_is_counted_as_requests_are(
    start: Start, settings: Settings, seeded: Database
) -> None:
    """Each message may ask for as much as a request: thousands at once would keep all others waiting."""
    api = await start(settings.model_copy(update={"api_requests_per_minute": 1, "api_requests_burst": 3}))
    _, secret = await make_token(seeded)
    async with api.socket(additional_headers={"Authorization": f"Bearer {secret}"}) as socket:
        await socket.next("hello")
        for _ in range(3):
            await socket.subscribe("positions")
            await socket.next("snapshot")
        for _ in range(20):
            await socket.subscribe("positions")
        refused = await socket.next("error", "snapshot")
        assert refused["code"] == "too_many_requests"
        assert await socket.closed() == 1008
    async with api.socket() as owner:
        for _ in range(30):
            await owner.subscribe("positions")
            await owner.next("snapshot")


async def test_a_first_message_signs_in(api: Api) -> None:
    async with api.socket(additional_headers={}) as socket:
        await socket.send({"type": "auth", "token": TOKEN})
        await socket.next("hello")


@pytest.mark.parametrize(
    "first",
    [
        {"type": "auth", "token": "wrong"},
        {"type": "subscribe", "topics": [{"topic": "positions"}]},
        "nonsense",
    ],
)
async def test_a_first_message_that_does_not_sign_in_ends_the_socket(api: Api, first: Any) -> None:
    async with api.socket(additional_headers={}) as socket:
        await socket.send(first)
        message = await socket.next()
        assert (message["type"], message["code"]) == ("error", "unauthorized")
        assert await socket.closed() == 4401


async def test_whoever_says_nothing_in_time_is_closed(api: Api) -> None:
    api.context.auth_seconds = 0.05
    async with api.socket(additional_headers={}) as socket:
        assert (await socket.next())["code"] == "unauthorized"
        assert await socket.closed() == 4401


async def test_a_wrong_bearer_is_closed_and_counted(api: Api) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    for _ in range(10):
        async with api.socket(additional_headers=wrong) as socket:
            assert (await socket.next())["code"] == "unauthorized"
    async with api.socket(additional_headers=wrong) as socket:
        assert (await socket.next())["code"] == "too_many_attempts"
        assert await socket.closed() == 1013, "the right one is let in a while later"


async def cookie_of(api: Api) -> str:
    client = await signed_in(api)
    (pair,) = client.cookies.items()
    await client.aclose()
    return "=".join(pair)


async def test_the_cookie_counts_where_our_own_page_opened_the_socket(api: Api) -> None:
    cookie = await cookie_of(api)
    own = {"Cookie": cookie, "Origin": f"http://{api.address}"}
    async with api.socket(additional_headers=own) as socket:
        await socket.next("hello")


async def test_a_page_of_another_site_cannot_open_a_socket(api: Api) -> None:
    cookie = await cookie_of(api)
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{api.settings.api_port + 1}"):
        for headers in (
            {"Cookie": cookie, "Origin": origin},
            {"Authorization": f"Bearer {TOKEN}", "Origin": origin},
        ):
            with pytest.raises(InvalidStatus) as refused:
                async with api.socket(additional_headers=headers):
                    pass
            assert refused.value.response.status_code == 403
            assert b"cross_site" in (refused.value.response.body or b"")


async def test_a_cookie_without_an_origin_signs_nobody_in(api: Api) -> None:
    api.context.auth_seconds = 0.05
    async with api.socket(additional_headers={"Cookie": await cookie_of(api)}) as socket:
        assert (await socket.next())["code"] == "unauthorized"


async def test_a_dead_cookie_is_told_at_once(api: Api) -> None:
    dead = {"Cookie": f"{api.context.auth.cookie()}=dead", "Origin": f"http://{api.address}"}
    async with api.socket(additional_headers=dead) as socket:
        assert (await socket.next())["code"] == "unauthorized"
        assert await socket.closed() == 4401


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"/api/v1/stream?token={TOKEN}", {}, 400),
        ("/api/v1/stream", {"Host": "evil.example"}, 421),
        ("/api/v1/nothing", {}, 403),
    ],
)
async def test_a_handshake_that_is_wrong_is_refused(
    api: Api, path: str, headers: dict[str, str], status: int
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.settings.api_port)
    lines = {
        "Host": api.address,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **headers,
    }
    request = f"GET {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write((request + "\r\n").encode())
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert answer.split()[1] == str(status).encode()


async def test_signing_out_closes_the_sockets_of_that_session(api: Api) -> None:
    client = await signed_in(api)
    (pair,) = client.cookies.items()
    own = {"Cookie": "=".join(pair), "Origin": f"http://{api.address}"}
    async with api.socket(additional_headers=own) as socket, api.socket() as other:
        await socket.next("hello")
        await client.delete("/api/v1/session")
        assert (await socket.next("error"))["code"] == "unauthorized"
        assert await socket.closed() == 4401
        await other.next("heartbeat")
    await client.aclose()


async def test_a_token_that_is_replaced_closes_its_sockets(
    start: Start, settings: Settings, seeded: Database
) -> None:
    assert seeded
    api = await start(settings.model_copy(update={"api_token": None}))
    token = settings.token_file.read_text(encoding="utf-8").strip()
    async with api.socket(additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        await socket.next("hello")
        replace(settings.token_file, "another")
        assert await socket.closed() == 4401


async def test_an_entry_that_cannot_be_read_stops_nothing(
    api: Api, settings: Settings, streams: RedisStreams
) -> None:
    await streams.append(
        settings.changes_stream, [b"{", json.dumps({"changes": [{"type": "future"}]}).encode()]
    )
    await streams.append(settings.ticks_stream, [b"nonsense"])
    mirror = Mirror()
    async with api.socket() as socket:
        await socket.subscribe("positions")
        await publish(streams, settings, changed(account=USD, conid=AAPL, quantity=Decimal(55)))
        await mirror.until(socket, lambda rows: rows.get(KEY, {}).get("quantity") == "55")


async def test_the_clients_are_let_go_of(api: Api) -> None:
    async with api.socket() as socket:
        await socket.next("hello")
        assert len(api.context.hub.clients) == len(api.context.sockets) == 1

    async def left() -> int:
        return len(api.context.hub.clients) + len(api.context.sockets)

    await eventually(left, lambda count: count == 0)
    assert QUICK.heartbeat_seconds < 1
