"""Answers that are missing or incomplete, messages that cannot be read, fills told in every order."""

import json
from decimal import Decimal

import pytest

from core.events.facts import (
    AccountsListed,
    CommissionReported,
    DatasetCompleted,
    ExecutionReported,
    FrameUnreadable,
    InstrumentDescribed,
    LinkChanged,
    MarkReported,
    PositionReported,
    PositionsCompleted,
    ResyncFenced,
)
from core.events.requests import InstrumentsRequested, RequestEnvelope, encode
from core.settings import Settings
from core.streams.redis import RedisStreams
from services.simulator import Simulator
from tests.services.broker.conftest import (
    ONE_ACCOUNT,
    SMALL,
    Reader,
    ask_resync,
    broker_link,
    quick,
)
from tests.waiting import eventually

JOB = "00000000-0000-0000-0000-00000000000a"


@pytest.mark.parametrize("answer", ["never", ("partial", 1)])
async def test_positions_without_their_end_close_nothing(
    settings: Settings, reader: Reader, streams: RedisStreams, answer: object
) -> None:
    async with Simulator.start(SMALL) as sim:
        patience = quick(settings, sim.port, ib_connect_timeout_seconds=0.4)
        async with broker_link(patience):
            await reader.synced()
            lists = len(await reader.of(PositionsCompleted))
            before = await reader.held()
            sim.positions_answer(answer)  # type: ignore[arg-type] # parametrized
            await ask_resync(streams, settings, JOB)
            fence = await reader.until(ResyncFenced, lambda fact: fact.job_id == JOB)
            assert not fence.ok
            assert "positions" in fence.error
            assert len(await reader.of(PositionsCompleted)) == lists
            assert await reader.held() == before
            incomplete = [
                fact
                for fact in await reader.of(DatasetCompleted)
                if fact.dataset == "positions" and not fact.complete
            ]
            assert {fact.account for fact in incomplete} == {"DU1000001", "DU1000002"}
            # The rest was asked all the same, and the link is kept.
            assert (await reader.beat()).gateway == "up"
            assert not (await reader.beat()).complete
            sim.positions_answer("normal")
            await ask_resync(streams, settings, JOB.replace("a", "b"))
            await reader.until(ResyncFenced, lambda fact: fact.job_id == JOB.replace("a", "b"))


async def test_a_late_end_does_not_vouch_for_the_wrong_list(
    settings: Settings, reader: Reader, streams: RedisStreams
) -> None:
    patience = {"ib_connect_timeout_seconds": 0.4}
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port, **patience)):
        await reader.synced()
        sim.positions_answer(("partial", 1))
        await ask_resync(streams, settings, JOB)
        await reader.until(ResyncFenced, lambda fact: fact.job_id == JOB)
        lists = len(await reader.of(PositionsCompleted))
        # The next request gets no rows, only the end that the first one still owed.
        sim.positions_answer("empty")
        await ask_resync(streams, settings, JOB.replace("a", "c"))
        fence = await reader.until(ResyncFenced, lambda fact: fact.job_id == JOB.replace("a", "c"))
        assert not fence.ok
        assert len(await reader.of(PositionsCompleted)) == lists
        assert await reader.held()


