"""CSV files of one's own, all the way into the ledger, and out of it again."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from core.domain.instruments import Instrument
from core.errors import FaultyRowsError
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.importing.report import Report, Tally
from services.position_sync.importing.run import run_import
from services.position_sync.importing.source import Source
from services.position_sync.relay import Relay
from services.statements.csv_file import CsvFile
from services.statements.flex import FlexFile
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import ACCOUNT, ACME, Link, commission, execution
from tests.services.position_sync.importing.conftest import Undo
from tests.services.position_sync.ledger_rows import every_row, ledger_rows
from tests.services.statements.statements import in_statement
from tests.services.statements.statements import trade as flex_trade

Import = Callable[..., Awaitable[Report]]
PAGE = Path(__file__).parents[4] / "docs" / "reference" / "csv.md"
HEAD = (
    "type,account,id,time,symbol,asset_class,currency,quantity,price,commission,conid,isin,cost,amount,"
    "exchange\n"
)
NOW = datetime.fromisoformat("2026-11-20T20:00:00+00:00")


def trade(
    quantity: str = "10",
    *,
    price: str = "10",
    account: str = "U1",
    own: str = "",
    time: str = "2025-03-31 15:30:00",
    named: str = "ACME,STK,USD",
    conid: str = "",
    isin: str = "",
    exchange: str = "",
) -> str:
    return f"trade,{account},{own},{time},{named},{quantity},{price},1,{conid},{isin},,,{exchange}\n"


@pytest.fixture
def bring(
    database: Database, streams: RedisStreams, settings: Settings, clock: Hand, tmp_path: Path
) -> Import:
    """Import a file with these rows."""

    async def run(*rows: str, name: str = "a.csv", head: str = HEAD, dry_run: bool = False) -> Report:
        path = tmp_path / name
        # What is another file has other bytes.
        path.write_text(f"{head}{''.join(rows)}{',' * (len(name) % 7)}\n")

        def read(file: object, called: str) -> CsvFile:
            return CsvFile(file, called, zone=ZoneInfo("US/Eastern"), now=NOW)  # type: ignore[arg-type]

        return await run_import(
            database,
            streams,
            settings,
            Source(path, "csv", read, name),
            trigger="cli",
            dry_run=dry_run,
            clock=clock,
        )

    return run


async def test_the_example_of_the_documentation_is_imported_and_taken_back(
    bring: Import, undo: Undo, rows: Rows, database: Database
) -> None:
    before = await ledger_rows(database)
    [example] = re.findall(r"```csv\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    head, _, told = example.partition("\n")
    report = await bring(told, head=f"{head}\n")
    assert report.kind == "csv"
    assert report.accounts_created == ["OLDBANK"]
    assert report.sections == {"trades": Tally(new=3), "events": Tally(new=2), "cash": Tally(new=3)}
    assert dict(report.unknown) == {}
    held = await rows(
        "SELECT i.symbol, i.sec_type, p.quantity, p.status, p.realized_pnl, p.cost_basis, p.provisional "
        "FROM positions p JOIN instruments i USING (conid) ORDER BY i.symbol, i.sec_type"
    )
    assert [tuple(one.values()) for one in held] == [
        ("AAPL", "OPT", -1, "open", 0, Decimal("-283.9"), False),
        ("AAPL", "STK", 40, "open", 0, Decimal("5120.4"), False),
        # 10 × (180.44 − 138.06) less the sale's commission and two fifths of the purchase's.
        ("SAP", "STK", 0, "closed", Decimal("416.87"), 0, False),
    ]
    told_by = await rows("SELECT DISTINCT source, conid < 0 AS ours FROM executions")
    assert told_by == [{"source": "csv", "ours": True}]
    undone = await undo(report)
    assert undone.changed_books == 3
    after = await ledger_rows(database)
    assert all(not after[table] for table in after if table != "ledger_books")
    assert all(not before[table] for table in before)
    for table in ("cash_flows", "corporate_actions", "stated_trades", "stated_instruments"):
        assert await rows(f"SELECT * FROM {table}") == []  # noqa: S608 - names of this test's own


async def test_two_equal_rows_are_two_trades_and_the_next_file_states_the_same_two(
    bring: Import, database: Database
) -> None:
    told = [trade(), trade(), trade("-5", own="T1"), "deposit,U1,,2025-01-02,,,USD,,,,,,,100,\n"]
    report = await bring(*told)
    assert report.sections["trades"] == Tally(new=3)
    before = await ledger_rows(database)
    again = await bring(*told, name="bb.csv")
    assert again.already is None
    assert again.sections == {"trades": Tally(matched=3), "cash": Tally(matched=1)}
    assert await ledger_rows(database) == before
    more = await bring(*told, trade(), name="ccc.csv")
    assert more.sections["trades"] == Tally(matched=3, new=1)


async def test_a_row_with_an_id_is_one_and_what_contradicts_it_is_disputed(bring: Import, rows: Rows) -> None:
    report = await bring(trade(own="T1"), trade(own="T1"), trade(own="T2"), trade("11", own="T1"))
    assert report.sections["trades"] == Tally(new=2, disputed=1, ignored={"repeated": 1})
    other = await bring(trade(price="11", own="T1"), trade(own="T1", account="U2"), name="bb.csv")
    assert other.sections["trades"] == Tally(new=1, disputed=1)
    held = await rows("SELECT account, quantity FROM positions ORDER BY account")
    assert [tuple(one.values()) for one in held] == [("U1", 20), ("U2", 10)]


@pytest.mark.parametrize("own", ["", "T1"])
async def test_a_trade_that_the_broker_tells_of_afterwards_is_that_trade(
    bring: Import, relay: Relay, rows: Rows, own: str
) -> None:
    row = trade(account=ACCOUNT, own=own, time="2026-11-20 14:30:00Z", conid=str(ACME.conid))
    report = await bring(row)
    await relay.handle([Link().entry(execution("a.01.01", "10"), commission("a.01.01", "1"))])
    told = await rows("SELECT exec_id, source, confirmed_by FROM executions")
    assert told == [{"exec_id": "a.01.01", "source": "live", "confirmed_by": report.import_id}]
    again = await bring(row, name="bb.csv")
    assert again.sections["trades"] == Tally(matched=1)
    assert await rows("SELECT quantity FROM positions") == [{"quantity": 10}]


@pytest.mark.parametrize("own", ["", "T1"])
async def test_a_trade_that_the_broker_told_of_is_that_trade(
    bring: Import, undo: Undo, relay: Relay, database: Database, own: str
) -> None:
    await relay.handle([Link().entry(execution("a.01.01", "10"), commission("a.01.01", "1"))])
    before = await ledger_rows(database)
    row = trade(account=ACCOUNT, own=own, time="2026-11-20 14:30:00Z")
    report = await bring(row)
    assert report.sections["trades"] == Tally(matched=1)
    assert await ledger_rows(database) == before
    again = await bring(row, name="bb.csv")
    assert again.sections["trades"] == Tally(matched=1)
    changed = await bring(trade("9", account=ACCOUNT, own="T1", time="2026-11-20 14:30:00Z"), name="ccc.csv")
    # What bears an id is known by it, whatever it was matched with.
    assert changed.sections["trades"] == (Tally(disputed=1) if own else Tally(new=1))
    for one in (changed, again, report):
        await undo(one)
    assert await ledger_rows(database) == before


async def test_what_a_flex_statement_states_with_its_id_later_is_the_same_trade(
    bring: Import,
    rows: Rows,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
    tmp_path: Path,
) -> None:
    path = tmp_path / "flex.xml"
    path.write_text(in_statement(flex_trade()))
    source = Source(path, "flex", FlexFile)
    await run_import(database, streams, settings, source, trigger="cli", dry_run=True, clock=clock)
    stated = next(one for one in FlexFile(path) if type(one).__name__ == "StatedTrade")
    assert stated.section == "Trade"
    told = vars_of(stated)
    await bring(
        trade(
            told["quantity"],
            price=told["price"],
            account=told["account"],
            time=told["executed_at"],
            named=told["named"],
            conid="265598",
        )
    )
    report = await run_import(database, streams, settings, source, trigger="cli", clock=clock)
    assert report.sections["trades"].new == 0
    assert len(await rows("SELECT exec_id FROM executions")) == 1


def vars_of(record: object) -> dict[str, str]:
    instrument = record.instrument  # type: ignore[attr-defined]
    return {
        **{name: str(getattr(record, name)) for name in ("quantity", "price", "account", "executed_at")},
        "named": f"{instrument.symbol},{instrument.sec_type},{instrument.currency}",
    }


async def test_an_instrument_is_found_by_its_symbol_among_those_that_are_known(
    bring: Import, rows: Rows, relay: Relay
) -> None:
    await relay.handle([Link().entry(execution("a.01.01", "10"))])
    await bring(trade("5", account=ACCOUNT, named="acme,stock,usd"))
    assert await rows("SELECT conid, quantity FROM positions") == [{"conid": ACME.conid, "quantity": 15}]


OPTION = Instrument(
    conid=700_000_001,
    symbol="ACME",
    sec_type="OPT",
    currency="USD",
    local_symbol="ACME  260116C00200000",
    multiplier=Decimal(100),
    expiry="20260116",
    strike=Decimal(200),
    right="C",
)


async def test_an_option_is_found_by_its_own_symbol_and_not_by_that_of_its_underlying(
    bring: Import, rows: Rows, relay: Relay
) -> None:
    await relay.handle([Link().entry(execution("a.01.01", "1", instrument=OPTION))])
    await bring(trade("2", account=ACCOUNT, named="ACME 260116C00200000,OPT,USD"))
    await bring(trade("4", account=ACCOUNT, named="ACME  260116C00200000,OPT,USD"), name="bb.csv")
    assert await rows("SELECT conid, quantity FROM positions") == [{"conid": OPTION.conid, "quantity": 7}]
    with pytest.raises(FaultyRowsError, match="state multiplier, expiry, strike, right, too"):
        await bring(trade("2", account=ACCOUNT, named="ACME,OPT,USD"), name="ccc.csv")


WARRANT = replace(OPTION, conid=700_000_002, sec_type="WAR", local_symbol="WT1ACM", multiplier=Decimal(1))


async def test_a_warrant_is_found_by_its_own_symbol_whatever_terms_are_stated(
    bring: Import, rows: Rows, relay: Relay
) -> None:
    await relay.handle([Link().entry(execution("a.01.01", "1", instrument=WARRANT))])
    head = HEAD.replace("asset_class,", "asset_class,multiplier,expiry,strike,right,")
    terms = "1,2026-01-16,200,C"
    await bring(trade("2", account=ACCOUNT, named=f"WT1ACM,WAR,{terms},USD"), head=head)
    # Another bank's warrant on the same share has the same terms.
    await bring(trade("4", account=ACCOUNT, named=f"ACME,WAR,{terms},USD"), name="bb.csv", head=head)
    found = {row["conid"]: row["quantity"] for row in await rows("SELECT conid, quantity FROM positions")}
    assert found.pop(WARRANT.conid) == 3
    [(other, quantity)] = found.items()
    assert (other < 0, quantity) == (True, 4)


async def test_what_a_name_was_taken_for_it_is_taken_for_as_long_as_the_import_stands(
    bring: Import, undo: Undo, rows: Rows, relay: Relay, database: Database
) -> None:
    first = await bring(trade(account=ACCOUNT))
    [own] = await rows("SELECT conid FROM positions")
    assert own["conid"] < 0
    # Now the broker tells of an instrument that is called the same.
    await relay.handle([Link().entry(execution("a.01.01", "10"))])
    before = await ledger_rows(database)
    second = await bring(trade(account=ACCOUNT), name="bb.csv")
    assert second.sections["trades"] == Tally(matched=1)
    assert await ledger_rows(database) == before
    for one in (first, second):
        await undo(one)
    await bring(trade(account=ACCOUNT), name="ccc.csv")
    assert await rows("SELECT conid, quantity FROM positions") == [{"conid": ACME.conid, "quantity": 20}]


async def test_an_isin_and_a_symbol_of_one_instrument_are_one(bring: Import, rows: Rows) -> None:
    isin = "US0378331005"
    await bring(trade(isin=isin), trade(), name="a.csv")
    await bring(trade("3", isin=isin, named=",STK,USD"), trade("4", named="OTHER,STK,USD"), name="bb.csv")
    held = await rows("SELECT quantity FROM positions ORDER BY quantity")
    assert [one["quantity"] for one in held] == [4, 23]
    assert (await rows("SELECT isin FROM instruments WHERE symbol = 'ACME'")) == [{"isin": isin}]


async def test_what_could_be_several_instruments_is_refused_unless_the_exchange_tells(
    bring: Import, rows: Rows
) -> None:
    known = [
        trade(conid="101", exchange="NYSE"),
        trade(conid="102", exchange="LSE"),
        trade("1", conid="103", named="XYZ,STK,USD"),
    ]
    await bring(*known)
    before = await rows("SELECT count(*) AS imports FROM imports")
    with pytest.raises(FaultyRowsError) as raised:
        await bring(
            trade(),
            trade("2", named="XYZ,STK,EUR", conid="103"),
            trade("2", named=",,", conid="104"),
            trade("2", named="ABC,OPT,USD"),
            name="bb.csv",
        )
    assert [(one.line, one.column) for one in raised.value.faults] == [
        (2, "symbol"),
        (3, "conid"),
        (4, "conid"),
        (5, "symbol"),
    ]
    reasons = [one.reason for one in raised.value.faults]
    assert "any of the conids 101, 102" in reasons[0]
    assert reasons[1] == "conid 103 is known with currency USD, not EUR"
    assert "conid 104 is not known here: state symbol, asset_class, currency" in reasons[2]
    assert "state multiplier, expiry, strike, right, too" in reasons[3]
    assert await rows("SELECT count(*) AS imports FROM imports") == before
    await bring(trade("7", exchange="LSE"), trade("8", named=",,", conid="103"), name="ccc.csv")
    held = await rows("SELECT conid, quantity FROM positions ORDER BY conid")
    assert [tuple(one.values()) for one in held] == [(101, 10), (102, 17), (103, 9)]


async def test_a_file_with_a_fault_leaves_nothing(bring: Import, database: Database) -> None:
    before = await every_row(database)
    with pytest.raises(FaultyRowsError, match="line 3, price"):
        await bring(trade(), trade(price="x"))
    assert await every_row(database) == before


async def test_a_rehearsal_tells_what_would_change_and_writes_nothing(
    bring: Import, database: Database
) -> None:
    before = await every_row(database)
    report = await bring(trade(), dry_run=True)
    assert [one.quantity for one in report.changes] == [10]
    assert await every_row(database) == before
