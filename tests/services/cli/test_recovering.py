"""`lotkeeper backup points` and `recover`: an embedded database as it was at a moment."""

from collections.abc import Callable

import pytest

from services.backup.manifest import state_of
from tests.services.backup.machines import Machine, counted, running, sql
from tests.services.cli.conftest import Said

Run = Callable[..., Said]


def test_a_moment_is_looked_at_and_then_put_in_place(lotkeeper: Run, machine: Machine) -> None:
    (window,) = lotkeeper("backup", "points", "--json").data
    assert window["since"] <= machine.moment.isoformat() <= window["until"]
    assert "20" in lotkeeper("backup", "points").out
    at = machine.moment.isoformat()
    tried = lotkeeper("backup", "recover", "--to", at, "--json")
    assert tried.code == 0, tried.err
    assert tried.data["state"] == state_of(machine.then)
    assert (tried.data["in_place"], tried.data["aside"]) == (False, None)
    assert counted(machine.settings) == machine.later
    said = lotkeeper("backup", "recover", "--to", at, "--replace")
    assert said.code == 0, said.err
    assert f"state {state_of(machine.then)}" in said.out
    assert "books were proven by their facts, 0 of them are wrong" in said.out
    assert "What was there before is kept in" in said.out
    assert counted(machine.settings) == machine.then


def test_a_moment_whose_ledger_is_wrong_is_not_put_in_place(lotkeeper: Run, machine: Machine) -> None:
    with running(machine.settings) as at:
        sql(at, "UPDATE positions SET realized_pnl = realized_pnl + 1")
        ((now,),) = [row.values() for row in sql(at, "SELECT clock_timestamp()::text")]
        sql(at, "CREATE TABLE later AS SELECT 1")
    before = counted(machine.settings)
    said = lotkeeper("backup", "recover", "--to", now.replace(" ", "T"), "--replace")
    assert (said.code, "is not what its facts give" in said.err) == (5, True), said.err
    assert counted(machine.settings) == before
    said = lotkeeper("backup", "recover", "--to", now.replace(" ", "T"), "--replace", "--anyway", "--json")
    assert (said.code, said.data["in_place"]) == (0, True), said.err
    assert said.data["differing_books"] > 0


def test_nonsense_gets_a_sentence(lotkeeper: Run, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.folder.exists()
    for moment, code, sentence in (
        ("yesterday", 2, "--to: 'yesterday' is no time"),
        ("2026-11-20T10:00", 2, "has no zone"),
        ("2099-01-01T00:00Z", 2, "lies ahead"),
        ("2020-01-01T00:00Z", 2, "The earliest moment that can be brought back is"),
    ):
        said = lotkeeper("backup", "recover", "--to", moment, "--replace")
        assert (said.code, sentence in said.err) == (code, True), said.err
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", "postgresql://u:p@127.0.0.1:1/x")
    said = lotkeeper("backup", "points")
    assert (said.code, "of the embedded database only" in said.err) == (2, True)
    monkeypatch.delenv("LOTKEEPER_DATABASE_URL")
    monkeypatch.setenv("LOTKEEPER_HOME", str(machine.settings.home / "elsewhere"))
    said = lotkeeper("backup", "points")
    assert (said.code, "No moment can be brought back" in said.out) == (0, True)
