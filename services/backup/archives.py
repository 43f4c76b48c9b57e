"""Files of archives: a line that says so, what is encrypted, what the archive says of itself, and a seal.

The seal is the SHA-256 of everything before it: whoever has no key sees that a copy is whole. That it was not
forged only the encryption tells, which holds the same manifest once more.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import IO, Final, NamedTuple

import pyrage
from pyrage import x25519

from core.settings import PREFIX
from services.backup.errors import ArchiveRefusedError, BackupFailedError, OtherKeyError
from services.backup.folder import sync_folder, unfinished
from services.backup.manifest import FORMAT, Manifest, decoded
from services.backup.parts import CHUNK, MANIFEST, Unframing

_HEAD: Final = b"lotkeeper-backup %d\n"
_FOOT: Final = b"\nlotkeeper-backup-end %012d "
_SEAL_BYTES: Final = 64
_FOOT_BYTES: Final = len(_FOOT % 0) + _SEAL_BYTES + 1
_FOOT_FORM: Final = re.compile(rb"\nlotkeeper-backup-end (\d{12}) ([0-9a-f]{64})\n")
_HEAD_FORM: Final = re.compile(rb"lotkeeper-backup (\d{1,6})\n")
_MOST_MANIFEST: Final = 16 << 20


class Kept(NamedTuple):
    """An archive as its own outside tells: where what is encrypted begins and ends."""

    path: Path
    manifest: Manifest
    written: bytes
    bytes: int
    begins: int
    ends: int


class Reading:
    """Pieces as a file to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""
        self.error: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes; none at the end."""
        try:
            while not self._left:
                piece = next(self._pieces, None)
                if piece is None:
                    return b""
                self._left = piece
        except BaseException as error:
            self.error = error
            raise
        taken = self._left if size < 0 else self._left[:size]
        self._left = self._left[len(taken) :]
        return taken


class _Sealing:
    """A file to write to, of which the hash is taken on the way."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.error: BaseException | None = None

    def write(self, data: bytes) -> int:
        try:
            self._file.write(data)
        except OSError as error:
            self.error = error
            raise
        self.digest.update(data)
        return len(data)

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            self.error = error
            raise


class Taking:
    """Where what was decrypted goes."""

    def __init__(self, unframing: Unframing) -> None:
        self._unframing = unframing
        self.error: BaseException | None = None

    def write(self, data: bytes) -> int:
        """Take in what comes next."""
        try:
            self._unframing.feed(data)
        except BaseException as error:
            self.error = error
            raise
        return len(data)

    def flush(self) -> None:
        """There is nothing to do."""


def write_archive(path: Path, pieces: Iterator[bytes], recipients: Sequence[x25519.Recipient]) -> int:
    """Write an archive of what ``framed`` gives, whole or not at all; returns its size in bytes.

    Raises:
        BackupFailedError: it cannot be written, as where the disk is full.
        Exception: what the pieces raise.
    """
    draft = unfinished(path.parent, path.name)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            _write(file, pieces, recipients)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        draft.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise BackupFailedError(
            f"No backup was written to {path.parent}: {error.strerror}. Nothing of it was kept. Make room "
            f"(lotkeeper backup prune), or choose another folder with {PREFIX}BACKUP_DIR."
        ) from None
    finally:
        draft.unlink(missing_ok=True)
    return size


def _write(file: IO[bytes], pieces: Iterator[bytes], recipients: Sequence[x25519.Recipient]) -> None:
    sealing, last = _Sealing(file), _Last(pieces)
    reading = Reading(iter(last))
    sealing.write(_HEAD % FORMAT)
    try:
        pyrage.encrypt_io(reading, sealing, recipients)
    except (pyrage.EncryptError, OSError) as error:
        # The library tells of our own errors in words only.
        raise (reading.error or sealing.error or error) from None
    manifest = last.manifest()
    sealing.write(manifest + _FOOT % len(manifest))
    file.write(sealing.digest.hexdigest().encode() + b"\n")


class _Last:
    """Hands pieces on, and keeps the last: the manifest in its frame."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._last = b""

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self._last = piece
            yield piece

    def manifest(self) -> bytes:
        inside = Unframing()
        inside.feed(self._last)
        inside.finish()
        return inside.manifest


def look_at(path: Path) -> Kept:
    """What an archive says of itself. Only its ends are read: see ``require_whole``.

    Raises:
        ArchiveRefusedError: it is none, was cut off, or is of a newer version's format.
        BackupFailedError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _look_at(path, file)
    except OSError as error:
        raise BackupFailedError(f"{path} cannot be read: {error.strerror}.") from None


