"""A gain taken apart, held against an account that was kept day by day."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.measures.explained import (
    End,
    Explained,
    Flow,
    Holding,
    Move,
    Reason,
    Replaced,
    Worth,
    explain,
    handed_on,
)
from core.domain.measures.itemized import Grouping, itemized
from tests.core.domain.measures.trading_account import (
    ACME,
    BASE,
    DAX,
    GOLD,
    MERGED,
    RHEIN,
    THINGS,
    Thing,
    TradingAccount,
)

ZERO = Decimal(0)
KINDS: dict[str, Any] = {
    "dividend": "dividends",
    "payment_in_lieu": "dividends",
    "withholding_tax": "dividends",
    "interest": "interest",
    "fee": "fees",
    "tax": "fees",
    "deposit": "external",
    "withdrawal": "external",
    "transfer": "external",
}
BY: tuple[Grouping, ...] = ("instrument", "asset_class", "currency", "kind")


def end_of(account: TradingAccount, day: int) -> End:
    evening = account.evenings[day]
    return End(evening.value, evening.rates, evening.cash)


def worth_of(account: TradingAccount, thing: Thing, day: int) -> Worth:
    evening = account.evenings[day]
    quantity = evening.held.get(thing.conid, ZERO)
    return Worth(quantity, quantity * evening.prices[thing.conid] * thing.points)


def holdings_of(account: TradingAccount, after: int, until: int) -> dict[int, Holding]:
    moves: dict[int, list[Move]] = defaultdict(list)
    for one in account.trades:
        if after < one.day <= until:
            amount = one.quantity * one.price * one.thing.points
            cash = ZERO if one.thing.sec_type == "FUT" else -amount
            rate = account.rate(one.thing.currency, one.day)
            moves[one.thing.conid].append(Move(one.quantity, amount, cash, rate))
    for event in account.changed:
        if after < event.day <= until:
            cash, given_ = event.cash or ZERO, event.value is not None
            amount = event.value if event.value is not None else -cash
            rate = account.rate(event.thing.currency, event.day)
            moves[event.thing.conid].append(Move(event.quantity, amount, cash, rate, given_))
    return {
        thing.conid: Holding(
            *(thing.conid, thing.sec_type, thing.currency),
            *(worth_of(account, thing, day) for day in (after, until)),
            moves[thing.conid],
        )
        for thing in THINGS
    }


def flows_of(account: TradingAccount, after: int, until: int) -> list[Flow]:
    flows = []
    for paid in account.paid:
        if after < paid.day <= until:
            about = (None, None) if paid.thing is None else (paid.thing.conid, paid.thing.sec_type)
            rate = account.rate(paid.currency, paid.day)
            flows.append(Flow(KINDS[paid.kind], paid.amount, paid.currency, rate, *about))
    for one in account.trades:
        if after < one.day <= until:
            rate = account.rate(one.commission_currency, one.day)
            about = (one.thing.conid, one.thing.sec_type)
            flows.append(Flow("fees", -one.commission, one.commission_currency, rate, *about))
    for pair in account.converted:
        if after < pair.day <= until:
            for currency, amount in ((pair.bought, pair.amount), (pair.sold, -pair.paid)):
                rate = account.rate(currency, pair.day)
                flows.append(Flow("fx", amount, currency, rate, counted_to=pair.bought))
    return flows


def attributed(account: TradingAccount, after: int, until: int) -> Explained:
    groups = {one.group: one.day for one in account.changed if one.group and after < one.day <= until}
    replaced = [Replaced(RHEIN.conid, MERGED.conid, account.rate("EUR", day)) for day in groups.values()]
    return explain(
        BASE,
        end_of(account, after),
        end_of(account, until),
        handed_on(holdings_of(account, after, until), replaced).values(),
        flows_of(account, after, until),
    )


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 10**9), days=st.integers(3, 40), start=st.floats(0, 1), end=st.floats(0, 1))
def test_where_all_is_known_nothing_remains_unexplained(
    seed: int, days: int, start: float, end: float
) -> None:
    account = TradingAccount(seed, days)
    after = int(start * (days - 2))
    until = after + 1 + int(end * (days - 2 - after))
    found = attributed(account, after, until)
    assert found.attribution.unexplained == 0
    assert not found.unknown
    assert not found.unclassified
    assert found.contribution == account.contributed(after, until)
    change = account.evenings[until].value - account.evenings[after].value
    for by in BY:
        assert sum(item.total for item in itemized(found.attribution, by)) == change - found.contribution


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9), days=st.integers(3, 40))
def test_each_part_is_what_the_days_came_to(seed: int, days: int) -> None:
    account = TradingAccount(seed, days)
    last = days - 1
    found = attributed(account, 0, last).attribution
    prices: dict[int, Decimal] = defaultdict(lambda: ZERO)
    for part in found.parts:
        if part.kind == "price":
            assert part.conid is not None
            assert part.amount is not None
            prices[RHEIN.conid if part.conid == MERGED.conid else part.conid] += part.amount
    for thing in THINGS[:-1]:
        gain = account.price_gain(0, last)[thing.conid]
        assert prices[thing.conid] == gain * account.rate(thing.currency, last)
    by_kind = {item.key: item.total for item in itemized(found, "kind")}
    for kind in ("dividends", "interest", "fees"):
        paid = [one for one in account.paid if KINDS[one.kind] == kind]
        expected = sum((one.amount * account.rate(one.currency, one.day) for one in paid), ZERO)
        if kind == "fees":
            charged = account.trades
            expected -= sum(
                (one.commission * account.rate(one.commission_currency, one.day) for one in charged), ZERO
            )
        assert by_kind.get(kind, ZERO) == expected


def simple(**changed: Any) -> Holding:
    given_ = {"before": Worth(Decimal(10), Decimal(100)), "after": Worth(Decimal(10), Decimal(110))}
    return Holding(ACME.conid, "STK", "EUR", **{**given_, **changed})


BEFORE = End(Decimal(1000), {"EUR": Decimal(2)}, {"USD": Decimal(800)})
AFTER = End(Decimal(1100), {"EUR": Decimal(3)}, {"USD": Decimal(770)})


@pytest.mark.parametrize(
    ("holding", "before", "reason", "kinds"),
    [
        (simple(after=Worth(Decimal(11), Decimal(121))), BEFORE, "trades_missing", ["price", "fx"]),
        (simple(after=Worth(Decimal(10), None)), BEFORE, "no_mark", ["price", "fx"]),
        (simple(), BEFORE._replace(rates={}), "no_rate", ["price", "fx"]),
        (simple(moves=[Move(ZERO, Decimal(5), ZERO, None)]), BEFORE, "no_rate", ["fx"]),
        (simple(moves=[Move(ZERO, None, ZERO, Decimal(2))]), BEFORE, "not_valued", ["price", "fx"]),
    ],
)
def test_what_is_not_known_is_no_guess_but_remains_unexplained(
    holding: Holding, before: End, reason: Reason, kinds: list[str]
) -> None:
    found = explain(BASE, before, AFTER._replace(cash={"USD": Decimal(800)}), [holding], [])
    assert [(one.part and one.part.kind, one.reason) for one in found.unknown] == [
        (kind, reason) for kind in kinds
    ]
    known = sum((part.amount for part in found.attribution.parts if part.amount is not None), ZERO)
    assert found.attribution.unexplained == 100 - known
    assert not itemized(found.attribution, "instrument")[0].is_complete


def test_cash_that_moved_beyond_what_is_told_is_told_and_no_part() -> None:
    found = explain(BASE, BEFORE, AFTER, [], [])
    assert [(one.currency, one.amount) for one in found.unclassified] == [("USD", -30)]
    assert (found.attribution.parts, found.attribution.unexplained) == ((), 100)


def test_a_flow_of_which_nobody_says_what_it_was_is_told_the_same() -> None:
    found = explain(BASE, BEFORE, AFTER, [], [Flow("other", Decimal(-30), "USD", Decimal(1))])
    assert [(one.currency, one.amount, one.worth) for one in found.unclassified] == [("USD", -30, -30)]


def test_without_balances_it_is_not_known_what_rates_did_to_cash() -> None:
    flow = Flow("interest", Decimal(5), "EUR", Decimal(2))
    found = explain(BASE, BEFORE._replace(cash=None), AFTER, [], [flow])
    assert [(one.part and one.part.kind, one.reason) for one in found.unknown] == [("fx", "cash_not_told")]


def test_a_commission_that_never_came_is_not_nothing() -> None:
    flow = Flow("fees", None, "USD", Decimal(1), ACME.conid, "STK")
    found = explain(BASE, BEFORE, AFTER, [], [flow])
    assert [(one.part and one.part.kind, one.reason) for one in found.unknown] == [
        ("fees", "commission_awaited")
    ]
    [item] = itemized(found.attribution, "instrument")
    assert (item.amounts, item.total, item.is_complete) == ({"fees": None}, 0, False)


@pytest.mark.parametrize("rate", [None, Decimal(2)])
def test_what_was_brought_and_cannot_be_valued_leaves_the_contribution_unknown(rate: Decimal | None) -> None:
    flow = Flow("external", None if rate else Decimal(5), "EUR", rate)
    found = explain(BASE, BEFORE, AFTER, [], [flow])
    assert [one.reason for one in found.unknown if one.part is None] == ["contribution_not_known"]
    assert found.attribution.gain == 100


@pytest.mark.parametrize("future", [GOLD, DAX])
def test_what_an_open_future_gained_may_be_in_cash_or_not(future: Thing) -> None:
    """A snapshot's cash lacks what it gained since it was settled, which is in what the account is worth."""
    holding = Holding(
        *(future.conid, "FUT", future.currency),
        *(Worth(Decimal(1), Decimal(1000)), Worth(Decimal(1), Decimal(1100))),
    )
    rates = {"EUR": Decimal(2)}
    worth = 100 * rates.get(future.currency, 1)
    before, after = End(Decimal(500), rates, {"USD": ZERO}), End(Decimal(500 + worth), rates, {"USD": ZERO})
    found = explain(BASE, before, after, [holding], [])
    assert (found.attribution.unexplained, found.unclassified) == (0, ())


