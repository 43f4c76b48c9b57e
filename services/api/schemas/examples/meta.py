"""Examples of what a client needs to begin, and of settings."""

from msgspec import Struct

from services.api.schemas.examples.common import AT, OWN
from services.api.schemas.meta import Meta, MetaLimits, MetaLinks
from services.api.schemas.settings import AccountSettings, Setting, SettingsReport

EXAMPLES: dict[type[Struct], Struct] = {
    Meta: Meta(
        name="lotkeeper",
        version="0.1.0",
        api_version="v1",
        schema="0025",
        profile="main",
        server_time=AT,
        server_time_zone="UTC",
        broker_time_zone="America/New_York",
        accounts=2,
        features=("as_of", "known_at", "websocket"),
        topics=("positions", "summary"),
        limits=MetaLimits(
            page_default=100, page_most=500, points_most=5000, import_bytes=1073741824, imports_at_once=2
        ),
        links=MetaLinks(
            openapi="/openapi.json",
            asyncapi="/asyncapi.json",
            stream="/api/v1/stream",
            events="/api/v1/stream/events",
            livez="/livez",
            readyz="/readyz",
            metrics="/metrics",
        ),
        freshness=OWN,
    ),
    SettingsReport: SettingsReport(
        items=(
            Setting(
                name="ib_port",
                variable="LOTKEEPER_IB_PORT",
                meaning="4001/4002 Gateway live/paper, 7496/7497 TWS live/paper",
                value=4001,
                default=4002,
                source="environment",
                secret=False,
                is_set=True,
            ),
            Setting(
                name="flex_token",
                variable="LOTKEEPER_FLEX_TOKEN",
                meaning="of IBKR's Flex Web Service",
                value=None,
                default=None,
                source="file",
                secret=True,
                is_set=True,
            ),
        ),
        accounts=(AccountSettings(account="U1234567", cost_method="fifo", base_currency="USD"),),
        freshness=OWN,
    ),
}
