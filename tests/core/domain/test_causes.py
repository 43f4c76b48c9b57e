from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.causes import Adjustment, Conclusion, Watch, conclude, has_expired, missed_a_day
from core.domain.episodes import Cause
from core.domain.instruments import Instrument

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SHARES = Instrument(conid=1, symbol="ACME", sec_type="STK", currency="USD")
NEW_YORK = ZoneInfo("America/New_York")


def option(right: str = "C", strike: str = "50", *, conid: int = 2, expiry: str = "20261218") -> Instrument:
    return Instrument(
        conid=conid,
        symbol="ACME",
        sec_type="OPT",
        currency="USD",
        multiplier=Decimal(100),
        expiry=expiry,
        strike=Decimal(strike),
        right=right,
    )


def adjustment(
    instrument: Instrument,
    before: str,
    after: str,
    *,
    account: str = "U1",
    hours: float = 0,
    average: str | None = None,
    cost: str | None = None,
    missed: bool = False,
    confirmed: Cause | None = None,
) -> Adjustment:
    known = None if cost is None else Decimal(cost)
    return Adjustment(
        account,
        instrument,
        NOON + timedelta(hours=hours),
        Decimal(before),
        Decimal(after),
        None if average is None else Decimal(average),
        known,
        known,
        missed,
        confirmed,
    )


EXERCISED = Conclusion("exercise_or_assignment", None, carried=True)


@pytest.mark.parametrize(
    ("right", "contracts", "shares", "strike", "cost", "price"),
    [
        ("C", ("1", "0"), ("-100", "0"), "50", "201", "52.01"),  # long call covers a short
        ("C", ("-1", "0"), ("100", "0"), "50", "-249", "52.49"),  # covered call
        ("P", ("1", "0"), ("100", "0"), "50", "251", "47.49"),  # protective put
        ("P", ("-1", "0"), ("-100", "0"), "50", "-249", "47.51"),  # short put covers a short
    ],
)
def test_shares_that_go_for_an_option_went_at_its_strike_with_the_premium_in_it(
    right: str, contracts: tuple[str, str], shares: tuple[str, str], strike: str, cost: str, price: str
) -> None:
    leg = adjustment(option(right, strike), *contracts, cost=cost)
    underlying = adjustment(SHARES, *shares, hours=2)
    assert conclude([leg, underlying]) == [EXERCISED, Conclusion("exercise_or_assignment", Decimal(price))]


def test_shares_that_come_for_an_option_have_the_brokers_cost_and_need_no_price() -> None:
    leg, shares = adjustment(option(), "1", "0", cost="201"), adjustment(SHARES, "0", "100", average="52.01")
    assert conclude([shares, leg]) == [Conclusion("exercise_or_assignment"), EXERCISED]
    untold = adjustment(SHARES, "0", "100")
    assert conclude([untold, leg])[0].price == Decimal("52.01")


def test_what_an_option_cost_that_nobody_knows_leaves_the_price_unknown() -> None:
    found = conclude([adjustment(option(), "-1", "0"), adjustment(SHARES, "100", "0")])
    assert found == [EXERCISED, Conclusion("exercise_or_assignment", None)]


@pytest.mark.parametrize(
    "shares",
    [
        adjustment(SHARES, "0", "-100"),  # the other side
        adjustment(SHARES, "0", "99"),
        adjustment(SHARES, "0", "100", account="U2"),
        adjustment(SHARES, "0", "100", hours=25),
        adjustment(Instrument(conid=9, symbol="ACME", sec_type="STK", currency="EUR"), "0", "100"),
        adjustment(Instrument(conid=9, symbol="ACME", sec_type="FUT", currency="USD"), "0", "100"),
        adjustment(SHARES, "0", "100", confirmed="transfer"),
    ],
)
def test_shares_that_do_not_match_make_no_exercise(shares: Adjustment) -> None:
    assert all(
        one.cause != "exercise_or_assignment" for one in conclude([adjustment(option(), "1", "0"), shares])
    )


def test_an_option_that_was_bought_is_not_one_that_was_exercised() -> None:
    assert conclude([adjustment(option(), "-1", "-2"), adjustment(SHARES, "0", "100")])[0].cause is None


def test_several_options_make_one_change_of_the_shares_together_and_others_stay_out_of_it() -> None:
    legs = [
        adjustment(option(strike="50", conid=2), "2", "0", cost="402"),
        adjustment(option(strike="55", conid=3), "1", "0", cost="101"),
        adjustment(option(strike="60", conid=4, expiry="20261120"), "4", "0", cost="44"),
    ]
    found = conclude([*legs, adjustment(SHARES, "0", "300", average="53.7")])
    assert [one.cause for one in found] == [
        "exercise_or_assignment",
        "exercise_or_assignment",
        "expiry",
        "exercise_or_assignment",
    ]


