"""Every metric is declared once, named as Prometheus names things, and made from its declaration."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from core.metrics import make
from core.metrics.catalogue import BY_NAME, DECLARATIONS
from core.metrics.declared import Declared

ROOT = Path(__file__).parents[3]
MAKERS = frozenset({"counter", "gauge", "histogram", "family", "one"})
OF_THE_LIBRARY = frozenset(
    {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
    | {f"{kind}MetricFamily" for kind in ("Gauge", "Counter", "Histogram", "Summary", "Info", "Untyped")}
)
SUFFIX = {"seconds": "_seconds", "bytes": "_bytes", "moment": "_timestamp_seconds"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Modules that have to do with metrics: others are not worth the reading."""
    for folder in ("core", "models", "services"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if "prometheus_client" in text or "lotkeeper_" in text:
                yield str(path.relative_to(ROOT)), ast.parse(text)


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            yield getattr(called, "id", getattr(called, "attr", "")), node


def of_prometheus(tree: ast.Module) -> set[str]:
    """The names that a module takes from the library."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("prometheus_client")
        for alias in node.names
    }


def test_only_the_catalogue_makes_metrics() -> None:
    found = []
    for path, tree in sources():
        makers = OF_THE_LIBRARY & of_prometheus(tree)
        if not path.startswith("core/metrics/"):
            found += [f"{path}:{call.lineno}" for name, call in calls(tree) if name in makers]
    assert found == []


def test_each_declared_metric_is_made_in_one_place() -> None:
    made = Counter(
        call.args[0].value
        for path, tree in sources()
        for name, call in calls(tree)
        if name in MAKERS and call.args and isinstance(call.args[0], ast.Constant)
        if str(call.args[0].value).startswith("lotkeeper_") and not path.startswith("core/metrics/of_")
    )
    assert made == dict.fromkeys(BY_NAME, 1)


def test_no_name_is_declared_twice() -> None:
    assert len(BY_NAME) == sum(len(one.all) for one in DECLARATIONS)


@pytest.mark.parametrize("metric", BY_NAME.values(), ids=lambda metric: metric.name)
def test_each_is_named_and_explained_as_prometheus_would_have_it(metric: Declared) -> None:
    assert re.fullmatch(r"lotkeeper_[a-z][a-z0-9_]*[a-z0-9]", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    # The library adds these itself; a base name with one of them would be taken for a part of another.
    assert not metric.name.endswith(("_count", "_sum", "_bucket", "_created"))
    assert not re.search(r"_(ms|milliseconds|minutes|kib|mb|percent)\b", metric.name)
    assert metric.name.removesuffix("_total").endswith(SUFFIX.get(metric.unit, ""))
    if not metric.unit:
        assert not metric.name.removesuffix("_total").endswith(("_seconds", "_bytes"))
    assert metric.help.endswith(".")
    for label in metric.labels:
        assert re.fullmatch(r"[a-z][a-z_]*", label)
        assert label not in {"le", "quantile", "job", "instance"}
    assert bool(metric.buckets) == (metric.kind == "histogram")
    if metric.at_start is not None:
        assert (metric.kind, metric.labels) == ("gauge", ())
    assert metric.processes


def test_a_gauge_is_absent_until_it_is_known_and_when_it_is_not_any_more() -> None:
    registry = CollectorRegistry()
    gauge = make.gauge("lotkeeper_broker_redis_up", registry)

    def told() -> float | None:
        return registry.get_sample_value("lotkeeper_broker_redis_up")

    assert told() is None
    assert b"# TYPE lotkeeper_broker_redis_up gauge" in generate_latest(registry)
    gauge.set(0)
    assert told() == 0
    gauge.forget()
    assert told() is None
    by_link = make.gauge("lotkeeper_broker_link_up", registry)
    by_link.labels("ibkr").set(1)
    assert registry.get_sample_value("lotkeeper_broker_link_up", {"link": "ibkr"}) == 1
    by_link.forget()
    assert registry.get_sample_value("lotkeeper_broker_link_up", {"link": "ibkr"}) is None
    clients = make.gauge("lotkeeper_websocket_clients", registry)
    clients.inc()
    assert registry.get_sample_value("lotkeeper_websocket_clients") == 1


def test_what_is_not_declared_cannot_be_made() -> None:
    registry = CollectorRegistry()
    with pytest.raises(LookupError):
        make.counter("lotkeeper_of_my_own_total", registry)
    with pytest.raises(LookupError, match="as a counter, not as a gauge"):
        make.gauge("lotkeeper_broker_ticks_total", registry)
    with pytest.raises(LookupError):
        make.one("lotkeeper_of_my_own", 1)
