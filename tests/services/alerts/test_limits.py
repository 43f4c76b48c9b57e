"""What is looked at for people's sake alone."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast

import pytest

from core.domain.backups import BackupKind, BackupOutcome
from core.domain.watched import Seen, WatchedAccount, WatchedPrice
from core.settings import Profile, load_settings
from models.queries.alerts import DrawdownRow, LimitRow
from models.queries.backups import LastRun
from services.alerts.limits import (
    PRICE_STANDS,
    Health,
    Limits,
    backup_conditions,
    disk_condition,
    money_limits,
    newly_met,
    price_conditions,
)

NOW = datetime(2026, 11, 27, 15, tzinfo=UTC)
LIMITS = Limits(Decimal(10), Decimal(5), disk=Decimal(90), errors=Decimal(5), details=False)
AAPL = 265598


def seen(
    *accounts: WatchedAccount,
    at: datetime = NOW,
    price: WatchedPrice | None = None,
    requests: int = 0,
    failures: int = 0,
    taken: int = 0,
    most: int = 10,
) -> Seen:
    prices = {} if price is None else {AAPL: price}
    return Seen(at, (), accounts, prices, requests, failures, taken, most, markets_open=None)


def account(worth: str | None, pnl: str | None) -> WatchedAccount:
    return WatchedAccount(
        "U1234567",
        "...567",
        None if worth is None else Decimal(worth),
        None if pnl is None else Decimal(pnl),
        "USD",
    )


def found(one: WatchedAccount, limits: Limits, *rows: DrawdownRow) -> Sequence[tuple[str, str | None, str]]:
    return [(c.id, c.account, c.summary) for c in money_limits(seen(one), rows, limits)]


@pytest.mark.parametrize(
    ("worth", "pnl"),
    [
        ("95.01", "-4.99"),  # of 100
        ("105", "5"),
        (None, "-50"),
        ("50", None),
        ("-30", "-20"),  # nothing to lose a share of
    ],
)
def test_a_loss_below_the_limit_or_not_known_is_not_told(worth: str | None, pnl: str | None) -> None:
    assert found(account(worth, pnl), LIMITS) == []


def test_a_loss_of_the_day_is_told_as_a_share_of_what_there_was() -> None:
    assert found(account("95", "-5"), LIMITS) == [
        ("daily_loss:U1234567", "...567", "A loss of 5.0 % since the close before; the limit is 5 %")
    ]
    assert found(account("95", "-5"), LIMITS._replace(daily_loss=None)) == []


def test_the_amount_is_told_to_whoever_wants_details() -> None:
    [(_, _, summary)] = found(account("95", "-5"), LIMITS._replace(details=True))
    assert "(-5 USD)" in summary


def test_a_drawdown_is_told_while_what_was_measured_says_something_of_now() -> None:
    deep = DrawdownRow("U1234567", NOW - timedelta(hours=1), Decimal("-0.1"))
    [told] = found(account("95", "0"), LIMITS, deep)
    assert told == ("drawdown:U1234567", "...567", "10.0 % below its highest; the limit is 10 %")
    assert found(account("95", "0"), LIMITS, deep._replace(drawdown=Decimal("-0.0999"))) == []
    assert found(account("95", "0"), LIMITS, deep._replace(at=NOW - timedelta(days=5))) == []
    assert found(account("95", "0"), LIMITS._replace(drawdown=None), deep) == []


@pytest.mark.parametrize(
    ("direction", "price", "currency", "meets"),
    [
        ("above", "200", "USD", True),
        ("above", "199.99", "USD", False),
        ("below", "200", "USD", True),
        ("below", "200.01", "USD", False),
        ("above", "201", "EUR", False),
    ],
)
def test_a_price_is_met_at_the_limit_or_beyond(
    direction: str, price: str, currency: str, meets: bool
) -> None:
    limit = LimitRow(1, AAPL, "AAPL", "USD", direction, Decimal(200), None, NOW, None, None)  # type: ignore[arg-type]
    now = seen(price=WatchedPrice("AAPL", Decimal(price), currency, NOW))
    assert [met for _, met in newly_met([limit], now)] == ([Decimal(price)] if meets else [])
    assert list(newly_met([limit], seen())) == [], "of what has no live price nothing is met"
    already = limit._replace(met_at=NOW, met_price=Decimal(price))
    assert list(newly_met([already], now)) == []


def test_a_price_that_was_met_stands_for_an_hour() -> None:
    limit = LimitRow(1, AAPL, "AAPL", "USD", "above", Decimal(200), "sell", NOW, NOW, Decimal("200.5"))
    [told] = price_conditions([limit], NOW + PRICE_STANDS)
    assert told.summary == "AAPL is at 200.5 USD, above 200 (sell)"
    assert list(price_conditions([limit], NOW + PRICE_STANDS + timedelta(seconds=1))) == []
    assert list(price_conditions([limit._replace(met_at=None, met_price=None)], NOW)) == []


def test_a_disk_is_full_from_its_limit_on() -> None:
    assert disk_condition("/home", Decimal("89.9"), LIMITS) is None
    told = disk_condition("/home", Decimal(90), LIMITS)
    assert told is not None
    assert (told.severity, told.summary) == ("error", "The disk of /home is 90 % full")


def test_a_disk_that_cannot_be_looked_at_is_not_told_as_full() -> None:
    told = disk_condition("/home", None, LIMITS)
    assert told is not None
    assert (told.severity, told.summary) == ("error", "The disk of /home cannot be looked at")


def looks(health: Health, *counts: tuple[int, int]) -> list[list[str]]:
    return [
        [c.id for c in health.conditions(seen(at=NOW + timedelta(minutes=n), requests=r, failures=f), LIMITS)]
        for n, (r, f) in enumerate(counts)
    ]


def test_failures_are_a_share_of_the_last_five_minutes_and_not_of_ever() -> None:
    many_before = [(1_000_000, 0), (1_000_100, 5)]
    assert looks(Health(), *many_before) == [[], ["api_errors"]]
    assert looks(Health(), (1_000_000, 500), (1_000_100, 504)) == [[], []], "before we looked, or too few"
    assert looks(Health(), (0, 0), (19, 19)) == [[], []], "of so few no share is told"
    gone = [(0, 0), (100, 100), *((100 + n, 100) for n in range(1, 8))]
    assert looks(Health(), *gone)[-1] == []


def test_no_connection_left_must_be_seen_three_times_in_a_row() -> None:
    health = Health()

    def look(taken: int) -> list[str]:
        return [one.id for one in health.conditions(seen(taken=taken), LIMITS)]

    assert [look(10), look(10), look(9), look(10), look(10), look(10), look(0)] == [
        [], [], [], [], [], ["pool"], []
    ]  # fmt: skip


def run(outcome: BackupOutcome, *, days_ago: float, kind: BackupKind = "backup") -> LastRun:
    at = NOW - timedelta(days=days_ago)
    error = None if outcome == "success" else "The disk is full."
    return LastRun(kind, outcome, NOW, error, at, 1)


def backups(profile: Profile, **runs: LastRun) -> dict[str, tuple[str, str]]:
    settings = load_settings(profile=profile)
    found = backup_conditions(cast("dict[BackupKind, LastRun]", runs), settings, NOW)
    return {one.id: (one.kind, one.summary) for one in found}


def test_backups_that_fail_grow_old_or_never_come_are_told_where_they_are_wanted() -> None:
    assert backups("demo") == {}, "the demo takes none"
    good = {"backup": run("success", days_ago=1), "drill": run("success", days_ago=7, kind="drill")}
    assert backups("main", **good) == {}
    assert backups("main") == {
        "backup:backup": ("no_backup", "There was no backup yet"),
        "backup:drill": ("no_backup", "There was no restore on trial yet"),
    }
    old = {"backup": run("success", days_ago=3), "drill": run("success", days_ago=16, kind="drill")}
    assert backups("main", **old) == {
        "backup:backup": ("backup", "There was no backup for 3 d"),
        "backup:drill": ("backup", "There was no restore on trial for 16 d"),
    }
    failed = good | {"backup": run("fail", days_ago=1)}
    assert backups("main", **failed) == {"backup:backup": ("backup", "The last backup failed")}
    wal = {"base": run("success", days_ago=14, kind="base"), "wal": run("success", days_ago=99, kind="wal")}
    assert backups("main", **good, **wal) == {}
    wal = {"base": run("success", days_ago=16, kind="base"), "wal": run("fail", days_ago=1, kind="wal")}
    assert backups("main", **good, **wal) == {
        "backup:base": ("backup", "There was no base backup for 16 d"),
        "backup:wal": ("backup", "The last putting away of WAL failed"),
    }
    settings = load_settings(profile="main")
    [told] = backup_conditions({**good, "backup": run("fail", days_ago=1)}, settings, NOW)  # type: ignore[dict-item]
    assert told.remedy == "The worker's log says why. `lotkeeper backup create` takes one now."
    all_told = settings.model_copy(update={"alerts_details": True})
    [told] = backup_conditions({**good, "backup": run("fail", days_ago=1)}, all_told, NOW)  # type: ignore[dict-item]
    assert told.remedy == "The disk is full. `lotkeeper backup create` takes one now."
