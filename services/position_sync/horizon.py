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
from models.queries.sync import link_word, was_given_up
from models.session import Database

_LATE_SECONDS = 30.0
_MISSED_WORDS = 3
"""A link that was live and has not been heard of for so long, or so many times, has ended."""

_LAST_MILLISECOND = 253_402_300_799_000
"""Of the year 9999. Whoever writes into a stream may choose a later id."""


class Horizon(NamedTuple):
    """``at``: everything told before it is applied; ``None``: nobody can say, so nothing is settled.

    ``worth_waiting`` is false where a link that is live again will ask for the next comparison by itself.
    """

    at: datetime | None
    worth_waiting: bool = True


async def horizon(
    database: Database, streams: StreamPort, settings: Settings, account: str, now: datetime
) -> Horizon:
    """Look how far things of an account have been applied. To be called before what is compared is read."""
    async with database.read() as reader:
        link = await link_word(reader, account)
        is_told_of = link is not None or not await was_given_up(reader, account)
    late = timedelta(seconds=max(_LATE_SECONDS, _MISSED_WORDS * settings.last_known_flush_seconds))
    if not is_told_of or (link is not None and (link.state != "live" or now - link.updated_at > late)):
        # Whose login was given up has a last word, and whatever belonged to it may never have come.
        return Horizon(None, worth_waiting=False)
    try:
        oldest = await streams.oldest_unacknowledged(settings.facts_stream)
    except StreamUnavailableError:
        return Horizon(None)
    ends = [now]
    if link is not None:
        ends.append(link.updated_at)
    if oldest is not None:
        ends.append(put_at(oldest))
    return Horizon(min(ends))


def put_at(entry_id: str) -> datetime:
    """When an entry was put into its stream."""
    milliseconds, _ = parse_id(entry_id)
    return datetime.fromtimestamp(min(milliseconds, _LAST_MILLISECOND) / 1000, UTC)
