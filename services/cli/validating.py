"""``validate``: whether the ledger is right, and whether the broker agrees."""

import json
from typing import Any

import msgspec
import typer

from core.errors import LotkeeperError
from core.settings import Profile, Settings
from models.session import Database
from services.cli import show_ledger
from services.cli.on_database import Differences, on_database, progress_line
from services.position_sync.validate import (
    BrokerFound,
    LedgerFound,
    compare_with_broker,
    validate_ledger,
)


class DiffersError(LotkeeperError):
    """Something stored is not what it should be."""

    code = "validation_failed"
    exit_code = 5


def run_ledger(profile: Profile | None, account: str | None, *, as_json: bool) -> None:
    """Prove the stored ledger, and print what differs.

    Raises:
        DiffersError: a stored row is not what a fresh fold gives.
        LotkeeperError: as ``on_database``.
    """
    differences = Differences()

    async def work(database: Database, _settings: Settings) -> LedgerFound:
        return await validate_ledger(database, differences, account=account, progress=progress_line())

    found = on_database(profile, account, work)
    if as_json:
        typer.echo(json.dumps(_ledger_as_json(found, differences)))
    else:
        show_ledger.ledger(found, differences)
    _conclude(found, None)


def run(profile: Profile | None, account: str | None, *, days: bool, as_json: bool) -> None:
    """Prove the stored ledger, and compare it with the broker's own figures.

    Raises:
        DiffersError: a stored row, a realized figure or a quantity is not what it should be.
        LotkeeperError: as ``on_database``.
    """
    differences = Differences()

    async def work(database: Database, _settings: Settings) -> tuple[LedgerFound, BrokerFound]:
        found = await validate_ledger(database, differences, account=account, progress=progress_line())
        return found, await compare_with_broker(database, account=account, by_day=days)

    found, told = on_database(profile, account, work)
    if as_json:
        both = {"ledger": _ledger_as_json(found, differences), "broker": _broker_as_json(told)}
        typer.echo(msgspec.json.encode(both).decode())
    else:
        show_ledger.ledger(found, differences)
        show_ledger.broker(told)
    _conclude(found, told)


def _conclude(found: LedgerFound, told: BrokerFound | None) -> None:
    if found.differing:
        raise DiffersError(
            "The stored ledger is not what its facts give. See what would change with "
            "`lotkeeper ledger rebuild --dry-run`, and mend it without --dry-run."
        )
    if told is not None and told.differs:
        raise DiffersError(
            "The ledger is right by its facts, and the broker says otherwise: a fill, a fee or an opening "
            "balance may be missing. `lotkeeper resync` asks the broker again."
        )


def _ledger_as_json(found: LedgerFound, differences: Differences) -> dict[str, Any]:
    return {
        "books": found.books,
        "executions": found.executions,
        "rows": dict(found.rows),
        "differing_books": len(found.differing),
        "waiting_books": [{"account": account, "conid": conid} for account, conid in found.waiting],
        **differences.as_json(),
    }


def _broker_as_json(told: BrokerFound) -> dict[str, Any]:
    return {
        "realized": [
            {**total._asdict(), "agreeing": total.compared - total.differing} for total in told.totals
        ],
        "days": [{"day": day, **total._asdict()} for day, total in told.days],
        "largest": [fill._asdict() for fill in told.largest],
        "open_differences": [one._asdict() for one in told.open_differences],
        "awaited_commissions": [one._asdict() for one in told.awaited_commissions],
        "dead_facts": [one._asdict() for one in told.dead_facts],
    }
