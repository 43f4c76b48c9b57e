"""Where the server is, and the token for it: from the environment, or from the files of an installation."""

import os
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from lotkeeper_client.errors import InsecureAddressError, LotkeeperClientError, TokenMissingError

DEFAULT_URL: Final = "http://127.0.0.1:8321"
_PROFILES: Final = ("main", "demo")


def url_from(environment: Mapping[str, str] = os.environ) -> str:
    """``LOTKEEPER_URL``, or this machine."""
    return environment.get("LOTKEEPER_URL") or DEFAULT_URL


def token_from(environment: Mapping[str, str] = os.environ) -> str:
    """``LOTKEEPER_API_TOKEN``, the file that ``LOTKEEPER_API_TOKEN_FILE`` names, or the one of the home.

    The home's is this machine's, and goes to no other.

    Raises:
        TokenMissingError: there is none of them, or the file that is named cannot be read.
    """
    told = environment.get("LOTKEEPER_API_TOKEN")
    if told:
        return told
    named = environment.get("LOTKEEPER_API_TOKEN_FILE")
    if named:
        token = _read(Path(named))
        if token is None:
            raise TokenMissingError(
                f"LOTKEEPER_API_TOKEN_FILE names {named}: it cannot be read, or is empty."
            )
        return token
    if is_loopback(url_from(environment)):
        for path in _token_files(environment):
            token = _read(path)
            if token is not None:
                return token
    raise TokenMissingError(
        "There is no API token. Set LOTKEEPER_API_TOKEN or, for this machine's own server, LOTKEEPER_HOME to "
        "the folder of the installation."
    )


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def _token_files(environment: Mapping[str, str]) -> Iterator[Path]:
    home = _home(environment)
    profile = environment.get("LOTKEEPER_PROFILE")
    for one in (profile,) if profile else _PROFILES:
        yield home / one / "api-token"


def _home(environment: Mapping[str, str]) -> Path:
    told = environment.get("LOTKEEPER_HOME")
    if told:
        return Path(told)
    base = environment.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "lotkeeper"


def is_loopback(url: str) -> bool:
    """Whether the address is this very machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def check_url(url: str, *, insecure: bool) -> None:
    """Refuse what is no address, or would have the token go over the network in the clear.

    Raises:
        LotkeeperClientError: it is refused.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise LotkeeperClientError(f"{url!r} is no address of a server: say https://host or {DEFAULT_URL}.")
    if parts.username or parts.password:
        raise LotkeeperClientError("A token or password does not belong in an address.")
    if parts.scheme == "http" and not insecure and not is_loopback(url):
        raise InsecureAddressError(
            f"{parts.hostname} is another machine, and http:// would send the token in the clear. Use "
            "https://, or say insecure=True where the way is protected otherwise."
        )
