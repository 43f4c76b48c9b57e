"""What instruments are across brokers, kept in step with what is known of them."""

import asyncio
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from core.domain.instruments import Instrument
from core.domain.stated import StatedInstrument
from models.queries.identity import instruments_by, instruments_page, is_stale, members_of
from models.session import Database
from models.stores.accounts import Described, state_instruments, upsert_instruments
from models.stores.identity import map_all, map_by_hand, merge, unmap, unmerge

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
APPLE, SAP, FIGI = "US0378331005", "DE0007164600", "BBG000B9XRY4"
ON_NASDAQ = Instrument(conid=265598, symbol="AAPL", sec_type="STK", currency="USD", exchange="NASDAQ")
ON_IBIS = Instrument(conid=38708077, symbol="APC", sec_type="STK", currency="EUR", exchange="IBIS")
CALL = Instrument(
    conid=700001,
    symbol="AAPL",
    sec_type="OPT",
    currency="USD",
    multiplier=Decimal(100),
    expiry="20261218",
    strike=Decimal(150),
    right="C",
)


def stated(one: Instrument, **ids: Any) -> StatedInstrument:
    return StatedInstrument(line=1, section="SecurityInfo", instrument=one, **ids)


async def store(database: Database, *known: Instrument | StatedInstrument) -> None:
    told = [one for one in known if isinstance(one, Instrument)]
    identified = {one.instrument.conid: one for one in known if isinstance(one, StatedInstrument)}
    async with database.write() as writer:
        await upsert_instruments(writer, (Described(one, None) for one in told), NOW)
        described = {conid: one.instrument for conid, one in identified.items()}
        await state_instruments(writer, described, identified, NOW)


async def refresh(database: Database, now: datetime = NOW) -> int:
    return await map_all(database, now)


async def stale(database: Database) -> bool:
    async with database.read() as reader:
        return await is_stale(reader)


async def kept(database: Database) -> dict[int, tuple[str, str]]:
    async with database.read() as reader:
        rows = await instruments_page(reader, limit=1000)
        return {row.conid: (str(row.global_instrument_id), str(row.source)) for row in rows}


async def run(database: Database, statement: str) -> list[Any]:
    async with database.write() as writer:
        result = await writer.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


async def test_an_instrument_that_is_stored_or_better_known_shows_until_it_is_mapped(
    database: Database,
) -> None:
    assert not await stale(database), "there are none"
    await store(database, ON_NASDAQ, ON_IBIS)
    assert await stale(database)
    assert await refresh(database) == 2
    assert not await stale(database)
    assert await kept(database) == {
        265598: ("symbol:STK/AAPL/NASDAQ/USD", "symbol"),
        38708077: ("symbol:STK/APC/IBIS/EUR", "symbol"),
    }
    await store(database, stated(ON_NASDAQ, isin=APPLE), stated(ON_IBIS, isin=APPLE))
    assert await stale(database)
    assert await refresh(database) == 2
    assert await kept(database) == dict.fromkeys((265598, 38708077), (f"isin:{APPLE}", "isin"))
    names = await run(database, "SELECT id, isin, cusip, country, kind FROM global_instruments")
    assert names == [(f"isin:{APPLE}", APPLE, "037833100", "US", "STK")], "the ones before are gone"


async def test_mapping_twice_writes_nothing_and_looking_again_is_no_change(database: Database) -> None:
    await store(database, stated(ON_NASDAQ, isin=APPLE), CALL)
    await refresh(database)
    before = await run(database, "SELECT *, xmin FROM instrument_mapping ORDER BY conid")
    assert await refresh(database, NOW + timedelta(days=1)) == 0
    assert await run(database, "SELECT *, xmin FROM instrument_mapping ORDER BY conid") == before
    # What it is called has no say in what it is.
    await run(database, "UPDATE instruments SET description = 'APPLE INC' WHERE conid = 265598")
    assert await stale(database)
    await refresh(database, NOW + timedelta(days=1))
    assert not await stale(database)
    assert await run(database, "SELECT name FROM global_instruments WHERE isin <> ''") == [("APPLE INC",)]
    assert await run(database, "SELECT DISTINCT mapped_at FROM instrument_mapping") == [(NOW,)]


async def test_whatever_order_instruments_arrive_in_and_however_often_they_are_mapped_the_rows_are_the_same(
    database: Database,
) -> None:
    known: list[Instrument | StatedInstrument] = [
        stated(ON_NASDAQ, isin=APPLE, figi=FIGI),
        stated(ON_IBIS, figi=FIGI),
        stated(Instrument(conid=-5, symbol="AAPL", sec_type="STK", currency="USD"), cusip="037833100"),
        Instrument(conid=9, symbol="AAPL", sec_type="STK", currency="USD", exchange="NASDAQ"),
        stated(CALL, underlying_conid=265598),
        Instrument(**{**{n: getattr(CALL, n) for n in Instrument.__struct_fields__}, "conid": -6}),
    ]
    told = "SELECT conid, global_instrument_id, source, confidence, review FROM instrument_mapping ORDER BY 1"
    described = (
        "SELECT id, name, symbol, kind, isin, cusip, figi, currency, underlying_id "
        "FROM global_instruments ORDER BY 1"
    )
    found = []
    for seed in range(4):
        chance = random.Random(seed)  # noqa: S311 - a repeatable order, not a secret
        await run(database, "TRUNCATE instruments CASCADE")
        await run(database, "TRUNCATE global_instruments CASCADE")
        for one in chance.sample(known, len(known)):
            await store(database, one)
            if seed:
                await refresh(database)
        await refresh(database)
        found.append((await run(database, told), await run(database, described)))
    assert all(one == found[0] for one in found)
    assert [row[1] for row in found[0][0]] == [
        f"opt:isin:{APPLE}/20261218/150/C/100/USD",
        *[f"isin:{APPLE}"] * 3,
        f"opt:isin:{APPLE}/20261218/150/C/100/USD",
        f"isin:{APPLE}",
    ]


