"""Keys of archives: age public keys to encrypt to, and the identity that opens what was encrypted."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from pyrage import IdentityError, RecipientError, x25519

from core.private_files import make_private
from core.settings import PREFIX, Settings
from services.backup.errors import BackupKeyError

_SECRET: Final = "AGE-SECRET-KEY-"  # noqa: S105 - how one begins
KEEP_A_COPY: Final = (
    "A key pair for backups was made. Without {path} no archive can be opened: keep a copy of that file "
    "where this machine's disk is not, for example in a password manager."
)


class Keys(NamedTuple):
    """Whom to encrypt to. ``made`` is the file of an identity that was made just now."""

    recipients: Sequence[x25519.Recipient]
    made: Path | None


def keys_to_encrypt_with(settings: Settings) -> Keys:
    """The public keys of the settings; without any, that of our own identity, which is made if there is none.

    Raises:
        BackupKeyError: one is no key, or the identity can neither be read nor made.
    """
    if settings.backup_recipient:
        return Keys([_recipient(one) for one in settings.backup_recipient], None)
    path = settings.backup_identity_file
    found = identities_in(path)
    if found is not None:
        return Keys([one.to_public() for one in found], None)
    made = _make(path)
    return Keys([one.to_public() for one in made], path)


def identities(settings: Settings, chosen: Path | None = None) -> Sequence[x25519.Identity]:
    """What opens archives here; none where there is no identity and none was chosen.

    Raises:
        BackupKeyError: the file, or the chosen one, cannot be read or holds no identity.
    """
    found = identities_in(chosen or settings.backup_identity_file)
    if found is None and chosen is not None:
        raise BackupKeyError(f"There is no file {chosen}.")
    return found or ()


def opens_what_it_makes(settings: Settings) -> bool:
    """Whether archives that are made by these settings can be opened here.

    Raises:
        BackupKeyError: the identity cannot be read.
    """
    ours = {str(one.to_public()) for one in identities(settings)}
    return bool(ours & {*settings.backup_recipient} if settings.backup_recipient else ours)


def identities_in(path: Path) -> list[x25519.Identity] | None:
    """Those in a file as ``age-keygen`` writes it; ``None``: there is no such file.

    Raises:
        BackupKeyError: it cannot be read, or there is none in it.
    """
    try:
        lines = path.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise BackupKeyError(f"The identity in {path} cannot be read: {why}.") from None
    found = []
    for line in lines:
        if line.upper().startswith(_SECRET):
            with suppress(IdentityError):
                found.append(x25519.Identity.from_str(line.upper()))
    if not found:
        raise BackupKeyError(f"{path} holds no age identity: a line that begins with {_SECRET}.")
    return found


def _recipient(written: str) -> x25519.Recipient:
    try:
        return x25519.Recipient.from_str(written)
    except RecipientError:
        raise BackupKeyError(
            f"{PREFIX}BACKUP_RECIPIENT names {written}, which is no age public key (age1…, X25519)."
        ) from None


def keep_identity(settings: Settings, used: Sequence[x25519.Identity]) -> Path | None:
    """Keep what opened an archive where this profile has none, so that later archives open with it, too.

    Returns where; ``None``: there was one, or archives are encrypted to somebody else's key.

    Raises:
        BackupKeyError: it cannot be written.
    """
    path = settings.backup_identity_file
    if settings.backup_recipient or not used or identities_in(path) is not None:
        return None
    _write(path, used)
    return path


def _make(path: Path) -> list[x25519.Identity]:
    """Make a file with an identity, whole or not at all; of several at once all get the same."""
    _write(path, [x25519.Identity.generate()])
    return identities_in(path) or []


def _write(path: Path, identities: Sequence[x25519.Identity]) -> None:
    text = "".join(
        f"# What opens backups of Lotkeeper. Public key: {one.to_public()}\n{one}\n" for one in identities
    )
    try:
        make_private(path, text.encode())
    except OSError as error:
        raise BackupKeyError(f"No identity can be made in {path}: {error.strerror}.") from None
