"""What is known of the accounts: who they are, what they are worth, how their closed positions ended."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, func, select, text

from core.domain.lots import CostMethod
from core.events.changes import AccountValueChanged
from core.events.facts import PnlReported
from models.queries.statistics import CLOSED, DECIDED, WON, counted_positions
from models.session import Reader, Writer
from models.standing import newest
from models.tables import account_pnl, account_values, broker_accounts, executions, positions

_closed = text(
    newest(
        "stated_accounts s",
        ("account",),
        columns="s.account, s.closed_on",
        where="s.account = ANY(:accounts) AND s.closed_on IS NOT NULL",
    )
)


class AccountRow(NamedTuple):
    """An account that was ever seen. ``listed``: in the last account list of its ``login``.

    ``alias`` is what its owner calls it, else what statements do.
    """

    account: str
    alias: str | None
    base_currency: str | None
    paper: bool
    listed: bool
    last_seen_at: datetime
    cost_method: CostMethod
    login: str | None


class TradeFigures(NamedTuple):
    """``decided``: closed positions with a known result; ``won``: in profit; ``trades``: executions."""

    decided: int = 0
    won: int = 0
    trades: int = 0


def _accounts() -> Select[Any]:
    table = broker_accounts.c
    told: dict[str, ColumnElement[Any]] = {name: table[name] for name in AccountRow._fields}
    told["alias"] = func.coalesce(table.called, table.alias)
    return select(*told.values())


async def accounts(reader: Reader) -> list[AccountRow]:
    """Every account, in the order of their numbers."""
    rows = await reader.execute(_accounts().order_by(broker_accounts.c.account))
    return [AccountRow(*row) for row in rows]


async def account_named(reader: Reader | Writer, account: str) -> AccountRow | None:
    """One account, or ``None``."""
    row = (await reader.execute(_accounts().where(broker_accounts.c.account == account))).one_or_none()
    return None if row is None else AccountRow(*row)


async def closed_on(reader: Reader, accounts: Sequence[str]) -> dict[str, date]:
    """Those of the accounts that were closed, as statements say, and the broker's day on which they were."""
    rows = await reader.execute(_closed, {"accounts": [*accounts]})
    return {row.account: row.closed_on for row in rows}


async def latest_values(reader: Reader, keys: tuple[str, ...]) -> list[AccountValueChanged]:
    """The last known account values of these keys."""
    table = account_values.c
    rows = await reader.execute(
        select(table.account, table.key, table.currency, table.value, table.as_of).where(table.key.in_(keys))
    )
    return [
        AccountValueChanged(
            account=row.account, key=row.key, currency=row.currency, value=row.value, as_of=row.as_of
        )
        for row in rows
    ]


async def latest_pnl(reader: Reader) -> list[PnlReported]:
    """The last known profit-and-loss figures of every account."""
    rows = await reader.execute(select(account_pnl))
    return [
        PnlReported(
            account=row.account,
            daily_pnl=row.daily_pnl,
            unrealized_pnl=row.unrealized_pnl,
            realized_pnl=row.realized_pnl,
            received_at=row.as_of,
        )
        for row in rows
    ]


async def trade_figures(reader: Reader) -> dict[str, TradeFigures]:
    """Counts per account, for the win rate and the number of trades. A corrected execution counts once.

    Which positions are decided and which are won is what the statistics say.
    """
    closed = await reader.execute(
        select(positions.c.account, DECIDED.label("decided"), func.count().filter(WON).label("won"))
        .select_from(counted_positions())
        .where(CLOSED)
        .group_by(positions.c.account)
    )
    found = {row.account: TradeFigures(decided=row.decided, won=row.won) for row in closed}
    traded = await reader.execute(
        select(executions.c.account, func.count().label("trades"))
        .where(executions.c.corrected_by.is_(None), executions.c.quantity != 0)
        .group_by(executions.c.account)
    )
    for row in traded:
        found[row.account] = found.get(row.account, TradeFigures())._replace(trades=row.trades)
    return found