async def test_what_a_complete_list_lacks_was_closed_while_we_were_away(
    settings: Settings, reader: Reader
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        await sim.refuse()
        sim.drop_connections()
        await sim.fill(account="DU1000001", conid=265598, side="SLD", quantity=100)
        await sim.refuse(on=False)
        await reader.synced(2)
        assert set(await reader.held()) == {("DU1000001", 700200005), ("DU1000002", 272093)}


async def test_an_empty_list_is_not_believed_against_everything_else(
    settings: Settings, reader: Reader, streams: RedisStreams
) -> None:
    async with Simulator.start(SMALL) as sim:
        sim.positions_answer("empty")
        async with broker_link(quick(settings, sim.port)):
            first = await reader.until(ResyncFenced)
            assert not first.ok
            assert "something is held" in first.error
            assert await reader.of(PositionsCompleted) == []
            sim.positions_answer("normal")
            await ask_resync(streams, settings, JOB)
            await reader.until(ResyncFenced, lambda fact: fact.job_id == JOB and fact.ok)
            sim.positions_answer("empty")
            await ask_resync(streams, settings, JOB.replace("a", "d"))
            last = await reader.until(ResyncFenced, lambda fact: fact.job_id == JOB.replace("a", "d"))
            assert not last.ok
            assert await reader.held() == {key: held.quantity for key, held in sim.book.positions.items()}


async def test_a_login_that_holds_nothing_is_complete(settings: Settings, reader: Reader) -> None:
    nothing = {**SMALL, "accounts": [{"id": "DU1000009", "cash": {"USD": "1000"}, "holdings": {}}]}
    async with Simulator.start(nothing) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        done = (await reader.of(PositionsCompleted))[0]
        assert (done.accounts, done.count) == (("DU1000009",), 0)


async def test_an_unreadable_position_is_not_taken_for_flat(settings: Settings, reader: Reader) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port, sweep_seconds=3600)):
        await reader.synced()
        row = ["61", "3", "DU1000001", "265598", "AAPL", "STK", "", "0.0", "", "", "NASDAQ", "USD"]
        sim.send_raw([*row, "AAPL", "NMS", "", "201.5"])
        dead = await reader.until(FrameUnreadable)
        assert (dead.category, dead.account) == ("validation", "DU1000001")
        assert json.loads(dead.frame)[3] == "265598"
        told = await reader.until(DatasetCompleted, lambda fact: not fact.complete)
        assert (told.account, told.dataset) == ("DU1000001", "positions")
        assert (await reader.held())["DU1000001", 265598] == Decimal(100)

        async def positions() -> list[DatasetCompleted]:
            return [
                fact
                for fact in await reader.of(DatasetCompleted)
                if (fact.account, fact.dataset) == ("DU1000001", "positions")
            ]

        # It is asked again by itself, and complete again.
        await eventually(positions, lambda told: told[-1].complete)