async def test_a_changed_isin_makes_it_another_instrument_with_all_that_was_held_of_it(
    database: Database,
) -> None:
    await store(database, stated(ON_NASDAQ, isin=APPLE), stated(CALL, underlying_conid=265598))
    await refresh(database)
    await store(database, stated(ON_NASDAQ, isin=SAP))
    await refresh(database, NOW + timedelta(days=1))
    assert await kept(database) == {
        265598: (f"isin:{SAP}", "isin"),
        700001: (f"opt:isin:{SAP}/20261218/150/C/100/USD", "underlying"),
    }
    assert await run(database, "SELECT mapped_at FROM instrument_mapping WHERE conid = 265598") == [
        (NOW + timedelta(days=1),)
    ]


async def test_a_persons_word_outlives_whatever_becomes_known(database: Database) -> None:
    await store(database, stated(ON_NASDAQ, isin=APPLE), ON_IBIS)
    await refresh(database)
    async with database.write() as writer:
        await map_by_hand(writer, 38708077, f"isin:{APPLE}", forced=False, by="cli:me", now=NOW)
    assert (await kept(database))[38708077] == (f"isin:{APPLE}", "manual")
    await store(database, stated(ON_IBIS, isin=SAP))
    assert await stale(database)
    await refresh(database)
    async with database.read() as reader:
        (row,) = await instruments_by(reader, [38708077])
    assert (row.global_instrument_id, row.source, row.mapped_by) == (f"isin:{APPLE}", "manual", "cli:me")
    assert (row.review, row.confidence) == ("manual_contradicts", Decimal("0.5"))
    async with database.write() as writer:
        assert await unmap(writer, 38708077, NOW)
        assert not await unmap(writer, 38708077, NOW)
    assert (await kept(database))[38708077] == (f"isin:{SAP}", "isin")


async def test_what_is_merged_by_hand_stays_so_for_what_is_to_come(database: Database) -> None:
    await store(database, stated(ON_NASDAQ, isin=APPLE), stated(ON_IBIS, isin=SAP))
    await refresh(database)
    async with database.write() as writer:
        await merge(writer, f"isin:{SAP}", f"isin:{APPLE}", by="cli:me", now=NOW)
    another = Instrument(conid=7, symbol="SAP", sec_type="STK", currency="EUR")
    await store(database, stated(another, isin=SAP))
    await refresh(database)
    assert {where for where, _ in (await kept(database)).values()} == {f"isin:{APPLE}"}
    async with database.read() as reader:
        assert [row.conid for row in await members_of(reader, f"isin:{APPLE}", limit=9)] == [
            7,
            265598,
            38708077,
        ]
    async with database.write() as writer:
        assert await unmerge(writer, f"isin:{SAP}", NOW)
        assert not await unmerge(writer, f"isin:{SAP}", NOW)
    assert (await kept(database))[7] == (f"isin:{SAP}", "isin")


async def test_workers_that_map_at_once_wait_for_each_other(database: Database) -> None:
    await store(database, stated(ON_NASDAQ, isin=APPLE), ON_IBIS, CALL)
    counts = await asyncio.gather(*(refresh(database) for _ in range(4)))
    assert sorted(counts) == [0, 0, 0, 3]


async def test_mapping_and_storing_instruments_do_not_stop_each_other(database: Database) -> None:
    await store(database, ON_NASDAQ, ON_IBIS)
    async with database.write() as mapping:
        await map_by_hand(mapping, 265598, "conid:265598", forced=False, by="me", now=NOW)
        renamed = Instrument(conid=265598, symbol="NEW", sec_type="STK", currency="USD", exchange="NASDAQ")
        await store(database, renamed, CALL)
    assert await stale(database)
    async with database.write() as live:
        await upsert_instruments(live, [Described(ON_NASDAQ, None)], NOW)
        await refresh(database)
    assert await stale(database)


@pytest.mark.parametrize(
    "change",
    [
        "global_instrument_id = 'isin:US0000000000'",
        "source = 'manual'",
        "source = 'guess'",
        "confidence = 1.1",
        "review = 'whim'",
    ],
)
async def test_the_database_refuses_mappings_that_cannot_be(database: Database, change: str) -> None:
    await store(database, ON_NASDAQ)
    await refresh(database)
    with pytest.raises(Exception, match=r"violates (check|foreign key) constraint"):
        await run(database, f"UPDATE instrument_mapping SET {change}")  # noqa: S608 - the test's own


async def test_instruments_are_found_by_how_they_are_mapped(database: Database) -> None:
    await store(database, stated(ON_NASDAQ, isin=APPLE), stated(ON_IBIS, isin="US0378331006"), CALL)
    await refresh(database)
    await store(database, Instrument(conid=1, symbol="NEW", sec_type="STK", currency="USD"))

    async def conids(**asked: Any) -> Iterable[int]:
        async with database.read() as reader:
            return [row.conid for row in await instruments_page(reader, limit=10, **asked)]

    assert await conids() == [1, 265598, 700001, 38708077]
    assert await conids(after=265598) == [700001, 38708077]
    assert await conids(symbol="AAPL") == [265598, 700001]
    assert await conids(isin=APPLE) == [265598]
    assert await conids(isin="") == []
    assert await conids(which="unmapped") == [1]
    assert await conids(which="low") == [700001, 38708077]
    assert await conids(which="review") == [38708077]
    assert await conids(which="manual") == []
