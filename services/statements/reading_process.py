"""The process that reads a Flex statement for another: ``python -m services.statements.reading_process``.

It writes frames to standard output and nothing else, and ends when nobody reads them any more.
"""

import gc
import hashlib
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from io import SEEK_SET, BufferedIOBase
from itertools import islice
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import BinaryIO, Final

from services.statements.errors import StatementError
from services.statements.flex import FlexFile
from services.statements.frames import Broken, End, Frame, Piece, Unreadable, framed

_RECORDS_A_FRAME: Final = 1_000
FRAMES_AHEAD: Final = 32
"""Of half a megabyte each: so much is read before anybody wants it."""


_HASHED_AT_ONCE: Final = 1 << 20
"""So much that handing it to a thread costs nothing beside hashing it."""


class Hashed(BufferedIOBase):
    """A file whose content is hashed as it is read for the first time, wherever else it is looked into.

    A thread hashes, while what was read is made sense of.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sum = hashlib.sha256()
        self._place = self._read_bytes = self._waiting_bytes = 0
        self._waiting: list[bytes] = []
        self._beside = ThreadPoolExecutor(1)
        self._hashing: Future[None] | None = None

    def hexdigest(self) -> str:
        """The sum of what was read, all from the beginning up to the farthest place."""
        self._hash().result()
        return self._sum.hexdigest()

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """As the file is."""
        return self._file.seekable()

    def tell(self) -> int:
        """How far it was read."""
        return self._place

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        """Go to a place."""
        self._place = self._file.seek(offset, whence)
        return self._place

    def read(self, size: int | None = -1, /) -> bytes:
        """Read on."""
        content = self._file.read(-1 if size is None else size)
        if self._place == self._read_bytes:
            self._read_bytes += len(content)
            self._waiting.append(content)
            self._waiting_bytes += len(content)
            if self._waiting_bytes >= _HASHED_AT_ONCE:
                self._hash()
        self._place += len(content)
        return content

    def _hash(self) -> Future[None]:
        """Hash what waits, once what was handed over before is hashed."""
        if self._hashing is not None:
            self._hashing.result()
        waiting, self._waiting, self._waiting_bytes = b"".join(self._waiting), [], 0
        self._hashing = self._beside.submit(self._sum.update, waiting)
        return self._hashing


def read(path: Path, name: str, tell: Callable[[Frame], None]) -> None:
    """Read a file and tell all of it."""
    try:
        with path.open("rb") as file:
            source = Hashed(file)
            reading = FlexFile(source, name)
            records = iter(reading)
            while some := list(islice(records, _RECORDS_A_FRAME)):
                tell(Piece(some, reading.bytes_read))
        tell(End(reading.bytes_read, source.hexdigest(), dict(reading.unknown)))
    except StatementError as error:
        tell(Broken(error.code, str(error), vars(error)))
    except OSError as error:
        tell(Unreadable(error.errno or 0, error.strerror or str(error)))


def _write(frames: Queue[bytes], pipe: BinaryIO) -> None:
    try:
        while frame := frames.get():
            pipe.write(frame)
            pipe.flush()
    except OSError:
        # Whoever was to hear it is gone.
        os._exit(1)


def main() -> None:
    """Read the file that the arguments name."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    frames: Queue[bytes] = Queue(FRAMES_AHEAD)
    writer = Thread(target=_write, args=(frames, sys.stdout.buffer), daemon=True)
    writer.start()
    read(Path(sys.argv[1]), sys.argv[2], lambda frame: frames.put(framed(frame)))
    frames.put(b"")
    writer.join()


if __name__ == "__main__":
    main()
