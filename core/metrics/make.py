"""From declarations to objects that count. Nobody else makes metrics: what is not declared cannot be made."""

from collections.abc import Iterable
from decimal import Decimal

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily

from core.metrics.catalogue import BY_NAME
from core.metrics.declared import Declared, Kind

# A series more for each series, of use to nobody here.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library left this one bare


class PlainGauge(Gauge):
    """A gauge that is absent until it was set, and again once what it told is not known any more."""

    _is_known = False

    def set(self, value: float) -> None:
        """Tell this from now on."""
        super().set(value)
        self._is_known = True

    def forget(self) -> None:
        """Tell nothing from now on."""
        if self._labelnames:
            self.clear()
        self._is_known = False

    def collect(self) -> Iterable[Metric]:
        """What Prometheus is told: with labels, whatever was set."""
        families = list(super().collect())
        if not self._labelnames and not self._is_known:
            for one in families:
                one.samples.clear()
        return families


def counter(name: str, registry: CollectorRegistry = REGISTRY) -> Counter:
    """The counter of this name.

    Raises:
        LookupError: none was declared.
    """
    metric = _declared(name, "counter")
    return Counter(metric.name, metric.help, metric.labels, registry=registry)


def gauge(name: str, registry: CollectorRegistry = REGISTRY) -> PlainGauge:
    """The gauge of this name.

    Raises:
        LookupError: none was declared.
    """
    metric = _declared(name, "gauge")
    made = PlainGauge(metric.name, metric.help, metric.labels, registry=registry)
    if metric.at_start is not None:
        made.set(metric.at_start)
    return made


def histogram(name: str, registry: CollectorRegistry = REGISTRY) -> Histogram:
    """The histogram of this name.

    Raises:
        LookupError: none was declared.
    """
    metric = _declared(name, "histogram")
    return Histogram(metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=registry)


Values = Iterable[tuple[tuple[str, ...], float | Decimal | None]]


def family(name: str, values: Values) -> GaugeMetricFamily:
    """A gauge as it was just read, by the values of its labels; what is not known is left out.

    Raises:
        LookupError: none was declared.
    """
    metric = _declared(name, "gauge")
    made = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in values:
        if value is not None:
            made.add_metric(labels, float(value))
    return made


def one(name: str, value: float | Decimal | None) -> GaugeMetricFamily:
    """The same of one without labels."""
    return family(name, [((), value)])


def _declared(name: str, kind: Kind) -> Declared:
    metric = BY_NAME[name]
    if metric.kind != kind:
        raise LookupError(f"{name} was declared as a {metric.kind}, not as a {kind}")
    return metric
