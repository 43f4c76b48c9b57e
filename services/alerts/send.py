"""Sending one message to one channel, by Apprise."""

import asyncio
import logging
import re
import threading
from contextlib import suppress
from typing import Final

from core.domain.alerting import Message
from core.domain.rules import Severity

SECONDS: Final = 30.0
"""How long a service may take; Apprise itself gives up on a connection after some seconds."""

_LONGEST_REASON = 300
_SHORTEST_SECRET = 4


async def send(url: str, message: Message) -> str | None:
    """Hand a message to the service of a URL; ``None``: it took it, else why not, with no secret in it."""
    try:
        async with asyncio.timeout(SECONDS):
            return await asyncio.to_thread(_send, url, message)
    except TimeoutError:
        return f"the service did not answer within {SECONDS:g} seconds"


def _send(url: str, message: Message) -> str | None:
    from apprise import Apprise, NotifyType  # noqa: PLC0415 - memory, where nothing is ever sent

    kinds: dict[Severity, NotifyType] = {
        "error": NotifyType.FAILURE,
        "warning": NotifyType.WARNING,
        "review": NotifyType.INFO,
    }
    service = Apprise()
    if not service.add(url):
        return "Apprise makes nothing of its URL"
    heard, sent = _Heard(), False
    logger = logging.getLogger("apprise")
    logger.addHandler(heard)
    try:
        # The service itself, in this thread: by way of the list it would be another's.
        sent = service[0].notify(body=message.body, title=message.title, notify_type=kinds[message.severity])
    except Exception as error:  # noqa: BLE001 - of a hundred services: whatever one does is its own failure
        return f"its plugin failed ({type(error).__name__})"
    finally:
        logger.removeHandler(heard)
    return None if sent else _reason(" ".join(heard.said), url)


class _Heard(logging.Handler):
    """What Apprise says of one sending, and not of others under way: each has a thread of its own."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, if it is of this thread."""
        if record.thread == self._thread:
            self.said.append(record.getMessage())


def _reason(said: str, url: str) -> str:
    text = " ".join(said.split())
    # What Apprise says of a failure may repeat parts of the URL: whatever could be a secret in it goes.
    _, _, rest = url.partition("://")
    for part in sorted(re.split(r"[/:@?&=,\s]+", rest), key=len, reverse=True):
        if len(part) >= _SHORTEST_SECRET and not _is_plain_host(part):
            text = text.replace(part, "****")
    return text[:_LONGEST_REASON] or "the service did not take it, and did not say why"


def _is_plain_host(part: str) -> bool:
    with suppress(ValueError):
        int(part.replace(".", ""))
        return part.count(".") == 3 or len(part) <= 5  # noqa: PLR2004 - an IPv4 address, or a port
    return False
