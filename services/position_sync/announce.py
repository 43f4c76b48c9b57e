"""Say what was committed: written to the outbox in the transaction, published after it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from uuid import UUID

from core import logs
from core.domain.books import Book, BookKey
from core.domain.episodes import Episode
from core.domain.instruments import Instrument
from core.domain.money import ZERO, plain
from core.errors import StreamUnavailableError
from core.events.changes import Change, ChangeBatch, PositionChanged, encode
from core.settings import Settings
from core.streams.port import StreamPort
from models.session import Database, Writer
from models.stores.episodes import RemovedEpisode
from models.stores.sync import delete_outbox, insert_outbox, take_outbox
from services.position_sync.folding import Folded

log = logs.get_logger(__name__)

KEEP_CHANGES = 100_000
_CHANGES_AN_ENTRY = 500
_LEFT_OVER_SECONDS = 5.0
_ENTRIES_AT_ONCE = 64
"""Of a few hundred kilobytes each, at most."""


def _tidy(number: Decimal | None) -> Decimal | None:
    """Without trailing zeros or an exponent, so that equal values read the same everywhere."""
    return None if number is None else Decimal(plain(number))


def position_changes(
    folded: Folded, books: Mapping[BookKey, Book], instruments: Mapping[int, Instrument]
) -> Iterator[PositionChanged]:
    """One change for each episode that was written or removed."""
    books, instruments = {**books, **folded.books}, {**instruments, **folded.instruments}
    for episode in folded.episodes:
        key = (episode.account, episode.conid)
        yield _position(episode.id, books[key], instruments[episode.conid], episode)
    for removed in folded.removed:
        yield _removed(removed, books[removed.account, removed.conid], instruments[removed.conid])


def _position(position_id: UUID, book: Book, instrument: Instrument, episode: Episode) -> PositionChanged:
    cost = episode.cost if episode.quantity or episode.cost is None else ZERO
    return PositionChanged(
        id=str(position_id),
        version=book.version,
        account=book.account,
        conid=book.conid,
        symbol=instrument.symbol,
        local_symbol=instrument.local_symbol,
        sec_type=instrument.sec_type,
        currency=instrument.currency,
        description=instrument.description,
        multiplier=instrument.multiplier,
        price_magnifier=instrument.price_magnifier,
        side="long" if episode.long else "short",
        status="closed" if episode.closed_at else "open",
        quantity=Decimal(plain(episode.quantity)),
        average_cost=_tidy(episode.average_cost),
        cost_basis=_tidy(cost),
        realized_pnl=_tidy(episode.realized),
        commission=Decimal(plain(episode.commission)),
        opened_at=episode.opened_at,
        closed_at=episode.closed_at,
        broker_quantity=_tidy(book.broker_quantity),
        reconciled=book.broker_quantity == book.quantity,
        provisional=episode.provisional,
    )


def _removed(removed: RemovedEpisode, book: Book, instrument: Instrument) -> PositionChanged:
    return PositionChanged(
        id=str(removed.id),
        version=book.version,
        removed=True,
        account=book.account,
        conid=book.conid,
        symbol=instrument.symbol,
        local_symbol=instrument.local_symbol,
        sec_type=instrument.sec_type,
        currency=instrument.currency,
        description=instrument.description,
        multiplier=instrument.multiplier,
        price_magnifier=instrument.price_magnifier,
        side="long" if removed.side == "long" else "short",
        status="closed",
        quantity=ZERO,
        average_cost=None,
        cost_basis=ZERO,
        realized_pnl=None,
        commission=ZERO,
        opened_at=removed.opened_at,
        closed_at=removed.opened_at,
        broker_quantity=_tidy(book.broker_quantity),
        reconciled=book.broker_quantity == book.quantity,
        provisional=False,
    )


class Announcement:
    """Changes of one transaction on their way: stored with it, published once it is committed.

    What many changes say is not kept in memory meanwhile, but read from the outbox again.
    """

    def __init__(
        self, payloads: Sequence[bytes] = (), ids: Sequence[int] = (), *, is_more: bool = False
    ) -> None:
        self._payloads = payloads[:_ENTRIES_AT_ONCE]
        self._ids = ids[:_ENTRIES_AT_ONCE]
        self._is_more = is_more or len(ids) > _ENTRIES_AT_ONCE

    @classmethod
    async def prepare(cls, connection: Writer, changes: Sequence[Change]) -> "Announcement":
        """Put ``changes`` into the outbox."""
        payloads = [
            encode(ChangeBatch(changes=tuple(changes[start : start + _CHANGES_AN_ENTRY])))
            for start in range(0, len(changes), _CHANGES_AN_ENTRY)
        ]
        return cls(payloads, await insert_outbox(connection, payloads) if payloads else [])

    def __add__(self, other: "Announcement") -> "Announcement":
        """Both as one, of one transaction."""
        return Announcement(
            [*self._payloads, *other._payloads],
            [*self._ids, *other._ids],
            is_more=self._is_more or other._is_more,
        )

    async def publish(self, database: Database, streams: StreamPort | None, settings: Settings) -> None:
        """Publish and forget. What cannot be published now stays in the outbox for the sweep."""
        if not self._payloads or streams is None:
            return
        try:
            await streams.append(settings.changes_stream, self._payloads, keep_entries=KEEP_CHANGES)
        except StreamUnavailableError:
            log.debug("changes_left_in_outbox", entries=len(self._ids))
            return
        async with database.write() as connection:
            await delete_outbox(connection, self._ids)
        if self._is_more:
            with suppress(StreamUnavailableError):
                await publish_left_over(database, streams, settings, age_seconds=0)


async def publish_left_over(
    database: Database, streams: StreamPort, settings: Settings, *, age_seconds: float = _LEFT_OVER_SECONDS
) -> int:
    """Publish what was committed and, because Redis or a worker was away, not published; returns how much.

    Raises:
        StreamUnavailableError: Redis is away; the outbox stays as it is.
    """
    published = 0
    while True:
        async with database.write() as connection:
            rows = await take_outbox(connection, age_seconds=age_seconds, most=_ENTRIES_AT_ONCE)
            if not rows:
                return published
            await streams.append(
                settings.changes_stream, [payload for _, payload in rows], keep_entries=KEEP_CHANGES
            )
            await delete_outbox(connection, [row_id for row_id, _ in rows])
        published += len(rows)


def together(one: Announcement | None, other: Announcement | None) -> Announcement | None:
    """What two steps of one transaction have to announce, if they have anything."""
    if one is None or other is None:
        return one or other
    return one + other
