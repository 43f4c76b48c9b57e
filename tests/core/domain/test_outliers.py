"""What is out of line is found by what it does not move itself."""

from datetime import timedelta
from decimal import Decimal
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.outliers import NORMAL, is_split, outliers, spread
from core.domain.rules import Tolerance, spelled_time

FIGURES = st.lists(st.decimals(min_value=-1000, max_value=1000, places=4), min_size=1, max_size=60)


@given(FIGURES)
def test_the_spread_is_the_median_and_the_median_deviation(values: list[Decimal]) -> None:
    usual = spread(values)
    middle = median(values)
    assert usual.median == middle
    assert usual.deviation == NORMAL * median([abs(one - middle) for one in values])


@given(FIGURES, st.decimals(min_value=-1000, max_value=1000, places=2))
def test_moving_every_value_alike_changes_nothing(values: list[Decimal], by: Decimal) -> None:
    asked = {"times": Decimal(3), "least": Decimal("0.01"), "fewest": 1}
    assert outliers(values, **asked) == outliers([one + by for one in values], **asked)


def test_one_wild_value_is_found_though_it_would_hide_in_a_standard_deviation() -> None:
    values = [Decimal(number % 5) for number in range(25)] + [Decimal(40)]
    assert outliers(values, times=Decimal(8), least=Decimal(1), fewest=20) == [25]


def test_of_few_values_nothing_is_unusual() -> None:
    values = [Decimal(0)] * 18 + [Decimal(99)]
    assert outliers(values, times=Decimal(8), least=Decimal(1), fewest=20) == []
    assert outliers([*values, Decimal(0)], times=Decimal(8), least=Decimal(1), fewest=20) == [18]


def test_a_series_that_never_moves_makes_nothing_of_a_small_move() -> None:
    values = [Decimal(0)] * 30 + [Decimal("0.9"), Decimal("1.1")]
    assert outliers(values, times=Decimal(8), least=Decimal(1), fewest=20) == [31]


@pytest.mark.parametrize(
    ("held_before", "held", "before", "price", "splits"),
    [
        (10, 40, 400, 101, True),
        (40, 10, 100, 396, True),
        (-10, -20, 50, 25, True),
        (10, 10, 400, 100, False),
        (10, 20, 400, 400, False),
        (10, -20, 400, 200, False),
        (10, 0, 400, 100, False),
    ],
)
def test_a_split_changes_units_and_price_and_not_what_it_is_worth(
    held_before: int, held: int, before: int, price: int, splits: bool
) -> None:
    told = map(Decimal, (held_before, held, before, price))
    assert is_split(*told) is splits


def test_a_tolerance_is_a_number_or_a_time() -> None:
    number, time = Tolerance("n", Decimal("0.010"), ""), Tolerance("t", timedelta(hours=36), "")
    assert (number.spelled, number.number, time.spelled, time.time) == (
        "0.01",
        Decimal("0.010"),
        "36 h",
        timedelta(hours=36),
    )
    assert spelled_time(timedelta(minutes=5)) == "5 min"
    with pytest.raises(TypeError, match="is a time"):
        _ = time.number
    with pytest.raises(TypeError, match="is a number"):
        _ = number.time
