"""What the end of a positions answer says: of the books at hand, and of all the others.

The others can be a hundred thousand, so they are locked at once and worked on some at a time.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from core.domain.books import BookKey
from core.domain.money import ZERO
from models.queries import answers as queries
from models.queries.ledger import instruments_of
from models.session import Writer
from services.position_sync.announce import Announcement, position_changes
from services.position_sync.books import OpenBook
from services.position_sync.folding import fold_books
from services.position_sync.intake import Sweep

BOOKS_AT_ONCE = 2_000
"""A book that is folded, with its rows and what is announced of it, takes some kilobytes."""

_BEFORE_ALL: BookKey = ("", -(2**63))


class Answer(NamedTuple):
    """A positions answer all of which has arrived; what it told of was told from ``began`` on."""

    sweep: Sweep
    began: tuple[int, int]

    def conclude(self, work: OpenBook, now: datetime) -> None:
        """Draw the conclusions for one book of the answer's accounts.

        What it did not tell of is flat, if the broker said nothing newer of it. What it told of and the
        ledger knows nothing about begins with an opening balance.
        """
        book = work.book
        if book.broker_sweep != self.sweep.fact.sweep:
            if book.word < self.began and (book.broker_quantity != ZERO or book.quantity or work.executions):
                work.hear_absence(self.sweep, now)
        elif book.first_anchor_at is None and book.last_executed_at is None and book.broker_quantity:
            work.anchor("provisional", now)


async def lock_for_answers(connection: Writer, sweeps: Sequence[Sweep], own: Collection[BookKey]) -> None:
    """Lock the books ``own`` with those that the ends of these answers may change."""
    await queries.lock_changing(connection, [(one.fact.sweep, one.fact.accounts) for one in sweeps], own)


async def conclude_own(
    connection: Writer, sweeps: Sequence[Sweep], works: Mapping[BookKey, OpenBook], now: datetime
) -> tuple[list[Answer], list[Sweep]]:
    """Draw the conclusions for the books at hand.

    Returns the answers that are to be concluded for the others, too, and those of which not everything has
    arrived. An empty answer closes nothing. One that a newer answer has begun to overtake before all of it
    was here is neither: the newer one says it all again.
    """
    complete: list[Answer] = []
    unfinished: list[Sweep] = []
    for sweep in sweeps:
        fact = sweep.fact
        end = sweep.epoch, sweep.seq
        at_hand = [one.book for one in works.values() if one.book.account in fact.accounts]
        own = [one for one in at_hand if one.broker_sweep == fact.sweep]
        told = await queries.told_of(connection, fact.sweep, fact.accounts, end, works.keys())
        if len(own) + told.books < fact.count:
            if not (told.is_overtaken or any(one.swept > end for one in at_hand)):
                unfinished.append(sweep)
            continue
        words = [one.word for one in own]
        if told.first_word is not None:
            words.append(told.first_word)
        if not words:
            continue
        # What was told of since the answer began is newer than it. Its own books may have been told of once
        # more by now, or it is read again after a later one: then its end is the better limit.
        answer = Answer(sweep, min(end, *words))
        complete.append(answer)
        for work in works.values():
            if work.book.account in fact.accounts:
                answer.conclude(work, now)
    return complete, unfinished


class Others(NamedTuple):
    """What concluding answers did to the other books."""

    announcement: Announcement
    accounts: set[str]


async def conclude_others(
    connection: Writer, answers: Sequence[Answer], own: Collection[BookKey], now: datetime
) -> Others:
    """Draw the conclusions for all books but ``own``: fold them, and put what changed into the outbox."""
    announcement = Announcement()
    accounts: set[str] = set()
    for answer in answers:
        fact = answer.sweep.fact
        after = _BEFORE_ALL
        while True:
            books = await queries.changing_books(
                connection,
                fact.sweep,
                fact.accounts,
                answer.began,
                own,
                after=after,
                most=BOOKS_AT_ONCE,
            )
            if not books:
                break
            after = books[-1].key
            works = [OpenBook(one) for one in books]
            for work in works:
                answer.conclude(work, now)
            announcement += await _fold(connection, works, now)
            accounts.update(one.book.account for one in works if one.is_different)
    return Others(announcement, accounts)


async def _fold(connection: Writer, works: Sequence[OpenBook], now: datetime) -> Announcement:
    instruments = await instruments_of(connection, {one.book.conid for one in works})
    folded = await fold_books(connection, works, instruments, now)
    books = {one.key: one.book for one in works}
    return await Announcement.prepare(connection, list(position_changes(folded, books, instruments)))
