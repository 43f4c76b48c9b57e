"""Executions that were told live and set aside because a statement had told of the trade otherwise.

Once that statement is taken back they are what was told of it: as if the statement had never been.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from core.domain.books import BookKey
from core.domain.executions import split_exec_id
from core.events.facts import ExecutionReported
from models.queries.dead_facts import executions_set_aside
from models.queries.ledger import known_executions
from models.session import Writer
from models.stores.accounts import ensure_accounts, state_instruments
from models.stores.dead_facts import resolve_dead_fact
from models.stores.executions import Received, note_told_live
from services.position_sync.dead import kept_fact
from services.position_sync.intake import CONTRADICTS, book_of, is_same
from services.position_sync.relay import SetAsideAgainError


class SetAside(NamedTuple):
    """One of them, and the number under which it is kept."""

    dead_id: int
    received: Received


async def set_aside_because_of(connection: Writer, import_id: int, now: datetime) -> list[SetAside]:
    """Those that contradict what an import states, in the order in which they came.

    Their accounts and instruments are there from now on.
    """
    found: list[SetAside] = []
    for row in await executions_set_aside(connection, CONTRADICTS, import_id):
        try:
            fact = kept_fact(row)
        except SetAsideAgainError:
            continue
        if isinstance(fact, ExecutionReported):
            found.append(SetAside(row.id, Received(fact, row.epoch or 0, row.seq or 0)))
    facts = [one.received.fact for one in found]
    if facts:
        await ensure_accounts(connection, {fact.account: fact.received_at for fact in facts})
        instruments = {fact.instrument.conid: fact.instrument for fact in facts}
        await state_instruments(connection, instruments, {}, now)
    return found


def books_of(aside: Sequence[SetAside]) -> set[BookKey]:
    """The books that they are in, if they stand."""
    return {key for one in aside if (key := book_of(one.received)) is not None}


async def note_standing(connection: Writer, aside: Sequence[SetAside], now: datetime) -> None:
    """Those that are known now as they were told are set aside no more."""
    bases = {split_exec_id(one.received.fact.exec_id)[0] for one in aside}
    known = {one.exec_id: one for one in await known_executions(connection, bases)} if bases else {}
    for dead_id, (fact, _, _) in aside:
        stored = known.get(fact.exec_id)
        if stored is not None and is_same(fact, stored):
            await resolve_dead_fact(connection, dead_id, now)
            await note_told_live(connection, [fact.exec_id])
