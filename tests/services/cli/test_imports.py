"""`lotkeeper import …` on a real database, as a person or a program uses it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from services.cli import reading_ahead
from services.position_sync.importing import source
from services.statements.apart import FlexFileApart
from tests.services.cli.conftest import Said, noted
from tests.services.statements.statements import DATA
from tests.waiting import eventually_now

Run = Callable[..., Said]
FLIP = DATA / "flex-ib-flex-reader" / "CL_flip_close_open.xml"


@pytest.fixture
def lk(url: str, lotkeeper: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command on a database of its own, and without Redis."""
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", url)
    return lotkeeper


def test_a_statement_is_rehearsed_imported_shown_and_taken_back(lk: Run) -> None:
    rehearsed = lk("import", "flex", str(FLIP), "--dry-run")
    assert rehearsed.code == 0
    assert "nothing was written" in rehearsed.out
    assert "Nothing was imported yet" in lk("import", "list").out
    done = lk("import", "flex", str(FLIP))
    assert "Imported CL_flip_close_open.xml as number" in done.out
    assert "-34.74" in done.out
    assert "nothing changed" in lk("import", "flex", str(FLIP)).out
    [listed] = lk("import", "list", "--json").data
    number = str(listed["id"])
    assert (listed["status"], listed["report"]["sections"]["trades"]["new"]) == ("done", 2)
    assert "CL_flip_close_open.xml" in lk("import", "show", number).out
    undone = lk("import", "undo", number, "--json")
    assert [one["quantity"] for one in undone.data["changes"]] == ["0"]
    again = lk("import", "undo", number)
    assert again.code == 2
    assert "no import" in again.err
    name = "CL_flip_close_open.xml"
    assert noted(lk) == [("import", name, "ok"), ("import", name, "ok"), ("import_undo", number, "ok")]
    assert lk("import", "show", "999").code == 2


def test_a_file_that_cannot_be_read_stops_none_of_the_others(lk: Run, tmp_path: Path) -> None:
    cut = tmp_path / "cut.xml"
    cut.write_bytes(FLIP.read_bytes()[:2000])
    said = lk("import", "flex", str(cut), str(tmp_path / "none.xml"), str(FLIP), "--json")
    assert said.code == 1
    first, second, third = said.data
    assert "line" in first["error"]
    assert "No such file" in second["error"]
    assert third["sections"]["trades"]["new"] == 2
    assert [(what, outcome) for what, _, outcome in noted(lk)] == [
        ("import", "statement_truncated"),
        ("import", "unreadable"),
        ("import", "ok"),
    ]


CSV = "type,account,time,symbol,asset_class,currency,quantity,price,amount\n"


