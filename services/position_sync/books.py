"""The books a transaction works on: what arrived for each, and from where it must be folded."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from core.domain.books import Book, BookKey
from core.domain.causes import UNEXPLAINED, Conclusion
from core.domain.executions import split_exec_id
from core.domain.money import ZERO
from models.queries.ledger import KnownExecution
from models.stores.executions import Received
from models.stores.ledger import Statement
from services.position_sync.intake import Sweep, Word

_TIME_RESOLUTION = timedelta(seconds=2)
"""Execution times are whole seconds, and the broker's clock is known about as well."""


@dataclass(slots=True)
class OpenBook:
    """A locked book and what this transaction brings for it."""

    book: Book
    executions: list[Received] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    refold: bool = False
    since: datetime | None = None
    """With ``refold``: what lies before this time stands; ``None`` folds from the start."""
    word_changed: bool = False
    restated: bool = False
    """Whether its open position was changed by a late commission and is to be written with its averages."""
    flat_since: datetime | None = None
    """Since when a complete answer surely says flat, of a book that the broker never told of before."""
    begins_flat: bool = False
    """Whether it is new besides, so that nothing of it can precede that answer."""
    stored: bool = False
    """Whether ``book`` differs from its row even when nothing is folded."""

    @property
    def key(self) -> BookKey:
        """Account and conid."""
        return self.book.key

    @property
    def folds(self) -> bool:
        """Whether there is anything to fold."""
        return self.refold or bool(self.executions)

    @property
    def is_different(self) -> bool:
        """Whether it is worth comparing with the broker."""
        return self.folds or self.word_changed or self.restated

    @property
    def goes_on(self) -> bool:
        """Whether its open position is to be written again, with or without new fills."""
        return bool(self.executions) or self.word_changed or self.restated

    def fold_from(self, at: datetime | None) -> None:
        """Something changed at ``at``: what follows is folded anew (``None``: everything)."""
        first = self.book.first_anchor_at
        if at is None or (first is not None and at <= first):
            # Before the first anchor every fill has a say in the opening balance.
            self.since = None
        elif not self.refold:
            self.since = at
        elif self.since is not None:
            self.since = min(self.since, at)
        self.refold = True

    def add(self, received: Received, revisions: Iterable[KnownExecution]) -> None:
        """Take in an execution that is not stored yet; ``revisions`` are the stored ones it belongs with."""
        fact = received.fact
        at = fact.executed_at
        self.executions.append(received)
        times = [known.executed_at for known in revisions]
        if times:
            self.fold_from(min(at, *times))
            return
        last, anchored = self.book.last_key, self.book.last_anchor_at
        is_late = last is not None and (at, split_exec_id(fact.exec_id)[0]) <= last
        if is_late or (anchored is not None and at <= anchored):
            self.fold_from(at)

    def hear(self, word: Word, now: datetime) -> None:
        """Take in the broker's word, unless a newer one is known."""
        epoch, seq, fact = word
        book = self.book
        if fact.sweep and (epoch, seq) > book.swept and epoch >= book.word[0]:
            # Also when a newer word is known, if no newer answer's: this one did tell of this book.
            self.book = book = book._replace(broker_sweep=fact.sweep, sweep_epoch=epoch, sweep_seq=seq)
            self.stored = True
        if (epoch, seq) > book.word:
            self._say(epoch, seq, fact.quantity, fact.average_cost, fact.as_of, fact.received_at, now)

    def hear_absence(self, sweep: Sweep, now: datetime) -> None:
        """A complete positions answer did not tell of this book: it is flat."""
        epoch, seq, fact = sweep
        self._say(epoch, seq, ZERO, None, fact.as_of, fact.received_at, now)

    def assume_flat(self, as_of: datetime, epoch: int, now: datetime) -> None:
        """A book that the last complete positions answer did not tell of was flat then."""
        is_new = self.book.version == 0 and self.book.last_executed_at is None
        self._say(epoch, 0, ZERO, None, as_of, as_of, now)
        self.flat_since = as_of - _TIME_RESOLUTION
        self.begins_flat = is_new and self.book.first_anchor_at is None

    def stay_flat(self, as_of: datetime) -> None:
        """The last complete positions answer left out a book that was flat: it still was."""
        if self.book.broker_as_of is not None and self.book.broker_as_of < as_of:
            self.book = self.book._replace(broker_as_of=as_of)
            self.stored = True

    def anchor_if_flat_before(self, now: datetime) -> None:
        """Hold a book that was flat to that, so that what it has now is not taken for an opening balance.

        Fills from before an answer that says flat add up to nothing: something preceded them.
        """
        flat_since = self.flat_since
        if flat_since is None:
            return
        if any(received.fact.executed_at <= flat_since for received in self.executions):
            if not self.book.broker_quantity:
                self.anchor("provisional", now)
        elif self.begins_flat:
            flat = self.statements[0]
            self.statements[0] = flat._replace(as_of=flat_since, anchor="settled", anchored_at=now)
            # Nothing precedes it: what arrived can be folded on.
            self.book = self.book._replace(first_anchor_at=flat_since, last_anchor_at=flat_since)
            if self.book.word == (flat.epoch, flat.seq):
                # Nor does it say anything of what came after: it is one word, of one time.
                self.book = self.book._replace(broker_as_of=flat_since)

    def _say(
        self,
        epoch: int,
        seq: int,
        quantity: Decimal,
        average_cost: Decimal | None,
        as_of: datetime,
        received_at: datetime,
        now: datetime,
    ) -> None:
        book = self.book
        prior_as_of = book.broker_as_of
        changed = (book.broker_quantity, book.broker_average_cost) != (quantity, average_cost)
        self.book = book._replace(
            broker_quantity=quantity,
            broker_average_cost=average_cost,
            broker_as_of=as_of,
            broker_epoch=epoch,
            broker_seq=seq,
            touched_at=now if changed else book.touched_at,
        )
        self.stored = True
        if changed:
            self.word_changed = True
            self.statements.append(
                Statement(
                    book.account,
                    book.conid,
                    quantity,
                    average_cost,
                    as_of,
                    received_at,
                    epoch,
                    seq,
                    prior_as_of=prior_as_of,
                )
            )

    def anchor(self, kind: str, now: datetime, why: Conclusion = UNEXPLAINED) -> None:
        """Hold the ledger to the broker's last word; ``why`` it lacks what that tells, if it does."""
        book = self.book
        as_of = book.broker_as_of
        assert book.broker_quantity is not None  # noqa: S101 - callers look first
        assert as_of is not None  # noqa: S101 - comes with the quantity
        self.statements.append(
            Statement(
                book.account,
                book.conid,
                book.broker_quantity,
                book.broker_average_cost,
                as_of,
                now,
                *book.word,
                kind,
                now,
                why.cause,
                why.price,
                why.carried,
                why.cause is not None,
            )
        )
        first, last = book.first_anchor_at, book.last_anchor_at
        self.fold_from(as_of if first is not None else None)
        self.book = self.book._replace(
            first_anchor_at=as_of if first is None else min(first, as_of),
            last_anchor_at=as_of if last is None else max(last, as_of),
            # Held to the broker's word, the book says the same.
            reconciled_at=now if kind == "settled" else book.reconciled_at,
        )