def test_an_option_on_a_future_makes_one_future_of_each_and_none_that_ends_before_it() -> None:
    def future(expiry: str, conid: int) -> Instrument:
        return Instrument(
            conid=conid,
            symbol="ES",
            sec_type="FUT",
            currency="USD",
            multiplier=Decimal(50),
            expiry=expiry,
        )

    leg = adjustment(
        Instrument(
            conid=7,
            symbol="ES",
            sec_type="FOP",
            currency="USD",
            multiplier=Decimal(50),
            expiry="20261218",
            strike=Decimal(5000),
            right="C",
        ),
        "2",
        "0",
        cost="1000",
    )
    found = conclude(
        [leg, adjustment(future("20261120", 5), "0", "2"), adjustment(future("20261218", 6), "0", "2")]
    )
    # 5000 + 1000 / (2 × 50)
    assert found == [EXERCISED, Conclusion(), Conclusion("exercise_or_assignment", Decimal(5010))]


@pytest.mark.parametrize(
    ("before", "after", "cost", "average", "is_split"),
    [
        ("10", "30", "300", "10", True),
        ("10", "15", "300", "20", True),
        ("100", "4", "200", "50", True),
        ("-10", "-20", "-300", "15", True),
        ("20", "21", "210", "10", True),
        ("10", "30", "300", "10.01", False),
        ("10", "-30", "300", "10", False),
        ("0", "30", "0", "0", False),
        ("1013", "1217", "1217", "1", False),
        ("10", "30", None, "10", False),
        ("10", "30", "300", None, False),
    ],
)
def test_a_split_is_a_simple_ratio_of_shares_that_cost_in_all_what_they_did(
    before: str, after: str, cost: str | None, average: str | None, is_split: bool
) -> None:
    (found,) = conclude([adjustment(SHARES, before, after, cost=cost, average=average)])
    assert (found.cause == "split") is is_split
    (found,) = conclude([adjustment(option(), before, after, cost=cost, average=average)])
    assert found.cause != "split"


def test_a_transfer_goes_from_one_account_of_ours_to_another_and_pairs_once() -> None:
    out, into = adjustment(SHARES, "10", "4"), adjustment(SHARES, "1", "7", account="U2", hours=3)
    later = adjustment(SHARES, "0", "6", account="U3", hours=9)
    assert conclude([into, out, later]) == [
        Conclusion("transfer"),
        Conclusion("transfer", None, carried=True),
        Conclusion(),
    ]
    elsewhere = Instrument(conid=99, symbol="ACME", sec_type="STK", currency="USD")
    for other in (
        adjustment(SHARES, "1", "7"),
        adjustment(SHARES, "1", "8", account="U2"),
        adjustment(SHARES, "1", "7", account="U2", hours=25),
        adjustment(elsewhere, "1", "7", account="U2"),
    ):
        assert conclude([out, other]) == [Conclusion(), Conclusion()]


def test_what_expired_ended_worthless_but_for_a_future() -> None:
    gone = option(expiry="20261120")
    future = Instrument(conid=5, symbol="GC", sec_type="FUT", currency="USD", expiry="202610")
    stays = adjustment(gone, "5", "2")
    assert conclude([adjustment(gone, "-5", "0"), adjustment(future, "1", "0"), stays]) == [
        Conclusion("expiry", Decimal(0)),
        Conclusion("expiry", None),
        Conclusion(),
    ]


def test_of_two_options_that_end_together_only_the_assigned_one_brings_shares() -> None:
    short, long = option("P", "40"), option("P", "35", conid=3)
    gone = [adjustment(short, "-1", "0", cost="-250"), adjustment(long, "1", "0", cost="90")]
    ended = [one._replace(at=datetime(2026, 12, 19, 7, tzinfo=UTC)) for one in gone]
    shares = adjustment(SHARES, "0", "100", average="37.5")._replace(at=ended[0].at)
    assert conclude([*ended, shares]) == [
        EXERCISED,
        Conclusion("expiry", Decimal(0)),
        Conclusion("exercise_or_assignment"),
    ]


def test_a_part_assigned_and_the_rest_expired_is_no_exercise_and_a_fraction_paid_in_cash_no_split() -> None:
    options = adjustment(option("P", "40"), "-5", "0")._replace(at=datetime(2026, 12, 19, 7, tzinfo=UTC))
    shares = adjustment(SHARES, "0", "300", average="37.5")._replace(at=options.at)
    assert conclude([options, shares]) == [Conclusion("expiry", Decimal(0)), Conclusion()]
    assert conclude([adjustment(SHARES, "15", "22", average="13.3333333", cost="300")]) == [Conclusion()]


