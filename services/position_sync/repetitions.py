"""What an answer of the broker repeats: most of each resync is stored as it is and wants no lock and no fold.

Left out is only what stays as it is, whoever changes what: an execution that was told live is never changed
(a correction is another one), and a commission is changed only by a later report than the last one, which by
then is this. So it does not matter what others commit between our look and our commit. That a commission was
told again is committed on its own, before the entry's effect: the amount is the same, whoever told it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from core.domain.instruments import Instrument
from core.events.facts import CommissionReported, ExecutionReported
from models.queries.ledger import detailed_instruments
from models.queries.repetitions import StoredExecution, stored_executions
from models.session import Database
from models.stores.accounts import Described
from models.stores.executions import ReceivedCommission, confirm_commissions
from services.position_sync import metrics
from services.position_sync.booking import merge
from services.position_sync.faults import is_datas_fault
from services.position_sync.intake import Item, Told, is_same

_WORTH_A_LOOK = 100
"""Fewer executions are as soon booked as looked up."""


async def leave_out_known(database: Database, told: Sequence[Told]) -> list[Told]:
    """The same entries without the executions and commissions that are stored as they are."""
    items = [item for one in told for item in one.items]
    executions = [item.fact for item in items if isinstance(item.fact, ExecutionReported)]
    reports = [
        ReceivedCommission(item.fact, item.epoch)
        for item in items
        if isinstance(item.fact, CommissionReported)
    ]
    exec_ids = {one.exec_id for one in executions} | {one.fact.exec_id for one in reports}
    if len(exec_ids) < _WORTH_A_LOOK:
        return list(told)
    try:
        async with database.read() as reader:
            stored = await stored_executions(reader, exec_ids)
            instruments = await detailed_instruments(reader, {one.conid for one in stored.values()})
    except Exception as error:
        if not is_datas_fault(error):
            raise
        # An id that PostgreSQL cannot even be asked for: whoever applies these finds it and sets it aside.
        return list(told)
    confirmed = await _confirm(database, reports, stored)
    pending = {one.fact.exec_id for one in reports if not _is_settled(one, stored, confirmed)}
    described = {one.instrument for one in executions}
    telling = {one for one in described if _tells_something(one, instruments)}

    def is_known(item: Item) -> bool:
        fact = item.fact
        if isinstance(fact, CommissionReported):
            return fact.exec_id not in pending
        if not isinstance(fact, ExecutionReported) or fact.exec_id in pending:
            return False
        known = stored.get(fact.exec_id)
        return known is not None and is_same(fact, known) and fact.instrument not in telling

    known = Counter(type(item.fact).__name__ for item in items if is_known(item))
    for kind, number in known.items():
        metrics.KNOWN.labels(kind).inc(number)
    return [replace(one, items=[item for item in one.items if not is_known(item)]) for one in told]


async def _confirm(
    database: Database, reports: Sequence[ReceivedCommission], stored: Mapping[str, StoredExecution]
) -> dict[str, tuple[int, datetime]]:
    """Note which stored commissions are told again; returns when the last report of each is from at least."""
    repeated: dict[str, ReceivedCommission] = {}
    for one in sorted(reports, key=lambda report: report.order):
        if one.fact.exec_id in stored:
            repeated[one.fact.exec_id] = one
    for one in reports:
        # Where reports disagree the later counts, which is for who stores them to find out.
        if one.fact.exec_id in repeated and not _tells(one, stored[one.fact.exec_id]):
            del repeated[one.fact.exec_id]
    newer = [one for one in repeated.values() if one.order > stored[one.fact.exec_id].order]
    confirmed = {exec_id: stored[exec_id].order for exec_id in repeated}
    if newer:
        async with database.write() as connection:
            noted = await confirm_commissions(connection, newer)
        confirmed |= {one.fact.exec_id: one.order for one in newer if one.fact.exec_id in noted}
    return confirmed


def _tells(report: ReceivedCommission, known: StoredExecution) -> bool:
    """Whether what a report tells is stored, and part of what was folded."""
    fact = report.fact
    return (
        known.commission_folded
        and (fact.commission, fact.currency) == (known.commission, known.currency)
        and fact.realized_pnl in {None, known.realized_pnl}
    )


def _is_settled(
    report: ReceivedCommission,
    stored: Mapping[str, StoredExecution],
    confirmed: Mapping[str, tuple[int, datetime]],
) -> bool:
    exec_id = report.fact.exec_id
    return exec_id in confirmed and _tells(report, stored[exec_id]) and report.order <= confirmed[exec_id]


def _tells_something(
    instrument: Instrument, stored: Mapping[int, tuple[Instrument, datetime | None]]
) -> bool:
    """Whether an instrument, as an execution describes it, has something that is not stored yet."""
    known = stored.get(instrument.conid)
    return known is None or merge(Described(instrument, None), known) is not None
