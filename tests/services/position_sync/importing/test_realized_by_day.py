"""What closings realized, day by day, beside what an account was worth."""

from datetime import timedelta
from decimal import Decimal

from core.domain.instruments import Instrument
from core.domain.rolled import realized_since
from core.domain.stated import StatedRate
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import at
from tests.services.position_sync.importing.conftest import Import, Undo
from tests.services.position_sync.importing.statements import period, trade
from tests.services.position_sync.importing.test_history import noon, on, worth

REALIZED = "SELECT day, realized_pnl AS realized FROM performance_metrics ORDER BY ts"
HOUR = 3600.0
EURO = Instrument(conid=3, symbol="EURO", sec_type="STK", currency="EUR", exchange="SMART")


async def test_a_day_has_what_its_closings_realized_in_the_base_currency(
    bring: Import, undo: Undo, rows: Rows
) -> None:
    async def realized() -> list[Decimal | None]:
        return [one["realized"] for one in await rows(REALIZED)]

    rate = StatedRate(line=1, section="rate", as_of=on(1), currency="EUR", into="USD", rate=Decimal("1.2"))
    # Noon in New York is 0: of the first day, and of the next ones.
    start = (noon(0) - at(0)).total_seconds()
    trades = [
        trade("a.01", "10", "5", "1", seconds=start, opens=True),
        trade("e.01", "10", "7", "0", seconds=start, opens=True, instrument=EURO, commission_currency="EUR"),
        trade("b.01", "-4", "7", "1", seconds=start + 24 * HOUR, closes=True),
        trade(
            *("f.01", "-10", "8", "0"),
            seconds=start + 25 * HOUR,
            closes=True,
            instrument=EURO,
            commission_currency="EUR",
        ),
        # In the evening: of the next day.
        trade("c.01", "-2", "8", "1", seconds=start + 33 * HOUR, closes=True),
        trade("d.01", "-2", "9", "1", seconds=start + 34 * HOUR, closes=True, reported_on=on(1)),
    ]
    values = [worth(number, "1000") for number in range(4)]
    first = await bring(period(3, starts_at=noon(0) - timedelta(hours=12)), rate, *values, *trades)
    euros = Decimal(12)
    assert await realized() == [0, Decimal("6.6") + Decimal("6.8") + euros, Decimal("4.8"), None]
    without = await bring(period(4, starts_at=noon(0) - timedelta(hours=12)), *values, *trades, name="b.xml")
    assert (await realized())[3] == 0, "all of that day is told now"
    await undo(first)
    assert (await realized())[1] is None, "nobody tells the rate"
    await undo(without)
    assert await realized() == []


async def test_a_closing_of_unknown_cost_leaves_its_day_unknown(bring: Import, rows: Rows) -> None:
    sold = trade("a.01", "-4", "7", "1", seconds=(noon(1) - at(0)).total_seconds(), closes=True)
    await bring(period(5, starts_at=noon(0) - timedelta(hours=12)), *(worth(n, "9") for n in range(3)), sold)
    assert [one["realized"] for one in await rows(REALIZED)] == [0, None, 0]


def test_what_was_realized_over_a_weekend_is_the_next_day_s_and_over_more_no_day_s() -> None:
    days = [on(0), on(3), on(9)]
    told = [(on(0), on(9))]
    assert realized_since(days, {on(1): Decimal(2), on(3): Decimal(3), on(5): Decimal(4)}, told) == {
        on(0): 0,
        on(3): 5,
        on(9): None,
    }
