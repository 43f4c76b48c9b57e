"""What asyncio leaves to be desired on the oldest Python we support."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heeding_cancellation() -> Iterator[None]:
    """End in ``CancelledError`` if the block was cancelled, whatever became of that inside.

    Before Python 3.12 ``asyncio.wait_for``, in which redis-py sends each command, returns what came in the
    same moment instead. A driver may raise an error about the connection that it gives up, and a group of
    tasks, before Python 3.13, the failure of one of them. A loop that goes on after that would never end.
    """
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    try:
        yield
    except Exception as error:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError from error
        raise
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError


def begin_cleanup() -> None:
    """Call first in a ``finally`` that still has to wait for something with a timeout.

    Python 3.11.2 (Debian 12) turns an expired timeout into ``TimeoutError`` only in a task that nobody has
    asked to be cancelled: after a cancellation, or in the task of a group that failed, it ends in
    ``CancelledError`` and the rest of the cleanup is skipped. The cancellation under way goes on afterwards.
    """
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
