"""Migrations are killed at any statement: run again, they give the schema of those that were not."""

from pathlib import Path

import pytest

from core.settings import load_settings
from tests.faults.figures import FORM, Figures, record
from tests.faults.nursery import Nursery
from tests.faults.points import lives
from tests.faults.programs import Laboratory
from tests.faults.servers import TEMPLATE, Servers
from tests.waiting import comes

pytestmark = pytest.mark.xdist_group("faults")

_SCHEMA = """
SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
    SELECT format('%s.%s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                  pg_get_expr(d.adbin, d.adrelid)) AS line
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'p')
    UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
    WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT 'revision ' || version_num FROM alembic_version
) AS schema
"""


async def schema(servers: Servers, database: str) -> str:
    """Everything that the migrations have made, as text."""
    async with servers.database(database) as connection:
        return str(await connection.fetchval(_SCHEMA))


async def migrated(
    nursery: Nursery, servers: Servers, database: str, folder: Path, *, die_at: int = 0
) -> int:
    """Migrate in a process of its own; its exit code."""
    settings = load_settings(
        home=folder / "home", database_url=servers.postgres.url_of(database), redis_url=servers.redis.url
    )
    plan = {"deaths": {"statement": die_at}, "lives": str(folder / "lives")} if die_at else {}
    child = nursery.start(
        "migrate", "migrate", env=settings.variables(), output=folder / "migrate.log", plan=plan
    )
    code = await comes(lambda: child.code, lambda code: code is not None)
    assert code is not None
    return code


async def test_killed_at_a_statement_and_run_again(laboratory: Laboratory, tmp_path: Path) -> None:
    nursery, servers = laboratory.nursery, laboratory.servers
    expected = await schema(servers, TEMPLATE)
    assert "inbox" in expected
    # In the short form a few of them; the last number is beyond the last statement.
    at = [2, 40, 150, 300] if FORM == "short" else range(1, 10_000, 1 if FORM == "full" else 7)
    kills = 0
    for number in at:
        database = await servers.new_database(template="template0")
        with lives(tmp_path / "lives", "statement", 1):
            code = await migrated(nursery, servers, database, tmp_path, die_at=number)
        kills += code == -9
        if code != 0:
            assert code == -9, (tmp_path / "migrate.log").read_text()
            assert await migrated(nursery, servers, database, tmp_path) == 0
        assert await schema(servers, database) == expected
        await servers.drop_database(database)
        if code == 0:
            break
    record(Figures("migrations are killed at a statement", 0, kills=kills))
    assert kills > 2
