"""From stream entries to what a transaction applies: decode, check, sort by kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from core.domain.books import BookKey
from core.domain.executions import has_quantity
from core.domain.instruments import COMBO_CONID, Instrument
from core.domain.money import is_usable
from core.events.facts import (
    AccountsListed,
    AccountValueReported,
    CommissionReported,
    DatasetCompleted,
    ExecutionReported,
    Fact,
    FrameUnreadable,
    InstrumentDescribed,
    LinkChanged,
    PositionReported,
    PositionsCompleted,
    ResyncFenced,
    decode_facts,
)
from core.streams.port import Entry
from models.queries.ledger import KnownExecution
from models.queries.repetitions import StoredExecution
from models.stores.accounts import Described
from models.stores.dead_facts import DeadFact
from models.stores.executions import Received, ReceivedCommission
from models.stores.gaps import Gap
from models.stores.inbox import EntryName, StreamPlace

_MOST_SEQUENCE = 2**63 - 1
"""What PostgreSQL counts epochs and sequences up to. No link comes near it."""

_MOST_AHEAD = timedelta(days=1)
"""A wrong zone or a wrong clock of ours makes a fill seem to lie ahead by hours, never by more."""


class Item(NamedTuple):
    """One fact with its place among all facts: the connection's epoch, then its sequence."""

    epoch: int
    seq: int
    fact: Fact


class Word(NamedTuple):
    """A statement of the broker about one book, with its place among all facts."""

    epoch: int
    seq: int
    fact: PositionReported


class Sweep(NamedTuple):
    """The end of a positions answer, with its place among all facts."""

    epoch: int
    seq: int
    fact: PositionsCompleted


class LinkWord(NamedTuple):
    """A change of the link's state, with its place among all facts."""

    epoch: int
    seq: int
    fact: LinkChanged


class _RawBatch(msgspec.Struct):
    """A batch whose facts are decoded one by one, when one of them cannot be."""

    epoch: int
    first_seq: int
    facts: list[msgspec.Raw]


_decode_raw = msgspec.json.Decoder(_RawBatch).decode
decode_fact: Callable[[bytes | str | msgspec.Raw], Fact] = msgspec.json.Decoder(Fact).decode

_UNDECODABLE = (msgspec.MsgspecError, ValueError, RecursionError)


@dataclass(slots=True)
class Told:
    """What one stream entry tells.

    An entry whose epoch is none (facts put before there was a session), or cannot be read, is named by its
    place in the stream instead, as no epoch ever is: no other process can have given it that name.
    """

    place: StreamPlace
    name: EntryName
    facts: int = 0
    items: list[Item] = field(default_factory=list)
    dead: list[DeadFact] = field(default_factory=list)

    @classmethod
    def of(cls, entry_id: str) -> "Told":
        """Nothing yet, of the entry with this id."""
        milliseconds, _, number = entry_id.partition("-")
        place = int(milliseconds), int(number or 0)
        return cls(place, (-place[0], place[1]))

    @property
    def is_named(self) -> bool:
        """Whether it has a name of its own."""
        return self.name[0] > 0

    @property
    def ends_of_answers(self) -> list[Sweep]:
        """The ends of positions answers in it."""
        return [
            Sweep(epoch, seq, fact) for epoch, seq, fact in self.items if isinstance(fact, PositionsCompleted)
        ]

    def begin(self, epoch: int, first_seq: int, facts: int) -> None:
        """Its frame was read.

        Raises:
            ValueError: no link can have given it this name.
        """
        if not (0 <= epoch <= _MOST_SEQUENCE and 0 <= first_seq <= _MOST_SEQUENCE - facts):
            raise ValueError(f"no epoch and sequence of a link: {epoch}, {first_seq}")
        self.facts = facts
        if epoch > 0:
            self.name = (epoch, first_seq)

    def take(self, item: Item, now: datetime) -> None:
        """Take in a fact, among the dead ones if its figures are of no use."""
        fault = fault_of(item.fact)
        if fault:
            self.dead.append(as_dead(item, "validation", fault, now))
        else:
            self.items.append(item)


