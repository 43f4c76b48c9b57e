"""Whoever takes an import's threads away from it waits until they have ended: they still read the file."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing, suppress
from typing import Any, cast

import pytest

from core.domain.stated import Statement
from services.position_sync.importing import fold, run
from tests.services.position_sync.importing.conftest import Import
from tests.services.position_sync.importing.statements import trade


class Thread:
    """Work that goes on until it is let go."""

    def __init__(self) -> None:
        self.begun, self._go_on, self.ended = threading.Event(), threading.Event(), threading.Event()

    def work(self) -> None:
        self.begun.set()
        self._go_on.wait(10)
        self.ended.set()

    async def outlasts(self, task: "asyncio.Task[Any]") -> None:
        """Cancel who waits for it, and see that he does not go before it has ended."""
        await asyncio.to_thread(self.begun.wait, 10)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=0.1)
        assert not done
        self._go_on.set()
        with suppress(asyncio.CancelledError):
            await task
        assert self.ended.is_set()


async def test_reading_a_file_has_ended_when_its_import_is_cancelled() -> None:
    thread = Thread()

    def records() -> Iterator[Statement]:
        thread.work()
        yield from ()

    async def read() -> None:
        async with aclosing(run._batches(cast("Any", records()), lambda: None)) as batches:
            async for _ in batches:
                pass

    await thread.outlasts(asyncio.create_task(read()))


async def test_a_fold_has_ended_when_its_import_is_cancelled(
    bring: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = Thread()
    fold_told: Callable[[Any], Any] = fold.fold_told

    def slow(told: Any) -> Any:
        thread.work()
        return fold_told(told)

    monkeypatch.setattr(fold, "fold_told", slow)
    await thread.outlasts(asyncio.create_task(bring(trade("a.01", "1"))))
