"""The partitions of the months, made while others read and write."""

import asyncio
from datetime import UTC, datetime

from sqlalchemy import text

from models.session import Database
from models.stores.partitions import ensure_partitions
from tests.waiting import SECONDS

MAY = datetime(2031, 5, 20, tzinfo=UTC)
_read = text("SELECT count(*) FROM snapshot_positions")
_write = text("UPDATE snapshot_positions SET quantity = 0 WHERE false")
_attached = text(
    "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bounds, "
    "(SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid) AS indexes, "
    "(SELECT array_agg(contype::text ORDER BY contype) FROM pg_constraint WHERE conrelid = c.oid "
    "AND contype IN ('p', 'f')) AS keys "
    "FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid "
    "WHERE h.inhparent = 'snapshot_positions'::regclass AND c.relname LIKE '%_2031_%' ORDER BY 1"
)


async def test_who_reads_or_writes_neither_holds_up_a_new_partition_nor_waits_for_it(
    database: Database,
) -> None:
    async with asyncio.timeout(SECONDS), database.read() as before, database.write() as other:
        await before.execute(_read)
        await other.execute(_write)
        async with database.write() as writer:
            assert await ensure_partitions(writer, MAY, months_ahead=0) == ["snapshot_positions_2031_05"]
            # Not committed yet: whoever comes now does not wait.
            async with database.read() as after:
                await after.execute(_read)
            await before.execute(_read)


async def test_a_partition_has_the_keys_and_indexes_of_its_table(database: Database) -> None:
    async with database.write() as writer:
        assert len(await ensure_partitions(writer, MAY, months_ahead=1)) == 2
        assert await ensure_partitions(writer, MAY, months_ahead=1) == []
    async with database.read() as reader:
        may, june = [tuple(row) for row in await reader.execute(_attached)]
    assert (may[0], june[0]) == ("snapshot_positions_2031_05", "snapshot_positions_2031_06")
    assert "FROM ('2031-05-01 00:00:00+00') TO ('2031-06-01 00:00:00+00')" in may[1]
    assert may[2:] == june[2:] == (2, ["f", "f", "p"])
