"""What is asked of the broker is heard, whatever Redis forgets."""

from structlog.testing import capture_logs

from core.settings import Settings
from core.streams.redis import RedisStreams
from services.simulator import Simulator
from tests.services.broker.conftest import SMALL, Reader, ask_resync, broker_link, quick
from tests.waiting import comes, eventually


async def test_what_is_asked_after_redis_lost_its_memory_is_heard(
    settings: Settings, streams: RedisStreams, reader: Reader
) -> None:
    async def answered() -> set[str]:
        return {fence.job_id for fence in await reader.fences()}

    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        await ask_resync(streams, settings, "first")
        await eventually(answered, lambda jobs: "first" in jobs)
        # A server with a clock ahead of the next one's: ids begin anew below those that were followed.
        with capture_logs() as logs:
            await streams._redis.xadd(settings.requests_stream, {b"d": b"?"}, id="99999999999999-0")
            await comes(lambda: [line for line in logs if line["event"] == "request_unreadable"])
        await streams._redis.delete(settings.requests_stream)
        await ask_resync(streams, settings, "second")
        await eventually(answered, lambda jobs: "second" in jobs)