def _look_at(path: Path, file: IO[bytes]) -> Kept:
    head = _HEAD_FORM.match(file.read(len(_HEAD) + 6))
    if head is None:
        raise ArchiveRefusedError(f"{path} is no backup of Lotkeeper.")
    if int(head[1]) != FORMAT:
        raise ArchiveRefusedError(
            f"{path} is of format {int(head[1])}; this version of Lotkeeper reads format {FORMAT}. "
            "Install a newer one."
        )
    size = file.seek(0, os.SEEK_END)
    cut_off = ArchiveRefusedError(
        f"{path} was cut off: its end is missing. Copy it again from where it was made."
    )
    if size < head.end() + _FOOT_BYTES:
        raise cut_off
    file.seek(size - _FOOT_BYTES)
    foot = _FOOT_FORM.fullmatch(file.read(_FOOT_BYTES))
    if foot is None:
        raise cut_off
    length = int(foot[1])
    ends = size - _FOOT_BYTES - length
    if length > _MOST_MANIFEST or ends < head.end():
        raise ArchiveRefusedError(f"{path} was changed: what it says of itself does not fit into it.")
    file.seek(ends)
    written = file.read(length)
    return Kept(path, decoded(written), written, size, head.end(), ends)


def require_whole(kept: Kept, told_to_stop: Event | None = None) -> None:
    """Hold the file to its seal; takes as long as reading it, unless it is told to stop.

    Raises:
        ArchiveRefusedError: it was changed since it was written.
        BackupFailedError: it cannot be read.
    """
    digest, left = hashlib.sha256(), kept.bytes - _SEAL_BYTES - 1
    try:
        with kept.path.open("rb") as file:
            while left and (piece := file.read(min(CHUNK, left))):
                _require_going_on(told_to_stop)
                digest.update(piece)
                left -= len(piece)
            seal = file.read(_SEAL_BYTES)
    except OSError as error:
        raise BackupFailedError(f"{kept.path} cannot be read: {error.strerror}.") from None
    if left or seal != digest.hexdigest().encode():
        raise ArchiveRefusedError(
            f"{kept.path} was changed or damaged since it was written: its checksum is another. Take another "
            "archive, or copy it again from where it was made."
        )


def open_archive(
    kept: Kept,
    identities: Sequence[x25519.Identity],
    folder: Path | None = None,
    told_to_stop: Event | None = None,
) -> Manifest:
    """Decrypt it, hold every part to the manifest inside, and that to the one outside.

    With a ``folder`` the parts are there afterwards under their names; without, they are only looked at.

    Raises:
        OtherKeyError: no identity opens it.
        ArchiveRefusedError: it was changed.
        BackupFailedError: it cannot be read, or its parts cannot be written.
    """
    unframing = Unframing(folder)
    taking = Taking(unframing)
    try:
        with kept.path.open("rb") as file:
            file.seek(kept.begins)
            reading = Reading(_up_to(file, kept.ends - kept.begins, told_to_stop))
            pyrage.decrypt_io(reading, taking, list(identities))
        unframing.finish()
    except ArchiveRefusedError:
        raise
    except (pyrage.DecryptError, OSError) as error:
        if isinstance(taking.error, ArchiveRefusedError):
            raise taking.error from None
        if isinstance(taking.error, OSError):
            why = taking.error.strerror
            raise BackupFailedError(f"What is in {kept.path} cannot be written to {folder}: {why}.") from None
        raise _refusal(kept, error) from None
    finally:
        unframing.close()
    parts = {name: part for name, part in unframing.parts.items() if name != MANIFEST}
    if unframing.manifest != kept.written or parts != kept.manifest.parts:
        raise ArchiveRefusedError(
            f"{kept.path} was changed: what it says of itself outside is not what is inside."
        )
    return kept.manifest


def _refusal(kept: Kept, error: Exception) -> ArchiveRefusedError:
    if isinstance(error, pyrage.DecryptError) and "No matching keys" in str(error):
        return OtherKeyError(
            f"No key here opens {kept.path}: it was encrypted to another. Name the file with its identity: "
            f"--identity FILE, or {PREFIX}BACKUP_IDENTITY."
        )
    return ArchiveRefusedError(f"{kept.path} was changed: it cannot be decrypted to its end.")


def _require_going_on(told_to_stop: Event | None) -> None:
    if told_to_stop is not None and told_to_stop.is_set():
        raise BackupFailedError("Nobody waits for it any more.")


def _up_to(file: IO[bytes], size: int, told_to_stop: Event | None) -> Iterator[bytes]:
    while size and (piece := file.read(min(CHUNK, size))):
        _require_going_on(told_to_stop)
        size -= len(piece)
        yield piece
