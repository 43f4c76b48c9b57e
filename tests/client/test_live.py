"""Live rows: the whole of a topic, each change, and going on after a break."""

import asyncio
import builtins
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from websockets.sync.server import ServerConnection, serve

from core.clock import utc_now
from core.events.facts import PnlReported
from core.settings import Settings
from core.streams.redis import RedisStreams
from lotkeeper_client import Client, ExtraMissingError, ForbiddenError, NotFoundError, UnauthorizedError
from lotkeeper_client import live as module
from lotkeeper_client.live import Follower, Update, watch
from tests.services.api.conftest import Api, Start
from tests.services.api.portfolio import TOKEN, USD, mark, position_id, tick
from tests.waiting import SECONDS

APPLE = str(position_id("aapl"))


async def take(updates: Iterator[Update]) -> Update:
    async with asyncio.timeout(SECONDS):
        return await asyncio.to_thread(next, updates)


async def changed(updates: Iterator[Update], holds: Callable[[Update], bool]) -> Update:
    while True:
        update = await take(updates)
        if holds(update):
            return update


async def test_a_topic_comes_whole_and_then_each_change(
    client: Client, settings: Settings, streams: RedisStreams
) -> None:
    updates = client.watch("positions")
    first = await take(updates)
    assert len(first.rows) == 3
    assert first.changed == set(first.rows)
    assert first.rows[APPLE].quantity == Decimal(100)
    await tick(streams, settings, mark(utc_now()))
    update = await changed(updates, lambda one: one.rows[APPLE].market_price == Decimal(161))
    assert APPLE in update.changed


async def test_after_a_break_it_goes_on_with_what_there_is_then(
    start: Start, settings: Settings, seeded: object, streams: RedisStreams
) -> None:
    assert seeded
    api = await start(settings.model_copy(update={"stream_conflate_ms": 0}))
    waits: list[float] = []
    updates = watch(f"http://{api.address}", TOKEN, "summary", sleep=waits.append)
    assert (await take(updates)).rows[USD].net_liquidation == Decimal("104230.75")
    for connected in list(api.context.sockets):
        connected.close_code = 1012
        connected.finish('{"type": "bye", "retry_after_ms": 1}')
    pnl = PnlReported(received_at=utc_now(), account=USD, daily_pnl=Decimal("-1.5"))
    await tick(streams, settings, pnl)
    await changed(updates, lambda one: one.rows[USD].daily_pnl == Decimal("-1.5"))
    assert waits


async def test_a_wrong_token_and_a_topic_that_is_none_are_refused(api: Api) -> None:
    url = f"http://{api.address}"
    with pytest.raises(UnauthorizedError):
        await take(watch(url, "not the token", "positions"))
    with pytest.raises(NotFoundError):
        await take(watch(url, TOKEN, "weather"))


# -- what a server seldom sends ----------------------------------------------------------------------------


def told(follower: Follower, **message: Any) -> Update | None:
    return follower.take(module._decode(msgspec.json.encode(message)))


FRESH = {
    "source": "live",
    "as_of": None,
    "received_at": None,
    "age_seconds": None,
    "stale": False,
    "reason": None,
    "links": {"gateway": "up", "ibkr": "up"},
}


@pytest.fixture
def follower() -> Follower:
    """It has two rows, by the fourth frame."""
    one = Follower("weather")
    data = {"a": 1, "b": 2}
    told(one, type="snapshot", topic="weather", epoch="e", seq=4, data=data, freshness=FRESH)
    return one


def delta(**message: Any) -> dict[str, Any]:
    known = {"type": "delta", "topic": "weather", "epoch": "e", "seq": 5, "prev_seq": 4, "freshness": FRESH}
    return {**known, **message}


def test_rows_are_changed_and_removed(follower: Follower) -> None:
    update = told(
        follower, **delta(ops=[{"op": "upsert", "key": "a", "value": 7}, {"op": "delete", "key": "b"}])
    )
    assert update is not None
    assert (update.rows, update.changed, update.removed) == ({"a": 7}, {"a"}, {"b"})
    assert told(follower, **delta()) is None, "the same again changes nothing"
    subscription = follower.subscription()["topics"][0]
    assert (subscription["epoch"], subscription["after_seq"]) == ("e", 5)
    again = told(follower, type="snapshot", topic="weather", epoch="f", seq=0, data={"c": 3}, freshness=FRESH)
    assert again is not None
    assert (again.rows, again.removed) == ({"c": 3}, {"a"})


