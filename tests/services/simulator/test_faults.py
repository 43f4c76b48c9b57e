"""Every misbehaviour, each seen by a client."""

import asyncio
import logging
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from services.simulator import Simulator
from services.simulator.faults import BAD_FRAMES, TEXTS
from tests.services.simulator.clients import RawClient, ib_connected
from tests.waiting import comes

ONE, AAPL = "DU1000001", 265598


@pytest.fixture(autouse=True)
def _quiet_ib_async(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="ib_async")


async def live(client: RawClient) -> None:
    """Read up to the last notice of the start-up."""
    while (await client.next())[:4] != ["4", "2", "-1", "2158"]:
        pass


async def test_dropped_connections_end_and_new_ones_are_welcome(sim: Simulator) -> None:
    async with RawClient.connect(sim.port) as client:
        await live(client)
        assert sim.drop_connections() == 1
        assert await client.hung_up()
    async with RawClient.connect(sim.port) as again:
        await live(again)


async def test_while_stalled_nothing_is_sent_or_answered_and_afterwards_all_of_it_is(sim: Simulator) -> None:
    async with RawClient.connect(sim.port) as client:
        await live(client)
        sim.stall(True)
        exec_id = await sim.fill(account=ONE, conid=AAPL, side="BOT", quantity=1)
        client.send("49", "1")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.next()
        sim.stall(False)
        assert (await client.next())[14] == exec_id
        await client.until("49")


async def test_a_stalled_gateway_does_not_greet(sim: Simulator) -> None:
    sim.stall()
    async with RawClient.connect(sim.port, start=False) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.next()
        sim.stall(False)
        assert (await client.next())[0] == "178"


async def test_a_refusing_gateway_keeps_its_port_and_comes_back_on_it(sim: Simulator) -> None:
    async with RawClient.connect(sim.port) as client:
        await live(client)
        await sim.refuse(True)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", sim.port)
        client.send("49", "1")
        await client.until("49")
    await sim.refuse(False)
    async with ib_connected(sim.port) as ib:
        assert ib.positions()


async def test_a_gateway_can_hang_up_on_accept(sim: Simulator) -> None:
    await sim.refuse(True, how="hang_up")
    async with RawClient.connect(sim.port, start=False) as client:
        assert await client.hung_up()
    await sim.refuse(False)
    async with RawClient.connect(sim.port) as client:
        await live(client)


async def test_a_gateway_can_accept_and_never_answer(sim: Simulator) -> None:
    sim.accept_but_never_answer(True)
    async with RawClient.connect(sim.port, start=False) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.next()
    sim.accept_but_never_answer(False)
    async with RawClient.connect(sim.port) as client:
        await live(client)


async def test_connections_drop_again_and_again(sim: Simulator) -> None:
    sim.drop_every(0.1)
    for _ in range(3):
        async with RawClient.connect(sim.port) as client:
            assert await client.hung_up()
    sim.drop_every(None)
    async with RawClient.connect(sim.port) as client:
        await live(client)


async def test_a_scenario_file_can_drop_connections() -> None:
    scenario = {"extends": "quiet", "faults": {"drop_every_seconds": 0.2}}
    async with Simulator.start(scenario) as sim, RawClient.connect(sim.port) as client:
        assert await client.hung_up()


@pytest.mark.parametrize(
    ("faults", "answered"), [({"refuse": True}, False), ({"never_answer": True}, False), ({}, True)]
)
async def test_a_scenario_file_can_refuse_and_never_answer(faults: dict[str, bool], answered: bool) -> None:
    async with Simulator.start({"extends": "quiet", "faults": faults}) as sim:
        try:
            async with asyncio.timeout(0.5), RawClient.connect(sim.port):
                got = True
        except (TimeoutError, ConnectionRefusedError):
            got = False
        assert got is answered


@pytest.mark.parametrize("code", sorted(TEXTS))
async def test_every_code_comes_with_the_text_that_ibkr_gives_it(sim: Simulator, code: int) -> None:
    async with RawClient.connect(sim.port) as client:
        await live(client)
        sim.send_error(code)
        assert await client.next() == ["4", "2", "-1", str(code), TEXTS[code], ""]


async def test_an_error_can_name_a_request_and_have_words_of_its_own(sim: Simulator) -> None:
    async with RawClient.connect(sim.port) as client:
        await live(client)
        sim.send_error(10197, "words", req_id=7)
        sim.send_error(4711)
        assert await client.next() == ["4", "2", "7", "10197", "words", ""]
        assert (await client.next())[3:5] == ["4711", "Code 4711"]


