"""Putting another data directory in the place of an embedded server's own: no end of it leaves none."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

RECOVERED: Final = "data.recovered"
"""Where a data directory waits that is to be the server's own: once it has this name, it will be."""


def finish_swap(directory: Path) -> Path | None:
    """Put what waits in its place; returns where the old one is, if there was one.

    Asked at each start of the server: whoever was killed in between has that finished.
    """
    waiting, data = directory / RECOVERED, directory / "data"
    if not waiting.is_dir():
        return None
    old = None
    if data.exists():
        old = directory / f"data.before-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        data.rename(old)
    waiting.rename(data)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return old
