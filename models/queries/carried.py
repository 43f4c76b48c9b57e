"""Which books hand lots on to which, by the corporate actions that statements tell of, and which lots."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from sqlalchemy import text

from core.domain.anchors import Anchor
from core.domain.books import BookKey
from core.domain.carried import Handed
from core.domain.lots import CarriedLot
from core.domain.money import ZERO
from core.domain.pnl import EXACT, shares
from models.book_keys import BOOKS, book_arrays
from models.session import Reader, Writer
from models.standing import STANDING, newest

KNOWN: Final = f"{STANDING} AND i.imported_at <= coalesce(CAST(:known_by AS timestamptz), 'infinity')"
"""The import ``i`` of a row ``{0}``, if it stands and had been imported by then."""

OF_BOOK: Final = "t.account = k.account AND t.conid = k.conid"
"""That a row ``t`` is about a book ``k``."""

_NOT_LINKING: Final = "('transfer', 'exercise_or_assignment', 'expiry', 'split')"
"""Of these the statement says itself what they cost, or nothing moves from one instrument to another."""


def linking(row: str) -> str:
    """The condition that a corporate action's leg belongs with others, between which cost may move."""
    return f"{row}.event_group <> '' AND {row}.quantity <> 0 AND {row}.cause NOT IN {_NOT_LINKING}"


# What was spun off, and what it took its cost from: of that only the cost changed.
SPUN_OFF: Final = "{0}.cause = 'spin_off' AND {0}.quantity <> 0 AND NOT {0}.carried"
COST_TAKEN: Final = "{0}.cause = 'spin_off' AND {0}.quantity = 0"
# One index probe a book, said so that no plan reads a whole table for a batch.
_TAKERS = (
    "SELECT * FROM corporate_actions f WHERE f.account = {0}.account AND f.conid = {0}.conid "  # noqa: S608 - no input in it
    f"AND ((f.carried AND {linking('f')}) OR ({SPUN_OFF.format('f')})) OFFSET 0) f CROSS JOIN LATERAL ("
    "SELECT * FROM corporate_actions t WHERE t.account = f.account AND t.event_group = f.event_group "
    f"AND t.event_group <> '' AND t.conid <> f.conid "
    f"AND ((NOT t.carried AND {linking('t')}) OR ({COST_TAKEN.format('t')})) OFFSET 0) t"
)


def with_dependents_of(books: str) -> str:
    """``WITH`` the books ``d``: those of a query, and whatever goes on with lots of any of them."""
    return (
        f"WITH RECURSIVE d(account, conid) AS ({books} "  # noqa: S608 - the same
        f"UNION SELECT t.account, t.conid FROM d CROSS JOIN LATERAL ({_TAKERS.format('d')})"
    )


WITH_DEPENDENTS: Final = with_dependents_of(f"SELECT k.account, k.conid FROM {BOOKS}")  # noqa: S608 - the same
"""The same of the books that ``book_arrays`` names."""

_takers = text(
    f"SELECT DISTINCT t.account, t.conid FROM {BOOKS} CROSS JOIN LATERAL ({_TAKERS.format('k')}"  # noqa: S608 - the same
)
_with_dependents = text(f"{WITH_DEPENDENTS} SELECT account, conid FROM d")  # noqa: S608 - the same
_BROUGHT = newest(
    "corporate_actions t",
    ("event_key",),
    where=f"{OF_BOOK} AND NOT t.carried AND {linking('t')}",
    standing=KNOWN,
)
# A later statement may tell of one leg only.
_TOOK = newest(
    "corporate_actions f",
    ("event_key",),
    where="f.account = t.account AND f.event_group = t.event_group AND f.carried "
    f"AND f.conid <> t.conid AND f.quantity * t.quantity < 0 AND {linking('f')}",
    standing=KNOWN,
)
# Whether what a book was brought at a moment comes to the one that it came from, by what that and later ones
# carried off, and no later than it left there: then its cost would be handed round in a circle.
_LEGS_OF = "SELECT {0}.* FROM corporate_actions {0} " + KNOWN + " WHERE {0}.account = t.account"  # noqa: S608 - the same
_COMES_BACK = (
    "EXISTS (WITH RECURSIVE r(conid, at) AS (SELECT t.conid, t.at UNION SELECT y.conid, y.at FROM r "  # noqa: S608 - the same
    f"CROSS JOIN LATERAL ({_LEGS_OF.format('x')} "
    f"AND x.conid = r.conid AND x.at >= r.at AND x.carried AND {linking('x')} OFFSET 0) x "
    f"CROSS JOIN LATERAL ({_LEGS_OF.format('y')} "
    f"AND y.event_group = x.event_group AND NOT y.carried AND y.conid <> x.conid AND {linking('y')} "
    "OFFSET 0) y) SELECT FROM r WHERE r.conid = f.conid AND r.at <= f.at)"
)
_CAME = newest(
    "corporate_actions o",
    ("event_key",),
    where="o.account = t.account AND o.event_group = t.event_group AND NOT o.carried "
    f"AND o.quantity * t.quantity > 0 AND {linking('o')}",
    standing=KNOWN,
)
# Of one action that brings several things each has the share of the cost that it has of what all are worth;
# where that is not stated of each, in one currency, nobody says what each has.
_WORTHS = (
    "SELECT array_agg(o.market_value ORDER BY o.event_key) AS worths, "  # noqa: S608 - the same
    "array_agg(o.event_key ORDER BY o.event_key) AS events, count(*) = 1 OR (count(DISTINCT n.currency) = 1 "
    "AND bool_and(coalesce(o.market_value * o.quantity > 0, false))) AS is_told "
    f"FROM ({_CAME}) o JOIN instruments n USING (conid)"
)
_links = text(
    "SELECT t.account, t.conid, t.event_key, f.conid AS source, f.event_key AS source_key, f.quantity, "  # noqa: S608 - the same
    f"w.worths, w.events, {_COMES_BACK} AS comes_back FROM {BOOKS} "
    f"CROSS JOIN LATERAL ({_BROUGHT}) t "
    f"CROSS JOIN LATERAL ({_TOOK}) f "
    f"CROSS JOIN LATERAL ({_WORTHS}) w WHERE w.is_told "
    "ORDER BY t.account, t.conid, t.event_key, f.conid, f.event_key"
)
_handed = text(
    "SELECT c.account, c.conid, c.event_key, c.opened_at, c.quantity, c.cost, c.provisional "  # noqa: S608 - the same
    f"FROM {BOOKS} JOIN carried_lots c USING (account, conid) "
    "ORDER BY c.account, c.conid, c.event_key, c.seq"
)


