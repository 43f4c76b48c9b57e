"""An account that was kept day by day, told by statements: its gain is taken apart without a rest."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from core.domain.days import end_of, held_at, moment_of
from core.domain.instruments import Instrument
from core.domain.measures.itemized import itemized
from core.domain.stated import (
    StatedAccount,
    StatedBalance,
    StatedCashFlow,
    StatedEvent,
    StatedInventory,
    StatedPeriod,
    StatedPosition,
    StatedRate,
    StatedTrade,
    StatedValue,
    Statement,
)
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.queries.attribution.account import Refusal, Stored, gain_between
from models.queries.stored_ledger import cost_methods
from models.session import Database
from services.position_sync.importing.run import run_import
from services.position_sync.importing.source import Source
from services.statements.flex import FlexFile
from tests.core.domain.measures.trading_account import BASE, THINGS, Thing, TradingAccount
from tests.services.position_sync.facts import ACCOUNT
from tests.services.position_sync.importing.conftest import Import
from tests.services.simulator.history.conftest import tell

FIRST = date(2025, 3, 3)
_lines = count(1)
INSTRUMENTS = {
    one.conid: Instrument(
        conid=one.conid,
        symbol=one.symbol,
        sec_type=one.sec_type,
        currency=one.currency,
        multiplier=Decimal(one.multiplier),
        price_magnifier=one.magnifier,
    )
    for one in THINGS
}


def on(day: int) -> date:
    return FIRST + timedelta(days=day)


def noon(day: int) -> datetime:
    return datetime(FIRST.year, FIRST.month, FIRST.day, 16, tzinfo=UTC) + timedelta(days=day)


def said(section: str = "any") -> dict[str, Any]:
    return {"line": next(_lines), "section": section, "account": ACCOUNT}


def statement_of(account: TradingAccount, *listed: int) -> Iterator[Statement]:
    """All days' values and rates, what happened, and holdings and cash at the end of those ``listed``."""
    yield StatedAccount(**said(), base_currency=BASE)
    yield StatedPeriod(
        **said(),
        starts_at=end_of(on(-1)),
        ends_at=end_of(on(account.days)),
        generated_at=end_of(on(account.days)),
    )
    for day, evening in enumerate(account.evenings):
        yield StatedValue(**said(), as_of=on(day), net_liquidation=evening.value, currency=BASE)
        for currency, rate in evening.rates.items():
            yield StatedRate(line=1, section="Rate", as_of=on(day), currency=currency, into=BASE, rate=rate)
    for day in listed:
        yield StatedInventory(**said(), as_of=on(day))
        evening = account.evenings[day]
        for conid, quantity in evening.held.items():
            thing = INSTRUMENTS[conid]
            yield StatedPosition(
                **said(),
                instrument=thing,
                as_of=held_at(on(day), thing.sec_type),
                quantity=quantity,
                mark_price=evening.prices[conid],
            )
        for currency, cash in evening.cash.items():
            yield StatedBalance(**said(), as_of=on(day), currency=currency, cash=cash)
    yield from happened(account)


def happened(account: TradingAccount) -> Iterator[Statement]:
    for number, one in enumerate(account.trades):
        yield StatedTrade(
            **said("Trade"),
            instrument=INSTRUMENTS[one.thing.conid],
            exec_id=f"{number:04}.01",
            executed_at=noon(one.day) + timedelta(seconds=number),
            zone_assumed=False,
            timed=True,
            quantity=one.quantity,
            price=one.price,
            commission=one.commission,
            commission_currency=one.commission_currency,
            reported_on=on(one.day),
        )
    for number, paid in enumerate(account.paid):
        yield flow(number, paid.day, paid.kind, paid.amount, paid.currency, paid.thing)
    for number, pair in enumerate(account.converted):
        symbol = f"{pair.bought}.{pair.sold}"
        yield flow(f"{number}b", pair.day, "conversion", pair.amount, pair.bought, symbol=symbol)
        yield flow(f"{number}s", pair.day, "conversion", -pair.paid, pair.sold, symbol=symbol)
    for number, event in enumerate(account.changed):
        yield StatedEvent(
            **said("Event"),
            instrument=INSTRUMENTS[event.thing.conid],
            at=moment_of(on(event.day), time(15) if event.cause != "expiry" else time(17)),
            cause=event.cause,
            quantity=event.quantity,
            event_id=f"e{number}",
            group=event.group,
            cash=event.cash,
            market_value=event.value,
            reported_on=on(event.day),
        )


