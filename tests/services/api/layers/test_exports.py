"""Whole lists as files."""

import asyncio
import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pyarrow as pa
import pytest
from pyarrow import parquet
from sqlalchemy import insert, select, update

from core.tabular import inert
from models import tables as t
from models.session import Database
from services.api.formats.encoders import MEDIA_TYPES
from services.api.layers import exports
from services.api.layers.exports import accepted_format
from tests.services.api.conftest import Api
from tests.services.api.portfolio import AAPL, NOW, TOKEN, USD, position_id
from tests.waiting import eventually

LIST = "/api/v1/executions"


@pytest.fixture
def one_row_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MAX_LIMIT", 1)


def lines(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def table(answer: httpx.Response) -> pa.Table:
    assert answer.status_code == 200, answer.text
    return parquet.read_table(io.BytesIO(answer.content))


@pytest.mark.usefixtures("one_row_a_page")
@pytest.mark.parametrize(
    ("path", "accept"), [(f"{LIST}.ndjson", "*/*"), (LIST, "application/x-ndjson, application/json;q=0.5")]
)
async def test_all_pages_of_a_list_are_one_ndjson_file(api: Api, path: str, accept: str) -> None:
    answer = await api.http.get(path, headers={"accept": accept})
    assert answer.headers["content-type"] == MEDIA_TYPES["ndjson"]
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert len(rows) > 2
    assert rows == (await api.get(LIST))["items"]


@pytest.mark.usefixtures("one_row_a_page")
async def test_all_pages_of_a_list_are_one_csv_file(api: Api) -> None:
    answer = await api.http.get(f"{LIST}.csv", params={"account": USD})
    wanted = (await api.get(LIST, account=USD))["items"]
    assert lines(answer) == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in wanted
    ]
    today = f"{api.context.clock():%Y-%m-%d}"
    told = answer.headers["content-disposition"]
    assert told == f'attachment; filename="lotkeeper-executions-{today}.csv"'
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.usefixtures("one_row_a_page")
async def test_all_pages_of_a_list_are_one_parquet_file_with_types(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.api.formats.parquet.ROWS_A_GROUP", 2)
    answer = await api.http.get(f"{LIST}.parquet")
    found = table(answer)
    assert parquet.ParquetFile(io.BytesIO(answer.content)).num_row_groups > 1
    wanted = (await api.get(LIST))["items"]
    for row in wanted:
        row["executed_at"] = datetime.fromisoformat(row["executed_at"])
    assert found.to_pylist() == wanted
    kinds = {field.name: field.type for field in found.schema}
    assert kinds["executed_at"] == pa.timestamp("us", tz="UTC")
    assert (kinds["conid"], kinds["price"]) == (pa.int64(), pa.string())
    assert found.schema.field("price").metadata[b"lotkeeper.kind"] == b"amount"


async def test_every_list_can_be_had_in_every_format(api: Api) -> None:
    document = await api.get("/openapi.json")
    tried = 0
    for path, methods in document["paths"].items():
        content = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        if "application/x-ndjson" not in content:
            continue
        place = path.replace("{position_id}", str(position_id("aapl")))
        query = {"account": USD} if "attribution" in path else {}
        answer = await api.http.get(place, params=query)
        if answer.status_code != 200:  # nothing is known of it in this portfolio
            refused = await api.http.get(f"{place}.csv", params=query)
            assert refused.json()["detail"] == answer.json()["detail"]
            continue
        page = answer.json()
        told = (await api.http.get(f"{place}.ndjson", params=query)).text.splitlines()
        names = lines(await api.http.get(f"{place}.csv", params=query))
        assert len(names) == len(told) >= len(page["items"]), path
        assert table(await api.http.get(f"{place}.parquet", params=query)).num_rows == len(told), path
        tried += 1
    assert tried >= 25


async def test_an_empty_list_has_its_columns(api: Api) -> None:
    nothing = {"account": USD, "to": "1990-01-01T00:00:00Z"}
    head = (await api.http.get(f"{LIST}.csv", params=nothing)).text
    assert head.startswith("exec_id,order_ref,")
    assert head.endswith("source\r\n")
    found = table(await api.http.get(f"{LIST}.parquet", params=nothing))
    assert (found.num_rows, found.column_names) == (0, head.strip().split(","))
    assert (await api.http.get(f"{LIST}.ndjson", params=nothing)).content == b""


async def test_parts_of_a_row_are_columns_of_both_names(api: Api) -> None:
    row = lines(await api.http.get("/api/v1/positions.csv"))[0]
    item = (await api.get("/api/v1/positions"))["items"][0]
    assert row["freshness_source"] == item["freshness"]["source"]
    assert row["freshness_links_gateway"] == item["freshness"]["links"]["gateway"]
    assert row["provisional"] in {"true", "false"}


async def test_what_a_spreadsheet_would_calculate_is_made_inert_and_numbers_stay(
    api: Api, database: Database
) -> None:
    async with database.write() as writer:
        await writer.execute(
            update(t.instruments).where(t.instruments.c.conid == AAPL).values(symbol='=HYPERLINK("x")')
        )
        await writer.execute(update(t.commission_reports).values(commission=-1))
    rows = lines(await api.http.get(f"{LIST}.csv"))
    assert '\'=HYPERLINK("x")' in {row["symbol"] for row in rows}
    assert any(row["commission"].startswith("-") for row in rows)
    for start in "=+-@\t\r":
        assert inert(f"{start}1+1") == f"'{start}1+1"
    assert inert("-1.5") == "-1.5"
    told = (await api.http.get(f"{LIST}.ndjson")).text
    assert '"=HYPERLINK(' in told, "only CSV is opened by spreadsheets"


async def test_the_freshness_of_a_file_stands_in_its_headers(api: Api) -> None:
    block = (await api.get(LIST))["freshness"]
    told = (await api.http.get(f"{LIST}.csv")).headers
    assert told["lotkeeper-freshness-source"] == block["source"]
    assert told["lotkeeper-freshness-as-of"] == block["as_of"]
    assert told["lotkeeper-freshness-stale"] == str(block["stale"]).lower()


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{LIST}.csv?limit=10", 422, "validation_failed"),
        (f"{LIST}.csv?cursor=x", 400, "cursor_invalid"),
        (f"{LIST}.csv?account=U0", 404, "account_not_found"),
        (f"{LIST}.csv?from=yesterday", 422, "validation_failed"),
        ("/api/v1/sync.csv", 404, "not_found"),
        ("/api/v1/nothing.csv", 404, "not_found"),
        (f"{LIST}.xlsx", 404, "not_found"),
    ],
)
async def test_what_is_no_list_or_wrongly_asked_is_a_problem(
    api: Api, path: str, status: int, code: str
) -> None:
    answer = await api.http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_file_needs_who_asks_as_its_list_does(api: Api) -> None:
    api.http.headers.pop("authorization")
    assert (await api.http.get(f"{LIST}.csv")).status_code == 401
    assert (await api.http.post("/api/v1/sync/resync.csv")).status_code == 401


