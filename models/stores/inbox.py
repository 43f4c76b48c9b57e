"""Which stream entries have had their effect, and what is known of those that will not go in.

An entry is named by its epoch and the sequence of its first fact: whoever sends it again sends the same facts
under the same name.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from models.session import Reader, Writer
from models.tables import inbox_trials

EntryName = tuple[int, int]
"""Epoch and sequence of the first fact."""

StreamPlace = tuple[int, int]
"""An id in the facts stream, in order: milliseconds, then a number."""

_LOCK_SPACE = 0x10C7EE
"""Any constant of our own, for advisory locks on what is being tried or told."""

_admit = text(
    "WITH fresh AS (INSERT INTO inbox (epoch, first_seq, facts, applied_at) "
    "SELECT r.epoch, r.first_seq, r.facts, :now "
    "FROM unnest(CAST(:epochs AS bigint[]), CAST(:seqs AS bigint[]), CAST(:facts AS integer[])) "
    "AS r(epoch, first_seq, facts) ON CONFLICT DO NOTHING RETURNING epoch, first_seq), "
    "replaced AS MATERIALIZED (SELECT s.epoch, later.first_entry_ms, later.first_entry_seq "
    "FROM broker_sessions s CROSS JOIN LATERAL (SELECT n.first_entry_ms, n.first_entry_seq "
    "FROM broker_sessions n WHERE n.login = s.login AND n.epoch > s.epoch AND n.first_entry_ms IS NOT NULL "
    "ORDER BY n.first_entry_ms, n.first_entry_seq LIMIT 1) AS later "
    "WHERE s.epoch = ANY(CAST(:different AS bigint[]))) "
    "SELECT f.epoch, f.first_seq, r.first_entry_ms, r.first_entry_seq "
    "FROM fresh f LEFT JOIN replaced r USING (epoch)"
)
_record_first = text(
    "UPDATE broker_sessions SET first_entry_ms = :ms, first_entry_seq = :seq WHERE epoch = :epoch "
    "AND (first_entry_ms IS NULL OR (first_entry_ms, first_entry_seq) > (:ms, :seq))"
)
_lock_sessions = text(
    "SELECT 1 FROM broker_sessions WHERE epoch = ANY(CAST(:epochs AS bigint[])) ORDER BY epoch "
    "FOR NO KEY UPDATE"
)
_lock_line = text("SELECT pg_advisory_xact_lock(:space, CAST(:epoch % 2147483647 AS integer))")
_tell_stale = text(
    "INSERT INTO sync_log (at, epoch, kind, message) SELECT :at, :epoch, 'stale_link', :message "
    "WHERE NOT EXISTS (SELECT 1 FROM sync_log l JOIN broker_sessions s ON s.epoch = l.epoch "
    "WHERE l.at >= s.started_at AND l.epoch = :epoch AND l.kind = 'stale_link')"
)
_leave_unfinished = text(
    "UPDATE inbox SET unfinished = CAST(:ends AS jsonb) WHERE epoch = :epoch AND first_seq = :seq"
)
_unfinished = text(
    "SELECT epoch, first_seq FROM inbox WHERE unfinished IS NOT NULL "
    "ORDER BY applied_at, epoch, first_seq LIMIT :most"
)
_hold_unfinished = text(
    "SELECT unfinished FROM inbox WHERE epoch = :epoch AND first_seq = :seq AND unfinished IS NOT NULL "
    "FOR UPDATE SKIP LOCKED"
)
_conclude = text("UPDATE inbox SET unfinished = NULL WHERE epoch = :epoch AND first_seq = :seq")
_prune = text("DELETE FROM inbox WHERE applied_at < :before")
_prune_trials = text("DELETE FROM inbox_trials WHERE tried_at < :before")
_lock_trial = text("SELECT pg_advisory_xact_lock(hashtextextended(:entry, :space))")
_trials = inbox_trials.c
_trial_of = select(_trials.seq, _trials.deaths, _trials.deadly, _trials.holder).where(
    _trials.entry == bindparam("of")
)


class Trial(NamedTuple):
    """How far trying an entry that came again and again has come.

    ``seq`` is the fact that is being tried (``None``: the entry as a whole), ``deaths`` how many workers died
    on the entry since the last fact was found that they die of, and ``died`` how many did on which fact.
    """

    seq: int | None
    deaths: int
    died: Mapping[int, int]
    holder: str


async def admit(
    connection: Writer, entries: Mapping[EntryName, int], now: datetime
) -> dict[EntryName, StreamPlace | None]:
    """Take in entries, named with their number of facts; returns those whose effect is not committed yet.

    Each comes with the place in the stream from which on its link was replaced by a newer one of the same
    login, if it was. Waits for whoever has the same entry in hand. Names are locked in order.
    """
    names = sorted(entries)
    rows = await connection.execute(
        _admit,
        {
            "epochs": [epoch for epoch, _ in names],
            "seqs": [seq for _, seq in names],
            "facts": [entries[name] for name in names],
            "different": sorted({epoch for epoch, _ in names}),
            "now": now,
        },
    )
    return {
        (row.epoch, row.first_seq): None
        if row.first_entry_ms is None
        else (row.first_entry_ms, row.first_entry_seq)
        for row in rows
    }


async def lock_sessions(connection: Writer, epochs: Iterable[int]) -> None:
    """Keep these sessions until the commit, locked in order."""
    await connection.execute(_lock_sessions, {"epochs": sorted(epochs)})


async def record_first_entries(connection: Writer, places: Mapping[int, StreamPlace]) -> None:
    """Note where the entries of these epochs begin in the stream, if they begin earlier than noted."""
    for epoch, (milliseconds, seq) in sorted(places.items()):
        await connection.execute(_record_first, {"epoch": epoch, "ms": milliseconds, "seq": seq})


async def log_stale_link(connection: Writer, epoch: int, at: datetime, message: str) -> None:
    """Write down, once for each epoch, that its link went on after it had been replaced."""
    await connection.execute(_lock_line, {"space": _LOCK_SPACE, "epoch": epoch})
    await connection.execute(_tell_stale, {"at": at, "epoch": epoch, "message": message})


def _row(name: EntryName) -> dict[str, int]:
    return {"epoch": name[0], "seq": name[1]}


async def leave_unfinished(connection: Writer, name: EntryName, ends: str) -> None:
    """This entry ends positions answers of which something has still to arrive; ``ends`` are JSON."""
    await connection.execute(_leave_unfinished, {**_row(name), "ends": ends})


async def unfinished(reader: Reader, most: int) -> list[EntryName]:
    """Entries that were left so, the oldest first."""
    return [(row.epoch, row.first_seq) for row in await reader.execute(_unfinished, {"most": most})]


async def hold_unfinished(connection: Writer, name: EntryName) -> Any | None:
    """What was left of an entry; ``None`` where nothing is, or somebody else is at it."""
    return (await connection.execute(_hold_unfinished, _row(name))).scalar_one_or_none()


async def conclude(connection: Writer, name: EntryName) -> None:
    """Everything of it has arrived, or is waited for no longer."""
    await connection.execute(_conclude, _row(name))


async def prune_inbox(connection: Writer, before: datetime) -> None:
    """Forget entries from before that time: nobody delivers them again."""
    await connection.execute(_prune, {"before": before})
    await connection.execute(_prune_trials, {"before": before})


async def lock_trial(connection: Writer, entry: str) -> Trial | None:
    """Wait until nobody else tries this entry; what was tried last, of which nobody told how it ended."""
    await connection.execute(_lock_trial, {"entry": entry, "space": _LOCK_SPACE})
    row = (await connection.execute(_trial_of, {"of": entry})).one_or_none()
    if row is None:
        return None
    # Another version listed facts without their number: they are found anew.
    died = row.deadly if isinstance(row.deadly, dict) else {}
    return Trial(row.seq, row.deaths, {int(seq): deaths for seq, deaths in died.items()}, row.holder)


async def note_trial(connection: Writer, entry: str, trial: Trial, now: datetime) -> None:
    """Say what is tried next; to be committed before it is tried."""
    values = {
        "seq": trial.seq,
        "deaths": trial.deaths,
        "deadly": {str(seq): deaths for seq, deaths in sorted(trial.died.items())},
        "holder": trial.holder,
        "tried_at": now,
    }
    statement = insert(inbox_trials).values(entry=entry, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["entry"], set_=values))


async def forget_trial(connection: Writer, entry: str) -> None:
    """It ended, well or in a way that can be told."""
    await connection.execute(delete(inbox_trials).where(_trials.entry == entry))
