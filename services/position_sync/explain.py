"""Weigh why books differ from the broker, together with what was adjusted lately."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from core.domain.books import Book, BookKey
from core.domain.causes import RECENT, Adjustment, Conclusion, conclude, missed_a_day
from core.domain.coverage import Span
from core.domain.instruments import Instrument
from core.events.changes import Change
from models.queries import reconciliation as queries
from models.queries.gaps import gaps_overlapping
from models.queries.ledger import instruments_of
from models.queries.reconciliation import Adjusted, EarlierWord
from models.session import Writer
from models.stores import ledger as ledger_store
from models.stores import reconciliation as store
from models.stores.reconciliation import Explained
from services.position_sync.booking import Arrivals, book


class Circumstances(NamedTuple):
    """What was adjusted lately in the instruments of differing books, or in their companions."""

    recent: Sequence[Adjusted]
    instruments: Mapping[int, Instrument]

    @property
    def keys(self) -> set[BookKey]:
        """The books that were adjusted."""
        return {(one.account, one.conid) for one in self.recent}

    def without(self, released: Collection[BookKey]) -> "Circumstances":
        """The same without books just released from a word: what it made of them holds no longer."""
        recent = [one for one in self.recent if (one.account, one.conid) not in released]
        return self._replace(recent=recent)


class Weighed(NamedTuple):
    """Why each differing book differs, and of which recent adjustments something else is concluded now."""

    causes: Mapping[BookKey, Conclusion]
    changed: Sequence[tuple[Adjusted, Conclusion]]

    @property
    def anew(self) -> set[BookKey]:
        """The books that the changed conclusions are about."""
        return {(one.account, one.conid) for one, _ in self.changed}


async def circumstances(connection: Writer, keys: Iterable[BookKey], now: datetime) -> Circumstances:
    """What may explain these books, or be explained by them. No other transaction weighs at the same time."""
    await queries.one_at_a_time(connection)
    return await _circumstances(connection, keys, now)


async def _circumstances(connection: Writer, keys: Iterable[BookKey], now: datetime) -> Circumstances:
    keys = set(keys)
    conids = {conid for _, conid in keys}
    known = await instruments_of(connection, conids)
    symbols = {(account, known[conid].symbol) for account, conid in keys}
    recent = await queries.recent_adjustments(connection, now - RECENT, conids, symbols)
    known |= await instruments_of(connection, {one.conid for one in recent} - conids)
    return Circumstances(recent, known)


async def weigh(connection: Writer, differing: Sequence[Book], around: Circumstances) -> Weighed:
    """Conclude why locked books differ, and weigh the recent adjustments once more."""
    fresh = await _fresh(connection, differing, around.instruments)
    conclusions = conclude([*fresh, *(_recent(one, around.instruments) for one in around.recent)])
    causes = {one.key: why for one, why in zip(differing, conclusions, strict=False)}
    again = zip(around.recent, conclusions[len(fresh) :], strict=True)
    return Weighed(causes, [(one, why) for one, why in again if not _is_certain(one) and why != one.why])


async def weigh_again(connection: Writer, keys: Iterable[BookKey], now: datetime) -> list[Change]:
    """Conclude once more what was exercised, now that the fold has said what the options had cost."""
    around = await _circumstances(connection, keys, now)
    weighed = await weigh(connection, (), around)
    # Only books that this transaction has locked already.
    locked = set(keys)
    own = [(one, why) for one, why in weighed.changed if (one.account, one.conid) in locked]
    return await apply_changed(connection, Weighed({}, own), now) if own else []


async def apply_changed(connection: Writer, weighed: Weighed, now: datetime) -> list[Change]:
    """Store changed conclusions and fold their books, which are locked, anew."""
    await note_changed(connection, weighed)
    return (await book(connection, Arrivals(anew=weighed.anew), now)).changes


async def note_changed(connection: Writer, weighed: Weighed) -> None:
    """Store changed conclusions."""
    if not weighed.changed:
        return
    await ledger_store.name_causes(connection, [(one.id, why) for one, why in weighed.changed])
    await store.explain_differences(
        connection, [Explained(one.account, one.conid, one.quantity, why) for one, why in weighed.changed]
    )


def _is_certain(one: Adjusted) -> bool:
    """Whether a statement named the cause, or it was weighed by what is not known any more: a split."""
    return one.why.cause == "split" or (one.why.cause is not None and not one.inferred)


def _recent(one: Adjusted, instruments: Mapping[int, Instrument]) -> Adjustment:
    return Adjustment(
        one.account,
        instruments[one.conid],
        one.as_of,
        one.quantity - one.delta,
        one.quantity,
        one.average_cost,
        None,
        one.cost,
        one.why.cause == "missed_executions",
        one.why.cause if _is_certain(one) else None,
    )


async def _fresh(
    connection: Writer, books: Sequence[Book], instruments: Mapping[int, Instrument]
) -> list[Adjustment]:
    if not books:
        return []
    keys = [one.key for one in books]
    earlier = await queries.earlier_words(connection, keys)
    held = [one.key for one in books if one.quantity]
    costs = await queries.open_costs(connection, held) if held else {}
    unseen = await _unseen(connection, books, earlier)
    adjustments: list[Adjustment] = []
    for one in books:
        assert one.broker_quantity is not None  # noqa: S101 - it differs
        assert one.broker_as_of is not None  # noqa: S101 - comes with the quantity
        before = earlier.get(one.key)
        cost = costs.get(one.key)
        cost_before = cost
        if before is not None and before.quantity == one.quantity and before.average_cost is not None:
            # As the broker told it: what it keeps of its own figures is what counts.
            cost_before = before.average_cost * one.quantity
        adjustments.append(
            Adjustment(
                one.account,
                instruments[one.conid],
                one.broker_as_of,
                one.quantity,
                one.broker_quantity,
                one.broker_average_cost,
                cost_before,
                None if one.broker_quantity else cost,
                one.key in unseen,
            )
        )
    return adjustments


async def _unseen(
    connection: Writer, books: Sequence[Book], earlier: Mapping[BookKey, EarlierWord]
) -> set[BookKey]:
    """Books of which fills may have gone by unseen since the broker last told what it told before."""
    spans = [(one.key, earlier[one.key].prior_as_of, one.broker_as_of) for one in books if one.key in earlier]
    known = [(key, after, upto) for key, after, upto in spans if after is not None and upto is not None]
    if not known:
        return set()
    account, first = books[0].account, min(after for _, after, _ in known)
    watches = await queries.watches(connection, account, first)
    # A connection may last through a time in which it heard nothing; then only an answer told so.
    gaps = await gaps_overlapping(connection, account, Span(first, max(upto for _, _, upto in known)))
    missed = {
        (after, upto): missed_a_day(watches, after, upto)
        or any(gap.start < upto and gap.end > after for gap in gaps)
        for after, upto in {(after, upto) for _, after, upto in known}
    }
    return {key for key, after, upto in known if missed[after, upto]}
