"""What is not whole, not unchanged, not for us or not of our time is refused, each with its sentence."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyrage
import pytest

from core.errors import LotkeeperError, ProfileMismatchError
from core.settings import Settings, load_settings
from services.backup import archives
from services.backup.archives import look_at, open_archive, require_whole, write_archive
from services.backup.creating import Created, create
from services.backup.errors import ArchiveRefusedError, BackupFailedError, BackupKeyError
from services.backup.keys import identities, identities_in, keys_to_encrypt_with
from services.backup.parts import MANIFEST, Source, Unframing, framed
from services.backup.restoring import restore, verify
from tests.databases import run_sql
from tests.services.backup.conftest import databases_beside, left_in, url_of

Change = Callable[[bytes], bytes]


def flipped(at: float) -> Change:
    """One bit is another, at this fraction of the length."""

    def change(content: bytes) -> bytes:
        place = int(len(content) * at)
        return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]

    return change


def sealed_again(change: Change) -> Change:
    """By somebody who has no key and knows how the seal is made."""

    def forged(content: bytes) -> bytes:
        made = change(content)[:-65]
        return made + hashlib.sha256(made).hexdigest().encode() + b"\n"

    return forged


def other_manifest(content: bytes) -> bytes:
    """It says that it has other rows."""
    length = int(content[-65 - 13 : -65 - 1])
    ends = len(content) - 65 - 13 - len("\nlotkeeper-backup-end ") - length
    manifest = content[ends : ends + length].replace(b'"rows":500', b'"rows":501')
    assert manifest != content[ends : ends + length]
    return content[:ends] + manifest + content[ends + length :]


REFUSED: dict[str, tuple[Change, str]] = {
    "a bit of what is encrypted": (flipped(0.4), "was changed or damaged since it was written"),
    "a bit near the end": (flipped(0.97), "changed"),
    "the same, sealed again": (sealed_again(flipped(0.4)), "it cannot be decrypted to its end"),
    "another manifest, sealed again": (sealed_again(other_manifest), "outside is not what is inside"),
    "its last byte is missing": (lambda content: content[:-1], "was cut off"),
    "its second half is missing": (lambda content: content[: len(content) // 2], "was cut off"),
    "nothing but its head": (lambda content: content[:25], "was cut off"),
    "a piece in the middle is missing": (
        lambda content: content[: len(content) // 2] + content[len(content) // 2 + 70_000 :],
        "was changed or damaged",
    ),
    "the same, sealed again ": (
        sealed_again(lambda content: content[: len(content) // 3] + content[len(content) // 3 + 500 :]),
        "it cannot be decrypted to its end",
    ),
    "something behind it": (lambda content: content + b"more", "was cut off"),
    "nothing at all": (lambda _: b"", "is no backup of Lotkeeper"),
    "something else": (lambda _: b"PGDMP and so on" * 100, "is no backup of Lotkeeper"),
    "a newer format": (
        sealed_again(lambda content: content.replace(b"lotkeeper-backup 1\n", b"lotkeeper-backup 2\n", 1)),
        "is of format 2; this version of Lotkeeper reads format 1. Install a newer one",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_was_changed_is_refused_and_nothing_is_touched(
    what: str, archive: Created, portfolio: Settings, empty: Settings
) -> None:
    change, sentence = REFUSED[what]
    archive.path.write_bytes(change(archive.path.read_bytes()))
    with pytest.raises(ArchiveRefusedError, match=re.escape(sentence)):
        verify(look_at(archive.path), identities(portfolio))
    with pytest.raises(ArchiveRefusedError, match=re.escape(sentence)):
        await restore(empty, archive.path, identities(portfolio))
    assert await run_sql(url_of(empty), "SELECT 1 FROM pg_class WHERE relname = 'executions'") == []
    assert await databases_beside(empty) == []
    assert left_in(empty.backup_folder) == []


async def test_every_byte_counts(archive: Created, portfolio: Settings) -> None:
    """Wherever one is another, it is seen; without a key, too."""
    content = archive.path.read_bytes()
    for place in range(0, len(content), max(1, len(content) // 300)):
        archive.path.write_bytes(content[:place] + bytes([content[place] ^ 0x20]) + content[place + 1 :])
        with pytest.raises(ArchiveRefusedError):
            require_whole(look_at(archive.path))
    archive.path.write_bytes(content)
    assert verify(look_at(archive.path), identities(portfolio))


async def test_another_key_does_not_open_it_and_the_sentence_says_what_would(
    archive: Created, empty: Settings, tmp_path: Path
) -> None:
    keys_to_encrypt_with(empty)
    with pytest.raises(ArchiveRefusedError, match=r"No key here opens .* --identity FILE"):
        await restore(empty, archive.path, identities(empty))
    with pytest.raises(ArchiveRefusedError, match="There is no key here to open"):
        await restore(empty, archive.path, ())
    with pytest.raises(BackupKeyError, match="There is no file"):
        identities(empty, tmp_path / "lost")


async def test_with_somebody_elses_public_key_it_is_made_and_cannot_be_opened_here(
    portfolio: Settings, empty: Settings, tmp_path: Path
) -> None:
    theirs = pyrage.x25519.Identity.generate()
    settings = portfolio.model_copy(update={"backup_recipient": (str(theirs.to_public()),)})
    created = await create(settings, "cli")
    assert created.key_made is None
    assert not settings.backup_identity_file.exists()
    assert verify(look_at(created.path), identities(settings)) is False
    kept = tmp_path / "identity"
    kept.write_text(f"# created: today\n{theirs}\n")
    assert verify(look_at(created.path), identities(settings, kept)) is True
    restored = await restore(empty, created.path, identities(empty, kept))
    assert restored.manifest == created.manifest


async def test_a_newer_schema_is_refused(portfolio: Settings, empty: Settings) -> None:
    await run_sql(url_of(portfolio), "UPDATE alembic_version SET version_num = '9999'")
    newer = await create(portfolio, "cli")
    with pytest.raises(ArchiveRefusedError, match=r"of schema 9999.*Install that version, or a newer one"):
        await restore(empty, newer.path, identities(portfolio))
    assert await databases_beside(empty) == []


async def test_the_other_profile_is_refused(archive: Created, portfolio: Settings, empty: Settings) -> None:
    demo = empty.model_copy(update={"profile": "demo"})
    with pytest.raises(ProfileMismatchError, match="--profile main"):
        await restore(demo, archive.path, identities(portfolio))
    with pytest.raises(ProfileMismatchError, match="--profile main"):
        await create(demo.model_copy(update={"database_url": portfolio.database_url}), "cli")


async def test_a_database_that_was_never_migrated_is_not_backed_up(empty: Settings) -> None:
    with pytest.raises(BackupFailedError, match="never migrated"):
        await create(empty, "cli")
    assert left_in(empty.backup_folder) == []


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("AGE-SECRET-KEY-1XXXX", "this is the secret identity"),
        ("age2abc", "begins with age1"),
    ],
)
def test_what_is_no_public_key_is_refused_as_a_setting(written: str, sentence: str) -> None:
    with pytest.raises(LotkeeperError, match=sentence) as refused:
        load_settings(backup_recipient=written)
    assert "XXXX" not in str(refused.value)


def test_a_public_key_with_a_slip_of_the_pen_is_refused(portfolio: Settings, tmp_path: Path) -> None:
    settings = portfolio.model_copy(update={"backup_recipient": ("age1abc",)})
    with pytest.raises(BackupKeyError, match="LOTKEEPER_BACKUP_RECIPIENT names age1abc"):
        keys_to_encrypt_with(settings)
    (tmp_path / "empty").write_text("# nothing\n")
    with pytest.raises(BackupKeyError, match="holds no age identity"):
        identities_in(tmp_path / "empty")


@pytest.mark.parametrize("name", ["../outside", "a/b", ".hidden", "twice"])
def test_names_inside_lead_nowhere_else(name: str, tmp_path: Path) -> None:
    """Whoever knows the public key can make an archive of their own."""
    key = pyrage.x25519.Identity.generate()
    sources = [Source("twice", [b"1"]), Source(name, [b"2"])]
    path = tmp_path / "forged.backup"
    genuine = msgspec.json.encode({})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(archives, "decoded", lambda _: None)
        write_archive(path, _as_it_stands(sources, genuine), [key.to_public()])
        kept = look_at(path)
    (tmp_path / "in").mkdir()
    with pytest.raises(ArchiveRefusedError, match="no sound form"):
        open_archive(kept, [key], tmp_path / "in")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["forged.backup", "in"]


def _as_it_stands(sources: list[Source], manifest: bytes):  # type: ignore[no-untyped-def]  # noqa: ANN202
    return framed(sources, lambda _: manifest)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_is_inside_is_the_same_in_whatever_pieces_it_comes(size: int, tmp_path: Path) -> None:
    pieces = b"".join(framed([Source("a", [b"x" * 3000, b"", b"y"]), Source("b", [])], lambda _: b"{}"))
    unframing = Unframing(tmp_path)
    for place in range(0, len(pieces), size):
        unframing.feed(pieces[place : place + size])
    unframing.finish()
    assert (tmp_path / "a").read_bytes() == b"x" * 3000 + b"y"
    assert {name: part.bytes for name, part in unframing.parts.items()} == {"a": 3001, "b": 0, MANIFEST: 2}
    short = Unframing()
    short.feed(pieces[:-1])
    with pytest.raises(ArchiveRefusedError):
        short.finish()
