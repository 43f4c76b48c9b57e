"""A position's whole life on the running stack: what the broker does to it, and what each answer says."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.e2e.conftest import PATIENCE_SECONDS, Stack
from tests.waiting import eventually_now

pytestmark = pytest.mark.xdist_group("e2e")


def lotkeeper(demo: Stack, *arguments: str) -> tuple[int, Any]:
    """What a command says as JSON, and its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments, "--json"],
        env={**os.environ, "LOTKEEPER_HOME": str(demo.home), "LOTKEEPER_PROFILE": "demo"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def a_share(demo: Stack) -> dict[str, Any]:
    """A long position in shares; those of an opening balance have one lot only."""
    rows = [row for row in demo.positions() if row["sec_type"] == "STK" and row["side"] == "long"]
    return min(rows, key=lambda row: (Decimal(row["quantity"]), row["id"]))


def events(demo: Stack, position: str) -> list[tuple[str, Decimal]]:
    rows = demo.get(f"/positions/{position}/events", limit=500)["items"]
    return [(row["type"], Decimal(row["quantity"])) for row in rows]


def execution(demo: Stack, exec_id: str) -> dict[str, Any] | None:
    rows = demo.get("/executions", include="corrected", limit=200)["items"]
    return next((row for row in rows if row["exec_id"] == exec_id), None)


def the_positions(demo: Stack, row: dict[str, Any]) -> list[dict[str, Any]]:
    found = demo.positions(account=row["account"], symbol=row["symbol"], status="all")
    return sorted((one for one in found if one["conid"] == row["conid"]), key=lambda one: one["opened_at"])


def test_through_zero_corrected_cancelled_and_asked_for_again(demo: Stack) -> None:
    row = a_share(demo)
    place = {"account": row["account"], "conid": row["conid"]}
    held = Decimal(row["quantity"])
    before = events(demo, row["id"])

    flip = demo.simulator.fill(**place, side="SLD", quantity=str(held + 5))
    ended, short = eventually_now(
        lambda: the_positions(demo, row)[-2:],
        lambda found: found[-1]["quantity"] == "-5",
        seconds=PATIENCE_SECONDS,
    )
    assert ended["id"] == row["id"]
    assert (ended["status"], ended["quantity"], short["side"]) == ("closed", "0", "short")
    assert events(demo, ended["id"]) == [*before, ("flipped", -held)]
    assert events(demo, short["id"]) == [("opened", Decimal(-5))]
    told = eventually_now(
        lambda: execution(demo, flip), lambda one: one is not None and one["broker_realized_pnl"] is not None
    )
    assert told is not None
    # All of the opening balance went at once, so its lots at the broker make no difference.
    assert abs(Decimal(told["realized_pnl"]) - Decimal(told["broker_realized_pnl"])) < Decimal("0.005")

    corrected = demo.simulator.correct(flip, quantity=str(held + 8))
    eventually_now(
        lambda: the_positions(demo, row)[-1]["quantity"], lambda size: size == "-8", seconds=PATIENCE_SECONDS
    )
    assert events(demo, ended["id"]) == [*before, ("flipped", -held), ("corrected", Decimal(0))]
    replaced = execution(demo, flip)
    assert replaced is not None
    assert replaced["corrected_by"] == corrected

    demo.simulator.correct(corrected, quantity="0")
    eventually_now(lambda: the_positions(demo, row)[-1]["quantity"], lambda size: Decimal(size) == held)
    (back,) = [one for one in the_positions(demo, row) if one["status"] == "open"]
    assert back["id"] == row["id"]
    assert [kind for kind, _ in events(demo, row["id"])][len(before) :] == ["corrected", "corrected"]
    assert [one["id"] for one in the_positions(demo, row)][-1] == row["id"]
    demo.until_equal()


def test_what_was_known_before_a_correction_can_be_asked_for(demo: Stack) -> None:
    row = a_share(demo)
    place = {"account": row["account"], "conid": row["conid"]}
    exec_id = demo.simulator.fill(**place, side="BOT", quantity="4")
    more = Decimal(row["quantity"]) + 4
    eventually_now(lambda: demo.get(f"/positions/{row['id']}")["quantity"], lambda it: Decimal(it) == more)
    then = datetime.now(UTC).isoformat()
    demo.simulator.correct(exec_id, quantity="1")
    less = more - 3
    eventually_now(lambda: demo.get(f"/positions/{row['id']}")["quantity"], lambda it: Decimal(it) == less)

    def at(**when: str) -> Decimal:
        rows = demo.positions(account=row["account"], symbol=row["symbol"], **when)
        return next(Decimal(one["quantity"]) for one in rows if one["id"] == row["id"])

    assert at(as_of=then) == less
    assert at(known_at=then) == more
    demo.simulator.correct(execution_id(demo, exec_id), quantity="0")
    demo.until_equal()


def execution_id(demo: Stack, exec_id: str) -> str:
    """The revision that counts now."""
    found = execution(demo, exec_id)
    assert found is not None
    return found["corrected_by"] or exec_id


def test_the_ledger_proves_itself_and_another_cost_method_comes_and_goes(demo: Stack) -> None:
    row = a_share(demo)
    place = {"account": row["account"], "conid": row["conid"]}
    for quantity in ("10", "20"):
        demo.simulator.fill(**place, side="BOT", quantity=quantity)
    demo.simulator.fill(**place, side="SLD", quantity="15")
    demo.until_equal()
    eventually_now(
        lambda: demo.get(f"/positions/{row['id']}")["provisional"], lambda provisional: not provisional
    )
    code, proof = lotkeeper(demo, "validate", "ledger")
    assert code == 0, proof
    code, rehearsal = lotkeeper(demo, "ledger", "rebuild", "--dry-run")
    assert code == 0, rehearsal
    fifo = demo.get(f"/positions/{row['id']}")
    methods = demo.get(f"/positions/{row['id']}/methods")
    code, _ = lotkeeper(demo, "ledger", "method", row["account"], "average")
    assert code == 0
    average = eventually_now(
        lambda: demo.get(f"/positions/{row['id']}"),
        lambda one: one["realized_pnl"] != fifo["realized_pnl"],
        seconds=PATIENCE_SECONDS,
    )
    assert average["quantity"] == fifo["quantity"]
    (told,) = [one for one in methods["totals"] if one["method"] == "average"]
    assert told["realized_pnl"] == average["realized_pnl"]
    assert lotkeeper(demo, "validate", "ledger")[0] == 0
    assert lotkeeper(demo, "ledger", "method", row["account"], "fifo")[0] == 0
    eventually_now(
        lambda: demo.get(f"/positions/{row['id']}")["realized_pnl"],
        lambda figure: figure == fifo["realized_pnl"],
        seconds=PATIENCE_SECONDS,
    )
