"""Until when all that the broker link said is known to be applied: nothing later may be concluded from.

A word of the broker and the fills that made it so travel apart. Some of them may be in the hands of a worker
that was killed, still in the stream, or untold, because the link ended between the two. Held to the word
alone, the ledger would be adjusted by what is only late.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from core.errors import StreamUnavailableError
from core.settings import Settings
from core.streams.port import StreamPort, parse_id
from models.queries.sync import link_word
from models.session import Database

_LATE = timedelta(seconds=30)
"""A link that was live and has not been heard of for so long has ended."""


class Horizon(NamedTuple):
    """``at``: everything told before it is applied; ``None``: nobody can say, so nothing is settled.

    ``worth_waiting`` is false where a link that is live again will ask for the next comparison by itself.
    """

    at: datetime | None
    worth_waiting: bool = True


async def horizon(database: Database, streams: StreamPort, settings: Settings, now: datetime) -> Horizon:
    """Look how far things have been applied. To be called before what is compared is read."""
    async with database.read() as reader:
        link = await link_word(reader)
    if link is not None and (link.state != "live" or now - link.updated_at > _LATE):
        return Horizon(None, worth_waiting=False)
    try:
        oldest = await streams.oldest_unacknowledged(settings.facts_stream)
    except StreamUnavailableError:
        return Horizon(None)
    ends = [now]
    if link is not None:
        ends.append(link.updated_at)
    if oldest is not None:
        ends.append(datetime.fromtimestamp(parse_id(oldest)[0] / 1000, UTC))
    return Horizon(min(ends))
