"""What accounts were worth before anybody recorded it: from the statements that stand, and from no other."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import delete, insert

from core.domain.days import held_at
from core.domain.instruments import Instrument
from core.domain.stated import (
    StatedAccount,
    StatedCashFlow,
    StatedChange,
    StatedEvent,
    StatedInventory,
    StatedPosition,
    StatedRate,
    StatedValue,
)
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from models.tables import performance_metrics, performance_renewals
from services.position_sync.importing.run import undo_import
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import ACCOUNT, ACME, GOLD
from tests.services.position_sync.importing.conftest import Import, Undo
from tests.services.position_sync.importing.statements import period, trade

FIRST = date(2026, 11, 16)
FIRST_CHANGE = StatedChange(
    line=1,
    section="ChangeInNAV",
    account=ACCOUNT,
    starts_on=FIRST,
    ends_on=FIRST + timedelta(days=1),
    starting=Decimal(0),
    ending=Decimal(1020),
    contribution=Decimal(1000),
    gain=Decimal(20),
)
_lines = count(1)
History = Callable[[], Awaitable[list[dict[str, Any]]]]


def said(day: int) -> dict[str, Any]:
    return {"line": next(_lines), "section": "any", "account": ACCOUNT, "reported_on": on(day)}


def on(day: int) -> date:
    return FIRST + timedelta(days=day)


def noon(day: int) -> datetime:
    return datetime(FIRST.year, FIRST.month, FIRST.day, 17, tzinfo=UTC) + timedelta(days=day)


def worth(day: int, net_liquidation: str, currency: str | None = "USD", **more: str) -> StatedValue:
    figures = {name: Decimal(figure) for name, figure in more.items()}
    return StatedValue(
        line=next(_lines),
        section="EquitySummary",
        account=ACCOUNT,
        as_of=on(day),
        net_liquidation=Decimal(net_liquidation),
        currency=currency,
        **figures,
    )


def money(day: int, amount: str, kind: Any = "deposit", currency: str = "USD", **more: Any) -> StatedCashFlow:
    return StatedCashFlow(
        kind=kind, at=noon(day), amount=Decimal(amount), currency=currency, **(said(day) | more)
    )


def brought(
    day: int, quantity: str, value: str | None = None, instrument: Instrument = ACME, **more: Any
) -> StatedEvent:
    return StatedEvent(
        instrument=instrument,
        at=noon(day),
        cause="transfer",
        quantity=Decimal(quantity),
        market_value=None if value is None else Decimal(value),
        **(said(day) | more),
    )


@pytest.fixture
def history(rows: Rows) -> History:
    async def read() -> list[dict[str, Any]]:
        return await rows(
            "SELECT day, net_liquidation AS worth, net_contribution AS came, daily_pnl AS pnl, twr, "
            "data_quality AS quality FROM performance_metrics ORDER BY account, ts"
        )

    return read


def row(day: int, worth: str, came: str | None, pnl: str | None, twr: str | None, quality: str) -> Any:
    names = ("worth", "came", "pnl", "twr")
    figures = {
        name: None if figure is None else Decimal(figure)
        for name, figure in zip(names, (worth, came, pnl, twr), strict=True)
    }
    return {"day": on(day), **figures, "quality": quality}


async def test_stated_values_are_the_days_of_an_account(bring: Import, history: History, rows: Rows) -> None:
    await bring(
        period(5),
        worth(0, "1000", cash="400", gross="600"),
        money(1, "500"),
        money(1, "3", "dividend"),
        worth(1, "1530", cash="903", gross="627"),
        money(2, "-30", "withdrawal"),
        worth(2, "1500"),
    )
    assert await history() == [
        row(0, "1000", None, None, "0", "incomplete"),
        row(1, "1530", "500", "30", "0.02", "complete"),
        row(2, "1500", "-30", "0", "0.02", "complete"),
    ]
    [first, *_] = await rows("SELECT * FROM performance_metrics ORDER BY ts")
    assert first["ts"] == datetime(2026, 11, 17, 5, tzinfo=UTC), "the day ends in New York"
    assert (first["resolution"], first["source"], first["currency"]) == ("day", "statement", "USD")
    assert (first["total_cash"], first["gross_position_value"]) == (400, 600)
    assert first["unrealized_pnl"] is None, "nobody told"


async def test_a_change_in_value_tells_what_came_before_the_first_day(
    bring: Import, history: History
) -> None:
    await bring(FIRST_CHANGE, money(0, "1000"), worth(0, "1010"))
    assert await history() == [
        row(0, "1010", "1000", "10", "0.01", "complete"),
        row(1, "1020", "0", "10", "0.02", "complete"),
    ]


async def test_a_contribution_of_which_not_all_is_itemized_is_no_profit(
    bring: Import, history: History
) -> None:
    await bring(FIRST_CHANGE, worth(0, "1010"))
    assert await history() == [
        row(0, "1010", None, None, None, "incomplete"),
        row(1, "1020", None, None, None, "incomplete"),
    ]
    await bring(money(0, "1000"), name="b.xml")
    assert [one["quality"] for one in await history()] == ["complete"] * 2


async def test_what_is_transferred_in_kind_is_brought_and_taken(bring: Import, history: History) -> None:
    held = StatedPosition(
        line=1,
        section="OpenPosition",
        account=ACCOUNT,
        instrument=ACME,
        as_of=noon(2) + timedelta(hours=8),
        quantity=Decimal(30),
        mark_price=Decimal(7),
    )
    await bring(
        worth(0, "100"),
        brought(1, "10", "60"),
        worth(1, "160"),
        brought(2, "20"),
        held,
        worth(2, "300"),
        brought(3, "-30", "-200", carried=True),
        worth(3, "100"),
        brought(4, "5"),
        worth(4, "200"),
        worth(5, "220"),
    )
    assert await history() == [
        row(0, "100", None, None, "0", "incomplete"),
        row(1, "160", "60", "0", "0", "complete"),
        row(2, "300", "140", "0", "0", "estimated"),
        row(3, "100", "-200", "0", "0", "complete"),
        row(4, "200", None, None, None, "incomplete"),
        row(5, "220", "0", "20", None, "incomplete"),
    ]


async def test_what_was_traded_elsewhere_and_brought_here_was_paid_for(
    bring: Import, history: History
) -> None:
    await bring(worth(0, "100"), brought(1, "10", cash=Decimal(-60)), worth(1, "101"))
    assert (await history())[1] == row(1, "101", "0", "1", "0.01", "complete")


async def test_flows_count_in_the_base_currency(bring: Import, history: History) -> None:
    rate = StatedRate(line=1, section="rate", as_of=on(1), currency="EUR", into="USD", rate=Decimal("1.2"))
    base = StatedAccount(line=1, section="account", account=ACCOUNT, base_currency="USD")
    await bring(
        base,
        rate,
        worth(0, "100", None),
        money(1, "50", currency="EUR", fx_rate_to_base=Decimal("1.1")),
        worth(1, "155", None),
        money(2, "50", currency="EUR"),
        worth(2, "215", None),
        money(3, "50", currency="GBP"),
        worth(3, "275", None),
    )
    assert [one["came"] for one in await history()] == [None, 55, 60, None]


async def test_unrealized_profit_is_told_where_all_of_it_is(bring: Import, rows: Rows) -> None:
    def held(day: int, unrealized: str | None, instrument: Instrument = ACME) -> StatedPosition:
        return StatedPosition(
            line=next(_lines),
            section="OpenPosition",
            account=ACCOUNT,
            instrument=instrument,
            as_of=noon(day) + timedelta(hours=8),
            quantity=Decimal(1),
            unrealized_pnl=None if unrealized is None else Decimal(unrealized),
        )

    euros = Instrument(conid=9, symbol="X", sec_type="STK", currency="EUR")
    base = StatedAccount(line=1, section="account", account=ACCOUNT, base_currency="USD")
    rate = StatedRate(line=1, section="rate", as_of=on(0), currency="EUR", into="USD", rate=Decimal("1.2"))
    await bring(base, rate, held(0, "5"), held(0, "10", euros), *(worth(day, "1") for day in range(3)))
    await bring(held(1, "5"), held(1, "10", euros), held(2, None), name="b.xml")
    told = await rows("SELECT unrealized_pnl AS pnl FROM performance_metrics ORDER BY ts")
    assert [one["pnl"] for one in told] == [17, None, None]


async def test_a_holding_that_a_day_leaves_out_hides_nothing_of_the_others(bring: Import, rows: Rows) -> None:
    bought = trade("a.01", "10", commission="0", instrument=GOLD)
    bought = replace(bought, executed_at=noon(0) - timedelta(days=1))
    held = StatedPosition(
        line=next(_lines),
        section="OpenPosition",
        account=ACCOUNT,
        instrument=ACME,
        as_of=held_at(on(0), "STK"),
        quantity=Decimal(3),
        cost=Decimal(30),
        unrealized_pnl=Decimal(7),
    )
    all_of_it = StatedInventory(line=next(_lines), section="FlexStatement", account=ACCOUNT, as_of=on(0))
    await bring(bought, held, all_of_it, worth(0, "1000"))
    assert await rows("SELECT implied FROM stated_positions ORDER BY implied") == [
        {"implied": False},
        {"implied": True},
    ]
    (day,) = await rows("SELECT unrealized_pnl FROM performance_metrics")
    assert day == {"unrealized_pnl": Decimal(7)}


async def test_the_statement_that_was_written_last_counts_and_its_undoing_brings_back_the_other(
    bring: Import,
    history: History,
    rows: Rows,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
) -> None:
    first = await bring(period(1), worth(0, "100"), worth(1, "110"))
    before = await history()
    second = await bring(period(3), worth(1, "120"), money(1, "10"), worth(2, "132"), name="b.xml")
    assert [one["twr"] for one in await history()] == [0, Decimal("0.090909090909"), Decimal("0.2")]
    told = await rows("SELECT import_id FROM performance_metrics ORDER BY ts")
    assert [one["import_id"] for one in told] == [first.import_id, second.import_id, second.import_id]
    # An older statement that comes later changes what only it tells.
    assert second.import_id is not None
    await undo_import(database, streams, settings, second.import_id, clock=clock)
    assert await history() == before
    assert first.import_id is not None
    await undo_import(database, streams, settings, first.import_id, clock=clock)
    assert await history() == []


async def test_a_flow_of_another_statement_changes_the_days_it_belongs_to(
    bring: Import,
    history: History,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
) -> None:
    await bring(worth(0, "100"), worth(1, "160"))
    before = await history()
    late = await bring(money(1, "50"), name="b.xml")
    assert (await history())[1] == row(1, "160", "50", "10", "0.066666666667", "complete")
    assert late.import_id is not None
    await undo_import(database, streams, settings, late.import_id, clock=clock)
    assert await history() == before


EURO = Instrument(conid=9, symbol="X", sec_type="STK", currency="EUR")


@pytest.mark.parametrize(
    "came",
    [
        (money(1, "50", currency="EUR"),),
        (brought(1, "5", "50", EURO),),
        (
            brought(1, "5", None, EURO),
            StatedPosition(
                line=1,
                section="OpenPosition",
                account=ACCOUNT,
                instrument=EURO,
                as_of=held_at(on(1), "STK"),
                quantity=Decimal(5),
                mark_price=Decimal(10),
            ),
        ),
    ],
    ids=["money", "a holding", "a holding that has a mark"],
)
async def test_a_rate_of_another_statement_values_what_came(
    came: tuple[Any, ...],
    bring: Import,
    history: History,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
) -> None:
    await bring(worth(0, "100"), worth(1, "170"), *came)
    before = await history()
    assert before[1]["came"] is None
    rate = StatedRate(line=1, section="rate", as_of=on(1), currency="EUR", into="USD", rate=Decimal("1.2"))
    report = await bring(rate, name="b.xml")
    assert [(one["came"], one["pnl"]) for one in await history()] == [(None, None), (60, 10)]
    assert report.import_id is not None
    await undo_import(database, streams, settings, report.import_id, clock=clock)
    assert await history() == before


async def test_a_rehearsal_leaves_the_history_as_it_is(bring: Import, history: History) -> None:
    await bring(worth(0, "100"), name="a.xml")
    before = await history()
    await bring(worth(1, "110"), name="b.xml", dry_run=True)
    assert await history() == before


async def test_what_is_told_again_writes_nothing(bring: Import, rows: Rows) -> None:
    await bring(worth(0, "100"), worth(1, "110"), worth(2, "120"))
    before = await rows("SELECT xmin, ctid FROM performance_metrics ORDER BY ts")
    await bring(money(3, "5"), name="b.xml")
    assert await rows("SELECT xmin, ctid FROM performance_metrics ORDER BY ts") == before


async def test_hours_that_a_statement_tells_of_are_to_be_reckoned_anew(
    bring: Import, undo: Undo, rows: Rows, database: Database
) -> None:
    await bring(worth(0, "100"))
    assert await rows("SELECT * FROM performance_renewals") == [], "there is no hour"
    async with database.write() as writer:
        await writer.execute(
            insert(performance_metrics),
            [
                {
                    "account": ACCOUNT,
                    "resolution": "hour",
                    "ts": noon(day),
                    "source": "snapshot",
                    "day": on(day),
                    "net_liquidation": Decimal(100),
                    "data_quality": "incomplete",
                }
                for day in range(4)
            ],
        )
    report = await bring(money(2, "5"), name="b.xml")
    wanted = [{"account": ACCOUNT, "since": datetime(2026, 11, 18, 5, tzinfo=UTC)}]
    assert await rows("SELECT * FROM performance_renewals") == wanted
    await bring(money(1, "5"), name="c.xml")
    assert (await rows("SELECT since FROM performance_renewals"))[0]["since"] < wanted[0]["since"]
    async with database.write() as writer:
        await writer.execute(delete(performance_renewals))
    await undo(report)
    assert await rows("SELECT * FROM performance_renewals") == wanted
    async with database.write() as writer:
        await writer.execute(delete(performance_renewals))
    await bring(worth(7, "100"), name="d.xml")
    assert await rows("SELECT * FROM performance_renewals") == [], "it tells of no hour that there is"
