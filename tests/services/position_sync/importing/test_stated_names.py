"""What only a statement said of an instrument or an account is gone with it."""

from datetime import date
from typing import Any

import pytest

from core.domain.stated import StatedAccount, StatedInstrument
from core.events.facts import AccountValueReported
from models.queries.accounts import closed_on
from models.session import Database
from services.position_sync.relay import Relay
from tests.services.position_sync.conftest import Rows
from tests.services.position_sync.facts import ACCOUNT, ACME, Link, at, execution
from tests.services.position_sync.importing.conftest import Import, Undo
from tests.services.position_sync.importing.statements import period, trade

NAMES = "SELECT isin, cusip, figi, underlying_conid FROM instruments"
ACCOUNTS = "SELECT base_currency, alias FROM broker_accounts"


def named(**names: Any) -> StatedInstrument:
    return StatedInstrument(line=1, section="SecurityInfo", instrument=ACME, **names)


def account(base: str | None, alias: str | None = None) -> StatedAccount:
    return StatedAccount(
        line=1, section="AccountInformation", account=ACCOUNT, base_currency=base, alias=alias
    )


async def test_what_identifies_an_instrument_is_gone_with_the_only_statement_that_says_so(
    bring: Import, undo: Undo, relay: Relay, rows: Rows
) -> None:
    await relay.handle([Link().entry(execution("a.01", "10", seconds=1))])
    before = await rows(NAMES)
    report = await bring(named(isin="US1", cusip="C1", figi="F1", underlying_conid=7))
    assert [tuple(one.values()) for one in await rows(NAMES)] == [("US1", "C1", "F1", 7)]
    await undo(report)
    assert await rows(NAMES) == before


@pytest.mark.parametrize("days", [(1, 2), (2, 1)], ids=["in order", "reversed"])
async def test_of_two_statements_the_one_that_was_written_last_counts_for_what_it_says(
    days: tuple[int, int], bring: Import, undo: Undo, rows: Rows
) -> None:
    files = {1: named(isin="US1", cusip="C1"), 2: named(isin="US2", figi="F2")}
    told = {day: await bring(period(day), files[day], name=f"{day}.xml") for day in days}
    assert [tuple(one.values()) for one in await rows(NAMES)] == [("US2", "C1", "F2", None)]
    await undo(told[2])
    assert [tuple(one.values()) for one in await rows(NAMES)] == [("US1", "C1", "", None)]
    await undo(told[1])
    assert [tuple(one.values()) for one in await rows(NAMES)] == [("", "", "", None)]


async def test_when_an_account_was_closed_is_kept_as_long_as_the_statement(
    bring: Import, undo: Undo, database: Database
) -> None:
    closed = StatedAccount(line=1, section="AccountInformation", account=ACCOUNT, closed_on=date(2026, 3, 4))
    report = await bring(closed, trade("a.01", "10", seconds=1))
    async with database.read() as reader:
        assert await closed_on(reader, [ACCOUNT, "U9"]) == {ACCOUNT: date(2026, 3, 4)}
    await undo(report)
    async with database.read() as reader:
        assert await closed_on(reader, [ACCOUNT]) == {}


async def test_an_accounts_currency_is_gone_with_the_only_statement_that_says_so(
    bring: Import, undo: Undo, rows: Rows
) -> None:
    told = trade("a.01", "10", seconds=1)
    first = await bring(account("EUR", "mine"), told, name="a.xml")
    second = await bring(account("CHF"), told, name="b.xml")
    assert [tuple(one.values()) for one in await rows(ACCOUNTS)] == [("EUR", "mine")]
    await undo(first)
    assert [tuple(one.values()) for one in await rows(ACCOUNTS)] == [("CHF", None)]
    await undo(second)
    assert [tuple(one.values()) for one in await rows(ACCOUNTS)] == [(None, None)]


async def test_the_brokers_own_word_on_an_accounts_currency_stays(
    bring: Import, undo: Undo, relay: Relay, rows: Rows
) -> None:
    report = await bring(account("EUR"), trade("a.01", "10", seconds=1))
    worth = AccountValueReported(
        received_at=at(1), account=ACCOUNT, key="NetLiquidation", value="1", currency="EUR"
    )
    await relay.handle([Link().entry(worth)])
    await undo(report)
    assert [one["base_currency"] for one in await rows(ACCOUNTS)] == ["EUR"]
