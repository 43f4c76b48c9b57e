"""The notebooks read a running API, and the database of the same portfolio."""

from dataclasses import replace

import pytest

from core.settings import Settings
from tests.databases import Templates
from tests.services.api.conftest import QUICK, Api, Start, start
from tests.services.api.restricted import seed_both

__all__ = ["start"]


@pytest.fixture
def template(templates: Templates) -> str:
    """Two accounts of which much is known."""
    return templates.seeded(seed_both)


@pytest.fixture
async def api(start: Start, settings: Settings) -> Api:
    """An API that looks for itself what has changed: no worker runs that would tell it."""
    return await start(settings, pace=replace(QUICK, reload_seconds=0.5))
