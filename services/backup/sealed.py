"""Single files that are put away for later: compressed, encrypted, written whole or not at all."""

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final

import pyrage
from pyrage import x25519

from services.backup.archives import Reading
from services.backup.errors import ArchiveRefusedError, BackupFailedError, OtherKeyError
from services.backup.folder import sync_folder, unfinished

_GZIP: Final = 31
_FAST: Final = 1


def compressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """As gzip would."""
    squeeze = zlib.compressobj(_FAST, zlib.DEFLATED, _GZIP)
    for chunk in chunks:
        if piece := squeeze.compress(chunk):
            yield piece
    yield squeeze.flush()


def write_sealed(
    folder: Path, name: str, chunks: Iterable[bytes], recipients: Sequence[x25519.Recipient], root: Path
) -> int:
    """Write a file of what the chunks give, encrypted; returns its size in bytes.

    Until it is whole it has a name in ``root``, where what is unfinished is cleared up.

    Raises:
        BackupFailedError: it cannot be written, as where the disk is full.
        Exception: what the chunks raise.
    """
    draft, reading = unfinished(root, name), Reading(iter(chunks))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            try:
                pyrage.encrypt_io(reading, file, recipients)
            except (pyrage.EncryptError, OSError) as error:
                # The library tells of our own errors in words only.
                raise (reading.error or error) from None
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        draft.rename(folder / name)
        sync_folder(folder)
    except (pyrage.EncryptError, OSError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise BackupFailedError(
            f"{folder / name} cannot be written: {why}. Nothing of it was kept."
        ) from None
    finally:
        draft.unlink(missing_ok=True)
    return size


def open_sealed(path: Path, identities: Sequence[x25519.Identity], into: IO[bytes]) -> None:
    """Decrypt a file; what comes out may be the beginning only where this raises.

    Raises:
        OtherKeyError: no identity opens it.
        ArchiveRefusedError: it was changed or cut off.
        BackupFailedError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            pyrage.decrypt_io(file, into, list(identities))
    except pyrage.DecryptError as error:
        if "No matching keys" in str(error):
            raise OtherKeyError(
                f"No key here opens {path}: it was encrypted to another. Name the file with its identity: "
                "--identity FILE"
            ) from None
        raise _changed(path) from None
    except OSError as error:
        if error.strerror is None:
            raise _changed(path) from None
        raise BackupFailedError(f"{path} cannot be opened: {error.strerror}.") from None


def _changed(path: Path) -> ArchiveRefusedError:
    return ArchiveRefusedError(f"{path} was changed or cut off: it cannot be decrypted to its end.")


class Inflating:
    """Takes what ``compressed`` gave, and writes what it was; ``digest`` is of that."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._squeezed = zlib.decompressobj(_GZIP)
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Take in what comes next."""
        self._out(self._squeezed.decompress(data))
        return len(data)

    def flush(self) -> None:
        """There is nothing to do before the end."""

    def finish(self) -> None:
        """There is no more."""
        self._out(self._squeezed.flush())

    def _out(self, data: bytes) -> None:
        self.digest.update(data)
        self._file.write(data)