def test_what_is_accrued_is_earned_before_it_is_paid() -> None:
    before = End(Decimal(100), {}, {"USD": Decimal(90)}, {"interest": Decimal(3), "dividends": Decimal(7)})
    after = End(Decimal(102), {}, {"USD": Decimal(97)}, {"interest": Decimal(5), "dividends": ZERO})
    flow = Flow("dividends", Decimal(7), "USD", Decimal(1), ACME.conid, "STK")
    found = explain(BASE, before, after, [], [flow]).attribution
    assert found.unexplained == 0
    assert {item.key: item.total for item in itemized(found, "kind")} == {"interest": 2, "dividends": 0}


def test_items_stand_by_the_size_of_their_total() -> None:
    flows = [
        Flow("interest", Decimal(1), "USD", Decimal(1)),
        Flow("fees", Decimal(-5), "USD", Decimal(1)),
        Flow("dividends", Decimal(3), "USD", Decimal(1), ACME.conid, "STK"),
    ]
    found = explain(BASE, BEFORE, AFTER, [], flows).attribution
    assert [item.key for item in itemized(found, "kind")] == ["fees", "dividends", "interest"]
    assert [item.key for item in itemized(found, "instrument")] == ["CASH.USD", "1"]
    assert [item.key for item in itemized(found, "asset_class")] == ["CASH", "STK"]


