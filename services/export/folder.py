"""The folder of an export: it is there whole, or not at all.

Files are written into a hidden folder beside the target, which takes the target's name when all of them are
on the disk. Whatever ends that in between leaves the target as it was; what it leaves beside, the next
export to the same place removes.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.export.errors import ExportFailedError, NoExportError, TargetError
from services.export.manifest import NAME, read_manifest

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def new_folder(target: Path, *, replace: bool) -> Iterator[Path]:
    """A folder to write into, which is ``target`` once the block has ended well.

    Only its owner can read what is in it.

    Raises:
        TargetError: there is something at ``target`` that must not be replaced, or no folder can be there.
        ExportFailedError: the disk is full, or cannot be written.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100 - what a link leads to is none of ours
    beside, before = (target.with_name(f".{target.name}.{what}") for what in ("part", "before"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _recover(target, before)
        _require_free(target, replace=replace)
        with _held(target, beside):
            try:
                yield beside
                _settle(beside)
                _take_place(beside, target, before)
            except BaseException:
                shutil.rmtree(beside, ignore_errors=True)
                raise
    except (ConnectionError, TimeoutError):
        raise  # of PostgreSQL, and so nothing of the disk's
    except OSError as error:
        raise _told(error, target) from error


def _told(error: OSError, target: Path) -> Exception:
    if error.errno in _FULL:
        return ExportFailedError(
            f"There is no room for the export at {target}: {error.strerror}. Nothing of it is left there. "
            "Make room, choose another place, or export less (--dataset, --from)."
        )
    return TargetError(f"No export can be written at {target}: {error.strerror}. Choose another place.")


def _recover(target: Path, before: Path) -> None:
    """What was to be replaced, and was moved aside when that broke off, comes back."""
    if before.exists():
        if target.exists():
            shutil.rmtree(before)
        else:
            before.rename(target)


def _require_free(target: Path, *, replace: bool) -> None:
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir() or target.is_symlink():
        raise TargetError(f"{target} is no folder. Name one that is empty, or not there yet.")
    if not any(target.iterdir()):
        return
    try:
        read_manifest(target)
    except NoExportError:
        raise TargetError(
            f"{target} is not empty, and no earlier export. Nothing in it was touched: name another folder."
        ) from None
    if not replace:
        raise TargetError(
            f"There is an export at {target} already. Say --replace to put the new one in its place."
        )


@contextmanager
def _held(target: Path, beside: Path) -> Iterator[None]:
    """The folder beside, empty, and no other's for as long as the block lasts."""
    beside.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(beside, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TargetError(f"Another export to {target} is under way. Wait until it has ended.") from None
        # Of one that was killed.
        for left in beside.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield
    finally:
        os.close(descriptor)


def _settle(folder: Path) -> None:
    """Wait until all of it is on the disk, the manifest last."""
    files = sorted((one for one in folder.rglob("*")), key=lambda one: (one.name == NAME, one))
    for one in (*files, folder):
        descriptor = os.open(one, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _take_place(beside: Path, target: Path, before: Path) -> None:
    if target.exists() and any(target.iterdir()):
        target.rename(before)
    beside.rename(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    shutil.rmtree(before, ignore_errors=True)
