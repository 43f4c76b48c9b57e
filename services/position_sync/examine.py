"""Fold whole books afresh and lay the rows that are stored beside what that gives."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import chain, zip_longest
from typing import NamedTuple
from uuid import UUID

from core.domain.anchors import Anchor
from core.domain.books import Book, BookKey
from core.domain.carried import Handed
from core.domain.days import trading_days
from core.domain.episodes import Episode
from core.domain.instruments import Instrument
from core.domain.lots import CarriedLot, CostMethod
from core.domain.money import plain
from core.domain.openings import NO_EFFECTS
from models.queries import ledger as queries
from models.queries import stored_ledger
from models.queries.anchors import anchors_of, days_told, effect_lines_of, read_effects
from models.queries.carried import handed_on_by
from models.queries.stored_ledger import NULL, PLACE, StoredBook, read_text
from models.session import Reader, Writer
from models.stores.episodes import Lines, lines_of
from models.stores.executions import Place
from models.tables.positions import FOLDED_COLUMNS
from services.position_sync.folding import FoldedBook, fold_whole, held_to, opened_by, places_of

_KEY_FIELDS = {"positions": 1, "position_events": 2, "lots": 2, "lot_disposals": 2}
"""How many of a table's first columns name a row."""
_ID_LENGTH = 36
_BOOK_FIELDS = (
    *("cost_method", "quantity", "last_executed_at", "last_exec_base_id"),
    *("first_anchor_at", "last_anchor_at", "episodes"),
)
"""What a fold determines of a book's own row."""


class RowDifference(NamedTuple):
    """A stored field that is not what a fresh fold gives; both as PostgreSQL spells them, ``None`` for null.

    ``key`` names the row in its table. Without ``field`` it is the row itself that is ``present`` or
    ``absent``.
    """

    account: str
    conid: int
    table: str
    key: str
    field: str | None
    stored: str | None
    fresh: str | None


class PlaceDifference(NamedTuple):
    """An execution that stands elsewhere than it should."""

    key: BookKey
    exec_id: str
    stored: list[str]
    fresh: list[str]
    place: Place


@dataclass
class Examined:
    """Some books: what is stored of them, and what it should be."""

    stored_books: dict[BookKey, Book]
    books: dict[BookKey, Book]
    """With what a fold determines; ``version`` as stored."""
    episodes: list[Episode]
    """In the order of the lines of ``positions``."""
    stored: Lines
    fresh: Lines
    places: list[PlaceDifference]
    waiting: set[BookKey]
    """Books that are to be folded again anyhow: what differs there is not wrong yet."""
    instruments: dict[int, Instrument]
    executions: int
    handed: Handed
    """What each book hands on to others, and what is stored of that."""
    stored_handed: Handed
    staged: dict[tuple[BookKey, str], Place]
    """By book and id, where executions stand that an import is still to store with it."""

    @cached_property
    def changed_positions(self) -> set[str]:
        """The ids of positions of which any row differs."""
        changed: set[str] = set()
        for table, fresh in self.fresh.items():
            stored = self.stored[table]
            if stored != fresh:
                lines: Iterable[str] = {*stored}.symmetric_difference(fresh) if stored else fresh
                changed.update(line[:_ID_LENGTH] for line in lines)
        return changed

    def changed_books(self) -> set[BookKey]:
        """Books whose own row differs."""
        return {
            key
            for key, book in self.books.items()
            if key not in self.stored_books
            or any(_book_fields(self.stored_books[key], book))
            or self.handed[key] != self.stored_handed.get(key, {})
        }

    def differences(self) -> Iterator[RowDifference]:
        """Everything that differs, field by field."""
        for key in sorted(self.changed_books()):
            stored = self.stored_books.get(key)
            if stored is None:
                yield RowDifference(*key, "ledger_books", f"{key[0]} {key[1]}", None, "absent", "present")
            else:
                for name, was, now in _book_fields(stored, self.books[key]):
                    yield RowDifference(*key, "ledger_books", f"{key[0]} {key[1]}", name, was, now)
            yield from _lot_differences(key, self.stored_handed.get(key, {}), self.handed[key])
        owners = self.owners()
        for table, fresh in self.fresh.items():
            yield from _row_differences(table, self.stored[table], fresh, owners)
        for place in self.places:
            for name, was, now in zip(PLACE, place.stored, place.fresh, strict=True):
                if was != now:
                    yield RowDifference(*place.key, "executions", place.exec_id, name, _set(was), _set(now))

    def owners(self) -> dict[str, BookKey]:
        """The book of each position, by its id as text."""
        owners: dict[str, BookKey] = {}
        for line in chain(self.stored["positions"], self.fresh["positions"]):
            name, account, conid, _ = line.split("\t", 3)
            owners[name] = (read_text(account), int(conid))
        return owners


