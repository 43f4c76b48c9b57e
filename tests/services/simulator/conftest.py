from collections.abc import AsyncIterator

import pytest

from services.simulator import Simulator


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    """The default book, where nothing happens unless a test asks for it."""
    async with Simulator.start("quiet", seed=1) as simulator:
        yield simulator
