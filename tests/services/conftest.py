"""A machine of which WAL is put away: it takes seconds to make, so it is made once and copied."""

from pathlib import Path

import pytest

from tests.services.backup.machines import Machine, make


@pytest.fixture(scope="session")
def made_machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Stopped; nobody changes it."""
    return make(tmp_path_factory.mktemp("machine") / "home")


@pytest.fixture
def machine(made_machine: Machine, tmp_path: Path) -> Machine:
    """In the home that commands look at."""
    return made_machine.copied(tmp_path / "home")
