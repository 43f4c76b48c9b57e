"""Corporate actions: each leg is told with its cause, and those of one action belong together."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from core.domain.stated import StatedEvent
from tests.services.statements.statements import all_of, element, reasons, stated


def action(kind: str, quantity: str, description: str, **changed: str) -> str:
    said = {
        "accountId": "U1",
        "currency": "USD",
        "assetCategory": "STK",
        "symbol": "OLD",
        "conid": "1",
        "multiplier": "1",
        "dateTime": "20230103;202500",
        "reportDate": "20230104",
        "quantity": quantity,
        "amount": "0",
        "proceeds": "0",
        "value": "0",
        "fifoPnlRealized": "0",
        "type": kind,
        "description": description,
        "transactionID": "77",
    }
    return element("CorporateAction", **(said | changed))


NEW = {"conid": "2", "symbol": "NEW"}


def events(*elements: str) -> list[StatedEvent]:
    return all_of(StatedEvent, stated(*elements))


@pytest.mark.parametrize(
    ("kind", "quantity", "description"),
    [
        ("FS", "300", "OLD(US1) SPLIT 4 FOR 1 (OLD, OLD CORP, US1)"),
        ("FS", "300", "OLD(US1) SPLIT 4 FOR 1 (OLD, OLD CORP, US2)"),
        ("RS", "-90", "OLD(US1) SPLIT 1 FOR 10 (OLD, OLD CORP, US1)"),
        ("SD", "5", "OLD(US1) STOCK DIVIDEND 5 FOR 100 (OLD, OLD CORP, US1)"),
        ("HI", "5", "OLD(US1) CHOICE DIVIDEND (OLD, OLD CORP, US1)"),
        ("CS", "300", "a contract's split"),
    ],
)
def test_a_split_changes_the_number_and_not_the_cost(kind: str, quantity: str, description: str) -> None:
    (event,) = events(action(kind, quantity, description))
    assert event == StatedEvent(
        line=1,
        section="CorporateAction",
        account="U1",
        instrument=event.instrument,
        at=datetime(2023, 1, 4, 1, 25, tzinfo=UTC),
        cause="split",
        quantity=Decimal(quantity),
        event_id="77",
        group=event.group,
        kind=kind,
        description=description,
        cash=Decimal(0),
        reported_on=date(2023, 1, 4),
    )


def test_a_split_that_is_told_as_what_went_and_what_came_is_the_difference() -> None:
    gone = action("RS", "-100", "OLD(US1) SPLIT 1 FOR 10 (OLD, OLD CORP, US1)")
    come = action("RS", "10", "OLD(US1) SPLIT 1 FOR 10 (OLD, OLD CORP, US2)")
    (event,) = events(gone, come)
    assert (event.cause, event.quantity) == ("split", -90)


def test_a_split_that_was_taken_back_is_none() -> None:
    description = "OLD(US1) SPLIT 4 FOR 1 (OLD, OLD CORP, US1)"
    assert events(action("FS", "300", description), action("FS", "-300", description)) == []


def test_a_dividend_in_another_company_s_shares_is_no_split() -> None:
    (event,) = events(action("SD", "5", "OLD(US1) STOCK DIVIDEND US2 5 FOR 100 (NEW, NEW CORP, US2)", **NEW))
    assert (event.cause, event.quantity, event.cost) == ("corporate_action", 5, None)


@pytest.mark.parametrize(
    ("kind", "cause", "text"),
    [
        ("RS", "symbol_change", "OLD(US1) SPLIT 1 FOR 10"),
        ("IC", "symbol_change", "OLD(US1) CUSIP/ISIN CHANGE TO (US2)"),
        ("TC", "merger", "OLD(US1) MERGED(Acquisition) WITH US2 1 FOR 10"),
        ("TO", "tender", "OLD(US1) TENDERED TO US2 1 FOR 10"),
    ],
)
@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
@pytest.mark.parametrize("turned", [False, True], ids=["as they come", "turned round"])
def test_what_is_exchanged_goes_with_its_cost(
    kind: str,
    cause: str,
    text: str,
    side: int,
    turned: bool,
) -> None:
    rows = [
        action(kind, str(-100 * side), f"{text} (OLD.OLD, OLD CORP, US1)"),
        action(kind, str(10 * side), f"{text} (NEW, NEW CORP, US2)", **NEW),
    ]
    found = events(*(reversed(rows) if turned else rows))
    left, came = sorted(found, key=lambda one: one.instrument.conid)
    assert (left.cause, left.quantity, left.carried, left.price) == (cause, -100 * side, True, None)
    assert (came.cause, came.quantity, came.carried) == (cause, 10 * side, False)
    assert (came.cost, came.price, came.realized_pnl) == (None, None, None)
    assert left.group == came.group != ""


def test_a_cusip_names_the_same_as_the_isin_that_has_it_in_it() -> None:
    text = "ELAN(US28413U2042) TENDERED TO US28413TEMP2 1 FOR 1"
    left, came = events(
        action("TO", "-557915", f"{text} (ELAN, ELANDIA INTERNATIONAL INC, 28413U204)"),
        action("TO", "557915", f"{text} (ELAN.TEN, ELANDIA - TENDER, 28413TEMP)", **NEW),
    )
    assert (left.carried, came.carried) == (True, False)


def test_an_isin_names_the_same_as_the_cusip_in_it() -> None:
    text = "ELAN(28413U204) TENDERED TO 28413TEMP 1 FOR 1"
    left, came = events(
        action("TO", "557915", f"{text} (ELAN, ELANDIA INTERNATIONAL INC, US28413U2042)"),
        action("TO", "-557915", f"{text} (ELAN.TEN, ELANDIA - TENDER, 28413TEMP)", **NEW),
    )
    assert (left.carried, came.carried) == (True, False), "a short one"


def test_where_no_id_tells_what_left_its_sign_does() -> None:
    left, came = events(
        action("TC", "-100", "a merger", actionID="9"), action("TC", "50", "it", **NEW, actionID="9")
    )
    assert (left.carried, came.carried) == (True, False)
    left, came = events(
        action("TC", "-100", "OLD(US1) MERGED (OLD, OLD CORP, US1)"),
        action("TC", "50", "OLD(US1) MERGED (OLD, OLD CORP, US1)", **NEW),
    )
    assert (left.carried, came.carried) == (True, False), "both bear the same id"


def test_a_merger_for_cash_sells_what_was_held() -> None:
    (event,) = events(
        action(
            "TC",
            "-1000",
            "NILSY.TEN(466992534) MERGED(Voluntary Offer Allocation)  FOR USD 30.60000000 PER SHARE "
            "(NILSY.TEN, MMC NORILSK NICKEL JSC-ADR - TENDER, 466992534)",
            proceeds="30600",
            amount="-30600",
            value="-18110",
            fifoPnlRealized="10315",
        )
    )
    assert (event.cause, event.carried) == ("merger", False)
    assert (event.price, event.realized_pnl) == (Decimal("30.6"), 10315)


def test_where_the_cost_is_stated_the_price_leads_to_the_broker_s_figure() -> None:
    (event,) = events(
        action("TC", "-1000", "a merger", proceeds="30600", fifoPnlRealized="10310", cost="-20285")
    )
    assert event.price == Decimal("30.595")


def test_a_taxable_merger_brings_shares_at_their_worth() -> None:
    text = "OLD(US1) MERGED(Acquisition) WITH US2 1 FOR 2"
    left, came = events(
        action("TC", "-100", f"{text} (OLD, OLD CORP, US1)", fifoPnlRealized="500", value="-1000"),
        action("TC", "50", f"{text} (NEW, NEW CORP, US2)", **NEW, value="1000"),
    )
    assert (left.carried, left.realized_pnl, left.price) == (False, 500, None)
    assert (came.cost, came.price) == (None, 20)


def test_a_spin_off_brings_what_nobody_states_the_cost_of() -> None:
    text = "OLD(US1) SPINOFF  1 FOR 4 (NEW, NEW CORP, US2)"
    (event,) = events(action("SO", "25", text, **NEW, value="1000"))
    assert (event.cause, event.quantity, event.carried) == ("spin_off", 25, False)
    assert (event.cost, event.price) == (None, None)
    (event,) = events(action("SO", "25", text, **NEW, value="1000", costBasis="400"))
    assert event.cost == 400


HELD = element(
    "OpenPosition",
    accountId="U1",
    currency="USD",
    assetCategory="STK",
    symbol="OLD",
    conid="1",
    isin="US1",
    multiplier="1",
    position="100",
    reportDate="20230104",
)


@pytest.mark.parametrize(("said", "taken"), [({"costBasis": "400"}, -400), ({}, None)])
def test_a_spin_off_takes_its_cost_from_what_it_was_part_of(said: dict[str, str], taken: int | None) -> None:
    text = "OLD(US1) SPINOFF  1 FOR 4 (NEW, NEW CORP, US2)"
    came, parent = events(HELD, action("SO", "25", text, **NEW, **said))
    assert (came.instrument.conid, came.quantity) == (2, 25)
    assert (parent.instrument.conid, parent.quantity, parent.cost, parent.cause) == (1, 0, taken, "spin_off")
    assert came.group == parent.group != ""


def test_a_spin_off_in_another_currency_takes_nothing_that_could_be_told() -> None:
    text = "OLD(US1) SPINOFF  1 FOR 4 (NEW, NEW CORP, US2)"
    (event,) = events(HELD, action("SO", "25", text, **NEW, costBasis="400").replace("USD", "EUR"))
    assert event.instrument.conid == 2


def test_an_action_that_is_taken_back_and_booked_again_is_what_it_was_in_the_end() -> None:
    text = "OLD(US1) MERGED(Acquisition) WITH US2 1 FOR 2"
    old, new = f"{text} (OLD, OLD CORP, US1)", f"{text} (NEW, NEW CORP, US2)"
    said = stated(
        action("TC", "-100", old, proceeds="7"),
        action("TC", "50", new, **NEW),
        action("TC", "100", old, proceeds="-7", code="Ca"),
        action("TC", "-50", new, **NEW, code="Ca"),
        action("TC", "-100", old, proceeds="9"),
        action("TC", "40", new, **NEW),
    )
    left, came = all_of(StatedEvent, said)
    assert (left.quantity, left.cash, left.carried, came.quantity) == (-100, 9, True, 40)
    assert reasons(said) == ["cancelled"] * 4


@pytest.mark.parametrize(("code", "left"), [("", 4), ("Ca", 0)])
def test_what_is_given_back_on_a_later_day_was_away_unless_it_is_called_a_cancellation(
    code: str, left: int
) -> None:
    text = "OLD(US1) TENDERED TO US2 1 FOR 1"
    old, new = f"{text} (OLD, OLD CORP, US1)", f"{text} (OLD.TEN, OLD - TENDER, US2)"
    later = {"dateTime": "20230110;202500", "code": code, "actionID": "9"}
    found = events(
        action("TO", "-100", old, actionID="9"),
        action("TO", "100", new, **NEW, actionID="9"),
        action("TO", "100", old, **later),
        action("TO", "-100", new, **(NEW | later)),
    )
    assert len(found) == left


def test_several_things_that_came_say_what_they_are_worth() -> None:
    text = "OLD(US1) MERGED(Acquisition) WITH US2 1 FOR 2, US3 1 FOR 4"
    found = events(
        action("TC", "-100", f"{text} (OLD, OLD CORP, US1)", value="-4000"),
        action("TC", "50", f"{text} (NEW, NEW CORP, US2)", **NEW, value="3000"),
        action("TC", "25", f"{text} (TOO, TOO CORP, US3)", conid="3", symbol="TOO", value="1000"),
    )
    assert [one.market_value for one in found] == [None, 3000, 1000]


def test_rights_that_are_subscribed_bring_shares_for_what_was_paid() -> None:
    text = "OLD.RTS(USR) SUBSCRIBES TO US2 1 FOR 1"
    left, came = events(
        action("SR", "-100", f"{text} (OLD.RTS, OLD CORP - RIGHTS, USR)"),
        action("SR", "100", f"{text} (NEW, NEW CORP, US2)", **NEW, proceeds="-1500"),
    )
    assert (left.carried, came.cost) == (True, 1500)


def test_what_is_delisted_is_worth_nothing() -> None:
    text = "(US1) DELISTED (OLD, OLD CORP, US1)"
    (event,) = events(action("DW", "-100", text, fifoPnlRealized="-2500"))
    assert (event.cause, event.carried, event.price, event.realized_pnl) == (
        "corporate_action",
        False,
        0,
        -2500,
    )


def test_a_bond_that_matures_is_paid_back_in_percent_of_its_face() -> None:
    bond = {"assetCategory": "BOND", "proceeds": "10000", "fifoPnlRealized": "12.5"}
    (event,) = events(action("BM", "-10000", "(US1) BOND MATURITY (T 4, TREASURY, US1)", **bond))
    assert (event.cause, event.price, event.realized_pnl) == ("expiry", 100, Decimal("12.5"))


@pytest.mark.parametrize("quantity", ["0", ""])
def test_a_dividend_in_cash_or_a_vote_changes_no_holding(quantity: str) -> None:
    records = stated(action("CD", quantity, "OLD(US1) CASH DIVIDEND", proceeds="25"))
    assert reasons(records) == ["not_used"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"dateTime": "", "reportDate": ""}, "no_date"),
        ({"conid": ""}, "no_instrument"),
        ({"accountId": "U1,U2"}, "no_account"),
        ({"assetCategory": "OPT", "multiplier": ""}, "no_multiplier"),
    ],
)
def test_a_row_that_says_too_little_is_ignored(changed: dict[str, str], reason: str) -> None:
    assert reasons(stated(action("FS", "300", "OLD(US1) SPLIT", **changed))) == [reason]


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ({"dateTime": "20230103"}, datetime(2023, 1, 4, 1, 25, tzinfo=UTC)),
        ({"dateTime": ""}, datetime(2023, 1, 4, 5, tzinfo=UTC)),
    ],
)
def test_without_an_hour_it_is_when_such_things_are_booked(said: dict[str, str], at: datetime) -> None:
    (event,) = events(action("FS", "300", "a split", **said))
    assert event.at == at


def test_an_action_belongs_to_its_account_and_is_known_by_its_number() -> None:
    one, other = events(
        action("IC", "-100", "x", actionID="9"), action("IC", "100", "y", actionID="9", accountId="U2")
    )
    assert one.group == other.group == "9"
    assert {one.account, other.account} == {"U1", "U2"}
    assert not other.carried


def test_the_description_of_the_action_is_told_rather_than_the_instrument_s() -> None:
    text = "OLD(US1) SPLIT 4 FOR 1 (OLD, OLD CORP, US1)"
    (event,) = events(action("FS", "300", "OLD CORP", actionDescription=text))
    assert event.description == text


def test_sums_are_ignored_beside_what_they_sum() -> None:
    text = "OLD(US1) SPLIT 4 FOR 1 (OLD, OLD CORP, US1)"
    rows = [action("FS", "300", text, levelOfDetail=level) for level in ("DETAIL", "SUMMARY")]
    records = stated(*rows)
    assert [event.quantity for event in all_of(StatedEvent, records)] == [300]
    assert reasons(records) == ["summary_of_other_rows"]
    assert [event.quantity for event in events(rows[1])] == [300]