@dataclass(slots=True)
class Intake:
    """Facts sorted by kind; of each key the newest counts where only the newest matters."""

    accounts: dict[str, datetime] = field(default_factory=dict)
    listings: list[tuple[int, datetime, tuple[str, ...]]] = field(default_factory=list)
    instruments: dict[int, Described] = field(default_factory=dict)
    executions: dict[str, Received] = field(default_factory=dict)
    commissions: dict[str, ReceivedCommission] = field(default_factory=dict)
    words: list[Word] = field(default_factory=list)
    sweeps: list[Sweep] = field(default_factory=list)
    values: dict[tuple[str, str, str], tuple[AccountValueReported, int]] = field(default_factory=dict)
    datasets: list[tuple[int, DatasetCompleted]] = field(default_factory=list)
    links: list[LinkWord] = field(default_factory=list)
    fences: list[tuple[int, ResyncFenced]] = field(default_factory=list)
    unreadable: list[DeadFact] = field(default_factory=list)
    """What is kept aside: frames that could not be read, and what contradicts what is known."""
    contradicting: list[Received] = field(default_factory=list)
    """Executions that tell something else under an id that another in the same batch has."""
    gaps: list[Gap] = field(default_factory=list)
    """Times of which the gateway tells the executions no more, found when storing this."""


def decode_entry(entry: Entry, now: datetime) -> Told:
    """What ``entry`` tells, and what of it could not be read."""
    told = Told.of(entry.id)
    try:
        batch = decode_facts(entry.data)
        told.begin(batch.epoch, batch.first_seq, len(batch.facts))
    except _UNDECODABLE:
        _decode_leniently(entry.data, now, told)
        return told
    for position, fact in enumerate(batch.facts):
        told.take(Item(batch.epoch, batch.first_seq + position, fact), now)
    return told


def _decode_leniently(data: bytes, now: datetime, told: Told) -> None:
    try:
        batch = _decode_raw(data)
        told.begin(batch.epoch, batch.first_seq, len(batch.facts))
    except _UNDECODABLE as error:
        told.dead.append(undecodable(data, "parsing", f"stream entry: {error}", now))
        return
    for position, raw in enumerate(batch.facts):
        seq = batch.first_seq + position
        try:
            fact = decode_fact(raw)
        except _UNDECODABLE as error:
            payload = bytes(raw).decode(errors="backslashreplace")
            told.dead.append(
                DeadFact("parsing", f"fact: {error}", payload, "facts", now, epoch=batch.epoch, seq=seq)
            )
        else:
            told.take(Item(batch.epoch, seq, fact), now)


CONTRADICTS: Final = "an execution with this id and other content is known already; the first one counts"


def undecodable(data: bytes, category: str, reason: str, now: datetime) -> DeadFact:
    """A whole stream entry that cannot be used."""
    return DeadFact(category, reason, data.decode(errors="backslashreplace"), "facts", now)


def as_dead(item: Item, category: str, reason: str, now: datetime) -> DeadFact:
    """A fact that was read and cannot be applied.

    Its payload leaves out when we were told, so that the same told in every resync is kept once.
    """
    epoch, seq, fact = item
    told = msgspec.to_builtins(fact, str_keys=True)
    del told["received_at"]
    payload = msgspec.json.encode(told).decode()
    return DeadFact(category, reason, payload, "facts", now, getattr(fact, "account", None), epoch, seq)


def as_contradicting(received: Received, now: datetime) -> DeadFact:
    """An execution that tells something else than what is known under its id."""
    return as_dead(Item(received.epoch, received.seq, received.fact), "validation", CONTRADICTS, now)


def is_same(one: ExecutionReported, other: ExecutionReported | KnownExecution | StoredExecution) -> bool:
    """Whether two executions with one id tell the same trade."""
    conid = other.instrument.conid if isinstance(other, ExecutionReported) else other.conid
    return (one.account, one.instrument.conid, one.side, one.quantity, one.price) == (
        other.account,
        conid,
        other.side,
        other.quantity,
        other.price,
    )


def fault_of(fact: Fact) -> str:
    """What is wrong with a fact's figures; empty when nothing is."""
    if fact.received_at.tzinfo is None:
        return "a time must carry its zone"
    numbers: tuple[Decimal | None, ...] = ()
    match fact:
        case ExecutionReported():
            numbers = (fact.quantity, fact.price, fact.cumulative_quantity, fact.average_price)
        case CommissionReported():
            numbers = (fact.commission, fact.realized_pnl)
        case PositionReported():
            numbers = (fact.quantity, fact.average_cost)
    if not all(map(is_usable, numbers)):
        return "a figure is not a usable number"
    if isinstance(fact, ExecutionReported):
        return _execution_fault(fact) or _instrument_fault(fact.instrument)
    if isinstance(fact, PositionReported | InstrumentDescribed):
        return _instrument_fault(fact.instrument)
    return ""


