"""How every long-running process of Lotkeeper starts and stops, and what it does again and again."""

import asyncio
import gc
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from core import logs, metrics
from core.settings import Settings

log = logs.get_logger(__name__)

AsyncMain = Callable[[Settings], Coroutine[Any, Any, None]]


async def _until_told(settings: Settings, main: AsyncMain) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(main(settings), name="main")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def collect_rarely() -> None:
    """Look for reference cycles less often than Python does by default.

    What is imported stays, and batches make many short-lived objects: the default costs the worker a third of
    its time, and the API pauses of 90 ms.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def run_service(name: str, settings: Settings, main: AsyncMain, *, metrics_port: int = 0) -> None:
    """Run ``main`` until it ends or the process is told to stop.

    SIGTERM and SIGINT cancel ``main``, which closes what it opened and returns; the process exits with 0.
    An exception from ``main`` is raised to the caller. With a ``metrics_port`` its metrics are served.
    """
    logs.configure(name, settings.log_level, settings.log_format)
    collect_rarely()
    metrics.serve(settings.metrics_host, metrics_port)
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415 - not available on Windows

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_until_told(settings, main))


async def again_and_again(
    step: Callable[[], Awaitable[None]],
    seconds: float,
    *,
    name: str,
    is_passing: Callable[[Exception], bool],
) -> None:
    """Do ``step`` until cancelled, with pauses of at most so long.

    That it fails is told when it begins and when it ends, as ``{name}_fails`` and ``{name}_goes_on``; what
    ``is_passing`` is told by whoever lives by what is away.
    """
    fails, goes_on = f"{name}_fails", f"{name}_goes_on"
    is_failing = False
    while True:
        try:
            await step()
        except Exception as error:
            if not is_failing and not is_passing(error):
                is_failing = True
                log.exception(fails, step=step.__name__)
        else:
            if is_failing:
                is_failing = False
                log.info(goes_on, step=step.__name__)
        # Workers that were started together would always come at the same moment.
        await asyncio.sleep(random.uniform(seconds / 2, seconds))  # noqa: S311 - jitter
