"""What a batch of facts tells, stored in one transaction."""

from collections.abc import Sequence
from datetime import datetime

from core.events.changes import AccountsRecorded, AccountValueChanged, Change, DatasetRecorded, JobChanged
from models.session import Writer
from models.stores import accounts as account_store
from models.stores import sync as sync_store
from models.stores.broker_sessions import record_session_state
from models.stores.dead_facts import DeadFact, bury
from models.stores.jobs import take_answer
from models.stores.sync import DatasetWord, LogEntry
from models.tables.sync import RESYNC_FAILED
from services.position_sync.booking import Arrivals, Booked, book
from services.position_sync.gaps import note_gaps
from services.position_sync.intake import Intake, as_contradicting


async def store(
    connection: Writer, intake: Intake, dead: Sequence[DeadFact], now: datetime
) -> tuple[Booked, list[Change]]:
    """Everything a batch tells, in one transaction. Tables are written in one order, rows in key order."""
    changes: list[Change] = await _accounts(connection, intake)
    booked = await book(
        connection,
        Arrivals(
            instruments=intake.instruments,
            executions=intake.executions,
            commissions=intake.commissions,
            words=intake.words,
            sweeps=intake.sweeps,
        ),
        now,
    )
    intake.gaps = await note_gaps(connection, intake, now)
    # Afterwards: what the ledger goes by is how complete things were before this answer.
    changes += [*booked.changes, *await _datasets(connection, intake)]
    changes += [
        AccountValueChanged(account=account, key=key, currency=currency, value=value, as_of=as_of)
        for account, key, currency, value, as_of in await account_store.upsert_account_values(
            connection, intake.values.values()
        )
    ]
    changes += await _links_and_fences(connection, intake, now)
    contradicting = (*intake.contradicting, *booked.contradicting)
    intake.unreadable.extend(as_contradicting(one, now) for one in contradicting)
    await bury(connection, [*intake.unreadable, *dead])
    return booked, changes


async def _accounts(connection: Writer, intake: Intake) -> list[Change]:
    new = await account_store.ensure_accounts(connection, intake.accounts) if intake.accounts else []
    for epoch, at, accounts in intake.listings:
        await account_store.list_accounts(connection, accounts, at, epoch)
    if intake.listings:
        listed = {account for _, _, accounts in intake.listings for account in accounts}
        return [AccountsRecorded(accounts=tuple(sorted(listed)))]
    return [AccountsRecorded(accounts=tuple(sorted(new)))] if new else []


async def _datasets(connection: Writer, intake: Intake) -> list[Change]:
    """How complete things are. A positions answer that ended is complete; a later word may say otherwise."""
    newest: dict[tuple[str, str], DatasetWord] = {}
    for sweep in intake.sweeps:
        for account in sweep.fact.accounts if sweep.fact.count else ():
            newest[account, "positions"] = DatasetWord(
                account, "positions", sweep.fact.as_of, True, "", sweep.epoch
            )
    for epoch, fact in intake.datasets:
        newest[fact.account, fact.dataset] = DatasetWord(
            fact.account, fact.dataset, fact.as_of, fact.complete, fact.error, epoch
        )
    recorded = await sync_store.record_datasets(connection, newest.values())
    return [
        DatasetRecorded(account=account, dataset=dataset, as_of=as_of, complete=complete)  # type: ignore[arg-type]  # the table's CHECK holds it to the Literal
        for account, dataset, as_of, complete in recorded
    ]


async def _links_and_fences(connection: Writer, intake: Intake, now: datetime) -> list[Change]:
    entries = [
        sync_store.link_entry(link, epoch)
        for epoch, _, link in intake.links
        if not sync_store.is_repeated(link)
    ]
    for epoch, (seq, link) in sorted({epoch: (seq, link) for epoch, seq, link in intake.links}.items()):
        await record_session_state(
            connection, epoch=epoch, seq=seq, state=link.state, at=link.received_at, reason=link.reason
        )
    for epoch, link in sorted({epoch: link for epoch, _, link in intake.links}.items()):
        await sync_store.record_link(connection, link, link.received_at, epoch)
    changes: list[Change] = []
    for epoch, fence in intake.fences:
        message = "resync completed" if fence.ok else f"resync failed: {fence.error}"
        details: dict[str, object] = {
            "trigger": fence.trigger,
            "seconds": round((fence.received_at - fence.started_at).total_seconds(), 3),
        }
        kind = "resync" if fence.ok else RESYNC_FAILED
        entries.append(LogEntry(fence.received_at, epoch, kind, message, details))
        if fence.job_id:
            job = await take_answer(
                connection,
                fence.job_id,
                epoch=epoch,
                error="" if fence.ok else fence.error or "no reason was given",
                started_at=fence.started_at,
                at=now,
            )
            if job is not None:
                changes.append(JobChanged(**job._asdict()))
    await sync_store.append_log(connection, entries)
    return changes
