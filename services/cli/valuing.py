"""``valuation``: what accounts were worth at a moment that has passed."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import typer

from core.clock import utc_now
from core.domain.money import plain
from core.domain.valuation import AccountThen, row_of
from core.settings import Profile, Settings
from models.queries.valuation import valuations
from models.session import Database
from services.cli.on_database import on_database
from services.cli.show_valuation import show
from services.cli.times import WrongTimeError, end_at


def run(profile: Profile | None, accounts: list[str], as_of: str | None, *, as_json: bool) -> None:
    """Print what accounts (none given: all) were worth at a moment; none given: now.

    Raises:
        WrongTimeError: ``as_of`` is neither a day nor a time with its zone, or it lies in the future.
        LotkeeperError: as ``on_database``.
    """
    now = utc_now()
    at = now if as_of is None else end_at(as_of, "--as-of")
    if at > now:
        raise WrongTimeError(f"{as_of} has not passed yet: ask for a moment that has, or leave it out.")

    async def work(database: Database, _: Settings) -> list[AccountThen]:
        async with database.read_one_moment() as reader:
            return await valuations(reader, at, accounts)

    found = on_database(profile, accounts, work)
    if as_json:
        told = {"as_of": at.isoformat(), "items": [_as_json(one, at) for one in found]}
        typer.echo(json.dumps(told, default=_spelled))
        return
    show(found, at)


def _spelled(value: Any) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value.isoformat())


def _as_json(one: AccountThen, at: datetime) -> dict[str, Any]:
    told = one._asdict()
    told["positions"] = [row_of(each, at)._asdict() for each in one.positions]
    told["cash"] = [each._asdict() for each in one.cash]
    told["coverage"] = one.coverage._asdict()
    told["net_liquidation"] = None if one.net_liquidation is None else one.net_liquidation._asdict()
    return told
