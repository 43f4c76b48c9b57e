"""``validate``: whether the ledger is right, and whether the broker agrees."""

import json
from typing import Any, NamedTuple

import msgspec
import typer

from core.errors import LotkeeperError
from core.settings import Profile, Settings
from models.session import Database
from services.cli import show_ledger, show_rules
from services.cli.on_database import Differences, on_database, progress_line
from services.cli.times import start_at
from services.position_sync.rule_check import RuleReport, check_rules, unacknowledged_errors
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


class _Found(NamedTuple):
    """What was found, and the findings of rules that are wrong and that nobody knows of."""

    ledger: LedgerFound
    broker: BrokerFound
    rules: list[RuleReport]
    unknown_errors: int


def run(
    profile: Profile | None, account: str | None, since: str | None, *, days: bool, as_json: bool
) -> None:
    """Prove the stored ledger, compare it with the broker's own figures, and hold it all to the rules.

    What the rules find is kept as issues. ``since`` is from when on they look.

    Raises:
        DiffersError: a stored row, a realized figure or a quantity is not what it should be, or a rule of
            severity ``error`` found something that nobody acknowledged.
        WrongTimeError: ``since`` is neither a day nor a time with its zone.
        LotkeeperError: as ``on_database``.
    """
    differences = Differences()
    first = None if since is None else start_at(since, "--since")

    async def work(database: Database, _settings: Settings) -> _Found:
        ledger = await validate_ledger(database, differences, account=account, progress=progress_line())
        broker = await compare_with_broker(database, account=account, by_day=days)
        reports = await check_rules(database, account=account, since=first)
        return _Found(ledger, broker, reports, await unacknowledged_errors(database, reports))

    found = on_database(profile, account, work)
    if as_json:
        everything = {
            "ledger": _ledger_as_json(found.ledger, differences),
            "broker": _broker_as_json(found.broker),
            "rules": show_rules.found_as_json(found.rules),
        }
        typer.echo(msgspec.json.encode(everything).decode())
    else:
        show_ledger.ledger(found.ledger, differences)
        show_ledger.broker(found.broker)
        show_rules.found(found.rules)
    _conclude(found.ledger, found.broker)
    if found.unknown_errors:
        raise DiffersError(
            f"Rules found {found.unknown_errors:,} things that are wrong. Their remedies stand above, and in "
            "docs/reference/rules.md; what is known can be acknowledged: `lotkeeper issues acknowledge ID`."
        )


def run_rules(*, as_json: bool) -> None:
    """Print every rule. Nothing is asked of any database."""
    if as_json:
        typer.echo(json.dumps(show_rules.rules_as_json()))
    else:
        show_rules.rules()


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
