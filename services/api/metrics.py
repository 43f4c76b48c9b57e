"""What this process counts of itself; ``core.metrics.of_api`` says what each is."""

from collections.abc import Callable, Iterable

from prometheus_client import (
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily

from core.metrics.machine import Told
from core.metrics.make import counter, gauge, histogram

OWN = CollectorRegistry()
ProcessCollector(registry=OWN)
PlatformCollector(registry=OWN)

REQUESTS = counter("lotkeeper_http_requests_total", OWN)
SECONDS = histogram("lotkeeper_http_request_seconds", OWN)
COALESCED = counter("lotkeeper_http_coalesced_requests_total", OWN)
CLIENTS = gauge("lotkeeper_websocket_clients", OWN)
FRAMES = counter("lotkeeper_websocket_frames_total", OWN)
RESETS = counter("lotkeeper_websocket_resets_total", OWN)
UNREADABLE = counter("lotkeeper_stream_unreadable_entries_total", OWN)
REFUSED = counter("lotkeeper_refused_requests_total", OWN)


def render(families: Callable[[], Iterable[GaugeMetricFamily]]) -> bytes:
    """Everything in Prometheus' text format."""
    read = CollectorRegistry(auto_describe=False)
    read.register(Told(families))
    return generate_latest(OWN) + generate_latest(read)
