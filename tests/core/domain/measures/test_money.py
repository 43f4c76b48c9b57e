"""Returns on the money that was there, how it is placed, and where a change in it came from."""

from datetime import date, timedelta
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.measures.attribution import Part, PartKind, Traded, attribute, price_and_fx
from core.domain.measures.holdings import (
    cash_drag,
    cash_share,
    concentration,
    exposure,
    gross_exposure,
    turnover,
)
from core.domain.measures.money_weighted import modified_dietz_return, money_weighted_return
from core.domain.measures.points import Point
from core.domain.measures.returns import time_weighted_return
from core.domain.measures.series import account_series
from core.domain.pnl import EXACT
from tests.core.domain.measures.building import amount, days, hour, hours, on


def yearly(*payments: tuple[int, int], value: int, start: int) -> list[Point]:
    """A value at first and one at last, and what was taken (below zero) or brought at years between."""
    points = [Point(date(2020, 1, 1), Decimal(start))]
    for year, came in payments:
        points.append(Point(date(2020, 1, 1) + timedelta(days=365 * year), None, Decimal(came)))
    last = points[-1].at + timedelta(days=365)
    return [*points, Point(last, Decimal(value))]


def test_money_that_was_withdrawn_weighs_no_more() -> None:
    """-100, 60 after a year, 60 after two: 13.07 % (by the quadratic formula)."""
    found = money_weighted_return(account_series(yearly((1, -60), value=60, start=100))).value
    assert found is not None
    assert found.value == pytest.approx(1 / ((-60 + (3600 + 24000) ** 0.5) / 120) - 1)
    assert found.is_annualised


def test_payments_with_two_rates_have_none() -> None:
    """Both 10 % and 20 % make -100, 230 and -132 worth nothing."""
    found = money_weighted_return(account_series(yearly((1, -230), value=-132, start=100)))
    assert (found.value, found.reason) == (None, "several_roots")


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (yearly((1, -150), value=-100, start=100), "no_root"),
        (yearly(value=0, start=100), "no_root"),
        (yearly(value=0, start=0), "no_root"),
        (yearly(value=-10, start=100), "no_root"),
        ([Point(on(0), Decimal(1))], "too_few_points"),
        ([Point(on(0), Decimal(1)), Point(on(1), Decimal(2), None)], "incomplete_data"),
        ([Point(hour(0), Decimal(1)), Point(hour(0), Decimal(2), Decimal(1))], "too_few_points"),
    ],
    ids=["no rate", "all lost", "nothing", "more than all lost", "one point", "unknown flow", "one instant"],
)
def test_where_no_rate_can_be_told_the_reason_is(points: list[Point], reason: str) -> None:
    found = money_weighted_return(account_series(points))
    assert (found.value, found.reason) == (None, reason)


def test_hours_are_counted_as_hours() -> None:
    """A deposit of as much after six of twelve hours, when 10 % had been gained; nothing after that."""
    found = money_weighted_return(hours(*["100"] * 6, ("210", "100"), *["210"] * 6)).value
    assert found is not None
    assert not found.is_annualised
    root = (-1 + (1 + 4 * 2.1) ** 0.5) / 2  # x² + x = 2.1, x being the growth of six hours
    assert found.value == pytest.approx(root**2 - 1)


def test_of_one_day_all_three_returns_are_one() -> None:
    series = days("100", ("220", "100"))
    found = money_weighted_return(series).value
    assert found is not None
    assert found.value == pytest.approx(0.1)
    assert modified_dietz_return(series).value == pytest.approx(0.1)
    assert time_weighted_return(series).value == pytest.approx(0.1)


def test_modified_dietz_weighs_each_flow_by_the_days_that_it_was_there() -> None:
    points = [Point(on(0), Decimal(100)), *(Point(on(number), None) for number in range(1, 10))]
    points[3] = Point(on(3), None, Decimal(50))
    points[6] = Point(on(6), None, Decimal(-20))
    points.append(Point(on(10), Decimal(140)))
    found = modified_dietz_return(account_series(points)).value
    assert found == pytest.approx(10 / (100 + 50 * 8 / 10 - 20 * 4 / 10))


