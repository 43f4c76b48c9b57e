"""One account's snapshot: what the broker told last, if it is of this moment, kept in one transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any, NamedTuple

from msgspec import json

from core.clock import Clock
from core.domain.snapshots import Holding, LastKnown, Refusal, refusal, valuation
from core.settings import Settings
from models.queries.last_known import last_known
from models.reckoned import reckon_hour
from models.session import Database
from models.stores.partitions import ensure_partitions
from models.stores.snapshot_runs import Run
from models.stores.snapshots import Payload, store_snapshot
from services.snapshot import metrics

_DOCUMENT_VERSION = 1


class Taken(NamedTuple):
    """A snapshot that was taken. ``positions`` of which ``unvalued`` have no value in the base currency."""

    positions: int
    unvalued: int


async def take_account(
    database: Database, settings: Settings, run: Run, account: str, clock: Clock
) -> Taken | Refusal:
    """Take an account's snapshot for a run, or say why there is none. One that is there already stays."""
    started = perf_counter()
    async with database.read_one_moment() as reader:
        known = await last_known(reader, account)
    now = clock()
    refused = refusal(known, now, flush=timedelta(seconds=settings.last_known_flush_seconds))
    if refused is not None:
        return refused
    valued = valuation(known, now)
    payload = Payload.of(document(known, now))
    async with database.write() as writer:
        # Before anything is written: to make one, all who write snapshots are waited for.
        await ensure_partitions(writer, valued.asof_ts, months_ahead=0)
    async with database.write() as writer:
        kept = await store_snapshot(writer, valued, payload, run_id=run.id, hour=run.hour, now=now)
        if kept is not None and run.hour is not None:
            await reckon_hour(writer, account, run.hour)
    metrics.SECONDS.observe(perf_counter() - started)
    unvalued = sum(one.market_value_base is None for one in valued.positions)
    return Taken(len(valued.positions), unvalued)


def document(known: LastKnown, now: datetime) -> bytes:
    """What a snapshot was made of, as compact JSON: tables of rows, each with its columns named once."""
    pnl = known.pnl
    return json.encode(
        {
            "v": _DOCUMENT_VERSION,
            "account": known.account,
            "taken_at": now,
            "link": None if known.link is None else known.link._asdict(),
            "account_values": _table(
                ("key", "currency", "value", "as_of", "epoch"),
                [(*named, *told) for named, told in known.values.items()],
            ),
            "pnl": None if pnl is None else pnl._asdict(),
            "positions": _table(Holding._fields, known.holdings),
        }
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    return {"columns": columns, "rows": rows}
