from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.simulator.holdings import COST_STEP, Holding

D = Decimal
FILLS = st.lists(
    st.tuples(
        st.integers(-500, 500).filter(bool).map(lambda n: D(n) / 4),
        st.integers(1, 100_000).map(lambda n: D(n) / 100),
        st.integers(0, 500).map(lambda n: D(n) / 100),
    ),
    max_size=40,
)


def test_the_average_cost_of_a_gold_future_includes_multiplier_and_commission() -> None:
    holding = Holding()
    holding.apply(D(1), D("1477.3") * 100, D("2.37"))
    assert holding.average_cost == D("147732.37")


def test_a_shorts_cost_is_its_net_proceeds() -> None:
    holding = Holding()
    holding.apply(D(-10), D(50), D(1))
    assert (holding.quantity, holding.average_cost) == (D(-10), D("49.9"))


def test_the_oldest_lot_is_closed_first_and_both_commissions_count() -> None:
    holding = Holding()
    holding.apply(D(10), D(100), D(1))
    holding.apply(D(10), D(120), D(1))
    outcome = holding.apply(D(-10), D(130), D(2))
    assert outcome.realized == D(1300) - 2 - D(1001)
    assert holding.average_cost == D("120.1")


def test_a_flip_splits_its_commission_pro_rata() -> None:
    holding = Holding()
    holding.apply(D(1), D(100), D(0))
    outcome = holding.apply(D(-2), D(110), D("4.74"))
    assert outcome.realized == D(10) - D("2.37")
    assert (holding.quantity, holding.cost) == (D(-1), D(110) - D("2.37"))


def test_what_only_opens_realizes_nothing_and_not_zero() -> None:
    assert Holding().apply(D(1), D(5), D(1)).realized is None


@given(FILLS)
def test_no_cent_is_lost_whatever_is_traded(fills: list[tuple[Decimal, Decimal, Decimal]]) -> None:
    holding, realized, paid = Holding(), D(0), D(0)
    for quantity, unit, commission in fills:
        outcome = holding.apply(quantity, unit, commission)
        realized += outcome.realized or 0
        paid += quantity * unit + commission
    sign = 1 if holding.quantity > 0 else -1
    assert holding.quantity == sum((quantity for quantity, _, _ in fills), D(0))
    assert all(lot.quantity * sign > 0 for lot in holding.lots)
    assert holding.cost == sum((lot.cost for lot in holding.lots), D(0))
    # Money in = money out: what was paid is what is still held at cost, less what was earned.
    assert abs(paid - (sign * holding.cost - realized)) <= COST_STEP * len(fills)