def flow(
    number: int | str,
    day: int,
    kind: Any,
    amount: Decimal,
    currency: str,
    thing: Thing | None = None,
    symbol: str = "",
) -> StatedCashFlow:
    return StatedCashFlow(
        **said("Cash"),
        kind=kind,
        at=noon(day),
        amount=amount,
        currency=currency,
        conid=None if thing is None else thing.conid,
        symbol=symbol,
        transaction_id=f"c{number}",
        reported_on=on(day),
    )


async def gain(database: Database, since: datetime | None, until: datetime, of: str = ACCOUNT) -> Stored:
    async with database.read() as reader:
        found = await gain_between(reader, of, since, until)
    assert not isinstance(found, Refusal)
    return found


@pytest.mark.parametrize("seed", range(6))
async def test_what_statements_tell_in_full_is_explained_in_full(
    bring: Import, database: Database, seed: int
) -> None:
    account = TradingAccount(seed, 30)
    await bring(*statement_of(account, 0, 12, 29))
    for after, until in ((0, 12), (12, 29), (0, 29)):
        stored = await gain(database, end_of(on(after)), end_of(on(until)))
        found = stored.explained()
        assert found.unknown == ()
        assert found.unclassified == ()
        assert found.contribution == account.contributed(after, until)
        assert found.attribution.unexplained == 0
        assert stored.quality(found) == "complete"
        change = account.evenings[until].value - account.evenings[after].value
        items = itemized(found.attribution, "instrument")
        assert sum(item.total for item in items) == change - found.contribution


async def test_where_no_holdings_are_listed_what_was_held_has_no_mark(
    bring: Import, database: Database
) -> None:
    account = TradingAccount(3, 20)
    await bring(*statement_of(account, 0, 19))
    found = (await gain(database, end_of(on(0)), end_of(on(10)))).explained()
    reasons = {one.reason for one in found.unknown}
    assert reasons == {"no_mark", "cash_not_told"}
    known = sum(item.total for item in itemized(found.attribution, "kind"))
    change = account.evenings[10].value - account.evenings[0].value
    assert known + found.attribution.unexplained == change - found.contribution


@pytest.mark.parametrize("seed", [0, 20])
async def test_three_years_of_the_simulated_broker_are_explained_to_the_cent(
    database: Database, streams: RedisStreams, settings: Settings, tmp_path: Any, seed: int
) -> None:
    """But for what it charged for futures that are open: it takes that from their value and from the cash."""
    past = tell(seed)
    for file in past.files:
        path = tmp_path / file.name
        path.write_bytes(file.content)
        await run_import(
            database,
            streams,
            settings,
            Source(path, "flex", FlexFile, file.name),
            trigger="cli",
            dry_run=False,
        )
    for account in past.book.accounts:
        stored = await gain(database, None, end_of(past.first_day), account)
        found = stored.explained()
        assert found.unknown == ()
        charged = await _charged_for_open_futures(database, account, stored)
        assert found.attribution.unexplained == -charged
        assert stored.contributed is not None
        assert found.contribution == stored.contributed.amount


async def _charged_for_open_futures(database: Database, account: str, stored: Stored) -> Decimal:
    query = text(
        "SELECT n.currency, l.remaining_commission AS amount FROM positions p "
        "JOIN instruments n USING (conid) JOIN lots l ON l.position_id = p.id "
        "WHERE p.account = :account AND n.sec_type = 'FUT'"
    )
    end = stored._end(stored.until, stored.stocks[1])
    async with database.read() as reader:
        rows = (await reader.execute(query, {"account": account})).all()
    return sum((row.amount * end.rates.get(row.currency, Decimal(1)) for row in rows), Decimal(0))


