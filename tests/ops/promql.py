"""What a PromQL expression asks for: metrics and labels, held against the catalogue."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from core.metrics.catalogue import BY_NAME, OF_PROMETHEUS, OF_THE_LIBRARY

_SELECTOR = re.compile(r"\b([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^}]*)\})?")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_MATCHED = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPED = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_PARTS = ("_bucket", "_sum", "_count")
OF_TARGETS = frozenset({"job", "instance"})
"""Labels that Prometheus gives each series that it scrapes."""


class Selector(NamedTuple):
    """A metric that is asked for, and the labels it is asked for by."""

    metric: str
    labels: frozenset[str]


def selectors(expression: str) -> Iterator[Selector]:
    """The metrics of an expression."""
    for name, matchers in _SELECTOR.findall(_QUOTED.sub('""', expression)):
        if name.startswith("lotkeeper_") or name in {*OF_PROMETHEUS, *OF_THE_LIBRARY}:
            yield Selector(name, frozenset(_MATCHED.findall(matchers)))


def labels_of(metric: str) -> frozenset[str]:
    """The labels that a metric may have.

    Raises:
        LookupError: there is no such metric.
    """
    if metric in {*OF_PROMETHEUS, *OF_THE_LIBRARY}:
        return OF_TARGETS
    base = next((metric.removesuffix(end) for end in _PARTS if metric.endswith(end)), metric)
    if metric not in BY_NAME and base in BY_NAME and BY_NAME[base].kind == "histogram":
        return OF_TARGETS | {*BY_NAME[base].labels, "le"}
    if BY_NAME[metric].kind == "histogram":
        raise LookupError(f"{metric} is a histogram: ask for one of its parts")
    return OF_TARGETS | {*BY_NAME[metric].labels}


def faults(expression: str) -> list[str]:
    """What an expression asks for that there is not."""
    asked = list(selectors(expression))
    found = [] if asked else ["it asks for no metric"]
    known: set[str] = set()
    for metric, labels in asked:
        try:
            has = labels_of(metric)
        except LookupError as error:
            found.append(f"no metric {metric}: {error}")
            continue
        known |= has
        found += [f"{metric} has no label {label}" for label in sorted(labels - has)]
    for group in _GROUPED.findall(_QUOTED.sub('""', expression)):
        by = {label.strip() for label in group.split(",") if label.strip()}
        found += [f"none of its metrics has a label {label}" for label in sorted(by - known)]
    return found
