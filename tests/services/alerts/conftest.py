from collections.abc import Iterator

import pytest

from tests.services.alerts.receiver import Receiver, receiver


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as found:
        yield found
