"""How every long-running process of Lotkeeper starts and stops, and what it does again and again."""

import asyncio
import gc
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from core import logs, metrics, service_manager
from core.exposure import require_private_metrics
from core.settings import Settings

log = logs.get_logger(__name__)

_TURN_SECONDS = 0.0005

AsyncMain = Callable[[Settings], Coroutine[Any, Any, None]]


async def _until_told(settings: Settings, main: AsyncMain) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(main(settings), name="main")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    beating = asyncio.create_task(_tell_that_it_lives(), name="watchdog")
    try:
        with suppress(asyncio.CancelledError):
            await task
    finally:
        service_manager.tell("STOPPING=1")
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


async def _tell_that_it_lives() -> None:
    """Tell systemd, where it runs us: from the loop that does the work, so that one which hangs is ended."""
    service_manager.tell("READY=1")
    seconds = service_manager.watchdog_seconds()
    while seconds is not None:
        service_manager.tell("WATCHDOG=1")
        await asyncio.sleep(seconds)


def collect_rarely() -> None:
    """Look for reference cycles less often than Python does by default.

    What is imported stays, and batches make many short-lived objects: the default costs the worker a third of
    its time, and the API pauses of 90 ms.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def give_way_quickly() -> None:
    """Have a thread that reckons give way to the event loop after half a millisecond instead of five.

    Each answer of PostgreSQL waits for that, and an import asks some hundred times while books are folded.
    """
    sys.setswitchinterval(_TURN_SECONDS)


def run_service(
    name: str,
    settings: Settings,
    main: AsyncMain,
    *,
    metrics_port: int = 0,
    told: Callable[[], None] = lambda: None,
) -> None:
    """Run ``main`` until it ends or the process is told to stop.

    SIGTERM and SIGINT cancel ``main``, which closes what it opened and returns; the process exits with 0.
    An exception from ``main`` is raised to the caller. With a ``metrics_port`` its metrics are served,
    after ``told`` registered those that are read of it whenever somebody asks.
    """
    logs.configure(name, settings.log_level, settings.log_format)
    collect_rarely()
    if metrics_port:
        require_private_metrics(settings)
        told()
    give_way_quickly()
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
    ``is_passing`` is told by whoever lives by what is away. What is logged each time has one correlation id.
    """
    fails, goes_on = f"{name}_fails", f"{name}_goes_on"
    is_failing = False
    while True:
        with logs.caused_by():
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
