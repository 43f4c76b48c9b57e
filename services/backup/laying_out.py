"""Writing out what was put away, as the server had it: its data directory, and segments of WAL."""

import os
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pyrage import x25519

from services.backup.errors import ArchiveRefusedError
from services.backup.sealed import Inflating, open_sealed
from services.backup.wal import HASH_DIGITS, PARTIAL, Piece
from services.stack.processes import User

_AT_ONCE: Final = 1 << 20


def lay_out_piece(piece: Piece, into: Path, identities: Sequence[x25519.Identity]) -> None:
    """Write a segment as the server wrote it.

    Raises:
        ArchiveRefusedError: it was changed, cut off, or no identity opens it.
    """
    if not piece.sha256:
        try:
            shutil.copyfile(piece.path, into)
        except FileNotFoundError:
            # It is whole since it was found, and has its name now.
            shutil.copyfile(piece.path.with_name(piece.path.name.removesuffix(PARTIAL)), into)
        into.chmod(0o600)
        return
    with into.open("xb") as file:
        inflating = Inflating(file)
        open_sealed(piece.path, identities, inflating)  # type: ignore[arg-type]  # all it asks of a file
        inflating.finish()
    into.chmod(0o600)
    if inflating.digest.hexdigest()[:HASH_DIGITS] != piece.sha256:
        raise ArchiveRefusedError(f"{piece.path} was changed: what is in it is not what its name says.")


def extract(archive: Path, into: Path, user: User | None) -> None:
    """Write a data directory out of its tar archive, as PostgreSQL wants it: nobody else's.

    Raises:
        ArchiveRefusedError: something in it would lead out of the folder, or is no file.
    """
    into.mkdir(mode=0o700)
    with tarfile.open(archive, "r|gz") as tar:
        for member in tar:
            place = into / member.name
            if ".." in Path(member.name).parts or Path(member.name).is_absolute():
                raise ArchiveRefusedError(
                    f"{archive} was changed: {member.name} would lead out of its folder."
                )
            if member.isdir():
                place.mkdir(mode=0o700, exist_ok=True, parents=True)
            elif (content := tar.extractfile(member)) is not None:
                with place.open("xb") as file:
                    shutil.copyfileobj(content, file, _AT_ONCE)
                place.chmod(0o600)
            else:
                raise ArchiveRefusedError(f"{archive} was changed: {member.name} is no file.")
            give(place, user)
    give(into, user)


def give(path: Path, user: User | None) -> None:
    """Have it belong to whom the server runs as."""
    if user is not None:
        os.chown(path, user.uid, user.gid)
