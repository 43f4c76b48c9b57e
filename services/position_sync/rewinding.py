"""Fold a late fill in from within an episode: out of what is stored, not from the episode's beginning."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from core.domain.anchors import SEEN_WITHIN
from core.domain.books import BookKey
from core.domain.fills import Fill, Report, effective_fills
from core.domain.instruments import Instrument
from models.queries import ledger as queries
from models.queries.anchors import anchors_of, told_of_by_statements
from models.session import Writer
from models.stores import episodes as episode_store
from models.stores import rewinding as store
from models.stores.episodes import RemovedEpisode
from services.position_sync.books import OpenBook


class Onward(NamedTuple):
    """What a book is folded on with; ``episodes`` is how many there were by then, an open one included."""

    fills: list[Fill]
    reports: list[Report]
    episodes: int


class Rewound(NamedTuple):
    """Books that stand as they did before what is to be folded again, and later episodes, which are gone."""

    books: dict[BookKey, Onward]
    removed: list[RemovedEpisode]


async def rewind(
    connection: Writer, works: Sequence[OpenBook], instruments: Mapping[int, Instrument]
) -> Rewound:
    """Take back those of the books of which the rows tell how; the others are left as they are.

    What arrived for them must be stored already.
    """
    since = await _unheld(connection, works)
    points = await store.points(connection, since) if since else {}
    told = await queries.history(connection, [(key, since[key]) for key in points]) if points else {}
    books: dict[BookKey, Onward] = {}
    for key, reports in told.items():
        fills = effective_fills(reports, instruments[key[1]].currency)
        # A correction counts from when its trade was made.
        fills = [fill for fill in fills if fill.executed_at >= since[key]]
        if fills:
            books[key] = Onward(fills, reports, points[key].ordinal)
    removed = await episode_store.delete_episodes(
        connection, [(key, onward.episodes + 1) for key, onward in books.items()]
    )
    await store.rewind(connection, [points[key] for key in books])
    return Rewound(books, removed)


async def _unheld(connection: Writer, works: Sequence[OpenBook]) -> dict[BookKey, datetime]:
    """From when on books are to be folded again in which neither broker nor statement has a say from then on.

    Where a statement's change belongs, and which trades are of its day, is told by what lies around it. And
    as long as no word tells what was held, every trade has a say in what a statement's trades began with.
    """
    since = {work.key: work.since for work in works if work.since is not None}
    if not since:
        return {}
    anchors = await anchors_of(connection, {key: at - SEEN_WITHIN for key, at in since.items()})
    free = {
        key: at
        for key, at in since.items()
        if not any(one.as_of >= at or one.relative or one.day is not None for one in anchors.get(key, ()))
    }
    begun = [work.key for work in works if work.key in free and work.book.first_anchor_at is None]
    told = await told_of_by_statements(connection, begun) if begun else set()
    return {key: at for key, at in free.items() if key not in told}
