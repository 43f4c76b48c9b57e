"""Positions of the past: what was held at a moment, and what was known of it by another.

What is known now is read from the stored ledger. What was known is folded anew, in memory, from the facts
that had been received by then; of books that nothing was learnt of since, the stored ledger says the same.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from heapq import nlargest
from http import HTTPStatus
from itertools import islice
from typing import NamedTuple

from core.domain.anchors import in_order
from core.domain.as_of import standing
from core.domain.books import BookKey
from core.domain.carried import Handed
from core.domain.days import trading_days
from core.domain.fills import Report, effective_fills
from core.domain.instruments import Instrument
from core.domain.lifecycle import Ledger, fold_book
from core.domain.lots import CostMethod
from core.domain.money import ZERO
from core.events.changes import PositionChanged
from models.queries.anchors import Statements, statements_known_by
from models.queries.as_of import DESCRIBED, positions_as_of, stood_as
from models.queries.carried import hand_over, handed_on_by, links_of, with_dependents
from models.queries.known_at import Word, books_told_of_since, reports_known_by, words_known_by
from models.queries.ledger import instruments_of
from models.queries.positions import PositionKey, Status
from models.queries.stored_ledger import books_of
from models.session import Reader
from services.api.context import Context
from services.api.freshness import whole_age
from services.api.live.feed import Judged, place_of
from services.api.parameters import in_utc
from services.api.problems import ProblemError
from services.api.schemas.common import Freshness

_BOOKS_AT_ONCE = 20


class Moments(NamedTuple):
    """``as_of``: when it was held. ``known_by``: facts received later have no say; ``None``: all have."""

    as_of: datetime
    known_by: datetime | None


class Question(NamedTuple):
    """A page of positions of the past: at most ``limit`` after ``after``."""

    moments: Moments
    status: Status
    account: str | None
    symbol: str | None
    after: PositionKey | None
    limit: int


class _Book(NamedTuple):
    """What was known of a book."""

    key: BookKey
    method: CostMethod
    instrument: Instrument
    reports: Sequence[Report]
    words: Sequence[Word]
    statements: Statements


def moments(as_of: datetime | None, known_at: datetime | None, now: datetime) -> Moments | None:
    """The moments a request asks for, ``None`` when it asks for none; ``known_at`` alone is both.

    Raises:
        ProblemError: 400, a time without a zone or in the future.
    """
    held, known = _moment("as_of", as_of, now), _moment("known_at", known_at, now)
    at = held or known
    return None if at is None else Moments(at, known)


def _moment(name: str, value: datetime | None, now: datetime) -> datetime | None:
    if value is None:
        return None
    try:
        moment = in_utc(value)
    except ValueError as error:
        raise _wrong(name, str(error)) from None
    if moment > now:
        raise _wrong(name, "is in the future: ask for a moment that has passed, or leave it out")
    return moment


def _wrong(name: str, what: str) -> ProblemError:
    return ProblemError(HTTPStatus.BAD_REQUEST, "time_invalid", f"{name} {what}.")


def past_freshness(asked: Moments, judged: Judged) -> Freshness:
    """What is asked of the past is never live, whatever the links say."""
    return Freshness(
        source="last_known",
        as_of=asked.as_of,
        received_at=asked.known_by,
        age_seconds=whole_age(asked.as_of, judged.now),
        stale=True,
        reason="as_of",
        links=judged.verdict.links,
    )


async def past_positions(context: Context, question: Question) -> list[PositionChanged]:
    """The positions, newest first."""
    _, status, account, symbol, after, limit = question
    at, known_by = question.moments
    if known_by is None:
        async with context.database.read() as reader:
            return await positions_as_of(
                reader, at, status=status, account=account, symbol=symbol, after=after, limit=limit
            )
    # One at a time, before it takes a connection: folding is work, and others wait for both.
    async with context.folding, context.database.read_one_moment() as reader:
        concerned, handed = await _concerned(reader, known_by, account)
        instruments = await instruments_of(reader, {conid for _, conid in concerned})
        since = {
            key: method
            for key, method in concerned.items()
            if symbol is None or instruments[key[1]].symbol == symbol
        }
        found = await positions_as_of(
            reader,
            at,
            status=status,
            account=account,
            symbol=symbol,
            after=after,
            limit=limit,
            apart=sorted(since),
            known_by=known_by,
        )
        books = iter(sorted(since.items()))
        while some := dict(islice(books, _BOOKS_AT_ONCE)):
            known = await _known(reader, some, instruments, known_by)
            found += await asyncio.to_thread(_fold, known, handed, question)
            found = nlargest(limit, found, key=place_of)
    return found


async def _concerned(
    reader: Reader, known_by: datetime, account: str | None
) -> tuple[dict[BookKey, CostMethod], Handed]:
    """The books that stood otherwise by what was known then, and what others handed on to them.

    Those are the books that anything was learnt of since, and those that go on with lots of them.
    """
    told = await books_told_of_since(reader, known_by, account=account)
    takers = await with_dependents(reader, told) - told.keys()
    methods = told | {key: one.cost_method for key, one in (await books_of(reader, takers)).items()}
    links = await links_of(reader, methods, known_by=known_by)
    sources = {link.source for link in links}
    handed = await handed_on_by(reader, sources - methods.keys())
    handing = {key: methods[key] for key in sources & methods.keys()}
    if handing:
        instruments = await instruments_of(reader, {conid for _, conid in handing})
        known = await _known(reader, handing, instruments, known_by)
        handed = await asyncio.to_thread(_hand_on, known, handed, len(links))
    return methods, handed


def _hand_on(books: Sequence[_Book], handed: Handed, links: int) -> Handed:
    """What these books hand on, as they go on with each other's lots: at each turn one more step is right.

    Lots may come to a book more than once: there are no more steps than ``links``, and one that begins.
    """
    for _ in range(links + 1):
        fresh = handed | {book.key: _ledger(book, handed).handed for book in books}
        if fresh == handed:
            break
        handed = fresh
    return handed


async def _known(
    reader: Reader,
    methods: Mapping[BookKey, CostMethod],
    instruments: Mapping[int, Instrument],
    known_by: datetime,
) -> list[_Book]:
    reports = await reports_known_by(reader, methods, known_by)
    words = await words_known_by(reader, methods, known_by)
    statements = await statements_known_by(reader, methods, known_by)
    return [
        _Book(key, method, instruments[key[1]], reports[key], words.get(key, ()), statements[key])
        for key, method in methods.items()
    ]


def _fold(books: Sequence[_Book], handed: Handed, question: Question) -> list[PositionChanged]:
    """The newest positions of these books that the question asks for."""
    found = (position for book in books for position in _fold_one(book, handed, question.moments.as_of))
    asked = (
        position
        for position in found
        if question.status in {"all", position.status}
        and (question.after is None or place_of(position) < question.after)
    )
    return nlargest(question.limit, asked, key=place_of)


def _ledger(book: _Book, handed: Handed) -> Ledger:
    anchors = list(book.statements.anchors)
    hand_over({book.key: anchors}, book.statements.links, handed)
    return fold_book(
        *book.key,
        book.instrument.point_value,
        effective_fills(book.reports, book.instrument.currency),
        in_order([*anchors, *(word.anchor for word in book.words if word.anchor is not None)]),
        method=book.method,
        effects=book.statements.effects,
        days=trading_days(book.instrument.sec_type, book.statements.days),
    )


def _fold_one(book: _Book, handed: Handed, at: datetime) -> Iterator[PositionChanged]:
    instrument = book.instrument
    ledger = _ledger(book, handed)
    described = {name: getattr(instrument, name) for name in DESCRIBED}
    told: Decimal | None = None
    for word in book.words:
        if word.as_of <= at:
            told = word.quantity
    begun = [(episode, stood) for episode in ledger.touched if (stood := standing(episode, at)) is not None]
    held = begun[-1][1].quantity if begun else ZERO
    for episode, stood in begun:
        yield stood_as(
            stood,
            described,
            position_id=episode.id,
            key=book.key,
            long=episode.long,
            opened_at=episode.opened_at,
            held=held,
            broker_quantity=told,
            provisional=episode.provisional,
        )
