"""The dashboards, panel by panel. Each says what it shows; colours change where an alert would come."""

from collections.abc import Iterator

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ops.grafana.boards import api, link, machine, truth, upkeep


def every() -> Iterator[Dashboard]:
    """All of them."""
    for module in (truth, link, api, upkeep, machine):
        yield module.dashboard()
