"""Transfers: holdings come with their cost where it is known and go with theirs, money is a flow."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from core.domain.stated import StatedCashFlow, StatedEvent
from tests.services.statements.statements import all_of, element, reasons, stated


def transfer(name: str = "Transfer", **changed: str) -> str:
    said = {
        "accountId": "U1",
        "currency": "USD",
        "assetCategory": "STK",
        "symbol": "FMTIF",
        "conid": "1",
        "multiplier": "1",
        "date": "20230103",
        "type": "ACATS",
        "direction": "IN",
        "account": "12345678",
        "quantity": "100",
        "transferPrice": "0",
        "positionAmount": "1150",
        "pnlAmount": "0",
        "cashTransfer": "0",
        "transactionID": "5",
    }
    return element(name, **(said | changed))


def events(*elements: str) -> list[StatedEvent]:
    return all_of(StatedEvent, stated(*elements))


def test_what_comes_is_there_when_the_day_begins_and_what_leaves_goes_at_its_end() -> None:
    came, left = events(transfer(), transfer(direction="OUT", conid="2", quantity="-100"))
    assert (came.cause, came.quantity, came.carried) == ("transfer", 100, False)
    assert (left.cause, left.quantity, left.carried) == ("transfer", -100, True)
    assert came.at == datetime(2023, 1, 3, 5, tzinfo=UTC)
    assert left.at == datetime(2023, 1, 4, 1, 29, tzinfo=UTC)
    (timed,) = events(transfer(dateTime="20230103;093000"))
    assert timed.at == datetime(2023, 1, 3, 14, 30, tzinfo=UTC)
    assert (timed.event_id, timed.kind) == ("5", "ACATS")


@pytest.mark.parametrize(
    ("said", "quantity", "carried"),
    [
        ({"direction": "OUT", "quantity": "100"}, -100, True),
        ({"direction": "OUT", "quantity": "-100"}, -100, True),
        ({"direction": "IN", "quantity": "-100"}, -100, False),
        ({"direction": "--", "quantity": "-100"}, -100, True),
        ({"direction": "", "quantity": "100"}, 100, False),
    ],
)
def test_the_direction_gives_the_sign(said: dict[str, str], quantity: int, carried: bool) -> None:
    (event,) = events(transfer(**said))
    assert (event.quantity, event.carried) == (quantity, carried)


@pytest.mark.parametrize(
    ("said", "cost"),
    [
        ({}, None),
        ({"costBasis": "900"}, "900"),
        ({"costBasis": "900", "pnlAmount": "150"}, "900"),
        ({"pnlAmount": "150"}, "1000"),
        ({"pnlAmount": "-150"}, "1300"),
        ({"pnlAmount": "150", "positionAmount": ""}, None),
        ({"quantity": "-100", "costBasis": "900"}, "-900"),
        ({"direction": "OUT", "pnlAmount": "150"}, None),
    ],
)
def test_a_cost_is_stated_or_what_it_was_worth_less_its_gain(said: dict[str, str], cost: str | None) -> None:
    (event,) = events(transfer(**said))
    assert event.cost == (None if cost is None else Decimal(cost))
    assert event.price is None


def test_lots_tell_the_cost_of_the_whole_and_nothing_else() -> None:
    lots = [
        transfer("TransferLot", quantity="40", costBasis="300"),
        transfer(quantity="60", costBasis="700", levelOfDetail="LOT"),
    ]
    for rows in ([transfer(), *lots], [*lots, transfer()]):
        records = stated(*rows)
        (event,) = all_of(StatedEvent, records)
        assert (event.quantity, event.cost) == (100, 1000)
        assert reasons(records) == ["summary_of_other_rows"] * 2
    (event,) = events(transfer(costBasis="900"), *lots)
    assert event.cost == 900
    (event,) = events(transfer(), lots[0])
    assert event.cost is None, "not all of it"
    (event,) = events(transfer(), lots[0], transfer("TransferLot", quantity="60"))
    assert event.cost is None


def test_lots_alone_are_what_came() -> None:
    found = events(
        transfer("TransferLot", quantity="40", costBasis="300"), transfer("TransferLot", quantity="60")
    )
    assert [(event.quantity, event.cost) for event in found] == [(40, 300), (60, None)]


def test_the_two_ends_of_a_transfer_between_accounts_of_ours_belong_together() -> None:
    out, into = events(
        transfer(type="INTERNAL", direction="OUT", account="U2"),
        transfer(type="INTERNAL", accountId="U2", account="U1"),
    )
    assert out.group == into.group == "U1/U2"
    assert {(out.account, out.quantity), (into.account, into.quantity)} == {("U1", -100), ("U2", 100)}


@pytest.mark.parametrize(
    ("said", "amount"),
    [
        ({"cashTransfer": "500"}, 500),
        ({"cashTransfer": "-500"}, -500),
        ({"cashTransfer": "500", "direction": "OUT"}, -500),
        ({"cashTransfer": "-500", "direction": "OUT"}, -500),
    ],
)
def test_money_is_a_flow(said: dict[str, str], amount: int) -> None:
    records = stated(
        transfer(**{"assetCategory": "CASH", "conid": "", "symbol": "--", "quantity": "0"} | said)
    )
    (flow,) = all_of(StatedCashFlow, records)
    assert (flow.kind, flow.amount, flow.currency, flow.transaction_id) == ("transfer", amount, "USD", "5")
    assert all_of(StatedEvent, records) == []
    assert reasons(records) == []


def test_a_row_may_move_both_holdings_and_money() -> None:
    records = stated(transfer(cashTransfer="500"))
    assert [one.amount for one in all_of(StatedCashFlow, records)] == [500]
    assert [one.quantity for one in all_of(StatedEvent, records)] == [100]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"date": ""}, "no_date"),
        ({"date": "", "quantity": "0", "cashTransfer": "5"}, "no_date"),
        ({"quantity": "0"}, "no_quantity"),
        ({"conid": ""}, "no_instrument"),
        ({"accountId": "U1,U2"}, "no_account"),
        ({"assetCategory": "FUT", "multiplier": ""}, "no_multiplier"),
    ],
)
def test_a_row_that_says_too_little_is_ignored(changed: dict[str, str], reason: str) -> None:
    assert reasons(stated(transfer(**changed))) == [reason]
