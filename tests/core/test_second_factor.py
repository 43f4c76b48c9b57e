"""Codes by time, as RFC 6238 has them, and recovery codes."""

from datetime import UTC, datetime, timedelta

import pytest

from core.second_factor import (
    RECOVERY_CODES,
    STEP_SECONDS,
    app_address,
    code_of,
    new_recovery_codes,
    new_secret,
    recovery_hash,
    step_at,
    step_of_code,
)

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # the RFC's: 12345678901234567890
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ],
)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    assert code_of(SECRET, step_at(datetime.fromtimestamp(seconds, UTC))) == code


def test_a_code_counts_half_a_minute_early_and_late_and_no_longer() -> None:
    now = step_at(NOW)
    found = [step_of_code(SECRET, code_of(SECRET, now + off), NOW) for off in range(-3, 4)]
    assert found == [None, None, now - 1, now, now + 1, None, None]
    later = NOW + timedelta(seconds=STEP_SECONDS)
    assert step_of_code(SECRET, code_of(SECRET, now), later) == now


@pytest.mark.parametrize("code", ["", "0", "28708", "2870822", "٢٨٧٠٨٢", "abcdef", "é"])
def test_what_is_no_code_is_none(code: str) -> None:
    assert step_of_code(SECRET, code, datetime.fromtimestamp(59, UTC)) is None


def test_a_code_may_be_typed_in_groups() -> None:
    assert step_of_code(SECRET, " 287 082 ", datetime.fromtimestamp(59, UTC)) == 1


def test_secrets_and_recovery_codes_are_all_different_and_long() -> None:
    assert len({new_secret() for _ in range(50)}) == 50
    assert len(new_secret()) == 32
    codes = [code for _ in range(20) for code in new_recovery_codes()]
    assert len(set(codes)) == len(codes) == 20 * RECOVERY_CODES
    assert {len(code.replace("-", "")) for code in codes} == {24}


def test_a_recovery_code_is_the_same_however_it_is_typed() -> None:
    (code, *_) = new_recovery_codes()
    assert recovery_hash(f" {code.upper().replace('-', ' ')}\n") == recovery_hash(code)


def test_an_app_is_told_whose_secret_it_is() -> None:
    assert app_address("ABC", "anna@home", "Lotkeeper main") == (
        "otpauth://totp/Lotkeeper%20main:anna%40home?secret=ABC&issuer=Lotkeeper%20main&digits=6&period=30"
    )
