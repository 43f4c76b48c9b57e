"""Workers, one after the other, each a process of its own that dies as by ``kill -9`` on certain facts.

``python dying.py DATABASE_URL REDIS_URL STREAM_PREFIX`` prints how each ended; the last has done its work.
"""

import asyncio
import os
import signal
import sys
from typing import Any

from core.events.facts import ExecutionReported
from core.settings import Settings, load_settings
from core.streams.consumer import Consumer
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync import relay as relay_module
from services.position_sync.relay import GROUP, Relay

DEADLY = "deadly"
"""Execution ids that begin so kill whoever applies them."""

_store = relay_module.store


async def _deadly_store(connection: Any, intake: Any, *rest: Any) -> Any:
    told = [one for one in intake.executions.values() if isinstance(one.fact, ExecutionReported)]
    if any(one.fact.exec_id.startswith(DEADLY) for one in told):
        os.kill(os.getpid(), signal.SIGKILL)
    return await _store(connection, intake, *rest)


async def _work(settings: Settings, name: str) -> None:
    database = Database(settings.require_database_url(), application="dying")
    streams, asking = RedisStreams.connect(settings), RedisStreams.connect(settings)

    async def nobody(_account: str, _trigger: str) -> None: ...

    relay = Relay(database, streams, settings, ask_for_comparison=nobody)
    consumer = Consumer(
        streams, stream=settings.facts_stream, group=GROUP, consumer=name, handle=relay.handle, idle_ms=20
    )
    task = asyncio.create_task(consumer.run())
    while True:
        (group,) = (await asking.info(settings.facts_stream)).groups
        if not group.pending_entries and not group.lag_entries:
            break
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await database.close()
    await streams.close()
    await asking.close()


def main() -> None:
    """Start one worker after another until one comes to the end."""
    url, redis_url, prefix = sys.argv[1:]
    settings = load_settings(database_url=url, redis_url=redis_url, stream_prefix=prefix)
    relay_module.store = _deadly_store
    for number in range(20):
        child = os.fork()  # what is imported need not be imported again
        if not child:
            asyncio.run(_work(settings, f"worker-{number}"))
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()
        if code == 0:
            return


if __name__ == "__main__":
    main()
