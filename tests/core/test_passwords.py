import pytest

from core.passwords import (
    PasswordRefusedError,
    check_new_password,
    hash_password,
    is_outdated,
    verify_password,
)


@pytest.mark.parametrize(
    "password",
    [
        "violin harbour lamp 9",
        "correct horse battery staple",
        "blau-7-fahrrad-mond",
        "密码是一个很长的句子吗是的",
        "xK9#mPq2vL!w",
        "x" * 3 + "nq7Rw2ZtYpLd" * 10,
        "anna lives by the violet sea",
        "            violin harbour",
        "anna 837465928374",
        "837465928374",
    ],
)
def test_what_is_long_and_not_common_is_taken_whatever_it_is_made_of(password: str) -> None:
    check_new_password(password, "anna")


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("elevenchars", "too short"),
        ("", "too short"),
        ("x" * 129, "too long"),
        ("violin\0harbour", "NUL"),
        ("aaaaaaaaaaaa", "tried first"),
        ("abc123abc123", "tried first"),
        ("123456789012", "tried first"),
        ("210987654321", "tried first"),
        ("qwertyuiopas", "tried first"),
        ("lkjhgfdsapoi", "tried first"),
        ("Password1234", "tried first"),
        ("P@ssw0rd2024!", "tried first"),
        ("iloveyou12345", "tried first"),
        ("Summer-2026-!!", "tried first"),
        ("Lotkeeper2026", "tried first"),
        ("lotkeeper-anna", "tried first"),
        ("anna anna anna", "tried first"),
        ("Anna-Maria-1999", "tried first"),
        ("welcome to lotkeeper", "tried first"),
        ("1qaz2wsx3edc4rfv", "tried first"),
        ("Lost4815162342", "tried first"),
        ("SonyEricsson-1", "tried first"),
    ],
)
def test_what_is_tried_first_is_refused(password: str, why: str) -> None:
    with pytest.raises(PasswordRefusedError, match=why):
        check_new_password(password, "anna-maria" if "Maria" in password else "anna")


def test_a_password_is_verified_by_its_hash_and_nobodys_never() -> None:
    kept = hash_password("violin harbour lamp 9")
    assert kept != hash_password("violin harbour lamp 9"), "salted"
    assert verify_password(kept, "violin harbour lamp 9")
    assert not verify_password(kept, "violin harbour lamp 8")
    assert not verify_password(None, "what is compared with where there is no such user")
    assert not verify_password("nonsense", "violin harbour lamp 9")
    assert not is_outdated(kept)
    assert is_outdated(kept.replace("m=19456", "m=19455"))
