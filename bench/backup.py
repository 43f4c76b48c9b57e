"""Take a backup of a long history and restore it into an empty database, beside bare pg_dump and pg_restore.

The floors are the same programs with the same options, from the same server and into it: nothing is hashed,
encrypted, compared, analysed or synced. Ours is from the command to an archive that is on the disk, and from
an archive to a database in its place. ``python -m bench.backup [EXECUTIONS [BOOKS]]``
"""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import URL

from bench.report import figure
from bench.rig import servers
from core.settings import Settings
from models.databases import alone_with, direct_engine_url
from models.session import Database
from services.backup.creating import create
from services.backup.keys import identities
from services.backup.programs import clients_for, libpq_environment
from services.backup.restoring import drill, restore
from services.position_sync.rebuild import rebuild


async def _bare(settings: Settings, folder: Path) -> tuple[float, float, int]:
    """Seconds of pg_dump and of pg_restore alone, and the dump's size in bytes."""
    url = settings.require_database_url()
    file = folder / "bare.dump"
    async with alone_with(url) as server:
        if server is None:
            raise SystemExit("Somebody restores this database.")
        clients = clients_for(url, await server.major(), settings.postgres_bin)
        dump = [clients.dump, "--format=custom", "--compress=1", "--exclude-schema=lotkeeper_restricted"]
        dumped = await asyncio.to_thread(_timed, [*dump, "--no-privileges", f"--file={file}"], url)
        name = server.beside("drill")
        await server.create(name)
        restore_it = [clients.restore, "--no-owner", "--no-privileges", "--jobs=2", f"--dbname={name}"]
        beside = direct_engine_url(url, name)
        restored = await asyncio.to_thread(_timed, [*restore_it, str(file)], beside)
        await server.drop(name)
    return dumped, restored, file.stat().st_size


def _timed(command: list[str], url: str | URL) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=libpq_environment(url), check=True)
    return time.perf_counter() - started


async def main() -> None:
    executions = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    books = int(sys.argv[2]) if len(sys.argv) > 2 else 400
    async with servers() as settings:
        seeding = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.seed", settings.require_database_url()),
            *(str(executions), str(books)),
        )
        if await seeding.wait():
            raise SystemExit("Nothing was seeded.")
        database = Database(settings.require_database_url(), application="bench")
        await rebuild(database, None, settings)
        await database.close()
        dumped, bare, size = await _bare(settings, settings.home)
        created = await create(settings, "cli")
        keys = identities(settings)
        started = time.perf_counter()
        await drill(settings, created.path, keys)
        tried = time.perf_counter() - started
        into = direct_engine_url(settings.require_database_url(), "restored")
        url = SecretStr(into.render_as_string(hide_password=False))
        fresh = settings.model_copy(update={"database_url": url})
        started = time.perf_counter()
        restored = await restore(fresh, created.path, keys)
        seconds = time.perf_counter() - started
        if restored.manifest.state != created.manifest.state:
            raise SystemExit("What was restored is not what was saved.")
    what = f"{executions:,} executions, {created.manifest.rows:,} rows"
    figure(f"backup of {what}", created.seconds, dumped, "s")
    figure(f"restore of {what}", seconds, bare, "s")
    figure(f"restore on trial of {what}", tried, bare, "s")
    figure(f"archive of {what}", created.bytes / 1e6, size / 1e6, "MB")


if __name__ == "__main__":
    asyncio.run(main())