async def test_while_the_link_is_lost_1100_repeats_and_account_data_stands_still() -> None:
    scenario = {"extends": "quiet", "gateway": {"lost_notice_seconds": 0.05, "pnl_seconds": 0.05}}
    async with Simulator.start(scenario) as sim, RawClient.connect(sim.port) as client:
        await live(client)
        client.send("92", "3", ONE, "")
        client.send("61", "1")
        await client.until("62")
        sim.connectivity_lost()
        exec_id = await sim.fill(account=ONE, conid=AAPL, side="BOT", quantity=1)
        sim.book.marks[AAPL] += 5
        notices = [await client.until("4") for _ in range(3)]
        assert [notice[-1][3] for notice in notices] == ["1100"] * 3
        assert [len(notice) for notice in notices[1:]] == [1, 1]
        # What is asked meanwhile is answered from before.
        client.send("7", "3", "9", "0", "", "", "", "", "", "")
        assert [got[0] for got in await client.until("55") if got[0] != "4"] == ["55"]
        sim.connectivity_restored()
        until = await client.until("61")
        assert "1102" in {got[3] for got in until if got[0] == "4"}
        assert until[-1][15 - 1] == "301"
        client.send("7", "3", "9", "0", "", "", "", "", "", "")
        told = [got for got in await client.until("55") if got[0] in {"11", "59"}]
        assert [told[0][14], told[1][2]] == [exec_id, exec_id]


async def test_a_client_that_connects_while_the_link_is_lost_is_told_so(sim: Simulator) -> None:
    sim.connectivity_lost()
    async with RawClient.connect(sim.port) as client:
        assert (await client.until("4"))[-1][3] == "1100"


async def test_after_1101_every_subscription_is_gone(sim: Simulator) -> None:
    async with RawClient.connect(sim.port) as client:
        await live(client)
        client.send("61", "1")
        await client.until("62")
        sim.connectivity_lost()
        sim.connectivity_restored(data_lost=True)
        await sim.fill(account=ONE, conid=AAPL, side="BOT", quantity=1)
        client.send("49", "1")
        got = await client.until("49")
        assert [one[0] for one in got] == ["4", "4", "11", "59", "49"]
        assert got[1][3] == "1101"


async def test_restoring_a_link_that_was_not_lost_says_nothing(sim: Simulator) -> None:
    async with RawClient.connect(sim.port) as client:
        await live(client)
        sim.connectivity_restored()
        client.send("49", "1")
        assert (await client.next())[0] == "49"


@pytest.mark.parametrize(
    ("mode", "order"),
    [
        ("after", ["11", "59"]),
        ("before", ["59", "11"]),
        ("twice", ["11", "59", "59"]),
        ("never", ["11"]),
        ("late", ["11", "49", "59"]),
        (0.05, ["11", "49", "59"]),
    ],
)
async def test_commission_reports_come_when_they_are_told_to(mode: str | float, order: list[str]) -> None:
    scenario = {"extends": "quiet", "gateway": {"late_commission_seconds": 0.1}}
    async with Simulator.start(scenario) as sim, RawClient.connect(sim.port) as client:
        await live(client)
        exec_id = await sim.fill(account=ONE, conid=AAPL, side="BOT", quantity=1, commission=mode)  # type: ignore[arg-type] # parametrized
        client.send("49", "1")
        got = await client.until("49")
        if order[-1] == "59" and "49" in order:
            got.append(await client.next())
        assert [one[0] for one in got if "49" in order or one[0] != "49"] == order
        client.send("7", "3", "1", "0", "", "", "", "", "", "")
        replayed = [one[0] for one in await client.until("55")]
        assert replayed == (["11", "55"] if mode == "never" else ["11", "59", "55"])
        assert sim.book.executions[exec_id].commission_reported is (mode != "never")


async def test_a_correction_is_the_same_id_one_up_with_the_position_it_makes(sim: Simulator) -> None:
    async with RawClient.connect(sim.port) as client:
        await live(client)
        client.send("61", "1")
        await client.until("62")
        first = await sim.fill(account=ONE, conid=AAPL, side="BOT", quantity=10, price=230)
        await client.until("61")
        second = await sim.correct(first, quantity=4, price="229.5")
        execution, report, position = await client.until("61")
        assert (first[-3:], second) == (".01", first[:-1] + "2")
        assert (execution[14], execution[19], execution[20]) == (second, "4", "229.5")
        # Both cost the minimum: the correction adds nothing.
        assert report[2:4] == [second, "0.0"]
        assert position[14] == "304"


async def test_a_duplicate_is_the_same_execution_again(sim: Simulator) -> None:
    async with RawClient.connect(sim.port) as client:
        await live(client)
        exec_id = await sim.fill(account=ONE, conid=AAPL, side="BOT", quantity=1)
        first = [await client.next(), await client.next()]
        sim.duplicate(exec_id)
        assert [await client.next(), await client.next()] == first
    assert len(sim.book.executions) == 1


