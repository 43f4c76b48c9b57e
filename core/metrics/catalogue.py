"""Every metric that there is, by name."""

from collections.abc import Iterator
from typing import Final

from core.metrics import of_all, of_api, of_backups, of_broker, of_worker
from core.metrics.declared import Declarations, Declared, Process

DECLARATIONS: Final[tuple[Declarations, ...]] = (
    of_all.DECLARED,
    of_api.DECLARED,
    of_backups.DECLARED,
    of_broker.DECLARED,
    of_worker.DECLARED,
)
"""A subject that gets metrics of its own (as backups did) gets a module of its own, and a line here."""

BY_NAME: Final[dict[str, Declared]] = {
    metric.name: metric for declarations in DECLARATIONS for metric in declarations.all
}

OF_THE_LIBRARY: Final = (
    *("process_cpu_seconds_total", "process_max_fds", "process_open_fds", "process_resident_memory_bytes"),
    *("process_start_time_seconds", "process_virtual_memory_bytes", "python_info"),
    *("python_gc_collections_total", "python_gc_objects_collected_total"),
    "python_gc_objects_uncollectable_total",
)
"""What ``prometheus_client`` tells by itself of a process, on Linux; the API does without the last three."""

OF_PROMETHEUS: Final = ("up", "scrape_duration_seconds", "scrape_samples_scraped")
"""What Prometheus itself notes of each target."""


def served_by(process: Process) -> Iterator[Declared]:
    """What a process tells."""
    return (metric for metric in BY_NAME.values() if process in metric.processes)