@dataclass(frozen=True)
class Told:
    """All that is stored about some books: what they are folded from, and the rows that stand for it."""

    keys: Sequence[BookKey]
    stored_books: dict[BookKey, Book]
    methods: Mapping[str, CostMethod]
    instruments: dict[int, Instrument]
    anchors: Mapping[BookKey, list[Anchor]]
    effects: Sequence[str]
    days: Mapping[BookKey, Mapping[str, date]]
    facts: Sequence[str]
    rows: Lines
    handed: Handed
    """What is stored of what they hand on to others."""


async def examine(
    connection: Reader | Writer, keys: Sequence[BookKey], stored_books: dict[BookKey, Book]
) -> Examined:
    """Fold these books from all that is stored about them, within a transaction that sees one moment.

    A writer has locked them. The method is that of their accounts.
    """
    return fold_told(await read_told(connection, keys, stored_books))


async def read_told(
    connection: Reader | Writer,
    keys: Sequence[BookKey],
    stored_books: dict[BookKey, Book],
    *,
    staged: bool = False,
) -> Told:
    """Read what is stored about these books; with ``staged`` also the executions on their way in."""
    anchors = await anchors_of(connection, dict.fromkeys(keys))
    return Told(
        keys,
        stored_books,
        await stored_ledger.cost_methods(connection),
        await queries.instruments_of(connection, {key[1] for key in keys}),
        anchors,
        await effect_lines_of(connection, opened_by(keys, anchors)),
        await days_told(connection, keys),
        await stored_ledger.facts_of(connection, keys, staged=staged),
        await stored_ledger.rows_of(connection, keys),
        await handed_on_by(connection, keys),
    )


def fold_told(told: Told) -> Examined:
    """Fold the books and lay what is stored beside what that gives. Nothing but reckoning."""
    facts = stored_ledger.read_facts(told.keys, told.facts)
    told_effects = read_effects(told.effects)
    handed: Handed = {}
    books: dict[BookKey, Book] = {}
    episodes: list[Episode] = []
    places: list[PlaceDifference] = []
    staged: dict[tuple[BookKey, str], Place] = {}
    waiting = {key for key, book in told.stored_books.items() if book.dirty}
    for key in told.keys:
        known, held, method = facts[key], told.anchors.get(key, []), told.methods[key[0]]
        instrument = told.instruments[key[1]]
        trading = trading_days(instrument.sec_type, told.days.get(key, {}))
        effects = told_effects.get(key, NO_EFFECTS)
        result = fold_whole(key, method, instrument, known.reports, held, effects, trading)
        books[key] = _book(told.stored_books.get(key), key, method, result, held)
        episodes.extend(result.ledger.touched)
        handed[key] = result.ledger.handed
        fresh = dict(places_of(result))
        staged.update(((key, exec_id), fresh[exec_id]) for exec_id in known.staged)
        misplaced = list(_places(key, fresh, known))
        places.extend(misplaced)
        if any(one.place.commission_folded and one.stored[-1] == "f" for one in misplaced):
            # A commission that another worker had in hand: whoever commits last folds it, or the sweep.
            waiting.add(key)
    episodes.sort(key=lambda one: one.id)
    return Examined(
        told.stored_books,
        books,
        episodes,
        told.rows,
        lines_of(episodes),
        places,
        waiting,
        told.instruments,
        sum(len(one.reports) for one in facts.values()),
        handed,
        told.handed,
        staged,
    )


