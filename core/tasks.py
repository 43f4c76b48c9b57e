"""What asyncio leaves to be desired on the oldest Python we support."""

import asyncio


def begin_cleanup() -> None:
    """Call first in a ``finally`` that still has to wait for something with a timeout.

    Python 3.11.2 (Debian 12) turns an expired timeout into ``TimeoutError`` only in a task that nobody has
    asked to be cancelled: after a cancellation, or in the task of a group that failed, it ends in
    ``CancelledError`` and the rest of the cleanup is skipped. The cancellation under way goes on afterwards.
    """
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
