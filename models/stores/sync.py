"""How complete things are, what happened, and what is still to be announced."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec
from sqlalchemy import text

from core.domain.freshness import BEAT_LIMIT
from core.events.facts import LinkChanged
from models.session import Writer
from models.stores.bulk import SET_BACK_SECONDS, BulkInsert
from models.tables import outbox, sync_datasets, sync_log

_upsert_datasets = BulkInsert(
    sync_datasets,
    ("account", "dataset", "as_of", "complete", "error", "epoch"),
    conflict="ON CONFLICT (account, dataset) DO UPDATE SET as_of = CASE WHEN excluded.complete "
    "THEN excluded.as_of ELSE sync_datasets.as_of END, complete = excluded.complete, error = excluded.error, "
    "epoch = excluded.epoch "
    "WHERE (sync_datasets.epoch, sync_datasets.as_of) <= (excluded.epoch, excluded.as_of)",
    returning="account, dataset, as_of, complete",
)
_upsert_link = text(
    "INSERT INTO broker_links (login, gateway, ibkr, state, reason, since, updated_at, epoch, heard_at, "
    # Of a session that is not known, as after a restore, nobody can say whose it was: no account's.
    "clock_offset_seconds) SELECT "
    "coalesce((SELECT login FROM broker_sessions WHERE epoch = :epoch), CAST(:login AS text)), "
    ":gateway, :ibkr, :state, :reason, :since, :at, :epoch, "
    "CASE WHEN :is_beat THEN clock_timestamp() END, CAST(:clock_offset AS numeric) "
    # What was under way when its login was given up brings it not back.
    "WHERE NOT EXISTS (SELECT FROM broker_sessions WHERE epoch = :epoch AND given_up_at IS NOT NULL) "
    "ON CONFLICT (login) DO UPDATE SET "
    "gateway = excluded.gateway, ibkr = excluded.ibkr, state = excluded.state, reason = excluded.reason, "
    "since = excluded.since, updated_at = excluded.updated_at, epoch = excluded.epoch, "
    # What is told again from the stream may be long past; a beat is of this moment.
    "heard_at = coalesce(excluded.heard_at, broker_links.heard_at), clock_offset_seconds = "
    "coalesce(excluded.clock_offset_seconds, broker_links.clock_offset_seconds) "
    "WHERE ((broker_links.epoch, broker_links.updated_at) <= (excluded.epoch, excluded.updated_at) "
    # Beside one without an epoch, which is of this moment, an older word is void whatever its epoch.
    "AND (:is_beat OR broker_links.epoch > 0 OR broker_links.updated_at <= excluded.updated_at)) "
    "OR (:is_beat AND broker_links.epoch = excluded.epoch "
    "AND broker_links.updated_at > excluded.updated_at + make_interval(secs => :set_back)) "
    # One that was not connected yet has no epoch: its word counts where no other is heard of.
    "OR (:is_beat AND excluded.epoch = 0 "
    "AND broker_links.heard_at > clock_timestamp() - make_interval(secs => :silence) IS NOT TRUE)"
)
_insert_log = BulkInsert(sync_log, ("at", "epoch", "kind", "message", "details"))
_insert_outbox = BulkInsert(outbox, ("payload",), returning="id")
_delete_outbox = text("DELETE FROM outbox WHERE id = ANY(:ids)")
_left_in_outbox = text(
    "SELECT id, payload FROM outbox WHERE created_at < now() - make_interval(secs => :age) "
    "ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED"
)


class DatasetWord(NamedTuple):
    """How a download of one dataset for one account ended."""

    account: str
    dataset: str
    as_of: datetime
    complete: bool
    error: str
    epoch: int


class LogEntry(NamedTuple):
    """Something that happened to the synchronisation."""

    at: datetime
    epoch: int | None
    kind: str
    message: str
    details: dict[str, object] | None = None


async def record_datasets(
    connection: Writer, words: Iterable[DatasetWord]
) -> list[tuple[str, str, datetime, bool]]:
    """Store how complete datasets are; an incomplete download keeps the time of the last complete one."""
    rows = sorted(words)
    return [tuple(row) for row in await _upsert_datasets(connection, rows)]


async def record_link(
    connection: Writer,
    link: LinkChanged,
    at: datetime,
    epoch: int,
    *,
    is_beat: bool = False,
    clock_offset: Decimal | None = None,
    login: str = "",
) -> None:
    """Store the last known state of the link of this epoch's login; an older word is void.

    ``clock_offset`` is the broker's clock minus ours, in seconds; a beat tells it. A beat is of this moment:
    one that is much older than what is stored comes from a clock that was set back. It names its ``login``
    itself, as it comes before there is an epoch, too: then it counts while nobody else speaks for the login.
    """
    parameters = {
        "gateway": link.gateway,
        "ibkr": link.ibkr,
        "state": link.state,
        "reason": link.reason,
        "since": link.since,
        "at": at,
        "epoch": epoch,
        "is_beat": is_beat,
        "set_back": SET_BACK_SECONDS,
        "silence": BEAT_LIMIT.total_seconds(),
        "clock_offset": clock_offset,
        "login": login,
    }
    await connection.execute(_upsert_link, parameters)


def is_repeated(link: LinkChanged) -> bool:
    """Whether the link says again where it has been standing, because its word for it may be lost."""
    return link.before == link.state and link.since < link.received_at


def link_entry(link: LinkChanged, epoch: int | None) -> LogEntry:
    """A change of the link's state, for the log."""
    why = f" ({link.reason})" if link.reason else ""
    message = f"{link.state}: gateway {link.gateway}, IBKR {link.ibkr}{why}"
    details: dict[str, object] = {"from": link.before, "to": link.state, "reason": link.reason}
    return LogEntry(link.received_at, epoch, "link", message, details)


async def append_log(connection: Writer, entries: Sequence[LogEntry]) -> None:
    """Write down what happened."""
    rows = [
        (
            entry.at,
            entry.epoch,
            entry.kind,
            entry.message,
            None if entry.details is None else msgspec.json.encode(entry.details).decode(),
        )
        for entry in entries
    ]
    await _insert_log(connection, rows)


async def insert_outbox(connection: Writer, payloads: Sequence[bytes]) -> list[int]:
    """Put what is to be announced beside what it tells of; returns the rows' ids."""
    return [row.id for row in await _insert_outbox(connection, [(payload,) for payload in payloads])]


async def delete_outbox(connection: Writer, ids: Sequence[int]) -> None:
    """Forget what has been announced."""
    await connection.execute(_delete_outbox, {"ids": list(ids)})


async def take_outbox(connection: Writer, *, age_seconds: float, most: int) -> list[tuple[int, bytes]]:
    """Lock and read what was committed and not announced; skips what another worker has in hand."""
    rows = await connection.execute(_left_in_outbox, {"age": age_seconds, "most": most})
    return [(row.id, bytes(row.payload)) for row in rows]
