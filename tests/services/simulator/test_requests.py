from decimal import Decimal

import pytest

from services.simulator import requests

APPLE = ["265598", "AAPL", "STK", "", "0.0", "", "", "SMART", "", "USD", "AAPL", "NMS"]
CONTRACT = requests.Contract(265598, "AAPL", "STK", "", Decimal(0), "", "USD", "AAPL")
BAG = ["0", "AAPL", "BAG", "", "", "", "", "SMART", "", "USD", "", ""]
COMBO = requests.Contract(0, "AAPL", "BAG", "", Decimal(0), "", "USD", "")


@pytest.mark.parametrize(
    ("fields", "request_"),
    [
        (["71", "2", "28", ""], requests.StartApi(28)),
        (["49", "1"], requests.CurrentTime()),
        (["17", "1"], requests.ManagedAccounts()),
        (["8", "1", "1"], requests.NextIds()),
        (["61", "1"], requests.Positions(subscribe=True)),
        (["64", "1"], requests.Positions(subscribe=False)),
        (["6", "2", "1", "A"], requests.AccountUpdates(subscribe=True, account="A")),
        (["6", "2", "0", ""], requests.AccountUpdates(subscribe=False, account="")),
        (["76", "1", "4", "A", "", "1"], requests.AccountUpdatesMulti(4, "A", ledger_only=True)),
        (["77", "1", "4"], requests.AccountUpdatesMulti(4, None)),
        (["74", "1", "4", "A", ""], requests.PositionsMulti(4, "A")),
        (["75", "1", "4"], requests.PositionsMulti(4, None)),
        (["62", "1", "4", "All", "NetLiquidation"], requests.AccountSummary(4, "NetLiquidation")),
        (["63", "1", "4"], requests.AccountSummary(4, None)),
        (["92", "4", "A", ""], requests.Pnl(4, "A")),
        (["93", "4"], requests.Pnl(4, None)),
        (["94", "4", "A", "", "7"], requests.PnlSingle(4, "A", 7)),
        (["95", "4"], requests.PnlSingle(4, None)),
        (
            ["7", "3", "4", "0", "A", "", "AAPL", "STK", "", "BUY"],
            requests.Executions(4, 0, "A", "", "AAPL", "STK", "", "BUY"),
        ),
        (["5", "1"], requests.OpenOrders()),
        (["16", "1"], requests.OpenOrders()),
        (["15", "1", "1"], requests.OpenOrders(answered=False)),
        (["99", "0"], requests.CompletedOrders()),
        (["9", "8", "4", *APPLE, "0", "", "", ""], requests.ContractDetails(4, CONTRACT)),
        (
            ["20", "4", *APPLE, "0", "", "1 min", "1 D", "1", "TRADES", "2", "0", ""],
            requests.HistoricalData(4, CONTRACT, "", "1 min", "1 D", 2),
        ),
        (["25", "1", "4"], requests.Cancelled()),
        (["1", "11", "4", *APPLE, "0", "", "1", "0", ""], requests.MarketData(4, CONTRACT, snapshot=True)),
        (["1", "11", "4", *APPLE, "1", "9", "0.5", "1", "", "0", "0", ""], requests.MarketData(4, CONTRACT)),
        (
            ["1", "11", "4", *BAG, "1", "7", "1", "BUY", "X", "0", "", "1", "0", ""],
            requests.MarketData(4, COMBO, snapshot=True),
        ),
        (["2", "2", "4"], requests.MarketData(4, None)),
        (["59", "1", "3"], requests.Cancelled()),
        (["3", "17", "265598"], requests.Trading(17)),
        (["4", "1", "17", ""], requests.Trading(17)),
        (["58", "1"], requests.Trading(-1)),
        (["4242", "1"], requests.Unknown("4242")),
        ([], requests.Unknown("")),
    ],
)
def test_a_request_is_read_from_its_fields(fields: list[str], request_: requests.Request) -> None:
    assert requests.decode(fields) == request_


@pytest.mark.parametrize(
    "fields", [["7", "3"], ["92", "x", "A"], ["9", "8", "4", "1"], ["7", "3", "4", "0", "A"]]
)
def test_a_known_request_with_wrong_fields_says_so(fields: list[str]) -> None:
    with pytest.raises(requests.RequestError, match=f"message {fields[0]} with {len(fields)} fields"):
        requests.decode(fields)
