"""Named points at which a process dies, and planted bugs: two tables, applied in the process that is tested.

Production code carries no hooks: everything here replaces methods in a process that was started for it. A new
point is a function in ``POINTS``, a new bug one in ``BUGS``; both are named where they are used.
"""

import contextlib
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.streams.port import Appended

Passage = Callable[[str], None]


class Deaths:
    """Kills this process at the n-th passage of a point, as long as the point has lives left.

    A life is a file in ``folder`` named for the point: whoever removes it dies, so a process that comes back
    goes further than the one before.
    """

    def __init__(self, folder: Path, passages: dict[str, int]) -> None:
        self._folder = folder
        self._passages = passages
        self._seen: Counter[str] = Counter()

    def __call__(self, point: str) -> None:
        """Pass a point, or die there."""
        wanted = self._passages.get(point)
        if wanted is None:
            return
        self._seen[point] += 1
        if self._seen[point] < wanted:
            return
        for life in sorted(self._folder.glob(f"{point}.*")):
            with contextlib.suppress(FileNotFoundError):
                life.unlink()
                os.kill(os.getpid(), signal.SIGKILL)


_handling_facts: ContextVar[bool] = ContextVar("handling_facts", default=False)


def _around_commit(passage: Passage) -> None:
    """The commits of facts, and those of everything else: ticks, jobs, the register of connections."""
    from core.streams.consumer import Consumer, Handle  # noqa: PLC0415 - of the process that is tested
    from models.session import Database  # noqa: PLC0415 - as above

    write_originally, init_originally = Database.write, Consumer.__init__

    @asynccontextmanager
    async def write(self: Database) -> AsyncIterator[Any]:
        kind = "commit" if _handling_facts.get() else "other_commit"
        async with write_originally(self) as connection:
            yield connection
            passage(f"before_{kind}")
        passage(f"after_{kind}")

    def init(self: Consumer, port: Any, *, handle: Handle, **options: Any) -> None:
        async def handling(entries: Any) -> None:
            token = _handling_facts.set(True)
            try:
                await handle(entries)
            finally:
                _handling_facts.reset(token)

        init_originally(self, port, handle=handling, **options)

    Database.write = write  # type: ignore[method-assign]
    Consumer.__init__ = init  # type: ignore[method-assign]


def _around_append(passage: Passage) -> None:
    from core.streams.redis import RedisStreams  # noqa: PLC0415 - as above

    append_originally, append_marked_originally = RedisStreams.append, RedisStreams.append_marked

    async def append(self: RedisStreams, stream: str, payloads: Sequence[bytes], **options: Any) -> None:
        await append_originally(self, stream, payloads, **options)
        if stream.endswith(":changes"):
            passage("after_announce")

    async def append_marked(
        self: RedisStreams, stream: str, payloads: Sequence[bytes], **options: Any
    ) -> "Appended":
        # Without any it only looks how things are.
        if payloads:
            passage("before_xadd")
        appended = await append_marked_originally(self, stream, payloads, **options)
        if payloads:
            passage("after_xadd")
        return appended

    RedisStreams.append = append  # type: ignore[method-assign]
    RedisStreams.append_marked = append_marked  # type: ignore[method-assign]


def _around_acknowledge(passage: Passage) -> None:
    from core.streams.redis import RedisStreams  # noqa: PLC0415 - as above

    original = RedisStreams.acknowledge

    async def acknowledge(self: RedisStreams, stream: str, group: str, ids: Sequence[str]) -> None:
        passage("before_xack")
        await original(self, stream, group, ids)
        passage("after_xack")

    RedisStreams.acknowledge = acknowledge  # type: ignore[method-assign]


def _around_fsync(passage: Passage) -> None:
    for name in ("fsync", "fdatasync"):
        original = getattr(os, name)

        def synced(descriptor: int, original: Callable[[int], None] = original) -> None:
            passage("before_fsync")
            original(descriptor)
            passage("after_fsync")

        setattr(os, name, synced)


def _around_statements(passage: Passage) -> None:
    from sqlalchemy import event  # noqa: PLC0415 - as above
    from sqlalchemy.engine import Engine  # noqa: PLC0415 - as above

    def executing(*_: Any) -> None:
        passage("statement")

    event.listen(Engine, "before_cursor_execute", executing)


POINTS: dict[str, Callable[[Passage], None]] = {
    "before_commit": _around_commit,
    "after_commit": _around_commit,
    "before_other_commit": _around_commit,
    "after_other_commit": _around_commit,
    "before_xadd": _around_append,
    "after_xadd": _around_append,
    "after_announce": _around_append,
    "before_xack": _around_acknowledge,
    "after_xack": _around_acknowledge,
    "before_fsync": _around_fsync,
    "after_fsync": _around_fsync,
    "statement": _around_statements,
}
"""What lets a process pass each point."""

