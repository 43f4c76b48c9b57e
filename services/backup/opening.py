"""The parts of an archive as files, for as long as they are needed, for our eyes only.

They are in the profile's own folder, not in that of archives, which may be a share whose history others read.
"""

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from pyrage import x25519

from core.settings import Settings
from services.backup.archives import Kept, open_archive, require_whole
from services.backup.errors import ArchiveRefusedError
from services.backup.folder import unfinished


@asynccontextmanager
async def opened(
    settings: Settings, kept: Kept, identities: Sequence[x25519.Identity]
) -> AsyncIterator[Path]:
    """Have them in a folder.

    Raises:
        ArchiveRefusedError: it is not whole, not unchanged, or no key here opens it.
        BackupFailedError: it cannot be read, or its parts cannot be written.
    """
    if not identities:
        raise ArchiveRefusedError(
            f"There is no key here to open {kept.path} with. Name the file with its identity: "
            "--identity FILE, or LOTKEEPER_BACKUP_IDENTITY."
        )
    settings.data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    _clear_up(settings.data_dir)
    folder = unfinished(settings.data_dir, f"open-{os.getpid()}")
    folder.mkdir(mode=0o700)
    told = threading.Event()
    try:
        await _in_thread(told, require_whole, kept, told)
        await _in_thread(told, open_archive, kept, identities, folder, told)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _in_thread(told: threading.Event, work: Callable[..., Any], *arguments: Any) -> None:
    """Who is told to stop waits for the thread, which is told, too: what it wrote last is removed then."""
    working = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        told.set()
        await asyncio.wait({working})
        with suppress(Exception):
            working.result()
        raise


def _clear_up(folder: Path) -> None:
    """What somebody left who was killed over it."""
    for path in folder.glob(f"{unfinished(folder, 'open-').name}*"):
        with suppress(OSError, ValueError):
            pid = int(path.name.rpartition("-")[2])
            if pid != os.getpid() and Path(f"/proc/{pid}").exists():
                continue
            shutil.rmtree(path)
