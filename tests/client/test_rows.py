"""What the client knows of rows is what the server tells: the same fields, read from the replies on file."""

import inspect
import pkgutil
from importlib import import_module
from pathlib import Path

import msgspec
import pytest

import services.api.schemas as server
from lotkeeper_client import rows

FILES = Path(__file__).parents[1] / "data" / "contract"
LISTS = {
    "accounts": rows.Account,
    "positions": rows.Position,
    "positions-closed": rows.Position,
    "events": rows.PositionEvent,
    "lots": rows.Lot,
    "position-notes": rows.PositionNote,
    "position-prices": rows.Price,
    "tags": rows.Tag,
    "executions": rows.Execution,
    "executions-corrected": rows.Execution,
    "realized": rows.Realized,
    "realized-differences": rows.RealizedDifference,
    "statistics": rows.Statistics,
    "performance": rows.Performance,
    "snapshots": rows.Snapshot,
    "snapshot-runs": rows.SnapshotRun,
    "cash-balances": rows.CashBalance,
    "cash-flows": rows.CashFlow,
    "cash-rates": rows.CurrencyRate,
    "instruments": rows.Instrument,
    "reconciliations": rows.Reconciliation,
    "differences": rows.Difference,
    "statement-differences": rows.StatementDifference,
    "statements": rows.Statement,
    "statement-coverage": rows.StatementCoverage,
    "account-groups": rows.AccountGroup,
    "benchmarks": rows.BenchmarkSeries,
    "alerts": rows.Alert,
    "jobs": rows.JobRecord,
    "dead": rows.DeadFact,
}
ONES = {
    "summary": rows.Summary,
    "position": rows.PositionDetail,
    "attribution": rows.Attribution,
    "measures": rows.Measures,
    "snapshot": rows.SnapshotDetail,
    "instrument": rows.InstrumentDetail,
    "allocation": rows.Allocation,
    "valuation": rows.ValuationReport,
    "portfolio-summary": rows.PortfolioSummary,
    "portfolio-drawdowns": rows.Drawdowns,
    "portfolio-history": rows.PortfolioHistory,
    "portfolio-calendar": rows.Calendar,
    "validation": rows.Validation,
    "sync": rows.SyncReport,
    "meta": rows.Meta,
}


class _Page(msgspec.Struct):
    items: tuple[msgspec.Raw, ...]


@pytest.mark.parametrize(("name", "kind"), LISTS.items(), ids=LISTS)
def test_lists_on_file_are_read(name: str, kind: type[msgspec.Struct]) -> None:
    page = msgspec.json.decode((FILES / f"{name}.json").read_bytes(), type=_Page)
    for item in page.items:
        msgspec.json.decode(item, type=kind)


@pytest.mark.parametrize(("name", "kind"), ONES.items(), ids=ONES)
def test_answers_on_file_are_read(name: str, kind: type[msgspec.Struct]) -> None:
    msgspec.json.decode((FILES / f"{name}.json").read_bytes(), type=kind)


def _of_the_server() -> dict[str, type[msgspec.Struct]]:
    return {
        name: one
        for module in pkgutil.iter_modules(server.__path__, f"{server.__name__}.")
        for name, one in inspect.getmembers(import_module(module.name), inspect.isclass)
        if issubclass(one, msgspec.Struct) and one.__module__ == module.name
    }


@pytest.mark.parametrize("name", rows.__all__)
def test_each_row_has_the_fields_that_the_server_gives_it(name: str) -> None:
    ours, theirs = getattr(rows, name), _of_the_server()[name]
    assert ours.__struct_encode_fields__ == theirs.__struct_encode_fields__
