from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.statistics import Outcomes, average, win_rate


def outcomes(*results: str | None, commission: str = "0") -> Outcomes:
    """Positions that realized this much, each held for a minute."""
    known = [Decimal(one) for one in results if one is not None]
    wins, losses = [one for one in known if one > 0], [one for one in known if one < 0]
    return Outcomes(
        closed=len(results),
        decided=len(known),
        won=len(wins),
        lost=len(losses),
        provisional=0,
        gross_profit=sum(wins, Decimal(0)),
        gross_loss=sum(losses, Decimal(0)),
        largest_win=max(wins, default=None),
        largest_loss=min(losses, default=None),
        commission=Decimal(commission),
        holding_seconds=Decimal(60 * len(results)),
        winner_holding_seconds=Decimal(60 * len(wins)),
        loser_holding_seconds=Decimal(60 * len(losses)),
    )


@pytest.mark.parametrize(
    ("won", "decided", "rate"),
    [(0, 0, None), (0, 3, "0"), (2, 3, "0.6667"), (1, 8, "0.125"), (3, 3, "1"), (1, 10**9, "0")],
)
def test_the_win_rate_is_of_decided_positions_to_four_digits(
    won: int, decided: int, rate: str | None
) -> None:
    assert win_rate(won, decided) == (None if rate is None else Decimal(rate))


@pytest.mark.parametrize(
    ("results", "factor"),
    [
        (["10", "20", "-15"], "2"),
        (["10", "-30"], "0.3333"),
        (["-30"], "0"),
        (["10"], None),
        (["0"], None),
        ([], None),
    ],
)
def test_there_is_no_profit_factor_where_nothing_was_lost(results: list[str], factor: str | None) -> None:
    assert outcomes(*results).profit_factor == (None if factor is None else Decimal(factor))


def test_one_unknown_result_leaves_the_total_unknown_and_counts_for_nothing_else() -> None:
    found = outcomes("10", "0", "-4", None)
    assert (found.even, found.unknown, found.realized_pnl) == (1, 1, None)
    assert (found.net, found.expectancy) == (6, 2)
    assert outcomes("10", "0", "-4").realized_pnl == 6


def test_nothing_decided_has_no_average() -> None:
    assert (outcomes(None).expectancy, average(Decimal(0), 0)) == (None, None)


@settings(deadline=None)  # how fast it is depends on what else runs
@given(st.lists(st.decimals(-(10**12), 10**12, places=8), min_size=1))
def test_gross_profit_and_loss_are_the_whole_and_the_average_stays_within(results: list[Decimal]) -> None:
    found = outcomes(*(str(one) for one in results))
    assert found.gross_profit + found.gross_loss == found.realized_pnl == sum(results)
    assert found.won + found.lost + found.even + found.unknown == found.closed
    assert found.expectancy is not None
    assert min(results) <= found.expectancy <= max(results)
