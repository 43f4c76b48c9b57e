"""Facts into rows: one transaction a batch of stream entries, acknowledged after its commit.

An entry's name goes into the inbox in the transaction of its effect: delivered again, it has none.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from time import perf_counter

from core import logs
from core.clock import Clock, utc_now
from core.domain.contributions import UNCERTAIN
from core.domain.rates import EXCHANGE_RATE
from core.events.changes import JobChanged
from core.events.facts import ExecutionReported, PositionsCompleted
from core.settings import Settings
from core.streams.port import Entry, StreamPort
from models.queries.ledger import unfolded_commissions
from models.session import Database, Writer, is_passing
from models.stores import inbox
from models.stores.dead_facts import DeadFact, bury
from models.stores.performance import want_renewal
from services.position_sync import metrics
from services.position_sync.admission import Admission
from services.position_sync.announce import Announcement
from services.position_sync.answers import Answers, leave
from services.position_sync.asking import AskForComparison, Comparisons
from services.position_sync.effect import Applied, Effect, tell_committed
from services.position_sync.faults import (
    Accused,
    SetAside,
    can_be_a_facts_fault,
    is_datas_fault,
    narrow,
    unavailable,
    verdict,
)
from services.position_sync.gaps import tell_gaps
from services.position_sync.intake import (
    Item,
    Told,
    as_dead,
    decode_entry,
    sort_facts,
    undecodable,
)
from services.position_sync.repetitions import leave_out_known
from services.position_sync.storing import store
from services.position_sync.stragglers import fold_commissions
from services.position_sync.trials import DIED, SUSPICIOUS_DELIVERIES, Course, Trials

log = logs.get_logger(__name__)

GROUP = "position_sync"
FACTS_AT_ONCE = 4_096
"""Decoded at once: what they are in memory is many times what the stream holds."""
NEW_FACTS_AT_ONCE = 8_192
"""In one transaction, which has them as rows, too. What comes late costs each transaction a fold anew."""

Resolve = Callable[[Writer], Awaitable[None]]
Part = tuple[Entry, Told]
"""An entry and what it tells."""


class SetAsideAgainError(Exception):
    """A fact that was retried cannot be applied still; the text says why."""


class Relay:
    """Applies stream entries. ``handle`` returns when their effect is committed, or kept aside as dead."""

    def __init__(
        self,
        database: Database,
        streams: StreamPort | None,
        settings: Settings,
        *,
        ask_for_comparison: AskForComparison,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._streams = streams
        self._settings = settings
        self._comparisons = Comparisons(settings, ask_for_comparison)
        self._clock = clock
        self._admission = Admission()
        self._trials = Trials(database, clock)
        self._answers = Answers(database, streams, settings, self._comparisons, clock)
        self._are_answers_left = False

    async def handle(self, entries: Sequence[Entry]) -> None:
        """Commit what ``entries`` tell.

        What PostgreSQL calls the data's fault is set aside at once; what fails for any other reason, when it
        has been delivered often enough.

        Raises:
            DatabaseUnavailableError: PostgreSQL is away; nothing may be acknowledged.
            Exception: nobody knows why; to be delivered again.
        """
        # Of a batch that is delivered again everything is told under one id.
        with logs.caused_by(f"batch-{entries[0].id}" if entries else None):
            try:
                await self._handle(entries)
            except Exception as error:
                if not is_passing(error):
                    raise
                raise unavailable(error) from error

    async def _handle(self, entries: Sequence[Entry]) -> None:
        async for part in self._parts([one for one in entries if one.deliveries < SUSPICIOUS_DELIVERIES]):
            await self._sift(part)
        for entry in entries:
            if entry.deliveries >= SUSPICIOUS_DELIVERIES:
                await self._or_bury(entry, self._try_alone(entry))
        # What an answer lacked may have been among them.
        if self._are_answers_left:
            await self.finish_answers()

    async def finish_answers(self) -> None:
        """Conclude positions answers that waited for the rest of them, whichever worker left them.

        Raises:
            DBAPIError: PostgreSQL is away, or not able just then.
        """
        self._are_answers_left = await self._answers.finish()

    async def _parts(self, entries: Sequence[Entry]) -> AsyncIterator[list[Part]]:
        """Entries with what they tell that is not known, as many at once as one transaction is to take."""
        part: list[Part] = []
        facts = 0
        for decoded in self._decoded(entries):
            told = await leave_out_known(self._database, [one for _, one in decoded])
            for (entry, _), one in zip(decoded, told, strict=True):
                if part and facts + len(one.items) > NEW_FACTS_AT_ONCE:
                    yield part
                    part, facts = [], 0
                part.append((entry, one))
                facts += len(one.items)
        if part:
            yield part

    def _decoded(self, entries: Sequence[Entry]) -> Iterator[list[Part]]:
        """Entries with what they tell, as many at once as can be in memory."""
        some: list[Part] = []
        facts = 0
        for entry in entries:
            told = decode_entry(entry, self._clock())
            if some and facts + told.facts > FACTS_AT_ONCE:
                yield some
                some, facts = [], 0
            some.append((entry, told))
            facts += told.facts
        if some:
            yield some

    async def _sift(self, part: Sequence[Part]) -> None:
        """Commit entries, by halves if PostgreSQL refuses something of them: the bad one is taken apart."""
        try:
            await self._commit([told for _, told in part], self._apply_together)
        except Exception as error:
            if not is_datas_fault(error):
                raise
        else:
            return
        if len(part) == 1:
            entry, _ = part[0]
            trying = self._commit([decode_entry(entry, self._clock())], self._apply_narrowly)
            await self._or_bury(entry, trying)
            return
        middle = len(part) // 2
        await self._sift(part[:middle])
        await self._sift(part[middle:])

    async def _or_bury(self, entry: Entry, trying: Awaitable[None]) -> None:
        """Keep ``entry`` aside as a whole if what is at fault is none of its facts, but its name or place."""
        try:
            await trying
        except Exception as error:
            if not is_datas_fault(error):
                raise
            async with self._database.write() as connection:
                await bury(connection, [undecodable(entry.data, *verdict(error), self._clock())])
            metrics.DEAD.labels("database").inc()
            log.warning("entry_kept_aside", error=type(error).__name__)

    async def _commit(
        self,
        told: Sequence[Told],
        apply: Callable[[Writer, Sequence[Told]], Awaitable[list[Applied]]],
    ) -> None:
        started = perf_counter()
        async with self._database.write() as connection:
            effect = await self._take_in(connection, told, apply)
        effect.seconds = perf_counter() - started
        await self._settle(effect)

    async def _take_in(
        self,
        connection: Writer,
        told: Sequence[Told],
        apply: Callable[[Writer, Sequence[Told]], Awaitable[list[Applied]]],
    ) -> Effect:
        effect = Effect(await self._admission.admit(connection, told, self._clock()))
        fresh = effect.admitted.fresh
        if fresh:
            effect.applied = await apply(connection, fresh)
            unfinished = {sweep for one in effect.applied for sweep in one.booked.unfinished}
            ends = {one.name: [end for end in one.ends_of_answers if end in unfinished] for one in fresh}
            left = {name: sweeps for name, sweeps in ends.items() if sweeps}
            await leave(connection, left)
            effect.leaves_answers = bool(left)
        await self._want(connection, effect)
        return effect

    async def _want(self, connection: Writer, effect: Effect) -> None:
        """Record what is worth comparing now; last in each transaction."""
        ends = [item.fact for item in effect.items if isinstance(item.fact, PositionsCompleted)]
        effect.wanted = await self._comparisons.want(connection, [one.booked for one in effect.applied], ends)
        await want_renewal(connection, self._reckoned_without(effect))

    def _reckoned_without(self, effect: Effect) -> dict[str, datetime | None]:
        """Since when the performance of accounts may have been reckoned without what came late."""
        since: dict[str, datetime | None] = {}
        too_late = self._clock() - UNCERTAIN
        for one in effect.items:
            fact = one.fact
            if isinstance(fact, ExecutionReported) and fact.executed_at < too_late:
                known = since.get(fact.account)
                since[fact.account] = fact.executed_at if known is None else min(known, fact.executed_at)
        return since

    async def _apply_together(self, connection: Writer, fresh: Sequence[Told]) -> list[Applied]:
        items = [item for one in fresh for item in one.items]
        return [await self._apply(connection, items, [dead for one in fresh for dead in one.dead])]

    async def _apply_narrowly(
        self, connection: Writer, fresh: Sequence[Told], accused: Accused = is_datas_fault
    ) -> list[Applied]:
        """Apply all facts but those that cannot be; nothing of these but the note that they are dead."""
        return [await self._narrow(connection, one.items, one.dead, accused) for one in fresh]

    async def _narrow(
        self, connection: Writer, items: Sequence[Item], dead: Sequence[DeadFact], accused: Accused
    ) -> Applied:
        async def apply(part: Sequence[Item], aside: Sequence[SetAside]) -> Applied:
            more = [as_dead(*one, self._clock()) for one in aside]
            return await self._apply(connection, part, [*dead, *more])

        return await narrow(connection, items, apply, accused)

    async def _apply(self, connection: Writer, items: Sequence[Item], dead: Sequence[DeadFact]) -> Applied:
        intake = sort_facts(items)
        booked, changes = await store(connection, intake, dead, self._clock())
        announcement = booked.announced + await Announcement.prepare(connection, changes)
        ended = [change.id for change in changes if isinstance(change, JobChanged)]
        aside = [*intake.unreadable, *dead]
        return Applied(items, aside, booked, announcement, intake.gaps, ended)

    async def _try_alone(self, entry: Entry) -> None:
        """Apply one entry that came again and again, so that what is wrong with it is found for sure."""
        started = perf_counter()
        async with self._database.write() as connection, self._trials.trying(connection, entry) as course:
            effect = await self._take_in(connection, [self._read(entry, course)], self._along(course))
        effect.seconds = perf_counter() - started
        await self._settle(effect)

    def _read(self, entry: Entry, course: Course) -> Told:
        if not course.is_hopeless:
            return decode_entry(entry, self._clock())
        told = Told.of(entry.id)
        told.dead.append(undecodable(entry.data, "database", DIED, self._clock()))
        return told

    def _along(self, course: Course) -> Callable[[Writer, Sequence[Told]], Awaitable[list[Applied]]]:
        async def in_steps(connection: Writer, fresh: Sequence[Told]) -> list[Applied]:
            applied: list[Applied] = []
            for one in fresh:
                told, dead = self._without_deadly(one, course)
                applied.append(await self._apply(connection, (), dead))
                for step in course.steps(told):
                    await self._trials.note(course, step[0].seq)
                    applied.append(await self._narrow(connection, step, (), can_be_a_facts_fault))
            return applied

        return in_steps if course.in_steps else partial(self._apply_narrowly, accused=can_be_a_facts_fault)

    def _without_deadly(self, told: Told, course: Course) -> tuple[list[Item], list[DeadFact]]:
        """The facts of an entry that nobody died of for sure; and those to be set aside."""
        dead = list(told.dead)
        kept: list[Item] = []
        for item in told.items:
            if item.seq in course.deadly:
                log.warning("fact_kept_aside", kind=type(item.fact).__name__, error=DIED)
                dead.append(as_dead(item, "database", DIED, self._clock()))
            else:
                kept.append(item)
        return kept, dead

    async def again(self, items: Sequence[Item], resolve: Resolve) -> None:
        """Apply facts that were set aside; ``resolve`` says so in the same transaction.

        Raises:
            SetAsideAgainError: one of them cannot be applied still; nothing was done.
        """
        effect = Effect()
        async with self._database.write() as connection:
            effect.applied = [await self._apply(connection, items, ())]
            dead = effect.applied[0].dead
            if dead:
                raise SetAsideAgainError(dead[0].reason)
            await resolve(connection)
            await self._want(connection, effect)
        await self._settle(effect)

    async def again_whole(self, told: Told, resolve: Resolve) -> None:
        """The same for an entry that could not be read: once, whoever else brings it."""
        effect = Effect()
        async with self._database.write() as connection:
            # It says nothing of where its epoch begins: it stands in no stream any more.
            if not told.is_named or await inbox.admit(connection, {told.name: told.facts}, self._clock()):
                effect.applied = await self._apply_narrowly(connection, [told], can_be_a_facts_fault)
            await resolve(connection)
            await self._want(connection, effect)
        await self._settle(effect)

    async def _settle(self, effect: Effect) -> None:
        """Everything that is done once the transaction is committed."""
        self._are_answers_left = self._are_answers_left or effect.leaves_answers
        self._admission.committed(effect.admitted)
        self._count(effect)
        tell_committed(effect)
        together = sum((one.announcement for one in effect.applied), start=Announcement())
        await together.publish(self._database, self._streams, self._settings)
        tell_gaps(gap for one in effect.applied for gap in one.gaps)
        await self._comparisons.ask(effect.wanted)
        await self._fold_stragglers(effect.items)

    async def _fold_stragglers(self, items: Sequence[Item]) -> None:
        """Fold commissions that another worker committed while their executions, or rates, were in our hands.

        Neither transaction saw the other's row. Each looks again after its own commit: the later finds it.
        """
        exec_ids = {getattr(item.fact, "exec_id", "") for item in items} - {""}
        # A rate may be what an earlier commission has waited for, whichever that was.
        rates_told = any(getattr(item.fact, "key", "") == EXCHANGE_RATE for item in items)
        if not exec_ids and not rates_told:
            return
        async with self._database.read() as reader:
            unfolded = await unfolded_commissions(reader, None if rates_told else sorted(exec_ids))
        if unfolded:
            await fold_commissions(self._database, self._streams, self._settings, unfolded, self._clock())

    def _count(self, effect: Effect) -> None:
        metrics.REPEATED.inc(len(effect.admitted.repeated))
        if not effect.applied:
            return
        items = effect.items
        for kind, number in Counter(type(item.fact).__name__ for item in items).items():
            metrics.FACTS.labels(kind).inc(number)
        dead = [fact for one in effect.applied for fact in one.dead]
        for category, number in Counter(fact.category for fact in dead).items():
            metrics.DEAD.labels(category).inc(number)
        metrics.EXECUTIONS.inc(sum(one.booked.executions for one in effect.applied))
        metrics.BATCH.observe(len(items))
        metrics.TRANSACTION.observe(effect.seconds)
        if items:
            oldest = min(item.fact.received_at for item in items)
            metrics.COMMIT_DELAY.observe(max(0.0, (self._clock() - oldest).total_seconds()))
