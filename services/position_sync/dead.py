"""Try again what was set aside: by the worker's own path, and said so in the same transaction."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from core.clock import Clock, utc_now
from core.events.facts import Fact
from core.streams.port import Entry
from models.queries.dead_facts import DeadFactRow
from models.session import Database, Writer
from models.stores.dead_facts import note_failed_retry, resolve_dead_fact
from models.stores.jobs_dead import CALLED_OFF
from services.position_sync.faults import can_be_a_facts_fault, verdict
from services.position_sync.intake import Item, Told, decode_entry, decode_fact, fault_of
from services.position_sync.relay import Relay, SetAsideAgainError

Reread = Callable[[DeadFactRow], Awaitable[Sequence[Fact]]]
"""Reads a gateway's frame anew.

Raises:
    LotkeeperError: it cannot be read still; the text says why.
"""

_NOWHERE = "0-0"
"""The id of an entry that stands in no stream any more."""


class Outcome(NamedTuple):
    """What became of one retry. ``reason`` says why it failed."""

    id: int
    status: Literal["retried", "failed"]
    reason: str = ""


class _RetriedAlreadyError(Exception):
    """Someone else was quicker."""


class _CalledOffError(Exception):
    """Nobody wants it any more."""


async def _always(_: Writer) -> bool:
    return True


async def retry(
    relay: Relay,
    database: Database,
    row: DeadFactRow,
    reread: Reread,
    *,
    is_wanted: Callable[[Writer], Awaitable[bool]] = _always,
    clock: Clock = utc_now,
) -> Outcome:
    """Apply ``row`` again. What fails stays as it is, with the new reason.

    ``is_wanted`` is asked in the transaction that applies it, after ``row`` is locked: if not, nothing is.

    Raises:
        Exception: PostgreSQL is away, or is not as this version expects: that says nothing of the fact.
    """

    async def resolve(connection: Writer) -> None:
        if not await resolve_dead_fact(connection, row.id, clock()):
            raise _RetriedAlreadyError
        if not await is_wanted(connection):
            raise _CalledOffError

    try:
        await _again(relay, row, reread, clock, resolve)
    except _RetriedAlreadyError:
        return Outcome(row.id, "retried")
    except _CalledOffError:
        return Outcome(row.id, "failed", CALLED_OFF)
    except Exception as error:
        if not can_be_a_facts_fault(error):
            raise
        reason = str(error) if isinstance(error, SetAsideAgainError) else verdict(error)[1]
        async with database.write() as connection:
            await note_failed_retry(connection, row.id, reason)
        return Outcome(row.id, "failed", reason)
    return Outcome(row.id, "retried")


async def _again(
    relay: Relay, row: DeadFactRow, reread: Reread, clock: Clock, resolve: Callable[[Writer], Awaitable[None]]
) -> None:
    if row.source == "gateway":
        facts = await reread(row)
    else:
        fact = kept_fact(row)
        if fact is None:
            await relay.again_whole(_whole(row, clock), resolve)
            return
        facts = (fact,)
    for one in facts:
        fault = fault_of(one)
        if fault:
            raise SetAsideAgainError(fault)
    await relay.again([Item(row.epoch or 0, row.seq or 0, one) for one in facts], resolve)


def kept_fact(row: DeadFactRow) -> Fact | None:
    """The fact that was set aside; ``None`` when it was a whole entry.

    What could be read was kept without the time at which we were told: that is when it first came.

    Raises:
        SetAsideAgainError: it cannot be read.
    """
    try:
        told: Any = msgspec.json.decode(row.payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or "type" not in told:
        return None
    try:
        if "received_at" in told:
            return decode_fact(row.payload)
        return decode_fact(msgspec.json.encode({**told, "received_at": row.first_seen_at}))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise SetAsideAgainError(f"fact: {error}") from error


def _whole(row: DeadFactRow, clock: Clock) -> Told:
    told = decode_entry(Entry(_NOWHERE, row.payload.encode()), clock())
    if not told.facts and told.dead:
        raise SetAsideAgainError(told.dead[0].reason)
    return told