def test_what_closed_futures_gained_is_in_cash() -> None:
    rate = Decimal(2)
    moves = [Move(Decimal(1), Decimal(1000), ZERO, rate), Move(Decimal(-1), Decimal(-1100), ZERO, rate)]
    nothing = Worth(ZERO, ZERO)
    holding = Holding(DAX.conid, "FUT", "EUR", nothing, nothing, moves)
    before = End(ZERO, {"EUR": rate}, {"EUR": ZERO})
    after = End(Decimal(200), {"EUR": rate}, {"EUR": Decimal(100)})
    found = explain(BASE, before, after, [holding], [])
    assert (found.attribution.unexplained, found.unclassified) == (0, ())
    # A snapshot's cash has it once the broker settles.
    late = explain(BASE, before, after._replace(cash={"EUR": ZERO}, settled=False), [holding], [])
    assert (late.attribution.unexplained, late.unclassified) == (0, ())


def test_what_came_for_a_merged_share_goes_on_with_what_was_put_into_that() -> None:
    """Bought for 100, worth 80 when it left for the new one and 5 in cash, which came to 90."""
    nothing, rate = Worth(ZERO, ZERO), Decimal(2)
    left = [
        Move(Decimal(10), Decimal(100), Decimal(-100), rate),
        Move(Decimal(-10), Decimal(-5), Decimal(5), rate),
    ]
    came = [Move(Decimal(20), ZERO, ZERO, rate)]
    held = {
        RHEIN.conid: Holding(RHEIN.conid, "STK", "EUR", nothing, nothing, left),
        MERGED.conid: Holding(MERGED.conid, "STK", "EUR", nothing, Worth(Decimal(20), Decimal(90)), came),
    }
    ends = End(ZERO, {"EUR": rate}), End(ZERO, {"EUR": rate})
    found = explain(BASE, *ends, handed_on(held, [Replaced(RHEIN.conid, MERGED.conid, rate)]).values(), [])
    prices = {part.conid: part.amount for part in found.attribution.parts if part.kind == "price"}
    assert prices == {RHEIN.conid: 0, MERGED.conid: (90 - 95) * 2}
