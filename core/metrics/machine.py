"""What is read of this process and its machine whenever Prometheus asks."""

import platform
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core.metrics import make
from core.version import installed_version


class PoolUse(NamedTuple):
    """A pool of connections: its name, how many are in use, and how many it may have."""

    name: str
    in_use: int
    most: int


class Told(Collector):
    """Families that are made anew for every scrape."""

    def __init__(self, families: Callable[[], Iterable[GaugeMetricFamily]]) -> None:
        self._families = families

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Make them."""
        yield from self._families()


def of_process(
    schema: str, profile: str, folder: Path, pools: Iterable[PoolUse]
) -> Iterator[GaugeMetricFamily]:
    """What this process is, what its pools have given out, and how much room there is for ``folder``."""
    labels = (installed_version(), schema, platform.python_version(), profile)
    yield make.family("lotkeeper_build_info", [(labels, 1)])
    used = list(pools)
    yield make.family("lotkeeper_database_connections", [((pool.name,), pool.in_use) for pool in used])
    yield make.family("lotkeeper_database_connections_most", [((pool.name,), pool.most) for pool in used])
    room = _room(folder)
    yield make.one("lotkeeper_data_disk_free_bytes", None if room is None else room.free)
    yield make.one("lotkeeper_data_disk_used_bytes", None if room is None else room.used)


def register(
    schema: str,
    profile: str,
    folder: Path,
    pools: Callable[[], Iterable[PoolUse]],
    registry: CollectorRegistry = REGISTRY,
) -> None:
    """Have all of that told in a registry, as it is whenever somebody asks."""
    registry.register(Told(lambda: of_process(schema, profile, folder, pools())))


class _Room(NamedTuple):
    free: int
    used: int


def _room(folder: Path) -> _Room | None:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return _Room(usage.free, usage.used)
