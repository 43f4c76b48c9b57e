from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace as change

from core.events.facts import MarkReported, PnlReported
from models.queries.accounts import TradeFigures
from services.api.freshness import UNKNOWN
from services.api.live.rows import (
    AccountState,
    all_row,
    market_price,
    merge_mark,
    position_row,
    summary_row,
    valued,
    win_rate,
)
from services.api.schemas.common import Coverage, Freshness
from tests.services.api.portfolio import NOW, USD, changed, mark

BLOCK = Freshness(
    source="live", as_of=NOW, received_at=NOW, age_seconds=0, stale=False, reason=None, links=UNKNOWN
)
COVERAGE = Coverage(fresh=1, total=2)


def test_a_row_spells_decimals_plainly() -> None:
    position = changed(
        quantity=Decimal("1E+2"), cost_basis=Decimal("15001.00"), realized_pnl=Decimal("-0.00")
    )
    row = position_row(position, mark(NOW), BLOCK, NOW)
    assert (row.quantity, row.cost_basis, row.realized_pnl) == ("100", "15001", "0")
    assert (row.market_price, row.market_value, row.unrealized_pnl, row.daily_pnl) == (
        "161",
        "16100",
        "1099",
        "170",
    )


def test_what_is_unknown_is_null_and_never_zero() -> None:
    row = position_row(changed(average_cost=None, cost_basis=None, realized_pnl=None), None, BLOCK, NOW)
    assert (row.market_price, row.market_value, row.unrealized_pnl, row.daily_pnl, row.mark_as_of) == (
        None,
    ) * 5
    assert (row.average_cost, row.cost_basis, row.realized_pnl) == (None,) * 3


def test_a_closed_position_has_no_market() -> None:
    closed = changed(status="closed", quantity=Decimal(0), closed_at=NOW)
    row = position_row(closed, mark(NOW), BLOCK, NOW + timedelta(days=9))
    assert (row.market_price, row.market_value, row.mark_as_of) == (None, None, None)
    assert row.holding_seconds == 9 * 86_400


PRICES: list[tuple[str, dict[str, Any], dict[str, Any], str | None]] = [
    ("given", {}, {"market_price": Decimal("161.5")}, "161.5"),
    ("from the value", {}, {"market_price": None, "market_value": Decimal(16150)}, "161.5"),
    (
        "with a multiplier",
        {"multiplier": Decimal(50), "quantity": Decimal(-2)},
        {"market_price": None, "market_value": Decimal(-450100), "quantity": Decimal(-2)},
        "4501",
    ),
    (
        "in minor units",
        {"price_magnifier": 100, "quantity": Decimal(1000)},
        {"market_price": None, "market_value": Decimal(701), "quantity": None},
        "70.1",
    ),
    ("nothing known", {}, {"market_price": None, "market_value": None}, None),
    ("of nothing held", {}, {"market_price": None, "market_value": Decimal(0), "quantity": Decimal(0)}, None),
]


@pytest.mark.parametrize(("_name", "position", "told", "price"), PRICES, ids=[row[0] for row in PRICES])
def test_the_price_is_the_marks_or_what_its_value_implies(
    _name: str, position: dict[str, Any], told: dict[str, Any], price: str | None
) -> None:
    found = market_price(changed(**position), mark(NOW, **told))
    assert found == (None if price is None else Decimal(price))


def test_a_mark_made_before_a_fill_gives_its_price_for_what_is_held_now() -> None:
    position = changed(quantity=Decimal(60), cost_basis=Decimal(9000))
    assert valued(position, mark(NOW)) == (Decimal(161), Decimal(9660), Decimal(660))
    unknown_cost = change(position, cost_basis=None)
    assert valued(unknown_cost, mark(NOW)) == (Decimal(161), Decimal(9660), None)


def test_a_mark_for_another_quantity_without_a_price_says_nothing() -> None:
    assert (
        valued(changed(), mark(NOW, quantity=Decimal(0), market_price=None, market_value=Decimal(0)))
        == (None,) * 3
    )


def test_an_unknown_figure_does_not_erase_a_known_one() -> None:
    later = NOW + timedelta(seconds=1)
    merged = merge_mark(
        mark(NOW), mark(later, daily_pnl=None, market_price=None, market_value=Decimal(16200))
    )
    assert (merged.daily_pnl, merged.market_price, merged.market_value) == (
        Decimal(170),
        Decimal(161),
        Decimal(16200),
    )
    assert merged.received_at == later


def test_figures_for_another_quantity_do_not_outlive_it() -> None:
    told = MarkReported(received_at=NOW, account=USD, conid=1, quantity=Decimal(60))
    merged = merge_mark(mark(NOW), told)
    assert (merged.market_value, merged.unrealized_pnl, merged.market_price) == (None, None, Decimal(161))


@pytest.mark.parametrize(
    ("decided", "won", "rate"), [(0, 0, None), (3, 2, "0.6667"), (7, 4, "0.5714"), (4, 4, "1"), (4, 0, "0")]
)
def test_the_win_rate_is_a_fraction_of_what_was_decided(decided: int, won: int, rate: str | None) -> None:
    assert win_rate(TradeFigures(decided, won, 99)) == rate


def account(name: str, net: str | None, currency: str | None = "USD", pnl: str | None = None) -> AccountState:
    told = None if pnl is None else PnlReported(received_at=NOW, account=name, daily_pnl=Decimal(pnl))
    return AccountState(
        account=name,
        base_currency=currency,
        values={"NetLiquidation": None if net is None else Decimal(net)},
        pnl=told,
        figures=TradeFigures(decided=4, won=3, trades=10),
    )


def test_all_is_the_sum_over_accounts_of_one_currency() -> None:
    row = all_row([account("A", "100.5", pnl="1"), account("B", "200.25", pnl="-3")], COVERAGE, BLOCK)
    assert (row.account, row.base_currency, row.net_liquidation, row.daily_pnl) == (
        "ALL",
        "USD",
        "300.75",
        "-2",
    )
    assert (row.win_rate, row.total_trades, row.open_positions) == ("0.75", 20, 2)


def test_all_has_no_sum_over_different_currencies() -> None:
    row = all_row([account("A", "100"), account("B", "200", "EUR")], COVERAGE, BLOCK)
    assert (row.base_currency, row.net_liquidation, row.total_trades) == (None, None, 20)


def test_an_account_that_is_unknown_makes_no_total_smaller() -> None:
    assert all_row([account("A", "100"), account("B", None)], COVERAGE, BLOCK).net_liquidation is None


def test_all_of_nothing_is_nothing() -> None:
    row = all_row([], Coverage(fresh=0, total=0), BLOCK)
    assert (row.net_liquidation, row.win_rate, row.total_trades) == (None, None, 0)


def test_a_summary_without_figures_is_null() -> None:
    row = summary_row(AccountState(account="A"), COVERAGE, replace_block())
    assert (row.net_liquidation, row.daily_pnl, row.win_rate, row.base_currency) == (None,) * 4


def replace_block() -> Freshness:
    return change(BLOCK, source="last_known", stale=True, reason="old")
