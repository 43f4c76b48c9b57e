"""Bodies that are read by us: small, whole, and decoded into the types of the contract."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec
from fastapi import Request

from services.api.problems import ProblemError

LIMIT_BYTES: Final = 16_384
SECONDS: Final = 20.0
"""Whoever sends so little needs no longer for it."""

NOT_READABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What decoding may end in: no JSON, no text, or brackets within brackets without end."""

T = TypeVar("T")


async def read_bytes(request: Request, hint: str, *, most: int = LIMIT_BYTES) -> bytes:
    """The body as it is.

    Raises:
        ProblemError: 422, with the hint; it is too long, or does not come.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise invalid(hint)
    except TimeoutError:
        raise stalled(hint) from None
    return bytes(body)


async def read_body(request: Request, decode: Callable[[bytes], T], hint: str) -> T:
    """The body.

    Raises:
        ProblemError: 422, with the hint; it is too long, does not come, or is not of that type.
    """
    body = await read_bytes(request, hint)
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise invalid(f"{error}. {hint}") from None
    except NOT_READABLE:
        raise invalid(hint) from None


def stalled(hint: str = "") -> ProblemError:
    """The body does not come."""
    return invalid(f"The body did not come within {SECONDS:.0f} seconds. {hint}".rstrip())


def invalid(detail: str) -> ProblemError:
    """The body does not say what it must."""
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "validation_failed", detail)
