from zoneinfo import ZoneInfo

import pytest

from services.broker.gateway_time import zone_named
from services.broker.zone_names import JAVA_ZONES, WINDOWS_ZONES


@pytest.mark.parametrize("name", [*WINDOWS_ZONES, *JAVA_ZONES])
def test_every_name_that_we_map_leads_to_a_zone(name: str) -> None:
    assert isinstance(zone_named(name), ZoneInfo)


def test_a_name_that_nobody_knows_or_that_means_several_zones_is_none() -> None:
    assert zone_named("Nowhere Standard Time") is None
    assert zone_named("IST") is None
    assert zone_named("../etc/passwd") is None