@pytest.mark.parametrize(
    ("kind", "category", "words"),
    [
        ("garbage", "parsing", "unknown message id"),
        ("unknown_message", "parsing", "unknown message id"),
        ("unset_numbers", "validation", "an account value is unset"),
        ("nan_numbers", "validation", "no commission"),
        ("strange_zone", "parsing", "unknown time zone: 'Nowhere Standard Time'"),
    ],
)
async def test_what_cannot_be_read_is_kept_aside_and_everything_else_goes_on(
    settings: Settings, reader: Reader, kind: str, category: str, words: str
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        sim.send_bad(kind)  # type: ignore[arg-type] # parametrized
        sim.send_bad(kind)  # type: ignore[arg-type] # the same again
        dead = await reader.until(FrameUnreadable, lambda fact: words in fact.reason)
        assert dead.category == category
        assert json.loads(dead.frame)
        exec_id = await sim.fill(account="DU1000001", conid=8719, side="SLD", quantity=1)
        await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
        assert (await reader.beat()).gateway == "up"
        assert len([fact for fact in await reader.of(LinkChanged) if fact.gateway == "down"]) == 0


async def test_a_clock_that_cannot_be_right_is_not_believed(
    settings: Settings, reader: Reader, streams: RedisStreams
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        sim.send_raw(["49", "1", "9223372036854775807"])
        dead = await reader.until(FrameUnreadable)
        assert (dead.category, dead.reason) == (
            "validation",
            "the gateway's clock is more than ten years off",
        )
        await ask_resync(streams, settings, JOB)
        fence = await reader.until(ResyncFenced, lambda fact: fact.job_id == JOB)
        assert fence.ok


@pytest.mark.parametrize("kind", ["wrong_length", "huge_length"])
async def test_a_stream_out_of_step_is_left_and_joined_anew(
    settings: Settings, reader: Reader, kind: str
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        sim.send_bad(kind)  # type: ignore[arg-type] # parametrized
        await reader.synced(2)
        assert await reader.held() == {key: held.quantity for key, held in sim.book.positions.items()}


@pytest.mark.parametrize(
    "zone", ["Central European Standard Time", "US/Eastern", "Greenwich Mean Time", "Pacific Standard Time"]
)
async def test_every_naming_of_a_zone_gives_the_right_instant(
    settings: Settings, reader: Reader, zone: str
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        sim.execution_time_zone(zone)
        exec_id = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=1)
        fill = await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
        assert fill.executed_at.utcoffset() is not None
        assert not fill.zone_assumed


@pytest.mark.parametrize("order", ["before", "twice", "late", "never"])
async def test_commission_reports_in_any_order(settings: Settings, reader: Reader, order: str) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        exec_id = await sim.fill(
            account="DU1000001",
            conid=265598,
            side="SLD",
            quantity=10,
            commission=order,  # type: ignore[arg-type] # parametrized
        )
        await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
        other = await sim.fill(account="DU1000001", conid=265598, side="BOT", quantity=10)
        await reader.until(CommissionReported, lambda fact: fact.exec_id == other)
        reports = [fact for fact in await reader.of(CommissionReported) if fact.exec_id == exec_id]
        assert len(reports) == {"before": 1, "twice": 2, "late": len(reports), "never": 0}[order]
        if reports:
            assert reports[0].realized_pnl is not None


async def test_an_opening_fill_has_no_realized_pnl_rather_than_zero(
    settings: Settings, reader: Reader
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        exec_id = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=1)
        report = await reader.until(CommissionReported, lambda fact: fact.exec_id == exec_id)
        assert report.realized_pnl is None


async def test_a_correction_is_one_more_execution_with_the_next_revision(
    settings: Settings, reader: Reader
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        first = await sim.fill(account="DU1000001", conid=8719, side="BOT", quantity=2)
        second = await sim.correct(first, quantity=1)
        fill = await reader.until(ExecutionReported, lambda fact: fact.exec_id == second)
        assert fill.quantity == 1
        assert first.rpartition(".")[0] == second.rpartition(".")[0]


async def test_fills_of_before_the_connection_come_with_the_resync(
    settings: Settings, reader: Reader
) -> None:
    async with Simulator.start(SMALL) as sim:
        exec_id = await sim.fill(account="DU1000002", conid=8719, side="BOT", quantity=3)
        async with broker_link(quick(settings, sim.port)):
            await reader.synced()
            facts = await reader.read()
            fence = next(i for i, fact in enumerate(facts) if isinstance(fact, ResyncFenced))
            assert any(
                isinstance(fact, ExecutionReported) and fact.exec_id == exec_id for fact in facts[:fence]
            )


async def test_a_resync_that_was_asked_for_is_answered_by_its_fence(
    settings: Settings, reader: Reader, streams: RedisStreams
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        await streams.append(settings.requests_stream, [b"no request"])
        await ask_resync(streams, settings, JOB)
        fence = await reader.until(ResyncFenced, lambda fact: fact.job_id == JOB)
        assert fence.ok
        assert fence.trigger == "request"


async def test_a_position_that_is_closed_is_no_longer_subscribed_and_a_new_one_is(
    settings: Settings, reader: Reader
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        await sim.fill(account="DU1000002", conid=8719, side="BOT", quantity=4)
        await reader.until_tick(MarkReported, lambda tick: (tick.account, tick.conid) == ("DU1000002", 8719))
        await reader.until(InstrumentDescribed, lambda fact: fact.instrument.conid == 8719)
        await sim.fill(account="DU1000002", conid=8719, side="SLD", quantity=4)
        await reader.until(
            PositionReported,
            lambda fact: (fact.account, fact.instrument.conid) == ("DU1000002", 8719) and not fact.quantity,
        )


async def test_details_that_are_asked_for_are_fetched_again(
    settings: Settings, reader: Reader, streams: RedisStreams
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        request = RequestEnvelope(request=InstrumentsRequested(conids=(8719, 999999999)))
        await streams.append(settings.requests_stream, [encode(request)])
        await reader.until(InstrumentDescribed, lambda fact: fact.instrument.conid == 8719)


async def test_a_sole_account_brings_its_portfolio_too(settings: Settings, reader: Reader) -> None:
    async with Simulator.start(ONE_ACCOUNT) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        mark = await reader.until_tick(
            MarkReported, lambda tick: tick.conid == 700200005 and tick.market_price
        )
        assert mark.market_price == Decimal("435.5")


async def test_a_login_of_more_than_fifty_accounts(settings: Settings, reader: Reader) -> None:
    many = {
        **SMALL,
        "accounts": [
            {"id": f"DU2000{number:03}", "cash": {"USD": "1000"}, "holdings": {"AAPL": f"{number} @ 200"}}
            for number in range(1, 53)
        ],
    }
    async with Simulator.start(many) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        assert await reader.held() == {key: held.quantity for key, held in sim.book.positions.items()}
        assert len((await reader.of(AccountsListed))[0].accounts) == 52
        done = (await reader.of(PositionsCompleted))[0]
        assert (len(done.accounts), done.count) == (52, 52)