def test_a_dividend_that_was_reinvested_is_no_split() -> None:
    assert conclude([adjustment(SHARES, "20", "21", average="30.5", cost="600")]) == [Conclusion()]


@pytest.mark.parametrize(
    ("expiry", "at", "expired"),
    [
        ("20261120", "2026-11-20T21:14Z", False),  # winter: 16:14 in New York
        ("20261120", "2026-11-20T21:15Z", True),
        ("20260717", "2026-07-17T20:14Z", False),  # summer: 16:14 in New York
        ("20260717", "2026-07-17T20:15Z", True),
        ("202611", "2026-11-30T12:00Z", False),
        ("202611", "2026-12-01T00:00Z", True),
        ("202612", "2026-12-31T21:15Z", True),
        ("202612", "2026-12-31T21:14Z", False),
        ("20260231", "2027-01-01T00:00Z", False),
        ("202613", "2030-01-01T00:00Z", False),
        ("", "2030-01-01T00:00Z", False),
        ("MAR26", "2030-01-01T00:00Z", False),
    ],
)
def test_a_contract_has_expired_once_its_last_day_is_over_in_new_york(
    expiry: str, at: str, expired: bool
) -> None:
    assert has_expired(option(expiry=expiry), datetime.fromisoformat(at)) is expired


def test_what_nothing_explains_was_missed_if_it_could_be_and_is_unexplained_otherwise() -> None:
    assert conclude([adjustment(SHARES, "1", "2", missed=True), adjustment(SHARES, "1", "2")]) == [
        Conclusion("missed_executions"),
        Conclusion(),
    ]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


@pytest.mark.parametrize(
    ("until", "since", "missed"),
    [
        ("2026-11-20T18:00", "2026-11-21T08:00", True),
        ("2026-11-20T08:00", "2026-11-20T23:00", False),
        ("2026-11-19T23:59", "2026-11-20T00:01", True),
    ],
)
def test_fills_are_missed_for_good_where_the_brokers_midnight_passed_without_a_connection(
    until: str, since: str, missed: bool
) -> None:
    watches = [
        Watch("one", at("2026-11-18T00:00"), at(until), NEW_YORK),
        Watch("one", at(since), at("2026-11-30T00:00"), NEW_YORK),
    ]
    assert missed_a_day(watches, at("2026-11-18T12:00"), at("2026-11-22T00:00")) is missed
    # Neither what happened before the gap nor what the broker told before it ended.
    assert not missed_a_day(watches, at("2026-11-22T00:00"), at("2026-11-23T00:00"))
    assert not missed_a_day(watches, at("2026-11-18T12:00"), at("2026-11-18T13:00"))
    assert not missed_a_day(
        [watches[0], watches[1]._replace(line="two")], at("2026-11-18T12:00"), at("2026-11-22T00:00")
    )


def test_a_gap_that_began_on_the_day_it_ended_for_this_book_hides_nothing() -> None:
    watches = [
        Watch("one", at("2026-11-18T00:00"), at("2026-11-19T18:00"), NEW_YORK),
        Watch("one", at("2026-11-20T10:00"), at("2026-11-30T00:00"), NEW_YORK),
    ]
    # The broker told of the former quantity within the gap (a statement of that time, say).
    assert not missed_a_day(watches, at("2026-11-20T01:00"), at("2026-11-20T11:00"))


quantities = st.integers(-3, 3).map(lambda number: Decimal(number * 100))
adjustments = st.builds(
    lambda instrument, account, before, delta, hours, missed: Adjustment(
        account,
        instrument,
        NOON + timedelta(hours=hours),
        before,
        before + delta,
        None,
        None,
        None,
        missed,
    ),
    st.sampled_from([SHARES, option("C"), option("P", conid=3), option("C", conid=4, expiry="20261101")]),
    st.sampled_from(["U1", "U2"]),
    quantities,
    quantities.filter(bool),
    st.integers(0, 40),
    st.booleans(),
)


@given(st.lists(adjustments, max_size=6))
def test_each_gets_one_cause_that_its_kind_allows_and_a_transfer_has_two_ends(some: list[Adjustment]) -> None:
    found = conclude(some)
    assert len(found) == len(some)
    for one, why in zip(some, found, strict=True):
        if why.cause == "split":
            assert one.instrument.sec_type == "STK"
        if why.cause == "expiry":
            assert (one.instrument.sec_type, one.after) == ("OPT", 0)
        if why.carried:
            assert one.shrinks
            assert why.cause in {"transfer", "exercise_or_assignment"}
        if why.cause is None:
            assert not one.missed
    moved = [one.delta for one, why in zip(some, found, strict=True) if why.cause == "transfer"]
    assert sum(moved, Decimal(0)) == 0
    assert len(moved) % 2 == 0
