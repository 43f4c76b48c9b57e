"""Secrets that are sealed: opened by whoever has the key, for whom they were sealed, and by nobody else."""

import stat
from pathlib import Path

import pytest

from core.sealing import KeyUnavailableError, SealedWithAnotherKeyError, Sealer, key_name
from core.second_factor import new_secret
from core.settings import Settings, load_settings

SECRET = new_secret()


def test_what_is_sealed_is_opened_for_whom_it_was_sealed() -> None:
    sealer = Sealer("a key")
    sealed = sealer.seal(SECRET, "7")
    assert SECRET not in sealed
    assert sealer.open(sealed, "7") == SECRET
    assert sealer.seal(SECRET, "7") != sealed, "each has a nonce of its own"
    with pytest.raises(SealedWithAnotherKeyError):
        sealer.open(sealed, "8")


def test_what_was_changed_since_is_not_opened() -> None:
    sealer = Sealer("a key")
    sealed = sealer.seal(SECRET, "7")
    start = len(sealed) - 40
    for place in range(start, len(sealed) - 2):
        other = "A" if sealed[place] != "A" else "B"
        with pytest.raises(SealedWithAnotherKeyError):
            sealer.open(sealed[:place] + other + sealed[place + 1 :], "7")


def test_without_the_key_it_says_so() -> None:
    with pytest.raises(SealedWithAnotherKeyError, match="a key that is not here"):
        Sealer("another").open(Sealer("a key").seal(SECRET, "7"), "7")


def test_an_older_key_opens_and_the_first_one_seals() -> None:
    old = Sealer("old").seal(SECRET, "7")
    both = Sealer("new", "old")
    assert both.open(old, "7") == SECRET
    assert not both.is_current(old)
    assert Sealer("new").open(both.seal(SECRET, "7"), "7") == SECRET
    assert both.is_current(both.seal(SECRET, "7"))


def test_what_was_kept_before_there_were_keys_stands_as_it_is() -> None:
    sealer = Sealer("a key")
    assert sealer.open(SECRET, "7") == SECRET
    assert not sealer.is_current(SECRET)


@pytest.mark.parametrize("kept", ["not!base64", "", "AA==", "é", "AAAAAAAAAAAAAAAA"])
def test_what_is_no_sealed_secret_any_more_is_not_opened(kept: str) -> None:
    sealer = Sealer("a key")
    start = sealer.seal(SECRET, "7").rpartition(".")[0]
    for sealed in (f"{start}.{kept}", start, "1."):
        with pytest.raises(SealedWithAnotherKeyError, match="not what was sealed"):
            sealer.open(sealed, "7")


def settings_of(home: Path, **given: str) -> Settings:
    return load_settings(
        home=home, database_url="postgresql://nobody@127.0.0.1/none", redis_url="redis://127.0.0.1/0", **given
    )


def name_of(sealer: Sealer) -> str:
    return key_name(sealer.seal(SECRET, "7")) or ""


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    path = settings.second_factor_key_file
    first = Sealer.of_settings(settings, ())
    sealed = first.seal(SECRET, "7")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Sealer.of_settings(settings).open(sealed, "7") == SECRET
    path.write_text(f"new\n{path.read_text()}")
    assert Sealer.of_settings(settings).open(sealed, "7") == SECRET
    assert Sealer.of_settings(settings, {name_of(first)}).open(sealed, "7") == SECRET
    given = Sealer.of_settings(settings_of(tmp_path, second_factor_key="given other"))
    assert given.is_current(Sealer("given").seal(SECRET, "7"))


def test_none_is_made_where_another_has_sealed_or_only_to_open(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    path = settings.second_factor_key_file
    for sealed_by in (None, {name_of(Sealer("another"))}):
        with pytest.raises(KeyUnavailableError, match=rf"not in the file {path}\. Bring it from where"):
            Sealer.of_settings(settings, sealed_by)
        assert not path.exists()
    Sealer.of_settings(settings, ())
    with pytest.raises(KeyUnavailableError, match=f"in the file {path} is not the one"):
        Sealer.of_settings(settings, {name_of(Sealer("another"))})
    given = settings_of(tmp_path, second_factor_key="mine")
    with pytest.raises(KeyUnavailableError, match="in LOTKEEPER_SECOND_FACTOR_KEY is not the one"):
        Sealer.of_settings(given, {name_of(Sealer("another"))})
    some = Sealer.of_settings(given, {name_of(Sealer("another")), name_of(Sealer("mine"))})
    assert some.names == {name_of(Sealer("mine"))}


def test_a_key_that_cannot_be_read_or_is_none_is_named(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    path = settings.second_factor_key_file
    path.mkdir(parents=True)
    for sealed_by in (None, ()):
        with pytest.raises(KeyUnavailableError, match=f"from the file {path}: Is a directory"):
            Sealer.of_settings(settings, sealed_by)
    path.rmdir()
    path.write_bytes(b"\xff")
    with pytest.raises(KeyUnavailableError, match="no text"):
        Sealer.of_settings(settings)
    with pytest.raises(KeyUnavailableError, match="not in LOTKEEPER_SECOND_FACTOR_KEY"):
        Sealer.of_settings(settings_of(tmp_path, second_factor_key=" \t"), ())
