"""``valuation``: what accounts were worth at a moment that has passed."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import typer

from core.clock import utc_now
from core.domain.money import plain
from core.domain.valuation import AccountThen, row_of
from core.errors import LotkeeperError
from core.settings import Profile, Settings
from models.queries.valuation import valuations
from models.session import Database
from services.cli.on_database import on_database
from services.cli.show_valuation import show


class MomentInvalidError(LotkeeperError):
    """What was given is no moment that has passed."""

    code = "time_invalid"
    exit_code = 2


def run(profile: Profile | None, accounts: list[str], as_of: str | None, *, as_json: bool) -> None:
    """Print what accounts (none given: all) were worth at a moment; none given: now.

    Raises:
        MomentInvalidError: ``as_of`` is not a time with a zone, or it lies in the future.
        LotkeeperError: as ``on_database``.
    """
    at = moment_of(as_of, utc_now())

    async def work(database: Database, _: Settings) -> list[AccountThen]:
        async with database.read_one_moment() as reader:
            return await valuations(reader, at, accounts)

    found = on_database(profile, accounts, work)
    if as_json:
        told = {"as_of": at.isoformat(), "items": [_as_json(one, at) for one in found]}
        typer.echo(json.dumps(told, default=_spelled))
        return
    show(found, at)


def moment_of(spelled: str | None, now: datetime) -> datetime:
    """A moment as a person writes it: a day means its end in UTC, and what names no zone is UTC.

    Raises:
        MomentInvalidError: it is none, or has not passed.

    >>> moment_of("2026-11-20", datetime(2026, 11, 28, tzinfo=UTC)).isoformat()
    '2026-11-20T23:59:59.999999+00:00'
    """
    if spelled is None:
        return now
    try:
        moment = datetime.fromisoformat(spelled)
        if len(spelled) == len("2026-11-20"):
            moment = moment.replace(hour=23, minute=59, second=59, microsecond=999_999)
        moment = moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise MomentInvalidError(
            f"{spelled!r} is no time: write it as 2026-11-20 or 2026-11-20T15:30:00Z."
        ) from None
    if moment > now:
        raise MomentInvalidError(f"{spelled} has not passed yet: ask for a moment that has, or leave it out.")
    return moment


def _spelled(value: Any) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value.isoformat())


def _as_json(one: AccountThen, at: datetime) -> dict[str, Any]:
    told = one._asdict()
    told["positions"] = [row_of(each, at)._asdict() for each in one.positions]
    told["cash"] = [each._asdict() for each in one.cash]
    told["coverage"] = one.coverage._asdict()
    told["net_liquidation"] = None if one.net_liquidation is None else one.net_liquidation._asdict()
    return told