def _execution_fault(fact: ExecutionReported) -> str:
    if not fact.account or not fact.exec_id:
        return "an execution must have an id and name its account"
    if not has_quantity(fact.exec_id, fact.quantity):
        return f"an execution's quantity must be positive, not {fact.quantity}"
    if fact.executed_at.tzinfo is None:
        return "an execution's time must carry its zone"
    if fact.executed_at - fact.received_at > _MOST_AHEAD:
        return f"an execution's time cannot lie in the future: {fact.executed_at.isoformat()}"
    return ""


def _instrument_fault(instrument: Instrument) -> str:
    if not (
        is_usable(instrument.multiplier) and instrument.multiplier > 0 and instrument.price_magnifier > 0
    ):
        return f"an instrument's multiplier and magnifier must be positive, not {instrument.multiplier}"
    return "" if is_usable(instrument.strike) else "an instrument's strike is not a usable number"


def sort_facts(items: Sequence[Item]) -> Intake:
    """Sort facts by kind, in the order in which the broker link sent them."""
    intake = Intake()
    for epoch, seq, fact in sorted(items, key=lambda item: item[:2]):
        match fact:
            case ExecutionReported():
                first = intake.executions.get(fact.exec_id)
                if first is not None:
                    if not is_same(fact, first.fact):
                        intake.contradicting.append(Received(fact, epoch, seq))
                    continue
                intake.accounts.setdefault(fact.account, fact.received_at)
                _describe(intake, fact.instrument, None)
                intake.executions[fact.exec_id] = Received(fact, epoch, seq)
            case CommissionReported():
                report = ReceivedCommission(fact, epoch)
                known = intake.commissions.get(fact.exec_id)
                if known is None:
                    intake.commissions[fact.exec_id] = report
                else:
                    earlier, later = sorted((known, report), key=lambda one: one.order)
                    intake.commissions[fact.exec_id] = later.after(earlier)
            case PositionReported():
                intake.accounts.setdefault(fact.account, fact.received_at)
                if not is_combo(fact.instrument):
                    _describe(intake, fact.instrument, None)
                    intake.words.append(Word(epoch, seq, fact))
            case AccountValueReported():
                intake.accounts.setdefault(fact.account, fact.received_at)
                intake.values[fact.account, fact.key, fact.currency] = (fact, epoch)
            case _:
                _sort_rare(intake, epoch, seq, fact)
    return intake


def _sort_rare(intake: Intake, epoch: int, seq: int, fact: Fact) -> None:
    match fact:
        case InstrumentDescribed():
            _describe(intake, fact.instrument, fact.received_at)
        case AccountsListed():
            for account in fact.accounts:
                intake.accounts.setdefault(account, fact.received_at)
            intake.listings.append((epoch, fact.received_at, fact.accounts))
        case PositionsCompleted():
            for account in fact.accounts:
                intake.accounts.setdefault(account, fact.received_at)
            # A book remembers only the last answer that told of it: no earlier one can be concluded any more.
            intake.sweeps = [one for one in intake.sweeps if not set(one.fact.accounts) <= set(fact.accounts)]
            intake.sweeps.append(Sweep(epoch, seq, fact))
        case DatasetCompleted():
            intake.accounts.setdefault(fact.account, fact.received_at)
            intake.datasets.append((epoch, fact))
        case ResyncFenced():
            intake.fences.append((epoch, fact))
        case LinkChanged():
            intake.links.append(LinkWord(epoch, seq, fact))
        case FrameUnreadable():
            intake.unreadable.append(
                DeadFact(
                    fact.category,
                    fact.reason,
                    fact.frame,
                    "gateway",
                    fact.received_at,
                    fact.account,
                    epoch,
                    seq,
                )
            )


def _describe(intake: Intake, instrument: Instrument, details_as_of: datetime | None) -> None:
    known = intake.instruments.get(instrument.conid)
    if known is None or details_as_of is not None or known.details_as_of is None:
        intake.instruments[instrument.conid] = Described(instrument, details_as_of)


def is_combo(instrument: Instrument) -> bool:
    """Whether this is the combo itself, of which only the legs are positions."""
    return instrument.conid == COMBO_CONID or instrument.sec_type == "BAG"


def book_of(received: Received) -> BookKey | None:
    """The book an execution belongs to; a combo's belongs to none."""
    fact = received.fact
    return None if is_combo(fact.instrument) else (fact.account, fact.instrument.conid)
