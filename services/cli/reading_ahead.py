"""Begin to read a large statement before the rest of the program is loaded, which takes half a second."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.domain.formats import APART_FROM_BYTES
from services.statements.apart import FlexFileApart


class ReadingAhead:
    """Reads Flex files by other processes, of which one may have begun with its file."""

    def __init__(self, path: Path) -> None:
        self._begun: dict[Path, FlexFileApart] = {}
        # What is wrong with the file is told by who imports it.
        with suppress(OSError):
            if path.is_file() and path.stat().st_size >= APART_FROM_BYTES:
                self._begun[path] = FlexFileApart(path, str(path))

    def __call__(self, path: Path, name: str) -> FlexFileApart:
        """Read a file, once more if it was read before; the caller closes it."""
        return self._begun.pop(path, None) or FlexFileApart(path, name)

    def close(self) -> None:
        """End what began and nobody asked for."""
        for one in self._begun.values():
            one.close()


@contextmanager
def reading_ahead(path: Path) -> Iterator[ReadingAhead]:
    """Begin to read a statement if it is large."""
    reading = ReadingAhead(path)
    try:
        yield reading
    finally:
        reading.close()
