"""What this process counts of itself, and what it reads from database and streams when asked."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

# A series more for each series, of use to nobody here.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library left this one bare

OWN = CollectorRegistry()
ProcessCollector(registry=OWN)
PlatformCollector(registry=OWN)

REQUESTS = Counter(
    "lotkeeper_http_requests", "Requests answered.", ("method", "route", "status"), registry=OWN
)
SECONDS = Histogram(
    "lotkeeper_http_request_seconds",
    "Time to the first byte of an answer.",
    ("route",),
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=OWN,
)
CLIENTS = Gauge("lotkeeper_websocket_clients", "WebSocket clients that are signed in.", registry=OWN)
FRAMES = Counter("lotkeeper_websocket_frames", "Numbered frames.", ("topic",), registry=OWN)
RESETS = Counter(
    "lotkeeper_websocket_resets", "Readers that fell behind and began anew.", ("topic",), registry=OWN
)
UNREADABLE = Counter(
    "lotkeeper_stream_unreadable_entries",
    "Stream entries that this version could not read.",
    ("stream",),
    registry=OWN,
)
REFUSED = Counter("lotkeeper_refused_requests", "Requests refused, by problem code.", ("code",), registry=OWN)


class _Read(Collector):
    def __init__(self, families: Iterable[GaugeMetricFamily]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from self._families


def gauge(
    name: str,
    description: str,
    values: Iterable[tuple[tuple[str, ...], float | Decimal | None]],
    *labels: str,
) -> GaugeMetricFamily:
    """A gauge of ``lotkeeper_<name>``; what is not known is left out."""
    family = GaugeMetricFamily(f"lotkeeper_{name}", description, labels=labels)
    for label_values, value in values:
        if value is not None:
            family.add_metric(label_values, float(value))
    return family


def render(families: Iterable[GaugeMetricFamily]) -> bytes:
    """Everything in Prometheus' text format."""
    read = CollectorRegistry()
    read.register(_Read(families))
    return generate_latest(OWN) + generate_latest(read)
