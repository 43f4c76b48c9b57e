"""A new demo has a past: three years of statements, imported beside the live market, up to its book."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Stack
from tests.e2e.test_ledger import lotkeeper

pytestmark = pytest.mark.xdist_group("e2e")


def kept(positions: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    """What a closed position was, and is for ever."""
    return {
        (row["id"], row["opened_at"], row["closed_at"], row["realized_pnl"])
        for row in positions
        if row["status"] == "closed"
    }


def adjusted(demo: Stack, row: dict[str, Any]) -> set[str | None]:
    """Why a position changed without a fill."""
    events = demo.get(f"/positions/{row['id']}/events", limit=500)["items"]
    return {one["cause"] for one in events if one["type"] == "adjusted"}


def test_a_new_demo_comes_to_a_past_that_no_later_start_changes(tmp_path: Path) -> None:
    demo = Stack(tmp_path / "home")
    try:
        demo.start()
        first = demo.until_it_has_a_past()
        assert sum(tally["disputed"] for one in first for tally in one["report"]["sections"].values()) == 0
        demo.simulator.pause_market()
        demo.until_equal()

        code, proof = lotkeeper(demo, "validate", "ledger")
        assert code == 0, proof
        assert demo.get("/realized/differences")["items"] == []
        assert demo.get("/reconciliations/differences")["items"] == []
        positions = demo.positions(status="all")
        closed = [row for row in positions if row["status"] == "closed"]
        assert len(closed) > 100
        # What a currency had cost that was held before, nobody states: IBKR realizes nothing on one.
        unknown = {row["sec_type"] for row in closed if row["realized_pnl"] is None}
        assert unknown <= {"CASH"}
        assert any(row["realized_pnl"] is not None and Decimal(row["realized_pnl"]) < 0 for row in closed)
        # Conversions are in no book of a statement: those stay opening balances.
        causes = {cause for row in positions if row["sec_type"] != "CASH" for cause in adjusted(demo, row)}
        assert causes == {"split", "transfer", "expiry", "exercise_or_assignment"}

        held = demo.holdings()
        assert demo.stop() == 0
        note = demo.home / "demo" / "simulator" / "book-past.json"
        before = note.read_bytes()
        demo.start()
        demo.simulator.pause_market()
        demo.until_equal()
        assert held.keys() <= {(row["account"], row["conid"]) for row in demo.positions(status="all")}
        assert kept(demo.positions(status="all")) >= kept(closed)
        assert demo.imports() == first
        inbox = demo.home / "demo" / "statements" / "inbox"
        assert [path for path in inbox.iterdir() if path.is_file()] == []
        assert note.read_bytes() == before
    finally:
        demo.stop()