def test_modified_dietz_has_nothing_to_say_of_debts() -> None:
    assert modified_dietz_return(days("-100", "-90")).reason == "negative_capital"
    assert modified_dietz_return(days("100")).reason == "too_few_points"
    assert modified_dietz_return(days("100", ("9", None))).reason == "incomplete_data"


flows = st.lists(st.integers(-400, 400), min_size=1, max_size=12)


@given(flows, st.integers(1, 3_000))
def test_a_rate_that_is_told_makes_the_payments_worth_nothing(came: list[int], left: int) -> None:
    points = [Point(on(0), Decimal(1_000))]
    points += [Point(on(7 * number), None, Decimal(one)) for number, one in enumerate(came, 1)]
    last = on(7 * len(came) + 7)
    found = money_weighted_return(account_series([*points, Point(last, Decimal(left))]))
    span = (last - on(0)).days
    payments = [
        (0, -1_000),
        *((7 * number - (one > 0), -one) for number, one in enumerate(came, 1)),
        (span, left),
    ]
    if found.value is None:
        assert _roots(payments, 20) > 1 if found.reason == "several_roots" else _roots(payments, 9) == 0
        return
    rate = np.log1p(found.value.value) / span
    worth = [amount * np.exp(-rate * day) for day, amount in payments]
    assert sum(worth) == pytest.approx(0, abs=1e-6 * sum(map(abs, worth)))


def _roots(payments: list[tuple[int, int]], widest: int) -> int:
    """How often their worth changes its sign, over growths of the whole time from e^-widest to e^widest."""
    logs = np.linspace(-widest, widest, 4_001) / payments[-1][0]
    signs = np.sign(sum(amount * np.exp(-logs * day) for day, amount in payments))
    return int(np.count_nonzero(signs[1:] != signs[:-1]))


def test_exposure_is_long_and_short_of_the_accounts_value() -> None:
    found = exposure([Decimal(80), Decimal(-30), Decimal(20)], Decimal(200)).value
    assert found == (Decimal("0.5"), Decimal("-0.15"), Decimal("0.65"), Decimal("0.35"))
    assert exposure([], Decimal(1)).value == (0, 0, 0, 0)
    assert exposure([None], Decimal(1)).reason == exposure([], None).reason == "incomplete_data"
    assert exposure([Decimal(1)], Decimal(0)).reason == "negative_capital"


def test_concentration_is_of_shares_whichever_way_they_are_held() -> None:
    found = concentration(
        {"AAPL": Decimal(50), "MSFT": Decimal(-25), "IBM": Decimal(25), "GE": Decimal(0)}
    ).value
    assert found == (Decimal("0.375"), Decimal("0.5"), "AAPL")
    assert concentration({}).reason == "no_holdings"
    assert concentration({1: Decimal(0)}).reason == "no_holdings"
    assert concentration({1: None}).reason == "incomplete_data"


def test_turnover_is_the_lesser_of_purchases_and_sales() -> None:
    assert turnover(Decimal(50), Decimal(30), Decimal(100)).value == Decimal("0.3")
    assert turnover(None, Decimal(30), Decimal(100)).reason == "incomplete_data"
    assert turnover(Decimal(1), Decimal(1), Decimal(0)).reason == "negative_capital"


def placed(*told: tuple[str, str | None, str]) -> list[Point]:
    return [
        Point(on(number), Decimal(worth), Decimal(came), cash=amount(cash), gross=Decimal(worth))
        for number, (worth, cash, came) in enumerate(told)
    ]


def test_cash_that_earns_nothing_drags() -> None:
    """Half is cash, and what is invested gains a tenth."""
    series = account_series(placed(("100", "50", "0"), ("105", "50", "0")))
    assert cash_drag(series).value == pytest.approx(0.05 - 0.1)
    assert cash_share(series).value == pytest.approx(0.5)
    assert gross_exposure(series).value == 1
    borrowed = account_series(placed(("100", "-100", "0"), ("120", "-100", "0")))
    assert cash_drag(borrowed).value == pytest.approx(0.2 - 0.1)


def test_a_deposit_is_cash_until_it_is_invested() -> None:
    series = account_series(placed(("100", "0", "0"), ("210", "100", "100")))
    assert cash_drag(series).value == pytest.approx(0.05 - 0.1)


