from core.domain.market_hours import hours_in
from core.events.facts import (
    AccountsListed,
    AccountValueReported,
    CommissionReported,
    DatasetCompleted,
    ExecutionReported,
    InstrumentDescribed,
    LinkChanged,
    MarkReported,
    PnlReported,
    PositionsCompleted,
    ResyncFenced,
)
from core.settings import Settings
from services.simulator import Simulator
from tests.services.broker.conftest import SMALL, Reader, broker_link, quick


async def test_connecting_brings_everything_of_every_account(settings: Settings, reader: Reader) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        facts = await reader.read()
        assert await reader.held() == {key: held.quantity for key, held in sim.book.positions.items()}
        listed = next(fact for fact in facts if isinstance(fact, AccountsListed))
        assert listed.accounts == ("DU1000001", "DU1000002")
        values = {fact.account for fact in facts if isinstance(fact, AccountValueReported)}
        assert values == set(listed.accounts)
        complete = {(f.account, f.dataset) for f in facts if isinstance(f, DatasetCompleted) and f.complete}
        assert complete == {
            (account, dataset)
            for account in listed.accounts
            for dataset in ("positions", "executions", "account_values", "pnl")
        }
        for account in listed.accounts:
            await reader.until_tick(PnlReported, lambda tick, a=account: tick.account == a)
        for key in sim.book.positions:
            await reader.until_tick(
                MarkReported, lambda tick, k=key: (tick.account, tick.conid) == k and tick.market_price
            )
        beat = await reader.until_beat(lambda beat: beat.complete)
        assert (beat.gateway, beat.ibkr, beat.reason) == ("up", "up", "")
        corn = await reader.until(InstrumentDescribed, lambda fact: fact.instrument.conid == 700200005)
        assert (corn.instrument.price_magnifier, corn.instrument.description) == (100, "Corn Futures")
        assert hours_in(corn.instrument.liquid_hours, corn.instrument.time_zone) is not None


async def test_the_fence_stands_after_everything_it_vouches_for(settings: Settings, reader: Reader) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        kinds = [type(fact) for fact in await reader.read()]
        fence = kinds.index(ResyncFenced)
        order = [kinds.index(kind) for kind in (LinkChanged, AccountsListed, PositionsCompleted)]
        assert order[1] < order[2] < fence
        assert AccountValueReported not in kinds[: order[2]]


async def test_a_fill_that_nobody_announced_arrives_with_its_commission(
    settings: Settings, reader: Reader
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        exec_id = await sim.fill(account="DU1000002", conid=8719, side="BOT", quantity="2.5")
        fill = await reader.until(ExecutionReported, lambda fact: fact.exec_id == exec_id)
        await reader.until(CommissionReported, lambda fact: fact.exec_id == exec_id)
        assert str(fill.quantity) == "2.5"
        assert fill.account == "DU1000002"


async def test_a_cancelled_trade_arrives_as_a_correction_to_nothing(
    settings: Settings, reader: Reader
) -> None:
    async with Simulator.start(SMALL) as sim, broker_link(quick(settings, sim.port)):
        await reader.synced()
        exec_id = await sim.fill(account="DU1000002", conid=8719, side="BOT", quantity="2.5")
        busted = await sim.correct(exec_id, quantity=0)
        fact = await reader.until(ExecutionReported, lambda fact: fact.exec_id == busted)
        assert fact.quantity == 0
