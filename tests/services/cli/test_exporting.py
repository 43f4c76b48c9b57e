"""``lotkeeper export``."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from services.cli import exporting
from services.export import views
from tests.models.grown import statements
from tests.services.cli.conftest import Said, Sql, noted

Run = Callable[..., Said]

ROWS = """
INSERT INTO broker_accounts (account, paper, first_seen_at, last_seen_at)
    SELECT 'U' || n, false, now(), now() FROM generate_series(1, 2) n;
INSERT INTO raw_payloads (sha256, size_bytes, content, stored_at) VALUES ('x', 1, '', now());
INSERT INTO imports (kind, name, sha256, status, trigger, stated_at, imported_at, report)
    VALUES ('flex', 'x', 'x', 'done', 'cli', now(), now(), '{}');
INSERT INTO cash_flows (import_id, line, flow_key, account, kind, external, at, amount, currency, symbol,
    transaction_id, description) SELECT 1, n, n, 'U' || 1 + n % 2, 'dividend', false,
    timestamptz '2026-01-01 12:00Z' + n * interval '1 day', 0.1, 'USD', '', '', '=1+1'
    FROM generate_series(0, 9) n;
"""


@pytest.fixture
def kept(sql: Sql, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", url)
    sql(*statements(ROWS))


@pytest.mark.usefixtures("kept")
def test_an_export_is_made_told_and_verified(lotkeeper: Run, tmp_path: Path) -> None:
    said = lotkeeper("export", "all", "--format", "parquet", "--out", "lake")
    assert (said.code, said.err) == (0, "")
    assert "14 rows" in said.out
    assert " as parquet, in " in said.out
    assert noted(lotkeeper)[-1] == ("export", "lake", "ok")
    verified = lotkeeper("export", "verify", "lake")
    assert verified.code == 0
    assert "lake is whole" in verified.out
    made = lotkeeper("export", "duckdb", "lake")
    assert made.out.splitlines() == [
        "lake/views.sql",
        "lake/lotkeeper.duckdb",
        "In lake: duckdb lotkeeper.duckdb",
    ]
    (tmp_path / "lake/cash_flows/data.parquet").write_bytes(b"")
    broken = lotkeeper("export", "verify", "lake", "--json")
    assert broken.code == 5
    assert broken.data["findings"][0]["path"] == "cash_flows/data.parquet"
    assert "Do not trust it" in broken.err
    assert "cash_flows/data.parquet has 0 bytes" in lotkeeper("export", "verify", "lake").out


@pytest.mark.usefixtures("kept")
def test_a_part_is_exported_by_dataset_account_and_time(lotkeeper: Run, tmp_path: Path) -> None:
    chosen = ("--dataset", "cash_flows", "--account", "U1", "--from", "2026-01-03", "--to", "2026-01-06")
    said = lotkeeper("export", "all", "--format", "csv", "--out", "out", *chosen, "--json")
    assert said.data["datasets"] == {"cash_flows": 2}
    assert said.data["left_out"]["users"].startswith("says who may see")
    lines = (tmp_path / "out/cash_flows.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    assert all("'=1+1" in line and ",U1," in line for line in lines[1:])
    manifest = json.loads((tmp_path / "out/manifest.json").read_text(encoding="utf-8"))
    assert (manifest["accounts"], manifest["from"]) == (["U1"], "2026-01-03T05:00:00+00:00")


def test_datasets_are_listed_with_what_never_is_one(lotkeeper: Run) -> None:
    said = lotkeeper("export", "datasets")
    assert "positions_history" in said.out
    assert "Never exported" in said.out
    told = lotkeeper("export", "datasets", "--json").data
    assert {"name", "kind", "description", "time", "by_account"} == set(told["datasets"][0])


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--format", "xlsx", "--out", "x"), 2, "'xlsx' is not one of"),
        (("--format", "csv"), 2, "Missing option '--out'"),
        (("--format", "csv", "--out", "x", "--dataset", "trades"), 2, "There is no dataset 'trades'"),
        (("--format", "csv", "--out", "x", "--account", "U9"), 2, "There is no account U9"),
        (("--format", "csv", "--out", "x", "--from", "soon"), 2, "--from: 'soon' is no time"),
        (
            ("--format", "csv", "--out", "x", "--from", "2026-02-01", "--to", "2026-01-01"),
            2,
            "nothing lies between",
        ),
        (("--format", "csv", "--out", "/dev/null/x"), 6, "No export can be written at /dev/null/x"),
        (("--format", "csv", "--out", "/dev/null"), 6, "is no folder"),
        (("--format", "sqlite", "--out", "x", "--passphrase-file", "none"), 2, "cannot be read from none"),
        (("--format", "sqlite", "--out", "x", "--passphrase-file", "empty"), 2, "is empty"),
    ],
)
def test_nonsense_gets_a_useful_sentence(
    lotkeeper: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    said = lotkeeper("export", "all", *arguments)
    assert said.code == code
    assert sentence in " ".join(said.err.replace("│", " ").split())
    assert not (tmp_path / "x").exists()
    for command in ("verify", "duckdb"):
        said = lotkeeper("export", command, str(tmp_path))
        assert said.code == 2
        assert "there is no manifest.json in it" in said.err


@pytest.mark.usefixtures("kept")
def test_without_duckdb_there_is_its_script(
    lotkeeper: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lotkeeper("export", "all", "--format", "parquet", "--out", "lake", "--dataset", "cash_flows")
    monkeypatch.setattr(views, "_has_duckdb", lambda: False)
    said = lotkeeper("export", "duckdb", "lake")
    assert "DuckDB is not installed here" in said.out
    assert "CREATE OR REPLACE VIEW cash_flows" in (tmp_path / "lake/views.sql").read_text(encoding="utf-8")
    assert lotkeeper("export", "duckdb", "lake", "--json").data == {"written": ["lake/views.sql"]}


def test_a_terminal_is_told_how_far_it_has_come(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exporting._progress_line() is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    tell = exporting._progress_line()
    assert tell is not None
    tell(0, 2, "executions", 1 << 20)
    tell(0, 2, "executions", (1 << 20) + 1)
    tell(2, 2, "", 0)
    assert capsys.readouterr().err == "\r\x1b[K0 of 2 datasets, executions: 1 MB\r\x1b[K2 of 2 datasets\n"
