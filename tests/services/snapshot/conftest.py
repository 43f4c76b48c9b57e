import pytest

from core.settings import Settings
from models.session import Database
from services.snapshot.runs import Snapshots
from tests.services.snapshot.world import Hand


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def taker(database: Database, settings: Settings, clock: Hand) -> Snapshots:
    return Snapshots(database, settings, clock=clock)
