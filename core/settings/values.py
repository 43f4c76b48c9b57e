"""Kinds of values that settings have, read from what people write."""

import os
from datetime import time
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

PREFIX = "LOTKEEPER_"

Profile = Literal["demo", "main"]
Port = Annotated[int, Field(ge=1, le=65535)]


def default_home() -> Path:
    """The platform's user data directory for Lotkeeper.

    Follows the XDG base directory specification where ``XDG_DATA_HOME`` is set or the platform is Linux.
    """
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "lotkeeper"


def known_zone(name: str) -> str:
    """The name of a time zone.

    Raises:
        ValueError: IANA's list has no such zone.
    """
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone, for example US/Eastern") from error
    return name


def query_ids(listed: Any) -> Any:
    """The numbers of Flex queries, from a text where commas or blanks part them; each once, in their order.

    Raises:
        ValueError: one is not a number.
    """
    if not isinstance(listed, str):
        return listed
    found = _listed(listed)
    for one in found:
        if not (one.isascii() and one.isdigit()):
            raise ValueError(f"{one!r} is not the number of a Flex query, for example 800969")
    return found


def _listed(listed: Any) -> Any:
    return tuple(dict.fromkeys(listed.replace(",", " ").split())) if isinstance(listed, str) else listed


def host_names(listed: Any) -> Any:
    """Host names in lower case, from a text where commas or blanks part them.

    Raises:
        ValueError: one is a URL, or has a port.
    """
    found = _listed(listed)
    for one in found:
        if "/" in one or ":" in one.partition("]")[2] or one.count(":") == 1:
            raise ValueError(f"{one!r} is not a host name alone, for example lotkeeper.example.org")
    return tuple(one.strip("[]").lower() for one in found)


def networks(listed: Any) -> Any:
    """Addresses and networks, from a text where commas or blanks part them.

    Raises:
        ValueError: one is neither.
    """
    found = _listed(listed)
    for one in found:
        try:
            ip_network(one)
        except ValueError:
            raise ValueError(f"{one!r} is no address or network, for example 10.0.0.0/8") from None
    return found


def quiet_hours(spelled: Any) -> Any:
    """From when to when, as ``22:00-07:00``.

    Raises:
        ValueError: it is not that.
    """
    if spelled is None or read_quiet_hours(str(spelled)) is not None:
        return spelled
    raise ValueError(f"{spelled!r} is not from one time of day to another, for example 22:00-07:00")


def read_quiet_hours(spelled: str) -> tuple[time, time] | None:
    """The two times of day; ``None`` where the text does not tell two that differ."""
    start, _, end = spelled.partition("-")
    try:
        found = time.fromisoformat(start.strip()), time.fromisoformat(end.strip())
    except ValueError:
        return None
    has_zone = any(one.tzinfo is not None for one in found)
    return None if has_zone or found[0] == found[1] else found


def recipients(listed: Any) -> Any:
    """Age public keys, from a text where commas or blanks part them.

    Raises:
        ValueError: one cannot be one. A secret key given by mistake is not repeated.
    """
    found = _listed(listed)
    for one in found:
        if one.upper().startswith("AGE-SECRET-KEY-"):
            raise ValueError("this is the secret identity; the public key begins with age1")
        if not one.startswith("age1"):
            raise ValueError(f"{one!r} is no age public key: it begins with age1")
    return found