def test_a_csv_file_is_imported_listed_and_taken_back(lk: Run, tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_text(
        f"{CSV}trade,U1,2025-01-02,ACME,STK,USD,10,5,\n"
        "trade,U1,2025-01-03,ACME,STK,USD,-10,6,\ndeposit,U1,2025-01-01,,,USD,,,100\n"
    )
    assert "nothing was written" in lk("import", "csv", str(mine), "--dry-run").out
    done = lk("import", "csv", str(mine))
    assert done.code == 0
    assert "Imported mine.csv" in done.out
    assert "New accounts: U1" in done.out
    [listed] = lk("import", "list", "--json").data
    assert (listed["kind"], listed["report"]["sections"]["trades"]["new"]) == ("csv", 2)
    undone = lk("import", "undo", str(listed["id"]), "--json")
    assert [one["realized_before"] for one in undone.data["changes"]] == ["10"]


def test_a_csv_file_that_cannot_be_used_says_all_that_is_wrong_with_it(lk: Run, tmp_path: Path) -> None:
    mine, other = tmp_path / "mine.csv", tmp_path / "other.csv"
    mine.write_text(f"{CSV}trade,U1,2025-01-02,ACME,STK,USD,x,5,\ntrade,,2025-01-02,ACME,STK,USD,1,NaN,\n")
    other.write_text("what,is,this\n")
    said = lk("import", "csv", str(mine), str(other), "--json")
    assert said.code == 1
    first, second = said.data
    assert first["error"].splitlines()[1:] == [
        "  line 2, quantity: 'x' is not a number",
        "  line 3, account: it is needed, and empty",
        "  line 3, price: 'NaN' is not a number",
    ]
    assert "the first line must name the columns" in second["error"]
    assert lk("import", "list", "--json").data == []


def test_a_dispute_is_an_exit_code_only_where_it_is_asked_for(lk: Run, tmp_path: Path) -> None:
    assert lk("import", "flex", str(FLIP)).code == 0
    for number, (options, code) in enumerate((((), 0), (("--strict",), 5))):
        other = tmp_path / f"{number}.xml"
        content = FLIP.read_text().replace('tradePrice="', f'tradePrice="{number + 1}')
        other.write_text(content)
        said = lk("import", "flex", str(other), *options)
        assert said.code == code
        assert "Disputed" in said.out


COLLAGE = DATA / "flex-ibflex" / "test_types_elements.xml"


def test_a_ledger_that_comes_to_what_statements_say_is_said_to(lk: Run) -> None:
    assert "No statement" in lk("validate", "statements").out
    assert lk("import", "flex", str(FLIP)).code == 0
    said = lk("validate", "statements")
    assert (said.code, said.err) == (0, "")
    assert "comes to what the statements say: 2 figures of 1 accounts" in said.out


def test_what_a_statement_says_otherwise_is_told_with_its_cause_and_exit_code_5(lk: Run) -> None:
    assert lk("import", "flex", str(FLIP), str(COLLAGE)).code == 0
    said = lk("validate", "statements")
    assert said.code == 5
    assert "docs/statements.md" in said.err
    assert "contradiction" in said.out
    told = lk("validate", "statements", "--account", "myaccount", "--json")
    assert told.code == 5
    assert told.data["accounts"] == ["myaccount"]
    assert told.data["differing"] == [
        {"kind": "change", "cause": "contradiction", "figures": 1},
        {"kind": "twr", "cause": "contradiction", "figures": 1},
    ]
    first = told.data["differences"][0]
    assert (first["account"], first["kind"], first["stated"]) == ("myaccount", "change", "1234.56")
    flip = next(one["id"] for one in lk("import", "list", "--json").data if one["name"] == FLIP.name)
    assert lk("validate", "statements", "--import", str(flip)).code == 0
    unknown = lk("validate", "statements", "--import", "99")
    assert (unknown.code, "There is no import 99" in unknown.err) == (2, True)
    assert lk("validate", "statements", "--account", "U0").code == 2


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[FlexFileApart]:
    """The processes that read files, which are all taken for large ones."""
    begun: list[FlexFileApart] = []

    def begin(path: Path, name: str) -> FlexFileApart:
        begun.append(FlexFileApart(path, name))
        return begun[-1]

    monkeypatch.setattr(reading_ahead, "FlexFileApart", begin)
    for module in (reading_ahead, source):
        monkeypatch.setattr(module, "APART_FROM_BYTES", 0)
    return begun


def test_a_large_statement_is_read_by_the_process_that_began_with_it(
    lk: Run, readers: list[FlexFileApart], tmp_path: Path
) -> None:
    other = tmp_path / "other.xml"
    other.write_text(FLIP.read_text() + "\n")
    said = lk("import", "flex", str(FLIP), str(other), str(FLIP), "--json")
    assert [one["sections"].get("trades", {}).get("new") for one in said.data] == [2, 0, None]
    assert len(readers) == 3
    eventually_now(lambda: all(one._process.returncode is not None for one in readers))


def test_what_was_begun_to_be_read_is_ended_where_nothing_is_imported(
    lk: Run, readers: list[FlexFileApart], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert lk("import", "flex", str(FLIP)).code != 0
    [reading] = readers
    eventually_now(lambda: reading._process.returncode is not None)
