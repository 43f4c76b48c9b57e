"""Commissions: stored, converted where they are in another currency, and added to what was folded before."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from core.domain.books import BookKey
from core.domain.fills import converted
from core.domain.instruments import Instrument
from core.domain.rates import cross_rate, source_of
from models.queries import ledger as queries
from models.queries.ledger import KnownCommission, KnownExecution
from models.queries.rates import rates_of
from models.session import Writer
from models.stores import executions as execution_store
from models.stores.executions import Received, ReceivedCommission, RecordedRate
from models.stores.late_commissions import LateCommission, add_commissions, simple_ones
from services.position_sync.books import OpenBook


class _Charge(NamedTuple):
    """What a commission was charged for."""

    account: str
    conid: int
    executed_at: datetime


async def take_commissions(
    connection: Writer,
    reports: Mapping[str, ReceivedCommission],
    unfolded: Collection[str],
    new: Iterable[Received],
    known: Mapping[str, list[KnownExecution]],
    works: Mapping[BookKey, OpenBook],
    instruments: Mapping[int, Instrument],
) -> None:
    """Store commission reports; a fill that was folded with another commission, or none, is folded anew.

    ``unfolded`` are stored executions whose report may have come without being folded, ``new`` those that are
    not stored yet, ``known`` the stored ones of both, by id without the revision.
    """
    late = {
        one.exec_id: one
        for revisions in known.values()
        for one in revisions
        if (one.account, one.conid) in works and (one.exec_id in reports or one.exec_id in unfolded)
    }
    before = await queries.commissions_of(connection, late) if late else {}
    await execution_store.upsert_commissions(connection, reports.values())
    charges = {exec_id: _Charge(one.account, one.conid, one.executed_at) for exec_id, one in late.items()}
    charges |= {
        one.fact.exec_id: _Charge(one.fact.account, one.fact.instrument.conid, one.fact.executed_at)
        for one in new
    }
    await _record_rates(connection, charges, instruments)
    after = await queries.commissions_of(connection, late) if late else {}
    currencies = {exec_id: instruments[one.conid].currency for exec_id, one in late.items()}
    amounts = {exec_id: _amount(after.get(exec_id), currencies[exec_id]) for exec_id in late}
    added = await _add_simple(connection, late, known, amounts, works)
    for exec_id, one in late.items():
        amount, revisions = amounts[exec_id], known[one.base_id]
        # Of several revisions one with a charge that nothing converts leaves the fill incomplete; before it
        # was told, only that of the newest was awaited.
        is_news = len(revisions) > 1 and (exec_id in before) is not (exec_id in after)
        was_folded_so = one.commission_folded is (amount is not None) and not is_news
        if exec_id in added or (
            was_folded_so and _amount(before.get(exec_id), currencies[exec_id]) == amount
        ):
            continue
        works[one.account, one.conid].fold_from(min(revision.executed_at for revision in revisions))


def _amount(report: KnownCommission | None, currency: str) -> Decimal | None:
    """What the fold makes of a report: its commission in the instrument's currency, if that is known."""
    return None if report is None else converted(report.commission, report.currency, report.rate, currency)


async def _record_rates(
    connection: Writer, charges: Mapping[str, _Charge], instruments: Mapping[int, Instrument]
) -> None:
    """Record a rate for each of these executions that needs one, has none, and whose account was told it."""
    if not charges:
        return
    into = {exec_id: instruments[one.conid].currency for exec_id, one in charges.items()}
    foreign = await queries.unconverted(connection, into)
    if not foreign:
        return
    rates = await rates_of(connection, {charges[exec_id].account for exec_id in foreign})
    recorded: list[RecordedRate] = []
    for exec_id, currency in foreign.items():
        charge = charges[exec_id]
        rate = cross_rate(rates[charge.account], currency, into[exec_id])
        if rate is not None:
            source = source_of(rate, charge.executed_at)
            recorded.append(RecordedRate(exec_id, currency, rate.value, rate.as_of, source))
    await execution_store.record_rates(connection, recorded)


async def _add_simple(
    connection: Writer,
    late: Mapping[str, KnownExecution],
    known: Mapping[str, list[KnownExecution]],
    amounts: Mapping[str, Decimal | None],
    works: Mapping[BookKey, OpenBook],
) -> set[str]:
    """Add first commissions to fills that nothing was built upon; returns those fills."""
    candidates: dict[str, Decimal] = {}
    for exec_id, one in late.items():
        work, amount = works[one.account, one.conid], amounts[exec_id]
        if amount is None or work.refold or one.commission_folded or len(known[one.base_id]) > 1:
            continue
        first = work.book.first_anchor_at
        has_no_say_in_the_opening = first is None or one.executed_at > first
        if has_no_say_in_the_opening:
            candidates[exec_id] = amount
    if not candidates:
        return set()
    simple = await simple_ones(connection, list(candidates))
    await add_commissions(connection, [LateCommission(one, candidates[one]) for one in sorted(simple)])
    for key in simple.values():
        works[key].restated = True
    return set(simple)
