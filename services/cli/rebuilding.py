"""``ledger rebuild`` and ``ledger method``."""

import json
from typing import Any

import typer

from core.domain.lots import CostMethod
from core.domain.money import plain
from core.settings import Profile, Settings
from core.streams.redis import RedisStreams
from models.queries.stored_ledger import cost_methods
from models.session import Database
from models.stores.cost_methods import set_cost_method
from services.cli import show_ledger
from services.cli.auditing import audited, note
from services.cli.on_database import Differences, on_database, progress_line
from services.position_sync.rebuild import Rebuilt, rebuild, rehearse


def run(profile: Profile | None, account: str | None, *, dry_run: bool, as_json: bool) -> None:
    """Rebuild, or say what that would change.

    Raises:
        LotkeeperError: as ``on_database``.
    """
    differences = Differences()

    async def work(database: Database, settings: Settings) -> Rebuilt:
        if dry_run:
            return await rehearse(database, differences, account=account, progress=progress_line())
        rebuilt = await _rebuild(database, settings, account)
        await note(database, "ledger_rebuild", account or "")
        return rebuilt

    rebuilt = on_database(profile, account, work)
    if as_json:
        told = {"dry_run": dry_run, **_as_json(rebuilt), **(differences.as_json() if dry_run else {})}
        typer.echo(json.dumps(told))
    else:
        show_ledger.rebuilt(rebuilt, differences if dry_run else None)


def run_method(profile: Profile | None, account: str, chosen: CostMethod | None, *, as_json: bool) -> None:
    """Show an account's cost method, or set it and fold its books anew.

    Raises:
        LotkeeperError: as ``on_database``.
    """

    async def work(database: Database, settings: Settings) -> tuple[CostMethod, Rebuilt | None]:
        async with database.read() as reader:
            method = (await cost_methods(reader, account))[account]
        if chosen is None:
            return method, None
        async with database.write() as connection:
            await set_cost_method(connection, account, chosen)
            await audited(connection, "cost_method", f"{account} {chosen}")
        # Also when it was set already: an earlier run may have been stopped before it had folded them all.
        return chosen, await _rebuild(database, settings, account)

    method, rebuilt = on_database(profile, account, work)
    if as_json:
        told: dict[str, Any] = {"account": account, "cost_method": method}
        typer.echo(json.dumps(told | ({} if rebuilt is None else {"rebuilt": _as_json(rebuilt)})))
        return
    typer.echo(f"{account}: {method}")
    if rebuilt is not None:
        show_ledger.rebuilt(rebuilt, None)


async def _rebuild(database: Database, settings: Settings, account: str | None) -> Rebuilt:
    # Without Redis the changes wait in the outbox, and the next sweep announces them.
    streams = None if settings.redis_url is None else RedisStreams.connect(settings)
    try:
        return await rebuild(database, streams, settings, account=account, progress=progress_line())
    finally:
        if streams is not None:
            await streams.close()


def _as_json(rebuilt: Rebuilt) -> dict[str, Any]:
    return {
        "books": rebuilt.books,
        "executions": rebuilt.executions,
        "changed_books": rebuilt.changed_books,
        "rows": dict(rebuilt.written),
        "removed_positions": rebuilt.removed_positions,
        "realized": [
            {
                "currency": currency,
                "before": plain(before.known),
                "unknown_before": before.unknown,
                "after": plain(after.known),
                "unknown_after": after.unknown,
            }
            for currency, before, after in rebuilt.by_currency()
        ],
    }
