"""What the runs share: servers, a nursery, how undisturbed runs ended, and the table of figures."""

from collections.abc import Iterator

import pytest

from tests.faults.figures import FORM, TABLE, write_table
from tests.faults.nursery import Nursery
from tests.faults.programs import Laboratory
from tests.faults.servers import Servers

collect_ignore = ["test_clock.py", "test_large.py"] if FORM == "short" else []
"""Too long for the ordinary tests."""


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Starts services by forking."""
    with Nursery(tmp_path_factory.mktemp("nursery") / "output.log") as nursery:
        yield nursery


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A durable PostgreSQL and a durable Valkey."""
    with Servers(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture(scope="session")
def laboratory(nursery: Nursery, servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Laboratory:
    """Where programs are run."""
    return Laboratory(nursery, servers, tmp_path_factory.mktemp("runs"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures of all runs."""
    if TABLE:
        terminalreporter.write_line("")
        for line in write_table():
            terminalreporter.write_line(line)
