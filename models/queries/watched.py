"""What is counted for whoever watches: cheap enough to be asked several times a minute."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text

from models.session import Reader

_COUNTED = re.compile(r"account \d+", re.ASCII)
_accounts = text(
    "SELECT account, coalesce(called, alias) AS alias FROM broker_accounts ORDER BY first_seen_at, account"
)
_awaiting = text("SELECT count(*) FROM executions WHERE NOT commission_folded AND corrected_by IS NULL")
_newest = text(
    "SELECT a.account, (SELECT max(s.asof_ts) FROM snapshots s WHERE s.account = a.account) AS asof_ts "
    "FROM broker_accounts a WHERE a.listed"
)
# Two indexes, one for each half; those that ended and are older are not looked at.
_jobs = text(
    "SELECT kind, status, count(*) AS jobs FROM (SELECT kind, status FROM jobs WHERE status IN ('queued', "
    "'running') UNION ALL SELECT kind, status FROM jobs WHERE created_at >= :since "
    "AND status NOT IN ('queued', 'running')) AS found GROUP BY kind, status ORDER BY kind, status"
)
_hours = text(
    "SELECT DISTINCT i.liquid_hours, i.time_zone FROM ledger_books b JOIN instruments i ON i.conid = b.conid "
    "WHERE b.broker_quantity <> 0 AND i.liquid_hours <> ''"
)


class JobCount(NamedTuple):
    """Jobs of one kind in one state."""

    kind: str
    status: str
    jobs: int


async def account_names(reader: Reader) -> dict[str, str]:
    """What each account is called where its number must not be."""
    return names_of((row.account, row.alias) for row in await reader.execute(_accounts))


def names_of(accounts: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """The alias that its owner gave an account; else ``account 2``, the second that was ever seen.

    An alias is not taken that two accounts have, that has an account's number in it, or that reads like one
    of ours.

    >>> names_of([("U1234567", "Pension"), ("U7654321", None), ("U5555555", "U5555555 old")])
    {'U1234567': 'Pension', 'U7654321': 'account 2', 'U5555555': 'account 3'}
    """
    listed = [(account, (alias or "").strip()) for account, alias in accounts]
    often = Counter(alias for _, alias in listed)

    def is_good(alias: str) -> bool:
        tells = _COUNTED.fullmatch(alias) or any(account in alias for account, _ in listed)
        return bool(alias) and often[alias] == 1 and not tells

    return {
        account: alias if is_good(alias) else f"account {place}"
        for place, (account, alias) in enumerate(listed, 1)
    }


async def provisional_executions(reader: Reader) -> int:
    """How many executions there are of which the commission is not known yet."""
    found: int = (await reader.execute(_awaiting)).scalar_one()
    return found


async def newest_snapshots(reader: Reader) -> dict[str, datetime | None]:
    """Of when the last snapshot is of each account of the login; ``None``: it has none."""
    return {row.account: row.asof_ts for row in await reader.execute(_newest)}


async def jobs_by_status(reader: Reader, since: datetime) -> list[JobCount]:
    """Jobs that have not ended, and those asked for since then that have."""
    return [JobCount(*row) for row in await reader.execute(_jobs, {"since": since})]


async def hours_of_what_is_held(reader: Reader) -> list[tuple[str, str]]:
    """The regular trading hours of what is held, as IBKR spells them, and the zone they are in."""
    return [(row.liquid_hours, row.time_zone) for row in await reader.execute(_hours)]
