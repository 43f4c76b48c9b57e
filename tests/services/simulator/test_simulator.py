"""The simulator's own life: its jobs, its seed, what it tells while the link is lost, slow clients."""

import asyncio
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from services.simulator import Simulator, session
from services.simulator.faults import FaultState
from tests.services.simulator.clients import RawClient, ib_connected
from tests.waiting import comes

ONE, AAPL = "DU1000001", 265598


async def test_a_job_that_fails_goes_on_and_is_logged_once_down_and_once_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scenario = {"extends": "quiet", "gateway": {"account_seconds": 0.01}}
    async with Simulator.start(scenario) as sim:
        calls = 0

        def broken() -> None:
            nonlocal calls
            calls += 1
            raise RuntimeError("out of order")

        with capture_logs() as lines:
            monkeypatch.setattr(sim.gateway, "sessions", _Exploding(broken))
            await comes(lambda: calls > 5)
            monkeypatch.undo()
            await comes(lambda: any(line["event"] == "simulator_job_recovered" for line in lines))
    assert [line["event"] for line in lines].count("simulator_job_failed") == 1


class _Exploding(set[object]):
    """A set that cannot be walked."""

    def __init__(self, explode: object) -> None:
        super().__init__()
        self._explode = explode

    def __iter__(self) -> object:  # type: ignore[override] # it never gives anything
        self._explode()  # type: ignore[operator] # a callable


async def test_the_same_seed_and_tag_give_the_same_exec_ids() -> None:
    runs = []
    for seed in (4, 4, 5):
        async with Simulator.start("quiet", seed=seed, exec_id_tag=7) as sim:
            burst = await sim.burst(50)
            runs.append([(one, sim.book.executions[one].signed_quantity) for one in burst.exec_ids])
    assert runs[0] == runs[1] != runs[2]
    assert runs[0][0][0] == "00000007.00000001.01.01"


async def test_two_books_never_share_an_exec_id(sim: Simulator) -> None:
    async with Simulator.start("quiet", seed=1) as other:
        ids = {await one.fill(account=ONE, conid=AAPL, side="BOT", quantity=1) for one in (sim, other)}
    assert len(ids) == 2


async def test_nothing_is_told_live_while_the_link_is_lost(sim: Simulator) -> None:
    async with RawClient.connect(sim.port) as client:
        client.send("61", "1")
        await client.until("62")
        sim.connectivity_lost()
        await sim.burst(5, books=2)
        await sim.out_of_order(account=ONE, conid=AAPL)
        exec_id = await sim.fill(account=ONE, conid=AAPL, side="BOT", quantity=1)
        await sim.correct(exec_id, quantity=2)
        sim.duplicate(exec_id)
        client.send("49", "1")
        assert {one[0] for one in await client.until("49")} == {"4", "49"}


async def test_one_fill_can_be_sent_to_chosen_books(sim: Simulator) -> None:
    await sim.burst(20, books=[(ONE, AAPL)])
    assert {one.key for one in sim.book.executions.values()} == {(ONE, AAPL)}


async def test_a_burst_stops_for_a_client_that_hangs_up(sim: Simulator) -> None:
    async with RawClient.connect(sim.port) as client:
        await client.until("9")
        sim.stall()
        burst = asyncio.create_task(sim.burst(5_000))
        await comes(lambda: len(sim.book.executions) == 5_000)
        sim.drop_connections()
        sim.stall(False)
        assert len((await burst).exec_ids) == 5_000


async def test_a_client_that_reads_nothing_is_hung_up_on_before_it_eats_the_memory(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LARGEST_BACKLOG", 100_000)
    async with RawClient.connect(sim.port) as client:
        await client.until("9")
        sim.stall()
        for _ in range(3):
            sim.send_raw(b"x" * 50_000)
        sim.stall(False)
        assert await client.hung_up()
    assert sim.client_ids == []


async def test_a_long_answer_leaves_room_for_others_and_ends_with_its_client(sim: Simulator) -> None:
    made = await sim.burst(6_000)
    async with RawClient.connect(sim.port) as client:
        await client.until("9")
        client.send("7", "3", "1", "0", "", "", "", "", "", "")
        client.send("49", "1")
        got = await client.until("55")
        kinds = [one[0] for one in got]
        assert kinds.count("11") == 6_000
        assert "49" in kinds
        assert [one[14] for one in got if one[0] == "11"] == made.exec_ids
        client.send("7", "3", "2", "0", "", "", "", "", "", "")
        await client.until("11")
    await comes(lambda: sim.client_ids, lambda ids: not ids)
    streaming = [task for task in asyncio.all_tasks() if "_stream" in repr(task.get_coro())]
    assert streaming == []


def test_nothing_is_stalled_to_begin_with() -> None:
    assert not FaultState().stalled


async def test_marks_move_on_their_own_and_stand_still_while_the_market_is_paused() -> None:
    scenario = {"extends": "quiet", "market": {"moves": True, "tick_seconds": 0.01}}
    async with Simulator.start(scenario) as sim:
        start = dict(sim.book.marks)
        await comes(lambda: sim.book.marks != start)
        sim.pause_market()
        still = dict(sim.book.marks)
        async with ib_connected(sim.port) as ib:
            await ib.reqCurrentTimeAsync()
        assert sim.book.marks == still
        assert sim.book.marks[AAPL] > Decimal(0)


async def test_unknown_bad_frames_are_refused(sim: Simulator) -> None:
    with pytest.raises(KeyError):
        sim.send_bad("odd")  # type: ignore[arg-type] # that is the point