async def test_nothing_is_posted_to_a_file(api: Api, database: Database) -> None:
    for path, status in (("/api/v1/issues/check.csv", 405), ("/api/v1/sync/resync.csv", 404)):
        assert (await api.http.post(path)).status_code == status
    async with database.read() as reader:
        kinds = (await reader.execute(select(t.jobs.c.kind).where(t.jobs.c.kind == "rules"))).all()
    assert kinds == []


async def test_head_tells_of_a_file_without_sending_it(api: Api) -> None:
    answer = await api.http.head(f"{LIST}.csv")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/csv")


def broken_after(pages: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the page after so many."""
    asked = exports.Exports._page
    counted: Iterator[int] = iter(range(1000))

    async def page(self: exports.Exports, *args: Any, **options: Any) -> Any:
        if next(counted) >= pages:
            raise OSError(f"account {USD} of the database went away")
        return await asked(self, *args, **options)

    monkeypatch.setattr(exports.Exports, "_page", page)


@pytest.mark.usefixtures("one_row_a_page")
@pytest.mark.parametrize("suffix", ["csv", "ndjson", "parquet"])
async def test_a_file_that_is_cut_off_does_not_look_whole(
    api: Api, suffix: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken_after(2, monkeypatch)
    received = bytearray()
    plain = {"Accept-Encoding": "identity"}

    async def read() -> None:
        async with api.http.stream("GET", f"{LIST}.{suffix}", headers=plain) as answer:
            assert answer.status_code == 200
            async for part in answer.aiter_raw():
                received.extend(part)

    with pytest.raises(httpx.RemoteProtocolError):
        await read()
    if suffix == "ndjson":
        *rows, last = bytes(received).splitlines()
        assert len(rows) == 2
        assert json.loads(last)["error"]["code"] in {"database_unavailable", "internal_error"}
    assert USD not in capsys.readouterr().out


async def test_a_failure_before_the_first_row_is_a_problem(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_after(0, monkeypatch)
    answer = await api.http.get(f"{LIST}.csv")
    assert answer.status_code in {500, 503}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_reader_who_stops_reading_holds_the_list_up_and_who_leaves_ends_it(
    api: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some megabytes in small pages: more than all buffers between the two hold."""
    monkeypatch.setattr(exports, "MAX_LIMIT", 5)
    async with database.write() as writer:
        await writer.execute(
            insert(t.raw_payloads).values(sha256="0" * 64, size_bytes=1, content=b"", stored_at=NOW)
        )
        await writer.execute(
            insert(t.imports),
            [
                {
                    "kind": "flex",
                    "name": f"{number}",
                    "sha256": "0" * 64,
                    "status": "undone",
                    "trigger": "cli",
                    "stated_at": NOW,
                    "imported_at": NOW,
                    "undone_at": NOW,
                    "report": {"text": "x" * 200_000},
                }
                for number in range(100)
            ],
        )
    asked = exports.Exports._page
    pages = 0

    async def page(self: exports.Exports, *args: Any, **options: Any) -> Any:
        nonlocal pages
        pages += 1
        return await asked(self, *args, **options)

    monkeypatch.setattr(exports.Exports, "_page", page)

    async def names() -> set[str]:
        return {task.get_name() for task in asyncio.all_tasks()}

    reader, writer_ = await asyncio.open_connection("127.0.0.1", api.settings.api_port)
    request = (
        f"GET /api/v1/imports.ndjson HTTP/1.1\r\nHost: {api.address}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    )
    writer_.write(request.encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    reader._transport.pause_reading()  # type: ignore[attr-defined]

    async def stands_still() -> bool:
        before = pages
        await asyncio.sleep(0.2)
        return pages == before

    await eventually(stands_still)
    assert 0 < pages < 20, "it waits for its reader"
    writer_.transport.abort()
    await eventually(names, lambda found: "api-whole-list" not in found)
    assert pages < 20


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/csv", "csv"),
        ("TEXT/CSV; header=present", "csv"),
        ("application/json, text/csv", None),
        ("application/json;q=0.5, text/csv", "csv"),
        ("text/csv;q=0.1, application/vnd.apache.parquet;q=0.2", "parquet"),
        ("text/csv;q=0", None),
        ("text/csv;q=nonsense", None),
        ("text/html,application/xhtml+xml,*/*;q=0.8", None),
        ("text/html", None),
        (",;,", None),
    ],
)
def test_the_format_with_the_highest_weight_is_sent(accept: str, wanted: str | None) -> None:
    assert accepted_format(accept) == wanted


def test_an_idle_api_does_not_carry_what_only_parquet_needs() -> None:
    script = "import sys, services.api.app; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
