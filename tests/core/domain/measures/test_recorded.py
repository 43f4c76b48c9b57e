"""Rows of statements and of snapshots between them, as one series."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.domain.measures.recorded import (
    Recorded,
    currency_of,
    points_of,
    with_its_beginning,
    without_untold_end,
)
from core.domain.measures.returns import time_weighted_return
from core.domain.measures.series import account_series
from tests.core.domain.measures.building import amount, hour, on

Told = tuple[int, str, str | int, str | int | None]


def row(day: int, source: str, worth: str | int, came: str | int | None, **more: Any) -> Recorded:
    at = on(day)
    fields: dict[str, Any] = {
        "at": at,
        "ends_at": datetime.combine(at, datetime.min.time(), UTC) + timedelta(days=1),
        "source": source,
        "currency": "USD",
        "net_liquidation": Decimal(worth),
        "contribution": amount(came),
        "daily_pnl": None,
        "cash": None,
        "gross": None,
        "quality": "complete",
    }
    return Recorded(**{**fields, **more})


def chain(source: str, *told: tuple[int, int, int | None]) -> list[Recorded]:
    """Rows that each say what was earned since the one before of the same source."""
    rows: list[Recorded] = []
    for day, worth, came in told:
        pnl = None if not rows or came is None else worth - came - rows[-1].net_liquidation
        rows.append(row(day, source, worth, came, daily_pnl=pnl))
    return rows


def came(*rows: Recorded) -> list[tuple[date, Decimal | None]]:
    ordered = sorted(rows, key=lambda one: (one.at, one.source == "snapshot"))
    return [(point.at, point.contribution) for point in points_of(ordered)]


def test_of_each_day_the_statements_row_counts_where_there_is_one() -> None:
    stated = chain("statement", (0, 100, None), (1, 110, 0))
    kept = chain("snapshot", (1, 109, 0), (2, 130, 10))
    points = points_of([stated[0], stated[1], *kept])
    assert [point.net_liquidation for point in points] == [100, 110, 130]
    assert [point.contribution for point in points] == [None, 0, 10]


def test_the_day_of_the_first_deposit_earns_where_it_is_told_that_nothing_was_there_before() -> None:
    first = row(1, "statement", 980, 1_000, daily_pnl=Decimal(-20))
    rows = [first, row(2, "statement", 1_029, 0, daily_pnl=Decimal(49))]
    points = with_its_beginning(rows, points_of(rows))
    assert [(one.at, one.net_liquidation) for one in points] == [(on(0), 0), (on(1), 980), (on(2), 1_029)]
    assert time_weighted_return(account_series(points)).value == pytest.approx(0.98 * 1.05 - 1)
    for other in (
        first._replace(daily_pnl=Decimal(-19)),
        first._replace(daily_pnl=None),
        first._replace(contribution=None),
        first._replace(contribution=Decimal(0), daily_pnl=Decimal(980)),
    ):
        rows = [other, rows[1]]
        assert with_its_beginning(rows, points_of(rows)) == points_of(rows)
    assert with_its_beginning([], []) == []


def test_a_statement_that_spans_days_of_snapshots_does_not_count_their_flows_twice() -> None:
    stated = chain("statement", (0, 100, None), (3, 180, 60))
    kept = chain("snapshot", (0, 101, None), (1, 150, 50), (2, 165, 0))
    assert came(*stated, *kept) == [(on(0), None), (on(1), 50), (on(2), 0), (on(3), 10)]


def test_a_snapshot_that_spans_days_of_statements_does_not_count_their_flows_twice() -> None:
    kept = chain("snapshot", (0, 100, None), (3, 180, 60))
    stated = chain("statement", (0, 100, None), (1, 150, 50), (2, 165, 0))
    assert came(*stated, *kept)[-1] == (on(3), 10)


@pytest.mark.parametrize(
    ("brought", "before", "counts"), [(5, 0, 5), (0, 5, 0), (5, 5, None), (5, None, None)]
)
def test_what_counts_since_a_value_that_is_no_row_is_told_where_nothing_can_count_twice(
    brought: int, before: int | None, counts: int | None
) -> None:
    kept = [row(0, "snapshot", 100, None), row(7, "snapshot", 105, 0), row(8, "snapshot", 105, before)]
    first = row(9, "statement", 112, brought, daily_pnl=Decimal(1))  # since a value that is not listed
    assert came(*kept, first)[-1] == (on(9), counts)


def test_what_the_first_point_has_already_does_not_come_again() -> None:
    first = row(1, "statement", 112, 5, daily_pnl=Decimal(1))  # perhaps since before the snapshot
    assert came(row(0, "snapshot", 105, None), first)[-1] == (on(1), None)


def test_after_days_without_any_row_a_contribution_since_another_value_is_not_known() -> None:
    stated = chain("statement", (0, 100, None), (1, 101, 0))
    later = row(30, "statement", 150, 5, daily_pnl=Decimal(1))
    kept = row(2, "snapshot", 102, 0, daily_pnl=Decimal(1))
    assert came(*stated, kept, later)[-1] == (on(30), None)


def test_a_value_that_is_not_listed_leaves_open_what_came_until_it() -> None:
    stated = chain("statement", (0, 100, None), (7, 101, 0))
    jumped = row(9, "statement", 151, 0, daily_pnl=Decimal(1))  # it was 150 on the day between
    assert came(*stated, row(7, "snapshot", 101, 0), jumped)[-1] == (on(9), None)
    # Over a weekend nothing comes.
    friday, monday = chain("statement", (0, 100, None), (4, 101, 0)), row(7, "statement", 103, 1)
    assert came(*friday, row(4, "snapshot", 101, 0), monday._replace(daily_pnl=Decimal("0.5")))[-1] == (
        on(7),
        1,
    )


def test_where_a_return_stops_being_told_the_contribution_is_not_known() -> None:
    stated = [row(0, "statement", 100, None), row(31, "statement", 150, 0, told=False)]
    assert came(*stated, row(0, "snapshot", 100, 0))[-1] == (on(31), None)


def test_an_account_with_a_new_base_currency_has_a_series_since_then() -> None:
    rows = [
        row(0, "statement", 100, None),
        row(1, "statement", 90, None, currency="EUR"),
        row(2, "statement", 91, 0, currency=None),
        row(3, "statement", 92, 0, currency="EUR"),
    ]
    assert currency_of(rows) == "EUR"
    assert [point.net_liquidation for point in points_of(rows)] == [90, 91, 92]
    assert currency_of([row(0, "statement", 1, 0, currency=None)]) is None
    assert points_of([]) == []


def test_hours_are_told_as_they_are_and_those_of_the_end_wait_for_their_contribution() -> None:
    told = [("100", None), ("101", "0"), ("102", None), ("103", "0"), ("104", None), ("105", None)]
    rows = [
        row(
            0, "snapshot", worth, brought, at=hour(number), quality="estimated" if number == 1 else "complete"
        )
        for number, (worth, brought) in enumerate(told)
    ]
    points = without_untold_end(points_of(rows))
    assert [point.at for point in points] == [hour(number) for number in range(4)]
    assert [point.estimated for point in points] == [False, True, False, False]
    assert time_weighted_return(account_series(points)).reason == "incomplete_data"
    assert len(without_untold_end(points[:1])) == 1
    assert without_untold_end([]) == []
