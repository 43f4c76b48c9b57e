"""A real Redis Cluster of one node, which has all slots: it refuses what would touch keys of two."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from redis import Redis
from redis.exceptions import ResponseError

from services.stack import RedisServer
from services.stack.ports import free_port
from tests.waiting import eventually_now

_LAST_SLOT = 16_383


class _Node(RedisServer):
    def _configuration(self) -> str:
        # Where nodes would talk to each other; by itself it takes a port that there may not be.
        cluster = f"cluster-enabled yes\ncluster-port {free_port()}"
        return super()._configuration().replace("databases 16", cluster)


@contextmanager
def running_cluster(folder: Path) -> Iterator[str]:
    """The URL of a cluster that takes commands."""
    with _Node(folder, durable=False) as node, Redis.from_url(node.url) as client:
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, _LAST_SLOT)

        def is_well() -> bool:
            # Until it has looked at itself it takes nothing.
            with suppress(ResponseError):
                client.delete("anything")
                return True
            return False

        eventually_now(is_well)
        yield node.url
