"""The client against a running API: it waits for answers, so it has a thread of its own."""

from collections.abc import AsyncIterator

import pytest

from lotkeeper_client import Client
from tests.services.api.conftest import Api, api, seeded, start, template
from tests.services.api.portfolio import TOKEN

__all__ = ["api", "seeded", "start", "template"]


@pytest.fixture
async def client(api: Api) -> AsyncIterator[Client]:
    """A client of the API over the seeded portfolio that asks for two rows at a time."""
    with Client(f"http://{api.address}", TOKEN, page_rows=2) as one:
        yield one
