"""The second factor: codes that an app makes of a secret and the time (RFC 6238), and recovery codes."""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

STEP_SECONDS: Final = 30
DIGITS: Final = 6
RECOVERY_CODES: Final = 10

_SECRET_BYTES: Final = 20
"""As long as what SHA-1 gives: what RFC 4226 asks for."""

_AROUND: Final = 1
"""So many steps before and after count as well: clocks of telephones are not ours, and typing takes time."""

_RECOVERY_BYTES: Final = 15
_GROUP: Final = 6


def new_secret() -> str:
    """A secret to share with an app, in Base32."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def app_address(secret: str, name: str, issuer: str) -> str:
    """What an app is told, usually as a picture: whose secret it is, and of what."""
    label = quote(f"{issuer}:{name}", safe=":")
    asked = urlencode({"secret": secret, "issuer": issuer, "digits": DIGITS, "period": STEP_SECONDS})
    return f"otpauth://totp/{label}?{asked.replace('+', '%20')}"


def step_at(moment: datetime) -> int:
    """How many steps of thirty seconds have passed."""
    return int(moment.timestamp()) // STEP_SECONDS


def code_of(secret: str, step: int) -> str:
    """The code of a step."""
    # SHA-1 is what the apps know; as HMAC it is sound.
    mac = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1")
    start = mac[-1] & 0x0F
    number = int.from_bytes(mac[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def step_of_code(secret: str, code: str, moment: datetime) -> int | None:
    """The step whose code this is, if it is one that counts at that moment."""
    told, now = spelled(code).encode(), step_at(moment)
    steps = range(now - _AROUND, now + _AROUND + 1)
    right = [step for step in steps if hmac.compare_digest(code_of(secret, step).encode(), told)]
    return max(right, default=None)


def new_recovery_codes() -> tuple[str, ...]:
    """Codes that each let in once, where the app is lost: 120 random bits."""
    return tuple(_recovery_code() for _ in range(RECOVERY_CODES))


def _recovery_code() -> str:
    plain = base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower()
    return "-".join(plain[start : start + _GROUP] for start in range(0, len(plain), _GROUP))


def spelled(code: str) -> str:
    """A code as it is compared, however it was typed."""
    return "".join(code.split()).replace("-", "").lower()


def recovery_hash(code: str) -> str:
    """What is kept of a recovery code. Nobody finds out 120 random bits by trying: it needs no slow hash."""
    return hashlib.sha256(spelled(code).encode()).hexdigest()