@pytest.mark.parametrize(
    "message", [delta(prev_seq=5, seq=6), delta(epoch="f"), {"type": "heartbeat", "seqs": {"weather": 6}}]
)
def test_what_was_missed_is_noticed(follower: Follower, message: dict[str, Any]) -> None:
    with pytest.raises(module._BrokenError):
        told(follower, **message)
    follower.forget()
    assert follower.subscription() == {"type": "subscribe", "topics": [{"topic": "weather"}]}


def test_what_changes_nothing_is_passed_over(follower: Follower) -> None:
    assert told(follower, type="heartbeat", seqs={"weather": 4}) is None
    assert told(follower, type="status", freshness=FRESH) is None


def test_what_was_under_way_when_all_was_asked_for_anew_is_passed_over(follower: Follower) -> None:
    follower.forget()
    assert told(follower, **delta(prev_seq=5, seq=6)) is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("unauthorized", UnauthorizedError),
        ("all_accounts_needed", ForbiddenError),
        ("unknown_topic", NotFoundError),
        ("database_unavailable", module._NotNowError),
        ("too_many_attempts", module._NotNowError),
    ],
)
def test_a_refusal_that_would_come_again_is_told_from_one_of_now(
    follower: Follower, code: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        told(follower, type="error", code=code, detail="")


class Closing:
    """A server that ends each connection in good order, after what it says."""

    def __init__(self, *says: dict[str, Any]) -> None:
        self._says = [msgspec.json.encode(one).decode() for one in says]
        self.connections = 0
        self._server = serve(self._handle, "127.0.0.1", 0)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def _handle(self, socket: ServerConnection) -> None:
        self.connections += 1
        socket.recv()
        for text in self._says:
            socket.send(text)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()


class _EnoughError(Exception):
    """It has waited often enough."""


@pytest.mark.parametrize("says", [[], [{"type": "error", "code": "database_unavailable", "detail": ""}]])
def test_whoever_closes_is_asked_again_after_a_pause(says: list[dict[str, Any]]) -> None:
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise _EnoughError

    server = Closing(*says)
    with server as url, pytest.raises(_EnoughError):
        next(watch(url, TOKEN, "positions", sleep=sleep))
    assert (waits, server.connections) == ([1.0, 2.0, 4.0], 3)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (4401, "unauthorized", UnauthorizedError),
        (4403, "second_factor_required", ForbiddenError),
        (1013, "too_many_attempts", _EnoughError),
        # As servers of before closed it.
        (4401, "too_many_attempts", _EnoughError),
    ],
)
def test_what_would_be_refused_again_ends_it_also_where_nothing_could_be_asked(
    monkeypatch: pytest.MonkeyPatch, code: int, reason: str, kind: type[Exception]
) -> None:
    closed = threading.Event()

    def refuse(socket: ServerConnection) -> None:
        socket.send(f'{{"type": "error", "code": "{reason}", "detail": "no"}}')
        socket.close(code, reason)
        closed.set()

    def late(socket: Any, message: dict[str, Any]) -> None:
        assert closed.wait(10)
        send(socket, message)

    send = module._send
    monkeypatch.setattr(module, "_send", late)
    server = serve(refuse, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with pytest.raises(kind):
            url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
            next(watch(url, TOKEN, "positions", sleep=stop))
    finally:
        server.shutdown()
        thread.join()


def stop(_: float) -> None:
    raise _EnoughError


def test_this_machine_is_not_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    data = {"a": 1}
    snapshot = {"type": "snapshot", "topic": "weather", "epoch": "e", "seq": 1, "data": data}
    with Closing({**snapshot, "freshness": FRESH}) as url:
        assert next(watch(url, TOKEN, "weather", sleep=lambda _: None)).rows == data


def test_a_handshake_that_is_refused_is_not_tried_for_ever() -> None:
    def refuse(connection: ServerConnection, _request: object) -> object:
        return connection.respond(403, "no")

    server = serve(lambda _: None, "127.0.0.1", 0, process_request=refuse)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with pytest.raises(ForbiddenError):
            next(watch(f"http://127.0.0.1:{server.socket.getsockname()[1]}", TOKEN, "positions"))
    finally:
        server.shutdown()
        thread.join()


def test_websockets_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = builtins.__import__

    def without(asked: str, *more: Any, **others: Any) -> Any:
        if asked.startswith("websockets"):
            raise ImportError(asked)
        return real(asked, *more, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ExtraMissingError, match=r"\[live\]"):
        next(watch("http://127.0.0.1:1", TOKEN, "positions"))
