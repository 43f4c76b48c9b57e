"""A file that knows its checksum when it has been written."""

import hashlib
from pathlib import Path
from typing import Any

from services.export.manifest import ExportedFile


class HashedFile:
    """Written once, from its beginning to its end."""

    def __init__(self, folder: Path, path: str) -> None:
        self.path = path
        self.closed = False
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        self._file = (folder / path).open("xb")
        self._hash = hashlib.sha256()
        self._bytes = 0

    def write(self, data: Any) -> int:
        """Append."""
        written = self._file.write(data)
        self._hash.update(data)
        self._bytes += written
        return written

    def tell(self) -> int:
        """How many bytes were written."""
        return self._bytes

    def flush(self) -> None:
        """Give what waits to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """No more comes."""
        if not self.closed:
            self.closed = True
            self._file.close()

    def writable(self) -> bool:
        """It is: pyarrow asks."""
        return True

    def readable(self) -> bool:
        """It is not."""
        return False

    def seekable(self) -> bool:
        """It is not."""
        return False

    def told(self, dataset: str, rows: int) -> ExportedFile:
        """The file as the manifest has it."""
        self.close()
        return ExportedFile(self.path, dataset, rows, self._bytes, self._hash.hexdigest())
