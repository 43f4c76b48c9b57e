"""Requests: signed in, tried again where that can help, and refused with a sentence."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from http import HTTPStatus
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

import httpx
import msgspec

from lotkeeper_client.address import check_url, is_loopback
from lotkeeper_client.errors import UnexpectedAnswerError, UnreachableError, problem_of

PREFIX: Final = "/api/v1"
MOST_WAIT_SECONDS: Final = 30.0

Told = TypeVar("Told")
Value: TypeAlias = str | int | float | bool | Decimal | datetime | date | UUID | Enum | None
Parameters: TypeAlias = Mapping[str, Value | Iterable[Value]]


class Transport:
    """One connection pool to one server."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float,
        retries: int,
        insecure: bool = False,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        check_url(url, insecure=insecure)
        self.url = url.rstrip("/")
        self.token = token
        self._retries = retries
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {token}", "accept": "application/json"},
            timeout=timeout,
            transport=transport,
            # A proxy of the environment does not know of this machine.
            trust_env=not is_loopback(url),
            # To read all the authorities that the system trusts takes 50 ms; without TLS none is asked.
            verify=url.startswith("https:"),
        )

    def get(self, path: str, kind: type[Told], parameters: Parameters | None = None) -> Told:
        """Ask, and again where the server says that it cannot answer just now.

        Raises:
            LotkeeperClientError: it cannot be had.
        """
        for attempt in range(self._retries + 1):
            answer = self._send("GET", path, parameters)
            if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE or attempt == self._retries:
                break
            self._sleep(min(_retry_after(answer) or 0.5 * 2**attempt, MOST_WAIT_SECONDS))
        return _decoded(answer, kind)

    def post(
        self,
        path: str,
        kind: type[Told],
        parameters: Parameters | None = None,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Told:
        """Ask for something to be done: once, whatever becomes of it.

        Raises:
            LotkeeperClientError: it was refused, or nobody knows what became of it.
        """
        content = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        return _decoded(self._send("POST", path, parameters, content=content, headers=headers), kind)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(
        self,
        method: str,
        path: str,
        parameters: Parameters | None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        try:
            return self._http.request(
                method, PREFIX + path, params=_spelled(parameters or {}), content=content, headers=headers
            )
        except httpx.HTTPError as error:
            raise UnreachableError(
                f"{self.url} does not answer ({type(error).__name__}). Is Lotkeeper running there? "
                "`lotkeeper status` tells on its machine; LOTKEEPER_URL says where to look."
            ) from error


def _decoded(answer: httpx.Response, kind: type[Told]) -> Told:
    if not answer.is_success:
        raise problem_of(answer.status_code, answer.content, _retry_after(answer))
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.MsgspecError as error:
        raise UnexpectedAnswerError(
            f"What came from {answer.request.url.path} is not what this version of the client knows: {error}"
        ) from error


def _retry_after(answer: httpx.Response) -> float | None:
    told = answer.headers.get("retry-after", "")
    return float(told) if told.isdigit() else None


def _spelled(parameters: Parameters) -> list[tuple[str, str | int | float | bool | None]]:
    """As the server reads them; what is ``None`` is not asked for, several values are several parameters."""
    pairs: list[tuple[str, str | int | float | bool | None]] = []
    for name, value in parameters.items():
        values = value if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
        pairs.extend((name, _text(one)) for one in values if one is not None)
    return pairs


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("A time needs its zone: datetime(…, tzinfo=UTC).")
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return str(value.value if isinstance(value, Enum) else value)
