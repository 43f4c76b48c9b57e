"""Where messages go: the Apprise URLs of the settings, and those that ``lotkeeper alerts add`` stored.

An Apprise URL holds a password or a token. It is kept in a file for its owner's eyes (mode 0600), and never
told: a channel is called by the kind of its URL and a few digits of its sum.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from core.errors import LotkeeperError, SettingsError
from core.private_files import read_private, write_private
from core.settings import PREFIX, Settings

_DIGITS = 8


class UnknownChannelError(LotkeeperError):
    """There is no such channel, or none that can be removed here."""

    code = "unknown_channel"
    exit_code = 2


class UnreadableUrlError(LotkeeperError):
    """Apprise makes nothing of a URL."""

    code = "unreadable_url"
    exit_code = 2


class Channel(NamedTuple):
    """A place that messages go to. ``is_stored``: ``alerts remove`` can take it away."""

    url: str
    is_stored: bool

    @property
    def name(self) -> str:
        """Tells it from the others, and nothing of its secrets: ``ntfy-1a2b3c4d``."""
        kind = self.url.partition("://")[0].lower()
        return f"{kind}-{hashlib.sha256(self.url.encode()).hexdigest()[:_DIGITS]}"


class _Stored(msgspec.Struct):
    urls: list[str] = []


def channels_of(settings: Settings) -> list[Channel]:
    """All of them, each once. Reads the file each time, so that what is added counts at once.

    Raises:
        SettingsError: the file cannot be read.
    """
    secret = settings.alerts_urls
    set_ones = secret.get_secret_value().split() if secret is not None else []
    stored = [one for one in _stored(settings.alerts_file) if one not in set_ones]
    return [Channel(one, is_stored=False) for one in dict.fromkeys(set_ones)] + [
        Channel(one, is_stored=True) for one in dict.fromkeys(stored)
    ]


def add_channel(settings: Settings, url: str) -> Channel:
    """Keep a URL.

    Raises:
        SettingsError: the file cannot be read or written.
        UnreadableUrlError: Apprise makes nothing of it.
    """
    require_readable(url)
    urls = _stored(settings.alerts_file)
    if url not in urls:
        _store(settings.alerts_file, [*urls, url])
    return Channel(url, is_stored=True)


def remove_channel(settings: Settings, name: str) -> None:
    """Forget the URL of the channel of this name.

    Raises:
        SettingsError: the file cannot be read or written.
        UnknownChannelError: there is no such one, or a setting holds it.
    """
    channels = channels_of(settings)
    found = next((one for one in channels if one.name == name), None)
    if found is None:
        names = ", ".join(one.name for one in channels) or "none yet"
        raise UnknownChannelError(f"There is no channel {name}. There are: {names}.")
    if not found.is_stored:
        raise UnknownChannelError(f"{name} is in {PREFIX}ALERTS_URLS: take it out there.")
    _store(settings.alerts_file, [one for one in _stored(settings.alerts_file) if one != found.url])


def require_readable(url: str) -> None:
    """Refuse what nothing could be sent to, without repeating it.

    Raises:
        UnreadableUrlError: that is so.
    """
    from apprise import Apprise  # noqa: PLC0415 - takes a second, and memory, where it is not needed

    if not Apprise().add(url):
        raise UnreadableUrlError(
            "Apprise can make nothing of this URL. It begins with its service, for example ntfy://ntfy.example"
            "/topic, mailto://user:password@mail.example or json://127.0.0.1:8080/ (see Apprise's list)."
        )


def _stored(path: Path) -> Sequence[str]:
    content = read_private(path)
    if content is None:
        return []
    # Outside of the except clause: what msgspec raised may repeat what it read.
    with suppress(msgspec.MsgspecError, UnicodeDecodeError):
        return msgspec.json.decode(content, type=_Stored).urls
    raise SettingsError(
        f"{path} is damaged. Remove it, and add the channels anew with `lotkeeper alerts add`."
    )


def _store(path: Path, urls: Sequence[str]) -> None:
    write_private(path, msgspec.json.format(msgspec.json.encode(_Stored(list(urls))), indent=2))