async def test_fills_can_be_told_backwards_position_and_commissions_first(sim: Simulator) -> None:
    async with RawClient.connect(sim.port) as client:
        await live(client)
        client.send("61", "1")
        await client.until("62")
        ids = await sim.out_of_order(account=ONE, conid=AAPL, count=3)
        got = [await client.next() for _ in range(7)]
        assert [one[0] for one in got] == ["61", "59", "59", "59", "11", "11", "11"]
        assert [one[14] for one in got[4:]] == ids[::-1]
        assert got[0][14] == "303"


async def test_a_position_can_come_before_its_execution(sim: Simulator) -> None:
    async with RawClient.connect(sim.port) as client:
        await live(client)
        client.send("61", "1")
        await client.until("62")
        await sim.fill(account=ONE, conid=AAPL, side="BOT", quantity=1, position_first=True)
        assert [(await client.next())[0] for _ in range(3)] == ["61", "11", "59"]


async def test_execution_times_can_carry_a_zone_that_is_in_no_database_and_still_mean_the_same(
    sim: Simulator,
) -> None:
    sim.execution_time_zone("Central European Standard Time")
    async with RawClient.connect(sim.port) as client:
        await live(client)
        exec_id = await sim.fill(account=ONE, conid=AAPL, side="BOT", quantity=1)
        day, clock, zone = (await client.next())[15].split(" ", 2)
        assert zone == "Central European Standard Time"
        stamp = datetime.strptime(f"{day} {clock}", "%Y%m%d %H:%M:%S").replace(
            tzinfo=ZoneInfo("Europe/Warsaw")
        )
        assert stamp == sim.book.executions[exec_id].executed_at.replace(microsecond=0)


@pytest.mark.parametrize(
    ("how", "expected"),
    [("normal", [46, "62"]), ("empty", [0, "62"]), ("never", [0, "49"]), (("partial", 7), [7, "49"])],
)
async def test_positions_are_answered_as_told(sim: Simulator, how: object, expected: list[object]) -> None:
    sim.positions_answer(how)  # type: ignore[arg-type] # parametrized
    async with RawClient.connect(sim.port) as client:
        await live(client)
        client.send("61", "1")
        client.send("49", "1")
        got = [one[0] for one in await client.until("49", "62")]
        assert [got.count("61"), got[-1]] == expected


@pytest.mark.parametrize(("said", "rows"), [("empty", 0), (5, 5)])
async def test_a_scenario_file_can_spoil_the_positions(said: object, rows: int) -> None:
    scenario = {"extends": "quiet", "faults": {"positions": said}}
    async with Simulator.start(scenario) as sim, RawClient.connect(sim.port) as client:
        await live(client)
        client.send("61", "1")
        client.send("49", "1")
        assert [one[0] for one in await client.until("49", "62")].count("61") == rows


@pytest.mark.parametrize("kind", sorted(set(BAD_FRAMES) - {"wrong_length", "huge_length"}))
async def test_ib_async_lives_through_a_bad_frame_and_hears_the_next_good_one(
    sim: Simulator, kind: str
) -> None:
    async with ib_connected(sim.port) as ib:
        seen = ib.client.connectionStats().numMsgRecv
        sim.send_bad(kind)  # type: ignore[arg-type] # parametrized
        exec_id = await sim.fill(account=ONE, conid=AAPL, side="BOT", quantity=1)
        await comes(lambda: exec_id in {fill.execution.execId for fill in ib.fills()})
        assert ib.client.connectionStats().numMsgRecv >= seen + 3
        assert ib.isConnected()


async def test_bad_frames_are_what_they_are_called(sim: Simulator) -> None:
    async with RawClient.connect(sim.port) as client:
        await live(client)
        for kind, check in (
            ("garbage", lambda got: not got[0].isdigit()),
            ("unknown_message", lambda got: got[0] == "987"),
            ("unset_numbers", lambda got: got[2] == "1.7976931348623157E308"),
            ("nan_numbers", lambda got: "NaN" in got),
            ("strange_zone", lambda got: got[15].endswith("Nowhere Standard Time")),
        ):
            sim.send_bad(kind)  # type: ignore[arg-type] # literals in a table
            client.send("49", "1")
            assert check((await client.until("49"))[0])
    assert not sim.book.executions


@pytest.mark.parametrize("kind", ["wrong_length", "huge_length"])
async def test_a_wrong_length_makes_a_client_deaf_without_ending_the_connection(
    sim: Simulator, kind: str
) -> None:
    async with ib_connected(sim.port) as ib:
        sim.send_bad(kind)  # type: ignore[arg-type] # parametrized
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await ib.reqCurrentTimeAsync()
        assert ib.isConnected()


