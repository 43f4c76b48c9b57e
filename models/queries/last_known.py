"""All that the broker told last of an account: what a snapshot of it is made of."""

from typing import NamedTuple

from sqlalchemy import text

from core.domain.snapshots import AccountValue, Figures, Holding, LastKnown, LinkWord
from models.queries.links import LINK_OF
from models.session import Reader

_listed = text("SELECT account FROM broker_accounts WHERE listed ORDER BY account")
# How long ago is PostgreSQL's own affair: the link's clock, and ours, may differ from it.
_link = text(
    "SELECT l.gateway, l.ibkr, l.state, l.reason, l.epoch, clock_timestamp() - l.heard_at AS silent, "  # noqa: S608 - no input in it
    "make_interval(secs => CAST(coalesce(l.clock_offset_seconds, 0) AS double precision)) AS clock_offset "
    f"FROM {LINK_OF} WHERE a.account = :account ORDER BY l.epoch DESC LIMIT 1"
)
_downloads = text("SELECT dataset, complete, epoch FROM sync_datasets WHERE account = :account")
_values = text(
    "SELECT key, currency, value, as_of, epoch FROM account_values WHERE account = :account "
    "ORDER BY key, currency"
)
_pnl = text("SELECT daily_pnl, unrealized_pnl, realized_pnl, as_of FROM account_pnl WHERE account = :account")
_holdings = text(
    "SELECT b.conid, i.sec_type, i.currency, i.multiplier / i.price_magnifier AS point_value, "
    "b.broker_quantity AS quantity, b.broker_average_cost AS average_cost, m.quantity AS mark_quantity, "
    "m.market_price, m.market_value, m.unrealized_pnl, m.daily_pnl, m.priced_at, i.liquid_hours, "
    "i.time_zone "
    "FROM ledger_books b JOIN instruments i USING (conid) LEFT JOIN marks m USING (account, conid) "
    "WHERE b.account = :account AND b.broker_quantity <> 0 ORDER BY b.conid"
)


_hours = text(
    "SELECT DISTINCT i.conid, i.liquid_hours, i.time_zone FROM ledger_books b "
    "JOIN instruments i USING (conid) "
    "WHERE b.broker_quantity <> 0 AND i.liquid_hours <> '' ORDER BY i.conid"
)


class _Download(NamedTuple):
    complete: bool
    epoch: int


async def listed_accounts(reader: Reader) -> list[str]:
    """The accounts that a login sees."""
    return [row.account for row in await reader.execute(_listed)]


async def last_known(reader: Reader, account: str) -> LastKnown:
    """What is known of an account. To be read as of one moment."""
    of = {"account": account}
    downloads = {
        row.dataset: _Download(row.complete, row.epoch) for row in await reader.execute(_downloads, of)
    }
    link = (await reader.execute(_link, of)).one_or_none()
    pnl = (await reader.execute(_pnl, of)).one_or_none()
    held = list(await reader.execute(_holdings, of))
    return LastKnown(
        account=account,
        link=None if link is None else LinkWord(*link),
        account_values=downloads.get("account_values"),
        positions=downloads.get("positions"),
        values={
            (row.key, row.currency): AccountValue(row.value, row.as_of, row.epoch)
            for row in await reader.execute(_values, of)
        },
        pnl=None if pnl is None else Figures(*pnl),
        holdings=[Holding(*row[:-2]) for row in held],
        hours={row.conid: (row.liquid_hours, row.time_zone) for row in held},
    )


async def hours_of_holdings(reader: Reader) -> list[tuple[int, str, str]]:
    """Of all that any account holds: conid, trading hours and their zone, where they were ever told."""
    return [(row.conid, row.liquid_hours, row.time_zone) for row in await reader.execute(_hours)]
