"""``attribution``: where an account's gain came from."""

from typing import Any

import msgspec
import typer

from core.clock import utc_now
from core.domain.measures.itemized import Grouping
from core.domain.snapshots import AHEAD
from core.errors import LotkeeperError
from core.settings import Profile, Settings
from models.queries.attribution.account import Refusal, gain_between
from models.queries.stored_ledger import cost_methods
from models.session import Database
from services.api.attribution import sentence_of, told_of
from services.cli import show_attribution
from services.cli.on_database import UnknownAccountError, on_database
from services.cli.times import WrongTimeError, end_at, start_at


class NoGainError(LotkeeperError):
    """There is no gain between these times that could be taken apart."""

    code = "no_gain"
    exit_code = 1


def run(
    profile: Profile | None,
    account: str | None,
    since: str | None,
    until: str | None,
    by: Grouping,
    *,
    as_json: bool,
) -> None:
    """Take an account's gain apart, and print its parts.

    Raises:
        NoGainError: no value is known at an end, or none but one.
        WrongTimeError: a time cannot be read, or they are in the wrong order.
        UnknownAccountError: none was named, and there is not just one.
        LotkeeperError: as ``on_database``.
    """
    start = None if since is None else start_at(since, "--from")
    end = utc_now() + AHEAD if until is None else end_at(until, "--to")
    if start is not None and start >= end:
        raise WrongTimeError("--from must be before --to.")

    async def work(database: Database, _settings: Settings) -> dict[str, Any]:
        chosen = account or await _only_one(database)
        async with database.read_one_moment() as reader:
            stored = await gain_between(reader, chosen, start, end)
        if isinstance(stored, Refusal):
            raise NoGainError(sentence_of(stored))
        return told_of(chosen, stored, by)

    told = on_database(profile, account, work)
    if as_json:
        told["from"], told["to"] = told.pop("since"), told.pop("until")
        typer.echo(msgspec.json.encode(told).decode())
    else:
        show_attribution.attribution(told)


async def _only_one(database: Database) -> str:
    async with database.read() as reader:
        known = sorted(await cost_methods(reader))
    if len(known) == 1:
        return known[0]
    names = ", ".join(known) or "none yet"
    raise UnknownAccountError(f"Say of which account, with --account. Known accounts: {names}.")
