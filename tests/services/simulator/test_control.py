"""The control API over HTTP, through its own client, and the process that serves it."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from services.simulator import Simulator
from services.simulator.control import ControlClient, ControlError
from services.simulator.faults import BAD_FRAMES
from tests.services.simulator.clients import RawClient

ONE, AAPL = "DU1000001", 265598


@pytest.fixture
async def controlled() -> AsyncIterator[tuple[Simulator, ControlClient]]:
    async with Simulator.start("quiet", control_port=0) as sim:
        assert sim.control_port
        yield sim, ControlClient(sim.control_port)


Controlled = tuple[Simulator, ControlClient]


async def test_the_book_is_readable_with_amounts_as_strings(controlled: Controlled) -> None:
    sim, control = controlled
    exec_id = await asyncio.to_thread(
        control.fill, account=ONE, conid=AAPL, side="SLD", quantity=Decimal("10.5"), price="231.07"
    )
    book = await asyncio.to_thread(control.book)
    rows = {(row["account"], row["conid"]): row for row in book["positions"]}
    assert {key: Decimal(row["quantity"]) for key, row in rows.items()} == {
        key: held.quantity for key, held in sim.book.positions.items()
    }
    assert (rows[ONE, AAPL]["quantity"], rows[ONE, AAPL]["mark"]) == ("289.5", "228.02")
    (execution,) = book["executions"]
    assert (execution["exec_id"], execution["quantity"], execution["price"]) == (exec_id, "10.5", "231.07")
    assert book["accounts"][ONE]["cash"]["EUR"] == "41870.20"
    corrected = await asyncio.to_thread(control.correct, exec_id, quantity=10)
    assert corrected == exec_id[:-1] + "2"
    assert sim.book.position((ONE, AAPL)).quantity == 290


async def test_every_fault_can_be_switched_from_another_process(controlled: Controlled) -> None:
    sim, control = controlled

    def switch() -> None:
        control.stall(True)
        assert control.status()["stalled"]
        control.stall(False)
        control.refuse(True)
        control.refuse(False)
        control.refuse(True, how="hang_up")
        control.refuse(False)
        control.accept_but_never_answer(True)
        control.accept_but_never_answer(False)
        control.drop_every(60)
        control.drop_every(None)
        control.connectivity_lost()
        assert control.status()["link_lost"]
        control.connectivity_restored(data_lost=True)
        control.positions_answer(("partial", 3))
        control.positions_answer("never")
        control.execution_time_zone("GMT Standard Time")
        control.execution_time_zone(None)
        control.pause_market()
        control.resume_market()
        for kind in BAD_FRAMES:
            control.send_bad(kind)

    await asyncio.to_thread(switch)
    assert sim.faults.positions == "never"
    assert not sim.gateway.link_lost


async def test_what_is_switched_reaches_the_clients(controlled: Controlled) -> None:
    sim, control = controlled
    async with RawClient.connect(sim.port, client_id=4) as client:
        await client.until("9")
        assert (await asyncio.to_thread(control.status))["client_ids"] == [4]
        await asyncio.to_thread(control.send_error, 2110)
        while (await client.until("4"))[-1][3] != "2110":
            pass
        await asyncio.to_thread(control.send_raw, ["1000", "x"])
        await asyncio.to_thread(control.send_raw, b"\x00\x00\x00\x02y\x00")
        assert [await client.next(), await client.next()] == [["1000", "x"], ["y"]]
        ids = await asyncio.to_thread(control.out_of_order, account=ONE, conid=AAPL, count=2)
        told = [(await client.until("11"))[-1][14] for _ in ids]
        assert told == ids[::-1]
        await asyncio.to_thread(control.duplicate, ids[0])
        assert (await client.until("11"))[-1][14] == ids[0]
        burst = await asyncio.to_thread(control.burst, 10)
        assert (burst["count"], len(burst["first"])) == (10, 1)
        await client.until("11")
        assert await asyncio.to_thread(control.drop_connections) == 1
        assert await client.hung_up()


@pytest.mark.parametrize(
    ("operation", "arguments", "reason"),
    [
        ("nonsense", {}, "There is no nonsense. There are: drop_connections"),
        ("stall", {"of": 1}, "TypeError"),
        ("positions_answer", {"how": "maybe"}, "maybe"),
        ("send_bad", {"kind": "odd"}, "KeyError"),
        ("duplicate", {"exec_id": "1.2.3.4"}, "KeyError"),
    ],
)
async def test_a_wrong_operation_is_refused_with_a_reason(
    controlled: Controlled, operation: str, arguments: dict[str, object], reason: str
) -> None:
    _, control = controlled
    with pytest.raises(ControlError, match=reason):
        await asyncio.to_thread(control.fault, operation, **arguments)


async def test_a_fill_of_nothing_known_is_refused(controlled: Controlled) -> None:
    _, control = controlled
    with pytest.raises(ControlError, match="no such thing"):
        await asyncio.to_thread(control.fill, account="DU9", conid=AAPL, side="BOT", quantity=1)


def test_the_simulator_is_light_until_it_is_to_be_controlled() -> None:
    heavy = "('fastapi', 'uvicorn', 'ib_async')"
    code = f"import sys, services.simulator; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
