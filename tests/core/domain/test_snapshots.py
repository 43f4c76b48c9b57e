"""What an account was worth, worked out of what the broker told last."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.freshness import is_complete, value_reason
from core.domain.snapshot_runs import hour_of, is_due, outcome
from core.domain.snapshots import (
    AccountValue,
    Figures,
    Holding,
    LastKnown,
    LinkWord,
    refusal,
    snapshot_key,
    valuation,
)

NOW = datetime(2026, 11, 20, 15, 0, 1, tzinfo=UTC)
LIVE = LinkWord("up", "up", "live", "", 7, timedelta(seconds=1), timedelta())
FLUSH = timedelta(seconds=5)


class Told(NamedTuple):
    complete: bool = True
    epoch: int = 7


def value(text: str, *, epoch: int = 7, as_of: datetime = NOW) -> AccountValue:
    return AccountValue(text, as_of, epoch)


def holding(
    conid: int = 1,
    quantity: str = "10",
    price: str | None = "5",
    worth: str | None = "50",
    **fields: Any,
) -> Holding:
    held = Decimal(quantity)
    known: dict[str, Any] = {
        "conid": conid,
        "sec_type": "STK",
        "currency": "USD",
        "point_value": Decimal(1),
        "quantity": held,
        "average_cost": Decimal(4),
        "mark_quantity": held,
        "market_price": None if price is None else Decimal(price),
        "market_value": None if worth is None else Decimal(worth),
        "unrealized_pnl": None,
        "daily_pnl": None,
        "priced_at": NOW,
    }
    return Holding(**(known | fields))


def known(*holdings: Holding, **fields: Any) -> LastKnown:
    told: dict[str, Any] = {
        "account": "DU1",
        "link": LIVE,
        "account_values": Told(),
        "positions": Told(),
        "values": {
            ("NetLiquidation", "USD"): value("1000"),
            ("ExchangeRate", "EUR"): value("1.25"),
            ("ExchangeRate", "USD"): value("1"),
        },
        "pnl": None,
        "holdings": holdings,
    }
    return LastKnown(**(told | fields))


def test_a_value_counted_for_another_quantity_is_reckoned_from_the_price() -> None:
    (one,) = valuation(known(holding(quantity="12", mark_quantity=Decimal(10))), NOW).positions
    assert (one.market_value, one.fresh) == (Decimal(60), True)
    (one,) = valuation(known(holding(quantity="12", mark_quantity=Decimal(10), price=None)), NOW).positions
    assert (one.market_value, one.fresh) == (None, False)


def test_prices_in_minor_units_and_multipliers_are_part_of_the_value() -> None:
    (one,) = valuation(
        known(holding(quantity="1000", price="72.4", worth=None, point_value=Decimal("0.01"))), NOW
    ).positions
    assert one.market_value == Decimal("724.000")


@pytest.mark.parametrize("kind", ["STK", "BOND", "FUND", "CRYPTO"])
def test_a_mark_of_zero_is_none_where_nothing_is_ever_worth_nothing(kind: str) -> None:
    valued = valuation(known(holding(price="0", worth="0", sec_type=kind)), NOW)
    (one,) = valued.positions
    assert (one.mark_price, one.market_value, one.market_value_base, one.fresh) == (None, None, None, False)
    assert valued.coverage == 0


def test_an_option_can_be_worth_nothing() -> None:
    valued = valuation(known(holding(price="0", worth="0", sec_type="OPT")), NOW)
    (one,) = valued.positions
    assert (one.mark_price, one.market_value_base, one.fresh, valued.coverage) == (0, 0, True, 1)


def test_a_mark_that_is_not_a_number_is_none() -> None:
    valued = valuation(known(holding(price="NaN", worth="NaN"), holding(2)), NOW)
    assert [one.market_value_base for one in valued.positions] == [None, 50]
    # It weighs what it had cost.
    assert valued.coverage == Decimal("0.555556")


def test_a_currency_without_a_rate_has_no_value_in_the_base_currency_and_lowers_the_coverage() -> None:
    valued = valuation(known(holding(), holding(2, currency="CHF"), holding(3, currency="EUR")), NOW)
    assert [one.market_value_base for one in valued.positions] == [50, None, Decimal("62.50")]
    assert [one.market_value for one in valued.positions] == [50, 50, 50]
    # What it weighs nobody knows: as much as the others on average.
    assert valued.coverage == Decimal("0.666667")
    assert [(rate.currency, rate.rate) for rate in valued.rates] == [("EUR", Decimal("1.25"))]


@pytest.mark.parametrize("told", ["0", "-1", "NaN", "", "1.7976931348623157E308"])
def test_a_rate_that_is_no_positive_number_is_none(told: str) -> None:
    values = {("NetLiquidation", "USD"): value("1000"), ("ExchangeRate", "EUR"): value(told)}
    valued = valuation(known(holding(currency="EUR"), values=values), NOW)
    assert (valued.positions[0].market_value_base, valued.rates, valued.coverage) == (None, (), 0)


def test_an_old_mark_is_kept_with_its_time_and_not_covered() -> None:
    old = NOW - timedelta(seconds=211)
    valued = valuation(known(holding(), holding(2, worth="150", priced_at=old)), NOW)
    assert [(one.market_value, one.fresh) for one in valued.positions] == [(50, True), (150, False)]
    assert valued.coverage == Decimal("0.25")


def test_a_mark_of_a_time_to_come_is_not_of_now() -> None:
    ahead = NOW + timedelta(hours=1)
    assert valuation(known(holding(priced_at=ahead)), NOW).coverage == 0


def test_nothing_held_is_covered_and_currency_pairs_are_cash() -> None:
    assert valuation(known(), NOW).coverage == 1
    pair = holding(sec_type="CASH", priced_at=None)
    assert valuation(known(pair, holding(2)), NOW).coverage == 1


def test_net_liquidation_is_the_brokers_own_in_whatever_base_currency() -> None:
    values = {
        ("NetLiquidation", "USD"): value("1000", epoch=6),
        ("NetLiquidation", "EUR"): value("800"),
        ("NetLiquidation", "BASE"): value("1"),
        ("ExchangeRate", "USD"): value("0.8"),
        ("CashBalance", "BASE"): value("5"),
        ("CashBalance", "USD"): value("NaN"),
    }
    valued = valuation(known(holding(), values=values), NOW)
    assert (valued.base_currency, valued.net_liquidation) == ("EUR", 800)
    assert valued.positions[0].market_value_base == Decimal("40.0")
    assert [(one.currency, one.cash) for one in valued.cash] == [("BASE_SUMMARY", 5)]


def test_figures_of_profit_that_are_old_are_not_taken() -> None:
    figures = Figures(Decimal(1), Decimal(2), None, NOW)
    assert valuation(known(pnl=figures), NOW).pnl == figures
    assert valuation(known(pnl=figures._replace(as_of=NOW - timedelta(minutes=4))), NOW).pnl is None


def test_the_time_of_a_snapshot_is_the_brokers() -> None:
    link = LIVE._replace(clock_offset=timedelta(seconds=-30))
    assert valuation(known(link=link), NOW).asof_ts == NOW - timedelta(seconds=30)


@pytest.mark.parametrize(
    ("silent", "is_taken"), [(timedelta(seconds=12), True), (timedelta(seconds=13), False), (None, False)]
)
def test_a_link_that_does_not_beat_is_down(silent: timedelta | None, is_taken: bool) -> None:
    refused = refusal(known(link=LIVE._replace(silent=silent)), NOW, flush=FLUSH)
    assert (refused is None) == is_taken


def test_a_value_is_taken_up_to_its_cadence() -> None:
    for seconds, is_taken in ((210, True), (211, False)):
        values = {("NetLiquidation", "USD"): value("1", as_of=NOW - timedelta(seconds=seconds))}
        assert (refusal(known(values=values), NOW, flush=FLUSH) is None) == is_taken


def test_an_account_of_which_nothing_was_downloaded_is_not_taken() -> None:
    for name in ("account_values", "positions"):
        for told in (None, Told(complete=False), Told(epoch=6)):
            assert refusal(known(**{name: told}), NOW, flush=FLUSH) == ("network", f"incomplete: {name}")


def test_only_the_first_download_must_be_of_this_connection() -> None:
    assert is_complete([Told(), Told(epoch=1), None], 7)
    assert not is_complete([Told(), Told(complete=False)], 7)
    assert not is_complete([None], 7)
    assert value_reason(None, NOW) == "incomplete"


def test_a_run_is_due_again_after_ever_longer_waits() -> None:
    minutes = [1, 2, 5, 10, 10, 10]
    for attempts, wait in enumerate(minutes, 1):
        until = NOW + timedelta(minutes=wait)
        assert not is_due("fail", attempts, NOW, until - timedelta(seconds=1))
        assert is_due("partial", attempts, NOW, until)
    assert not is_due("success", 1, NOW, NOW + timedelta(days=1))
    assert is_due("running", 11, None, NOW)
    assert not is_due("running", 12, None, NOW), "it ends whoever is at it"
    assert is_due("fail", 1, NOW, NOW - timedelta(seconds=1)), "the clock was set back"


def test_a_run_without_any_account_has_failed() -> None:
    assert [outcome(0, 0), outcome(0, 2), outcome(1, 1), outcome(2, 0)] == [
        "fail",
        "fail",
        "partial",
        "success",
    ]


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001 - a zone is added
def test_an_hour_is_the_same_seen_from_any_zone(moment: datetime, minutes: int) -> None:
    there = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes)))
    hour = hour_of(there)
    assert timedelta() <= there - hour < timedelta(hours=1)
    assert (hour.tzinfo, hour.minute, hour.second, hour.microsecond) == (UTC, 0, 0, 0)


def test_keys_go_on_over_the_turn_of_the_year() -> None:
    hours = [datetime(2026, 12, 31, 23, tzinfo=UTC) + timedelta(hours=number) for number in range(2)]
    assert [snapshot_key("U1", hour, 5) for hour in hours] == ["U1/2026-12-31T23Z", "U1/2027-01-01T00Z"]
    assert snapshot_key("U1", None, 5) == "U1/run-5"


@given(
    st.lists(
        st.tuples(
            st.decimals(-10000, 10000, places=2),
            st.one_of(st.none(), st.decimals(-100, 100, places=2)),
            st.sampled_from(["USD", "EUR", "CHF"]),
            st.sampled_from(["STK", "OPT", "FUT", "CASH"]),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_coverage_is_a_share_and_nothing_unknown_is_ever_zero(rows: list[tuple[Any, ...]]) -> None:
    holdings = [
        holding(
            number,
            str(quantity or 1),
            price=None if price is None else str(price),
            worth=None,
            currency=currency,
            sec_type=kind,
            priced_at=NOW if fresh else None,
        )
        for number, (quantity, price, currency, kind, fresh) in enumerate(rows)
    ]
    valued = valuation(known(*holdings), NOW)
    assert 0 <= valued.coverage <= 1
    counted = [one for one in valued.positions if one.holding.sec_type != "CASH"]
    if all(one.fresh and one.market_value_base is not None for one in counted):
        assert valued.coverage == 1
    for one in valued.positions:
        if one.holding.market_price is None or one.holding.currency == "CHF":
            assert one.market_value_base is None