def _book(
    stored: Book | None, key: BookKey, method: CostMethod, result: FoldedBook, anchors: Sequence[Anchor]
) -> Book:
    last = result.last_key
    base = held_to(stored or Book(*key, method), anchors)
    return base._replace(
        cost_method=method,
        quantity=result.ledger.quantity,
        last_executed_at=last[0] if last else None,
        last_exec_base_id=last[1] if last else None,
        episodes=result.ledger.episodes,
        dirty=False,
    )


def _book_fields(stored: Book, fresh: Book) -> list[tuple[str, str | None, str | None]]:
    """Those that differ, with what they are and what they should be."""
    found: list[tuple[str, str | None, str | None]] = []
    for name in _BOOK_FIELDS:
        was, now = getattr(stored, name), getattr(fresh, name)
        if name == "quantity":
            was, now = format(was, "f"), plain(now)
        if was != now:
            found.append((name, None if was is None else str(was), None if now is None else str(now)))
    return found


def _lot_differences(
    key: BookKey,
    stored: Mapping[str, Sequence[CarriedLot]],
    fresh: Mapping[str, Sequence[CarriedLot]],
) -> Iterator[RowDifference]:
    for event in sorted(stored.keys() | fresh.keys()):
        pairs = zip_longest(stored.get(event, ()), fresh.get(event, ()))
        for number, (was, now) in enumerate(pairs, 1):
            row = (*key, "carried_lots", f"{key[0]} {key[1]} {event} {number}")
            if was is None or now is None:
                yield RowDifference(
                    *row, None, *(("absent", "present") if was is None else ("present", "absent"))
                )
                continue
            for name, one, other in zip(CarriedLot._fields, was, now, strict=True):
                if one != other:
                    yield RowDifference(*row, name, *(None if it is None else str(it) for it in (one, other)))


def _places(key: BookKey, fresh: Mapping[str, Place], told: StoredBook) -> Iterator[PlaceDifference]:
    names: dict[int, str] = {}
    for report, stored in zip(told.reports, told.places, strict=True):
        if report.exec_id in told.staged:
            continue
        place = fresh[report.exec_id]
        spelled = [
            place.corrected_by or NULL,
            NULL if place.position_id is None else _spelled(place.position_id, names),
            NULL if place.realized_pnl is None else plain(place.realized_pnl),
            "t" if place.commission_folded else "f",
        ]
        if spelled != stored:
            yield PlaceDifference(key, report.exec_id, stored, spelled, place)


def _spelled(position_id: UUID, names: dict[int, str]) -> str:
    # By the object: spelling an id, or hashing it, costs more than all the rest of a place.
    name = names.get(id(position_id))
    if name is None:
        name = names[id(position_id)] = str(position_id)
    return name


def _row_differences(
    table: str, stored: Sequence[str], fresh: Sequence[str], owners: Mapping[str, BookKey]
) -> Iterator[RowDifference]:
    if stored == fresh:
        return
    odd = {*stored}.symmetric_difference(fresh)
    was = {_row_key(table, line): line for line in stored if line in odd}
    now = {_row_key(table, line): line for line in fresh if line in odd}
    for key in sorted(was.keys() | now.keys()):
        book, name = owners[key[0]], " ".join(key)
        if key not in was or key not in now:
            there = ("present", "absent") if key in was else ("absent", "present")
            yield RowDifference(*book, table, name, None, *there)
            continue
        for column, one, other in zip(
            FOLDED_COLUMNS[table], was[key].split("\t"), now[key].split("\t"), strict=True
        ):
            if one != other:
                yield RowDifference(*book, table, name, column, _told(one), _told(other))


def _row_key(table: str, line: str) -> tuple[str, ...]:
    return tuple(line.split("\t", _KEY_FIELDS[table])[: _KEY_FIELDS[table]])


def _told(spelled: str) -> str | None:
    return None if spelled == NULL else read_text(spelled)


def _set(value: str) -> str | None:
    return None if value == NULL else value
