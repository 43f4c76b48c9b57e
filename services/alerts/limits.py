"""What is looked at for people's sake alone: limits, the disk, and how the API itself does. Pure."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from core.domain.alerting import Condition, spelled
from core.domain.backups import BackupKind
from core.domain.money import plain
from core.domain.watched import Seen, WatchedPrice
from core.settings import Settings
from models.queries.alerts import DrawdownRow, LimitRow
from models.queries.backups import LastRun

PRICE_STANDS: Final = timedelta(hours=1)
"""How long a price that was met is told of, if nobody could be told of it before."""

ERRORS_WITHIN: Final = timedelta(minutes=5)
FEWEST_REQUESTS: Final = 20
"""Of fewer requests no share is told."""

POOL_LOOKS: Final = 3
"""So many looks in a row must find no connection left."""

BACKUP_AGE: Final = timedelta(days=2)
"""One a day is taken, and one may be missed while the machine is off."""

_DRAWDOWN_AGE: Final = timedelta(days=4)
"""What was measured longer ago, over a long weekend, says nothing of now."""


class Limits(NamedTuple):
    """What its owner set, in percent; ``None``: not wanted."""

    drawdown: Decimal | None
    daily_loss: Decimal | None
    disk: Decimal
    errors: Decimal
    details: bool


def money_limits(seen: Seen, drawdowns: Sequence[DrawdownRow], limits: Limits) -> Iterator[Condition]:
    """Accounts that lost more than is wanted."""
    names = {one.account: one.name for one in seen.accounts}
    for account in seen.accounts:
        loss = _daily_loss(account.net_liquidation, account.daily_pnl)
        if limits.daily_loss is None or loss is None or loss < limits.daily_loss:
            continue
        amount = ""
        if limits.details and account.daily_pnl is not None:
            amount = f" ({plain(account.daily_pnl)} {account.currency or ''})".replace(" )", ")")
        yield Condition(
            id=f"daily_loss:{account.account}",
            kind="daily_loss",
            severity="warning",
            account=account.name,
            summary=f"A loss of {loss:.1f} % since the close before{amount}; the limit is "
            f"{plain(limits.daily_loss)} %",
            remedy="The limit is LOTKEEPER_ALERTS_DAILY_LOSS_PERCENT.",
            since=None,
        )
    for row in drawdowns:
        below = -row.drawdown * 100
        if limits.drawdown is None or below < limits.drawdown or seen.at - row.at > _DRAWDOWN_AGE:
            continue
        yield Condition(
            id=f"drawdown:{row.account}",
            kind="drawdown",
            severity="warning",
            account=names.get(row.account, f"...{row.account[-3:]}"),
            summary=f"{below:.1f} % below its highest; the limit is {plain(limits.drawdown)} %",
            remedy="The limit is LOTKEEPER_ALERTS_DRAWDOWN_PERCENT; performance is measured every hour.",
            since=None,
        )


def _daily_loss(net_liquidation: Decimal | None, daily_pnl: Decimal | None) -> Decimal | None:
    if net_liquidation is None or daily_pnl is None or daily_pnl >= 0:
        return None
    before = net_liquidation - daily_pnl
    return -daily_pnl / before * 100 if before > 0 else None


def newly_met(limits: Iterable[LimitRow], seen: Seen) -> Iterator[tuple[LimitRow, Decimal]]:
    """Limits that the price of now meets, and that price. One in another currency than was asked waits."""
    for limit in limits:
        price = seen.prices.get(limit.conid)
        if limit.met_at is None and price is not None and _meets(limit, price):
            yield limit, price.price


def _meets(limit: LimitRow, price: WatchedPrice) -> bool:
    if price.currency != limit.currency:
        return False
    return price.price >= limit.price if limit.direction == "above" else price.price <= limit.price


def price_conditions(limits: Iterable[LimitRow], now: datetime) -> Iterator[Condition]:
    """Prices that were met a short while ago."""
    for limit in limits:
        if limit.met_at is None or limit.met_price is None or now - limit.met_at > PRICE_STANDS:
            continue
        note = f" ({limit.note})" if limit.note else ""
        yield Condition(
            id=f"price:{limit.id}",
            kind="price",
            severity="warning",
            account=None,
            summary=f"{limit.symbol} is at {plain(limit.met_price)} {limit.currency}, {limit.direction} "
            f"{plain(limit.price)}{note}",
            remedy="It was told once. `lotkeeper alerts price` sets another limit.",
            since=limit.met_at,
        )


def disk_condition(folder: str, used_percent: Decimal | None, limits: Limits) -> Condition | None:
    """The disk that Lotkeeper's data are on; ``None`` percent: it cannot be looked at."""
    if used_percent is not None and used_percent < limits.disk:
        return None
    how, remedy = (
        "cannot be looked at",
        "Look whether it is mounted: what is not there takes no facts either.",
    )
    if used_percent is not None:
        how = f"is {used_percent:.0f} % full"
        remedy = "Make room: once it is full, facts wait in memory and at last at the gateway."
    return Condition(
        id="disk",
        kind="disk",
        severity="error",
        account=None,
        summary=f"The disk of {folder} {how}",
        remedy=remedy,
        since=None,
    )