def test_before_anything_was_there_nothing_lay_idle_and_there_is_no_share() -> None:
    began = [
        Point(on(0), Decimal(0), cash=Decimal(0), gross=Decimal(0)),
        Point(on(1), Decimal(98), Decimal(100), cash=Decimal(49), gross=Decimal(49)),
        Point(on(2), Decimal(98), cash=Decimal(49), gross=Decimal(49)),
    ]
    series = account_series(began)
    assert cash_share(series).value == gross_exposure(series).value == 0.5
    assert cash_drag(series).value == 0
    assert cash_share(account_series(began[:2])).reason == "too_few_points"


def test_where_cash_is_not_known_or_all_there_is_no_drag_is_told() -> None:
    assert cash_drag(account_series(placed(("1", None, "0"), ("2", "1", "0")))).reason == "incomplete_data"
    assert cash_share(account_series(placed(("1", None, "0"), ("2", "1", "0")))).reason == "incomplete_data"
    assert cash_drag(account_series(placed(("1", "1", "0"), ("2", "2", "0")))).reason == "negative_capital"
    assert cash_drag(account_series(placed(("1", "1", "0"), ("1", "1", "0")))).value == 0
    assert cash_share(account_series(placed(("0", "1", "0"), ("2", "1", "0")))).reason == "negative_capital"
    assert cash_share(days("1")).reason == cash_drag(days("1")).reason == "too_few_points"


money = st.decimals(-(10**9), 10**9, places=4)
kinds = st.sampled_from(["price", "dividends", "interest", "fees", "fx"])
parts = st.builds(
    Part,
    kinds,
    st.none() | money,
    st.none() | st.integers(1, 4),
    st.none() | st.just("STK"),
    st.sampled_from(["USD", "EUR"]),
)


@given(money, money, money, st.lists(parts))
def test_parts_and_what_they_leave_unexplained_are_the_gain_to_the_last_digit(
    before: Decimal, after: Decimal, came: Decimal, told: list[Part]
) -> None:
    found = attribute(before, after, came, told)
    assert found is not None
    assert found.gain == after - before - came
    for key in (
        lambda part: part.conid,
        lambda part: part.asset_class,
        lambda part: part.currency,
        lambda part: part.kind,
    ):
        assert sum(found.by(key).values()) + found.unexplained == found.gain
    assert found.unknown == tuple(part for part in told if part.amount is None)


def test_of_an_unknown_change_no_parts_are_told() -> None:
    assert attribute(None, Decimal(1), Decimal(0), []) is None
    assert attribute(Decimal(1), None, Decimal(0), []) is None
    assert attribute(Decimal(1), Decimal(1), None, []) is None


def test_a_part_without_an_amount_is_unexplained_and_not_zero() -> None:
    kind: PartKind = "price"
    found = attribute(Decimal(100), Decimal(110), Decimal(0), [Part(kind, None, 1, "STK", "USD")])
    assert found is not None
    assert (found.unexplained, found.by(lambda part: part.conid)) == (10, {})


def test_a_holding_gains_by_its_price_and_by_its_currency() -> None:
    """100 become 110 in their currency, while that goes from 0.9 to 0.8; 20 more were bought at 0.85."""
    price, fx = price_and_fx(
        Decimal(100), Decimal("0.9"), Decimal(130), Decimal("0.8"), [Traded(Decimal(20), Decimal("0.85"))]
    )
    assert (price, fx) == (Decimal(8), Decimal(-11))
    assert price + fx == Decimal(130) * Decimal("0.8") - 90 - 20 * Decimal("0.85")


rates = st.decimals(Decimal("0.00001"), 1000, places=6)


@given(money, rates, money, rates, st.lists(st.builds(Traded, money, rates)))
def test_price_and_currency_are_the_change_in_base_value_exactly(
    before: Decimal, rate_before: Decimal, after: Decimal, rate_after: Decimal, traded: list[Traded]
) -> None:
    price, fx = price_and_fx(before, rate_before, after, rate_after, traded)
    put_in = sum((one.amount * one.rate for one in traded), Decimal(0))
    with localcontext(EXACT):
        assert price + fx == after * rate_after - before * rate_before - put_in
