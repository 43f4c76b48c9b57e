"""What an older version booked, the newest one completes."""

import random

from sqlalchemy import text

from core.settings import Settings
from core.streams.redis import RedisStreams
from models.migrate import migrate
from models.session import Database
from services.position_sync.relay import Relay
from services.position_sync.sweep import sweep
from tests.services.position_sync.facts import Link
from tests.services.position_sync.ledger_rows import ledger_rows
from tests.services.position_sync.test_replay import script


async def test_what_was_booked_before_there_were_disposals_has_them_after_the_next_sweep(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings
) -> None:
    facts = script(random.Random(5))  # noqa: S311 - a repeatable script, not a secret
    await relay.handle([Link().entry(*facts)])
    expected = await ledger_rows(database)
    assert expected["lot_disposals"]
    async with database.write() as connection:
        for statement in (
            "DROP TABLE lot_disposals",
            "ALTER TABLE lots DROP COLUMN provisional",
            "ALTER TABLE positions DROP COLUMN disposal_count",
            "UPDATE alembic_version SET version_num = '0001'",
        ):
            await connection.execute(text(statement))
    url = settings.require_database_url()
    await migrate(url, "main")
    upgraded = Database(url, application="test")
    try:
        await sweep(upgraded, streams, settings)
        assert await ledger_rows(upgraded) == expected
    finally:
        await upgraded.close()
