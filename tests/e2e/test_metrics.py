"""What a running Lotkeeper tells Prometheus is what the catalogue says that it tells."""

import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.metrics.catalogue import OF_THE_LIBRARY, served_by
from core.metrics.declared import PROCESSES, Process
from tests.e2e.conftest import PATIENCE_SECONDS, Stack
from tests.waiting import eventually_now

pytestmark = pytest.mark.xdist_group("e2e")


def families(text: str) -> dict[str, tuple[str, str, set[frozenset[str]]]]:
    """Type, help and the sets of labels that are in use, by the name as Prometheus stores it."""
    found = {}
    for family in text_string_to_metric_families(text):
        # The parser takes the end off a counter's name, as the library does.
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}
        found[name] = (family.type, family.documentation, labels)
    return found


@pytest.mark.parametrize("process", PROCESSES)
def test_each_process_tells_what_is_declared_for_it_and_nothing_else(
    running_demo: Stack, process: Process
) -> None:
    declared = {metric.name: metric for metric in served_by(process) if not metric.money}
    # The ledger is gone through in the background, after the first time that somebody asked.
    told = eventually_now(
        lambda: families(running_demo.scrape(process)),
        lambda found: declared.keys() <= found.keys(),
        seconds=PATIENCE_SECONDS,
    )
    assert told.keys() - declared.keys() - set(OF_THE_LIBRARY) == set()
    for name, metric in declared.items():
        kind, description, labels = told[name]
        assert (kind, description) == (metric.kind, metric.help), name
        assert labels <= {frozenset(metric.labels)}, name


def test_no_account_number_is_told(running_demo: Stack) -> None:
    numbers = [account["account"] for account in running_demo.get("/accounts")["items"]]
    assert numbers
    for process in PROCESSES:
        text = running_demo.scrape(process)
        assert [number for number in numbers if number in text] == []


def test_a_scrape_of_the_api_is_cheap(running_demo: Stack) -> None:
    running_demo.scrape("api")
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        running_demo.scrape("api")
        seconds.append(time.perf_counter() - began)
    # Four times a minute; the best of five, for others have the machine, too.
    assert min(seconds) < 1, seconds
