"""A message that could not be read when it came, read again: by the same hooks, without a connection."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec
from ib_async import IB

from core.errors import ErrorCategory
from core.events.facts import Fact
from core.settings import Settings
from services.broker.beat import Link
from services.broker.decode import RecordingDecoder
from services.broker.gateway_time import LAST_RESORT, GatewayTimes, zone_named
from services.broker.listen import Listener
from services.broker.publish import Publisher
from services.broker.told import Told
from services.broker.translate import Instruments
from services.broker.unreadable import UnreadableError

NEWEST_PROTOCOL = 178
"""Of a session whose version is not known, the newest that ib_async speaks is the best guess."""

_decode_fields = msgspec.json.Decoder(list[str]).decode


class _Kept:
    """Takes what the hooks tell where a connection has its publisher."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def put(self, fact: Fact) -> None:
        self.facts.append(fact)

    def tick(self, key: object, tick: object) -> None:
        """What something was worth then is of no use now."""


def reread(
    frame: str,
    received_at: datetime,
    settings: Settings,
    *,
    server_version: int | None,
    time_zone: str | None,
) -> Sequence[Fact]:
    """The facts in ``frame``, as ``FrameUnreadable`` carries it, as if it had been read when it came.

    ``server_version`` and ``time_zone`` are those of the session it came in. A message that tells nothing
    to be kept gives no facts. To be called within an event loop: ib_async asks for one.

    Raises:
        UnreadableError: it cannot be read still.
    """
    try:
        fields = _decode_fields(frame)
    except (msgspec.MsgspecError, ValueError) as error:
        raise UnreadableError("parsing", "the frame was not kept in a form that can be read") from error

    def unreadable(category: ErrorCategory, reason: str, _fields: list[str]) -> None:
        failures.append(UnreadableError(category, reason))

    def clock() -> datetime:
        return received_at

    kept, failures = _Kept(), list[UnreadableError]()
    publisher = cast("Publisher", kept)
    ib = IB()
    client: Any = ib.client
    zone = ZoneInfo(settings.ib_timezone) if settings.ib_timezone else zone_named(time_zone or "")
    decoder = RecordingDecoder(ib.wrapper, GatewayTimes(zone or ZoneInfo(LAST_RESORT)), unreadable)
    decoder.serverVersion = server_version or NEWEST_PROTOCOL
    client.decoder = decoder
    listener = Listener(
        ib, publisher, Link(publisher, clock), Instruments(), clock, lambda _code, _text: None, Told()
    )
    listener.attach()
    listener.data_arrived()
    decoder.interpret(fields or [""])
    if failures:
        raise failures[0]
    return kept.facts