class Link(NamedTuple):
    """That ``event`` of a book brought what ``source_event`` took from another: ``quantity``, signed.

    Where it brought other things as well, ``worths`` are what each is worth, this one in its ``place``.
    """

    book: BookKey
    event: str
    source: BookKey
    source_event: str
    quantity: Decimal
    worths: tuple[Decimal, ...] = ()
    place: int = 0


async def takers_of(connection: Reader | Writer, keys: Iterable[BookKey]) -> set[BookKey]:
    """The books that go on with lots of these."""
    rows = await connection.execute(_takers, book_arrays(keys))
    return {(row.account, row.conid) for row in rows}


async def with_dependents(connection: Reader | Writer, keys: Iterable[BookKey]) -> set[BookKey]:
    """Books, with those that go on with lots of any of them, however far on."""
    rows = await connection.execute(_with_dependents, book_arrays(keys))
    return {(row.account, row.conid) for row in rows}


async def links_of(
    connection: Reader | Writer, keys: Iterable[BookKey], *, known_by: datetime | None = None
) -> list[Link]:
    """From where these books go on with lots, by what the statements that stand say.

    What would come back to where it came from no later than it left is of unknown cost instead.
    """
    rows = await connection.execute(_links, {**book_arrays(keys), "known_by": known_by})
    return [
        Link(
            (row.account, row.conid),
            row.event_key,
            (row.account, row.source),
            row.source_key,
            row.quantity,
            tuple(row.worths),
            row.events.index(row.event_key),
        )
        for row in rows
        if not row.comes_back
    ]


async def circular_actions(connection: Reader | Writer, keys: Iterable[BookKey]) -> int:
    """How many actions brought these books what would come from itself, and therefore no cost."""
    rows = await connection.execute(_links, {**book_arrays(keys), "known_by": None})
    return len({(row.account, row.conid, row.event_key) for row in rows if row.comes_back})


async def handed_on_by(connection: Reader | Writer, keys: Iterable[BookKey]) -> Handed:
    """What is stored of what these books handed on."""
    found: dict[BookKey, dict[str, list[CarriedLot]]] = {}
    for row in await connection.execute(_handed, book_arrays(keys)):
        events = found.setdefault((row.account, row.conid), {})
        events.setdefault(row.event_key, []).append(CarriedLot(*row[3:]))
    return {key: {event: tuple(lots) for event, lots in events.items()} for key, events in found.items()}


def hand_over(anchors: Mapping[BookKey, list[Anchor]], links: Iterable[Link], handed: Handed) -> None:
    """Give each change that brought lots those lots; what the old book did not hold is of unknown cost."""
    brought: dict[tuple[BookKey, str], list[Link]] = {}
    for link in links:
        brought.setdefault((link.book, link.event), []).append(link)
    for (key, event), sources in brought.items():
        told = anchors.get(key, [])
        for number, one in enumerate(told):
            if one.key == event:
                taken = [lot for link in sources for lot in _lots_of(link, handed, one.as_of)]
                told[number] = one._replace(
                    taken=tuple(sorted(taken, key=lambda lot: lot.opened_at)),
                    inferred=any(len(link.worths) > 1 for link in sources),
                )


def _lots_of(link: Link, handed: Handed, at: datetime) -> Sequence[CarriedLot]:
    lots: Sequence[CarriedLot] = handed.get(link.source, {}).get(link.source_event, ())
    lacking = ZERO - link.quantity
    for lot in lots:
        lacking = EXACT.subtract(lacking, lot.quantity)
    if lacking:
        lots = [*lots, CarriedLot(at, lacking, None, provisional=True)]
    return lots if len(link.worths) == 1 else [_part_of(lot, link) for lot in lots]


def _part_of(lot: CarriedLot, link: Link) -> CarriedLot:
    """A lot with the part of its cost that one of several things has that came for it."""
    return lot._replace(cost=None if lot.cost is None else shares(lot.cost, link.worths)[link.place])
