from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from core.domain.fills import Report, effective_fills

START = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


def report(
    base: str,
    revision: int,
    quantity: str,
    commission: str | None = None,
    *,
    seconds: int = 0,
    currency: str = "USD",
    rate: str | None = None,
) -> Report:
    return Report(
        START + timedelta(seconds=seconds),
        base,
        revision,
        f"{base}.{revision:02}",
        Decimal(quantity),
        Decimal(10),
        None if commission is None else Decimal(commission),
        None if commission is None else currency,
        None if rate is None else Decimal(rate),
    )


def test_a_correction_replaces_quantity_and_price_and_its_commission_is_a_difference() -> None:
    (fill,) = effective_fills([report("a", 2, "1", "0.3333", seconds=9), report("a", 1, "2", "1")], "USD")
    assert (fill.exec_id, fill.quantity, fill.commission) == ("a.02", 1, Decimal("1.3333"))
    assert fill.executed_at == START
    assert fill.complete


def test_three_revisions_count_once() -> None:
    (fill,) = effective_fills([report("a", n, str(n), "1") for n in (3, 1, 2)], "USD")
    assert (fill.exec_id, fill.quantity, fill.commission) == ("a.03", 3, 3)


def test_a_correction_whose_own_commission_is_awaited_is_incomplete() -> None:
    (fill,) = effective_fills([report("a", 1, "2", "1"), report("a", 2, "1")], "USD")
    assert (fill.commission, fill.complete) == (1, False)


def test_a_commission_in_another_currency_is_not_mixed_in() -> None:
    (fill,) = effective_fills([report("a", 1, "2", "1", currency="EUR")], "USD")
    assert (fill.commission, fill.complete) == (None, False)
    (fill,) = effective_fills([report("a", 1, "2", "1", currency="EUR"), report("a", 2, "2", "0.5")], "USD")
    assert (fill.commission, fill.complete) == (Decimal("0.5"), False)


def test_a_commission_in_another_currency_counts_with_its_recorded_rate_rounded_to_ten_places() -> None:
    (fill,) = effective_fills([report("a", 1, "2", "1.5", currency="EUR", rate="1.0837215333")], "USD")
    assert (fill.commission, fill.complete) == (Decimal("1.6255823000"), True)
    (rebate,) = effective_fills([report("a", 1, "2", "-0.33", currency="EUR", rate="1.1")], "USD")
    assert rebate.commission == Decimal("-0.363")


def test_a_corrections_difference_is_converted_with_the_rate_of_its_own() -> None:
    revisions = [
        report("a", 1, "2", "1", currency="EUR", rate="1.1"),
        report("a", 2, "2", "-0.5", currency="EUR", rate="1.2"),
        report("a", 3, "2", "0.25"),
    ]
    (fill,) = effective_fills(revisions, "USD")
    assert (fill.commission, fill.complete) == (Decimal("0.75"), True)


@pytest.mark.parametrize(
    ("charged_in", "traded_in", "rate"), [("", "USD", None), ("USD", "", None), ("", "", None), ("", "", "1")]
)
def test_an_empty_currency_is_not_the_same_as_any_other(
    charged_in: str, traded_in: str, rate: str | None
) -> None:
    (fill,) = effective_fills([report("a", 1, "2", "1", currency=charged_in, rate=rate)], traded_in)
    assert (fill.commission, fill.complete) == (None, False)


def test_fills_stand_in_order_of_time_then_id() -> None:
    fills = effective_fills([report("c", 1, "1"), report("b", 1, "1"), report("a", 1, "1", seconds=1)], "USD")
    assert [fill.base_id for fill in fills] == ["b", "c", "a"]