def backup_conditions(
    runs: Mapping[BackupKind, LastRun], settings: Settings, now: datetime
) -> Iterator[Condition]:
    """Backups and restores on trial that failed, or that nobody made for too long, where they are wanted."""
    wanted: list[tuple[BackupKind, str, timedelta, str]] = []
    if settings.backs_up_daily:
        wanted.append(("backup", "backup", BACKUP_AGE, "`lotkeeper backup create` takes one now."))
        if settings.backup_drill_days:
            # Twice the time, and a day: one may be missed while the machine is off.
            age = timedelta(days=2 * settings.backup_drill_days + 1)
            wanted.append(("drill", "restore on trial", age, "`lotkeeper backup drill` tries one now."))
    if settings.keeps_wal:
        # Of a server of one's own there is neither, and nothing is wanted.
        age = timedelta(days=2 * settings.recovery_base_days + 1)
        kept: dict[BackupKind, str] = {"base": "base backup", "wal": "putting away of WAL"}
        remedy = "Until then no later moment can be brought back: see docs/backup.md."
        wanted += [
            (kind, name, age if kind == "base" else timedelta.max, remedy)
            for kind, name in kept.items()
            if kind in runs
        ]
    for kind, name, longest, remedy in wanted:
        last, why = runs.get(kind), ""
        if last is None:
            summary, since = f"There was no {name} yet", None
        elif last.outcome == "fail":
            summary, since = f"The last {name} failed", last.finished_at
            # What a program said of it may tell of accounts and rows.
            why = (
                f"{last.error} " if last.error and settings.alerts_details else "The worker's log says why. "
            )
        elif last.succeeded_at is not None and now - last.succeeded_at > longest:
            summary, since = f"There was no {name} for {spelled(now - last.succeeded_at)}", last.succeeded_at
        else:
            continue
        # A new installation has none for some hours: that it never comes is another thing than that it fails.
        yield Condition(
            id=f"backup:{kind}",
            kind="no_backup" if last is None else "backup",
            severity="warning" if last is None else "error",
            account=None,
            summary=summary,
            remedy=f"{why}{remedy}",
            since=since,
        )


class Health:
    """How this API process did of late: what it could not answer, and whether it ran out of connections."""

    def __init__(self) -> None:
        self._counts: deque[tuple[datetime, int, int]] = deque()
        self._without = 0

    def conditions(self, seen: Seen, limits: Limits) -> Iterator[Condition]:
        """What stands wrong, as of this look; looks come one after another."""
        self._counts.append((seen.at, seen.requests, seen.failures))
        while len(self._counts) > 1 and seen.at - self._counts[0][0] > ERRORS_WITHIN:
            self._counts.popleft()
        _, requests, failures = self._counts[0]
        asked, failed = seen.requests - requests, seen.failures - failures
        if asked >= FEWEST_REQUESTS and 100 * failed >= limits.errors * asked:
            yield Condition(
                id="api_errors",
                kind="api_errors",
                severity="error",
                account=None,
                summary=f"The API could not answer {failed:,} of the last {asked:,} requests",
                remedy="The API's log says why; `lotkeeper doctor` looks at what it needs.",
                since=None,
            )
        is_taken = seen.connections > 0 and seen.connections_taken >= seen.connections
        self._without = self._without + 1 if is_taken else 0
        if self._without >= POOL_LOOKS:
            yield Condition(
                id="pool",
                kind="pool",
                severity="error",
                account=None,
                summary=f"All {seen.connections} of the API's connections to PostgreSQL are in use",
                remedy="Something asks more than it can have answered; `lotkeeper status` and the log tell "
                "what. Further API processes take a share.",
                since=None,
            )