POINTS_OF = {
    "worker": (
        "before_commit",
        "after_commit",
        "before_other_commit",
        "after_other_commit",
        "after_announce",
        "before_xack",
        "after_xack",
    ),
    "broker": (
        "before_other_commit",
        "after_other_commit",
        "before_xadd",
        "after_xadd",
        "before_fsync",
        "after_fsync",
    ),
    "migrate": ("statement",),
}
"""The points that each service comes past."""


def let_die(folder: Path, passages: dict[str, int]) -> None:
    """Make this process die at the passages named, while their lives last."""
    deaths = Deaths(folder, passages)
    for patch in dict.fromkeys(POINTS[point] for point in passages):
        patch(deaths)


# Bugs.


def _ack_before_commit() -> None:
    from core.streams.consumer import Consumer, Handle  # noqa: PLC0415 - as above

    original = Consumer.__init__

    def init(self: Consumer, port: Any, *, handle: Handle, **options: Any) -> None:
        async def hasty(entries: Any) -> None:
            await port.acknowledge(options["stream"], options["group"], [entry.id for entry in entries])
            await handle(entries)

        original(self, port, handle=hasty, **options)

    Consumer.__init__ = init  # type: ignore[method-assign]


def _skip_the_inbox() -> None:
    from sqlalchemy import text  # noqa: PLC0415 - as above

    from models.stores import inbox  # noqa: PLC0415 - as above

    original = inbox.admit

    async def admit(connection: Any, *entries: Any) -> Any:
        await connection.execute(text("DELETE FROM inbox"))
        return await original(connection, *entries)

    inbox.admit = admit


def _trim_by_length() -> None:
    from core.streams.redis import RedisStreams  # noqa: PLC0415 - as above

    original = RedisStreams.append_marked

    async def append_marked(
        self: RedisStreams, stream: str, payloads: Sequence[bytes], **options: Any
    ) -> "Appended":
        appended = await original(self, stream, payloads, **options)
        await self._redis.xtrim(stream, maxlen=20, approximate=False)
        return appended

    RedisStreams.append_marked = append_marked  # type: ignore[method-assign]


def _drop_while_redis_is_down() -> None:
    from services.broker.outlet import Outlet  # noqa: PLC0415 - as above

    original = Outlet.append

    async def append(self: Outlet, payloads: Sequence[bytes]) -> bool:
        await original(self, payloads)
        return True

    Outlet.append = append  # type: ignore[method-assign]


def _skip_the_replay() -> None:
    """Ask for executions of a day that has not come: the answer is complete, and empty."""
    from ib_async import Client, ExecutionFilter  # noqa: PLC0415 - as above

    original = Client.reqExecutions

    def request(self: Client, number: int, _wanted: ExecutionFilter) -> None:
        original(self, number, ExecutionFilter(time="20991231 00:00:00"))

    Client.reqExecutions = request


def _events_instead_of_hooks() -> None:
    from ib_async import IB  # noqa: PLC0415 - as above

    from services.broker.listen import Listener  # noqa: PLC0415 - as above

    original = Listener.attach

    def attach(self: Listener) -> None:
        original(self)
        wrapper = self._wrapper
        for name in ("execDetails", "commissionReport"):
            delattr(wrapper, name)
        ib: IB = self._ib
        ib.execDetailsEvent += lambda _trade, fill: self._exec_details(-1, fill.contract, fill.execution)
        ib.commissionReportEvent += lambda _trade, _fill, report: self._commission_report(report)

    Listener.attach = attach  # type: ignore[method-assign]


BUGS: dict[str, Callable[[], None]] = {
    "ack_before_commit": _ack_before_commit,
    "skip_the_inbox": _skip_the_inbox,
    "trim_by_length": _trim_by_length,
    "drop_while_redis_is_down": _drop_while_redis_is_down,
    "skip_the_replay": _skip_the_replay,
    "events_instead_of_hooks": _events_instead_of_hooks,
}
"""Each makes one guarantee untrue. ``skip_the_replay`` also shows what the pipeline carries alone."""

BUGS_OF = {
    "worker": ("ack_before_commit", "skip_the_inbox"),
    "broker": ("trim_by_length", "drop_while_redis_is_down", "skip_the_replay", "events_instead_of_hooks"),
}
"""Which service has which bug."""


@contextlib.contextmanager
def lives(folder: Path, point: str, count: int) -> Iterator[None]:
    """Give a point so many deaths; those that were not died are taken back."""
    folder.mkdir(exist_ok=True)
    files = [folder / f"{point}.{number}" for number in range(count)]
    for file in files:
        file.touch()
    try:
        yield
    finally:
        for file in files:
            file.unlink(missing_ok=True)


Plan = dict[str, Any]
"""What is done to a process: ``deaths`` (passages by point), ``bugs`` and ``file_bytes`` (RLIMIT_FSIZE)."""

AsyncAction = Callable[[], Awaitable[None]]
