from datetime import UTC, datetime, timedelta
from decimal import Decimal

from core.domain.rate_history import HOLDS_FOR, RateHistory, ToldRate

AT = datetime(2026, 11, 20, tzinfo=UTC)


def told(days: float, currency: str, into: str, rate: str) -> ToldRate:
    return ToldRate(AT + timedelta(days=days), currency, into, Decimal(rate))


def test_the_last_rate_before_a_moment_counts_for_a_week_and_none_after_it() -> None:
    rates = RateHistory("USD", [told(1, "EUR", "USD", "1.2"), told(0, "EUR", "USD", "1.1")])
    assert rates.at("EUR", AT - timedelta(seconds=1)) is None
    assert rates.at("EUR", AT) == Decimal("1.1")
    assert rates.at("EUR", AT + timedelta(hours=23)) == Decimal("1.1")
    assert rates.at("EUR", AT + timedelta(days=1) + HOLDS_FOR) == Decimal("1.2")
    assert rates.at("EUR", AT + timedelta(days=1, seconds=1) + HOLDS_FOR) is None


def test_a_rate_serves_both_ways_and_no_third_currency_is_reckoned_over() -> None:
    rates = RateHistory("EUR", [told(0, "EUR", "USD", "1.25"), told(0, "USD", "GBP", "0.8")])
    assert rates.at("USD", AT) == Decimal("0.8")
    assert rates.at("EUR", AT) == 1
    assert rates.at("GBP", AT) is None
    assert rates.at(None, AT) is None


def test_a_rate_that_is_none_is_not_used() -> None:
    rates = RateHistory("USD", [told(0, "EUR", "USD", "0"), told(0, "USD", "JPY", "1E+30")])
    assert (rates.at("EUR", AT), rates.at("JPY", AT)) == (None, None)


def test_the_nearest_rate_may_be_of_later_and_is_at_most_a_week_away() -> None:
    rates = RateHistory("USD", [told(0, "EUR", "USD", "1.1"), told(2, "EUR", "USD", "1.2")])

    def nearest(days: float) -> Decimal | None:
        found = rates.nearest("EUR", AT + timedelta(days=days))
        return None if found is None else found.rate

    assert [nearest(days) for days in (-7, -1, 0, 1, 1.1, 2, 9)] == list(
        map(Decimal, ("1.1", "1.1", "1.1", "1.1", "1.2", "1.2", "1.2"))
    )
    assert (nearest(-7.1), nearest(9.1), rates.nearest("GBP", AT)) == (None, None, None)


def test_all_that_was_told_of_a_currency_keeps_its_time_and_who_told_it() -> None:
    one = told(0, "EUR", "USD", "1.1")._replace(source="statement")
    rates = RateHistory("USD", [told(1, "USD", "EUR", "0.8"), one])
    assert [*rates.currencies] == ["EUR"]
    assert [*rates.told("EUR")] == [
        (Decimal("1.1"), AT, "statement"),
        (Decimal("1.25"), AT + timedelta(days=1), None),
    ]
    assert rates.told("GBP") == ()
