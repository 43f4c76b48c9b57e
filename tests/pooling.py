"""A real PgBouncer, which gives each transaction whichever connection to PostgreSQL is free."""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from services.stack.ports import free_port
from tests.waiting import eventually

_NOBODY = "nobody"


@asynccontextmanager
async def pooler_before(url: str, *, connections: int) -> AsyncIterator[str]:
    """The URL of a pooler with so many connections to the database of ``url``."""
    there = urlsplit(url)
    port = free_port()
    user, password = unquote(there.username or "postgres"), unquote(there.password or "")
    host = there.hostname or parse_qs(there.query)["host"][0]
    # Not a folder of pytest's: whoever PgBouncer runs as has to read it.
    with tempfile.TemporaryDirectory(prefix="lotkeeper-pooler-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        users = folder / "users.txt"
        users.write_text(f'"{user}" "{password}"\n')
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = host={host} port={there.port or 5432}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = plain\nauth_file = {users}\npool_mode = transaction\n"
            f"default_pool_size = {connections}\nmax_client_conn = 200\n"
        )
        log = (folder / "log").open("wb")
        as_nobody = os.geteuid() == 0 and _NOBODY in {one.pw_name for one in pwd.getpwall()}
        process = subprocess.Popen(  # noqa: ASYNC220 - starting it takes no time
            [shutil.which("pgbouncer") or "pgbouncer", str(settings)],
            user=_NOBODY if as_nobody else None,
            stdout=log,
            stderr=log,
        )
        try:

            async def listens() -> bool:
                assert process.poll() is None, (folder / "log").read_text()
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    return True
                return False

            await eventually(listens)
            yield f"postgresql://{user}:{password}@127.0.0.1:{port}{there.path}"
        finally:
            process.kill()
            await asyncio.to_thread(process.wait)
            log.close()