async def test_an_option_that_delivers_a_future_leaves_its_worth_there(
    bring: Import, database: Database
) -> None:
    """Worth 400, exercised at 90, the future rose to 97; 2 were charged. The rate was 1, then 2, and is 3."""
    option = Instrument(
        conid=21,
        symbol="CL",
        sec_type="FOP",
        currency="EUR",
        multiplier=Decimal(100),
        strike=Decimal(90),
        right="C",
    )
    future = Instrument(conid=22, symbol="CL", sec_type="FUT", currency="EUR", multiplier=Decimal(100))
    about = {"at": moment_of(on(1), time(16)), "cause": "exercise_or_assignment", "group": "22 then"}

    def held(day: int, instrument: Instrument, mark: str) -> StatedPosition:
        at = held_at(on(day), instrument.sec_type)
        price = {"mark_price": Decimal(mark), "cost": Decimal(300)}
        return StatedPosition(**said(), instrument=instrument, as_of=at, quantity=Decimal(1), **price)

    await bring(
        StatedAccount(**said(), base_currency=BASE),
        *(StatedInventory(**said(), as_of=on(day)) for day in (0, 2)),
        *(
            StatedRate(
                line=1, section="Rate", as_of=on(day), currency="EUR", into=BASE, rate=Decimal(day + 1)
            )
            for day in range(3)
        ),
        *(
            StatedValue(**said(), as_of=on(day), net_liquidation=Decimal(value), currency=BASE)
            for day, value in ((0, 1400), (2, 5094))
        ),
        *(
            StatedBalance(**said(), as_of=on(day), currency="EUR", cash=Decimal(cash))
            for day, cash in ((0, 1000), (2, 1698))
        ),
        held(0, option, "4"),
        held(2, future, "97"),
        StatedEvent(**said(), instrument=option, quantity=Decimal(-1), carried=True, event_id="1", **about),
        StatedEvent(
            **said(),
            instrument=future,
            quantity=Decimal(1),
            price=Decimal(93),
            cash=Decimal(-2),
            event_id="2",
            **about,
        ),
    )
    found = (await gain(database, end_of(on(0)), end_of(on(2)))).explained()
    parts = {(part.kind, part.conid): part.amount for part in found.attribution.parts}
    assert parts == {
        ("price", 21): -1200,
        ("fx", 21): 800,
        ("price", 22): 2100,
        ("fees", 22): -4,
        ("fx", None): 2000 - 2,
    }
    assert (found.attribution.unexplained, found.unknown) == (0, ())


async def test_what_statements_tell_as_accrued_is_earned_before_it_is_paid(
    bring: Import, database: Database
) -> None:
    def worth(day: int, value: str, accruals: str, dividends: str | None) -> StatedValue:
        told = {"net_liquidation": Decimal(value), "accruals": Decimal(accruals), "currency": BASE}
        of_them = None if dividends is None else Decimal(dividends)
        return StatedValue(**said(), as_of=on(day), dividend_accruals=of_them, **told)

    await bring(
        worth(0, "110", "10", "7"), worth(1, "112", "5", "0"), flow(1, 1, "dividend", Decimal(7), BASE)
    )
    found = (await gain(database, end_of(on(0)), end_of(on(1)))).explained().attribution
    assert {item.key: item.total for item in itemized(found, "kind")} == {"interest": 2, "dividends": 0}
    assert found.unexplained == 0
    # Of what is told as a sum nobody knows what it is of.
    await bring(worth(2, "120", "13", None), name="b.xml")
    found = (await gain(database, end_of(on(1)), end_of(on(2)))).explained().attribution
    assert (found.parts, found.unexplained) == ((), 8)


RECORDED = Path(__file__).parents[3] / "data" / "flex-ib-flex-reader"


@pytest.mark.parametrize("name", ["CL_flip_close_open.xml", "StatementOfFunds.xml", "TestForCoding.xml"])
async def test_a_statement_without_a_value_of_the_account_explains_nothing(
    database: Database, streams: RedisStreams, settings: Settings, name: str
) -> None:
    file = Source(RECORDED / name, "flex", FlexFile, name)
    await run_import(database, streams, settings, file, trigger="cli", dry_run=False)
    async with database.read() as reader:
        accounts = sorted(await cost_methods(reader))
        found = [await gain_between(reader, one, None, end_of(date(2026, 1, 1))) for one in accounts]
    assert accounts
    assert found == [Refusal("value_not_known")] * len(accounts)