async def test_raw_fields_and_raw_bytes_are_sent_as_they_are(sim: Simulator) -> None:
    async with RawClient.connect(sim.port) as client:
        await live(client)
        sim.send_raw(["14", "1", "1", "2", "news", "NYSE"])
        sim.send_raw(b"\x00\x00\x00\x02x\x00")
        assert await client.next() == ["14", "1", "1", "2", "news", "NYSE"]
        assert await client.next() == ["x"]


async def test_clients_that_do_not_speak_the_protocol_are_hung_up_on(sim: Simulator) -> None:
    for hello in (b"GET / HTTP/1.1\r\n\r\n", b"API\0\x7f\xff\xff\xff", b"API\0\x00\x00\x00\x03abc"):
        reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
        writer.write(hello)
        assert await reader.read() == b""
        writer.close()
    assert not sim.gateway.sessions


async def test_unreadable_and_unknown_requests_get_an_error_and_the_session_goes_on(sim: Simulator) -> None:
    async with RawClient.connect(sim.port) as client:
        await live(client)
        for request, code in (
            (("7", "3", "x"), "320"),
            (("4242", "1"), "505"),
            (("92", "1", "DU9999999", ""), "321"),
            (("6", "2", "1", "DU9999999"), "321"),
        ):
            client.send(*request)
            assert (await client.next())[3] == code
        client.send("49", "1")
        assert (await client.next())[0] == "49"


async def test_a_market_can_report_its_commissions_late() -> None:
    scenario = {
        "extends": "default",
        "market": {"fill_seconds": [0.01, 0.02], "late_commission_share": 1.0},
        "gateway": {"late_commission_seconds": 0.5},
    }
    async with Simulator.start(scenario) as sim, RawClient.connect(sim.port) as client:
        await live(client)
        got = await client.until("59")
        assert len([one for one in got if one[0] == "11"]) > 3


async def test_a_zone_that_does_not_exist_is_refused_before_anything_is_filled_under_it(
    sim: Simulator,
) -> None:
    with pytest.raises(ValueError, match="'Nowhere' is no time zone"):
        sim.execution_time_zone("Nowhere")
    assert sim.faults.execution_time_zone is None


async def test_a_correction_never_turns_a_fill_around(sim: Simulator) -> None:
    exec_id = await sim.fill(account=ONE, conid=AAPL, side="BOT", quantity=5)
    before = sim.book.position((ONE, AAPL)).quantity
    with pytest.raises(ValueError, match="never negative"):
        await sim.correct(exec_id, quantity=-5)
    cancelled = await sim.correct(exec_id, quantity=0)
    assert sim.book.position((ONE, AAPL)).quantity == before - 5
    charged = sim.book.executions[exec_id].commission
    assert sim.book.executions[cancelled].commission == -charged < 0


async def test_a_fill_of_nothing_known_is_refused(sim: Simulator) -> None:
    for wrong in ({"account": "DU9"}, {"conid": 1}, {"quantity": 0}):
        arguments = {"account": ONE, "conid": AAPL, "side": "BOT", "quantity": 1, **wrong}
        with pytest.raises(ValueError, match="no such thing"):
            await sim.fill(**arguments)  # type: ignore[arg-type] # built from a table


async def test_times_of_old_clients_have_two_spaces_and_no_zone(sim: Simulator) -> None:
    async with RawClient.connect(sim.port, versions="v100..173") as client:
        assert client.greeting[0] == "173"
        await live(client)
        exec_id = await sim.fill(account=ONE, conid=AAPL, side="BOT", quantity=1)
        fields = await client.next()
        assert len(fields) == 31
        at = sim.book.executions[exec_id].executed_at.astimezone(ZoneInfo("US/Eastern"))
        assert fields[15] == f"{at:%Y%m%d  %H:%M:%S}"


async def test_a_gateway_can_tell_the_time_and_nothing_else(sim: Simulator) -> None:
    async with RawClient.connect(sim.port) as client:
        await live(client)
        sim.tell_time_only()
        client.send("61", "1")
        exec_id = await sim.fill(account=ONE, conid=AAPL, side="BOT", quantity=1)
        client.send("49", "1")
        assert [message[0] for message in await client.until("49")] == ["49"]
        async with RawClient.connect(sim.port, client_id=2) as other:
            assert [message[0] for message in await other.until("9")] == ["15", "9"]
        sim.tell_time_only(False)
        client.send("7", "3", "5", "0", "", "", "", "", "", "")
        told = await client.until("55")
        # What was not said is lost, and what is asked now is answered.
        assert [message[14] for message in told if message[0] == "11"] == [exec_id]
        assert "61" not in {message[0] for message in told}
