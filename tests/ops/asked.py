"""What the panels of the dashboards ask."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from ops.grafana.generate import files

MADE = {name: json.loads(content) for name, content in files().items()}


class Asked(NamedTuple):
    """What a panel asks, and what it calls the answers."""

    panel: str
    unit: str
    expression: str
    legend: str


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, dashboard in MADE.items():
        for panel in dashboard["panels"]:
            if panel["type"] != "row":
                yield f"{name}: {panel['title']}", panel


PANELS = list(panels())


def all_asked() -> Iterator[Asked]:
    for name, panel in PANELS:
        for target in panel["targets"]:
            # Grafana puts the time of a point in its place.
            expression = target["expr"].replace("$__rate_interval", "5m")
            unit = panel["fieldConfig"]["defaults"]["unit"]
            yield Asked(name, unit, expression, target.get("legendFormat", ""))


ASKED = list(all_asked())
