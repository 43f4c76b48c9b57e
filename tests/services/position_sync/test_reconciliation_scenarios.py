"""Each row of the table in docs/reconciliation.md, played through the relay and the comparison."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import insert

from core.domain.episodes import Cause
from core.domain.instruments import COMBO_CONID, Instrument
from core.domain.money import plain
from core.domain.stated import StatedEvent, StatedPosition, Statement
from core.events.facts import Fact
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.queries.differences import differences_page
from models.queries.reconciliation import open_differences_of
from models.session import Database
from models.tables import broker_sessions
from models.tables.sync import CUT_OFF
from services.position_sync.importing.run import run_import, undo_import
from services.position_sync.reconcile import Compared, reconcile
from services.position_sync.relay import Relay
from tests.services.position_sync.conftest import Hand, Rows
from tests.services.position_sync.facts import (
    ACCOUNT,
    ACME,
    GOLD,
    START,
    Link,
    at,
    commission,
    dataset,
    execution,
    position,
    positions_completed,
)
from tests.services.position_sync.importing.statements import source, trade

COLUMNS = ("scenario", "ours", "broker's", "events", "difference", "cause", "realized")
PAGE = Path(__file__).parents[3] / "docs" / "reconciliation.md"
OTHER = "DU1000002"
DAY = 86_400
NIGHT = DAY * 0.7
"""2026-11-21 07:18 UTC: the night after."""


def option(conid: int, local_symbol: str, right: str, strike: str) -> Instrument:
    return Instrument(
        conid=conid,
        symbol="ACME",
        local_symbol=local_symbol,
        sec_type="OPT",
        currency="USD",
        multiplier=Decimal(100),
        expiry="20261120",
        strike=Decimal(strike),
        right=right,
    )


CALL, PUT = option(701, "CALL 50", "C", "50"), option(702, "PUT 40", "P", "40")
FUTURE = Instrument(
    conid=703,
    symbol="GC",
    sec_type="FUT",
    currency="USD",
    exchange="COMEX",
    multiplier=Decimal(100),
    expiry="20261120",
)
EURO = Instrument(conid=704, symbol="EUR", sec_type="CASH", currency="GBP", exchange="IDEALPRO")
MERGED = Instrument(conid=705, symbol="NEWCO", sec_type="STK", currency="USD", exchange="SMART")
COMBO = Instrument(conid=COMBO_CONID, symbol="ACME", sec_type="BAG", currency="USD")


class World:
    """A worker, and a broker that says what it is told to say."""

    def __init__(
        self, relay: Relay, database: Database, streams: RedisStreams, settings: Settings, clock: Hand
    ) -> None:
        self.relay, self.clock, self.database = relay, clock, database
        self._streams, self._settings = streams, settings
        self.link = Link(epoch=1)
        self.standing: set[str] = set()
        """Kinds of differences that stood open after the first look."""
        self._sweeps = 0

    async def tell(self, *facts: Fact) -> None:
        """What arrives together, not before it happened."""
        self.clock.now = max(self.clock.now, *(fact.received_at for fact in facts))
        await self.relay.handle([self.link.entry(*facts)])

    async def answer(
        self, seconds: float, *held: tuple[Instrument, str, str], account: str = ACCOUNT
    ) -> None:
        """A complete positions answer: instrument, quantity and average cost of all that is held."""
        self._sweeps += 1
        sweep = f"s{self._sweeps}"
        words = [
            position(quantity, cost, seconds=seconds, sweep=sweep, instrument=instrument, account=account)
            for instrument, quantity, cost in held
        ]
        ended = positions_completed(sweep, len(words), seconds=seconds, accounts=(account,))
        await self.tell(*words, ended)

    async def compare(self, account: str = ACCOUNT) -> Compared:
        """Compare once things have settled, and once more, as the regular sweep does."""
        self.clock.forward(10)
        found = await self.compare_once(account)
        async with self.database.read() as reader:
            self.standing = {one.kind for one in await open_differences_of(reader, account)}
        self.clock.forward(10)
        await self.compare_once(account)
        return found

    async def compare_once(self, account: str = ACCOUNT) -> Compared:
        return await reconcile(
            self.database, self._streams, self._settings, account, "test", clock=self.clock
        )

    async def bought(
        self,
        quantity: str = "10",
        price: str = "9.9",
        *,
        fee: str | None = "1",
        instrument: Instrument = ACME,
    ) -> None:
        """Known from its fill, while the account was watched: it held something else before."""
        await self.answer(-60, (GOLD, "1", "147000"))
        name = f"b{instrument.conid}.01"
        told: list[Fact] = [execution(name, quantity, price, instrument=instrument)]
        if fee is not None:
            told.append(commission(name, fee))
        await self.tell(*told)

    async def state(self, *records: Statement) -> None:
        """Import a statement."""
        with TemporaryDirectory() as folder:
            await run_import(
                self.database,
                self._streams,
                self._settings,
                source(Path(folder), *records),
                trigger="cli",
                clock=self.clock,
            )

    async def take_back(self) -> None:
        """Take the first import back."""
        await undo_import(self.database, self._streams, self._settings, 1, clock=self.clock)

    async def listened(self, *spans: tuple[float, float | None], reason: str = "gateway_silent") -> None:
        """The connections there were, and why they ended."""
        async with self.database.write() as connection:
            for since, until in spans:
                await connection.execute(
                    insert(broker_sessions).values(
                        login="one",
                        started_at=at(since),
                        connected_at=at(since),
                        ended_at=None if until is None else at(until),
                        end_reason=None if until is None else reason,
                        time_zone="America/New_York",
                    )
                )


def change(
    quantity: str,
    cause: Cause,
    *,
    seconds: float = NIGHT - 3600,
    instrument: Instrument = ACME,
    account: str = ACCOUNT,
    carried: bool = False,
    cost: str | None = None,
    price: str | None = None,
    group: str = "",
    cash: str | None = None,
    realized: str | None = None,
) -> StatedEvent:
    return StatedEvent(
        line=1,
        section="CorporateAction",
        account=account,
        instrument=instrument,
        at=at(seconds),
        cause=cause,
        quantity=Decimal(quantity),
        carried=carried,
        cost=None if cost is None else Decimal(cost),
        price=None if price is None else Decimal(price),
        group=group,
        cash=None if cash is None else Decimal(cash),
        realized_pnl=None if realized is None else Decimal(realized),
    )


def holding(quantity: str, cost: str, *, seconds: float) -> StatedPosition:
    return StatedPosition(
        line=1,
        section="OpenPosition",
        account=ACCOUNT,
        instrument=ACME,
        as_of=at(seconds),
        quantity=Decimal(quantity),
        cost=Decimal(cost),
    )


Play = Callable[[World], Awaitable[None]]
SCENARIOS: dict[str, Play] = {}


def scenario(play: Play) -> Play:
    SCENARIOS[play.__name__.replace("_", "-")] = play
    return play


HELD = (GOLD, "1", "147000")


@scenario
async def agreed(world: World) -> None:
    await world.bought()
    await world.answer(60, HELD, (ACME, "10", "10"))
    assert await world.compare() == Compared(2, 0, False)


@scenario
async def opening_balance(world: World) -> None:
    await world.answer(0, (ACME, "10", "12.5"))
    await world.compare()


@scenario
async def more_at_the_broker(world: World) -> None:
    await world.bought()
    await world.answer(60, HELD, (ACME, "12", "11"))
    await world.compare()


@scenario
async def less_at_the_broker(world: World) -> None:
    await world.bought()
    await world.answer(60, HELD, (ACME, "7", "10"))
    await world.compare()


@scenario
async def missing_here(world: World) -> None:
    await world.answer(0, HELD)
    await world.answer(60, HELD, (ACME, "5", "20"))
    await world.compare()


@scenario
async def missing_at_the_broker(world: World) -> None:
    await world.bought()
    await world.answer(60, HELD)
    await world.compare()


@scenario
async def bought_before_the_word(world: World) -> None:
    await world.answer(0, HELD)
    await world.tell(position("5", "20.2", seconds=60))
    await world.tell(execution("a.01", "5", "20", seconds=60), commission("a.01", "1"))
    await world.tell(position("5", "20.2", seconds=61))
    await world.compare()


@scenario
async def late_execution(world: World) -> None:
    await more_at_the_broker(world)
    await world.tell(execution("c.01", "2", "15.5", seconds=50), commission("c.01", "1"))
    await world.compare()


@scenario
async def correction_after_the_comparison(world: World) -> None:
    await world.tell(execution("a.0.01", "10", "9.9"), commission("a.0.01", "1"))
    await world.answer(60, (ACME, "10", "10"))
    await world.compare()
    await world.tell(execution("a.0.02", "8", "9.9", seconds=5000), commission("a.0.02", "0", seconds=5000))
    await world.tell(position("8", "10.025", seconds=5001))
    await world.compare()


@scenario
async def cost_mismatch(world: World) -> None:
    await world.bought()
    await world.answer(60, HELD, (ACME, "10", "10.002"))
    await world.compare()


@scenario
async def cost_of_a_currency(world: World) -> None:
    await world.bought("10000", "0.87", fee="2", instrument=EURO)
    await world.answer(60, HELD, (EURO, "10000", "0.9"))
    assert await world.compare() == Compared(2, 0, False)


@scenario
async def cost_within_a_cent(world: World) -> None:
    await world.bought("3", "10", fee="0.01")
    await world.answer(60, HELD, (ACME, "3", "10.0"))
    await world.compare()


@scenario
async def provisional_cost(world: World) -> None:
    await world.bought(fee=None)
    await world.answer(60, HELD, (ACME, "10", "10"))
    await world.compare()


@scenario
async def commission_comes_at_last(world: World) -> None:
    await provisional_cost(world)
    await world.tell(commission(f"b{ACME.conid}.01", "1"))
    await world.compare()


@scenario
async def cost_mismatch_turns_into_a_quantity(world: World) -> None:
    await cost_mismatch(world)
    await world.answer(120, HELD, (ACME, "11", "10.5"))
    await world.compare()


@scenario
async def long_option_expired(world: World) -> None:
    await world.bought("2", "1.5", instrument=CALL)
    await world.answer(NIGHT, HELD)
    await world.compare()


@scenario
async def short_option_expired(world: World) -> None:
    await world.bought("-1", "2.5", instrument=PUT)
    await world.answer(NIGHT, HELD)
    await world.compare()


@scenario
async def future_expired(world: World) -> None:
    await world.bought("1", "1480", fee="2", instrument=FUTURE)
    await world.answer(NIGHT, HELD)
    await world.compare()


@scenario
async def option_gone_before_its_expiry(world: World) -> None:
    await world.bought("2", "1.5", instrument=CALL)
    await world.answer(120, HELD)
    await world.compare()


@scenario
async def long_call_exercised(world: World) -> None:
    await world.bought("1", "2", instrument=CALL)
    await world.answer(NIGHT, HELD, (ACME, "100", "52.01"))
    await world.compare()


@scenario
async def short_put_assigned(world: World) -> None:
    await world.bought("-1", "2.5", instrument=PUT)
    await world.answer(NIGHT, HELD, (ACME, "100", "37.51"))
    await world.compare()


@scenario
async def covered_call_assigned(world: World) -> None:
    await world.bought("100", "45")
    await world.tell(execution("w.01", "-1", "2.5", instrument=CALL), commission("w.01", "1"))
    await world.answer(NIGHT, HELD)
    await world.compare()


@scenario
async def part_of_a_covered_call_assigned(world: World) -> None:
    await world.bought("200", "45")
    await world.tell(execution("w.01", "-2", "2.5", instrument=CALL), commission("w.01", "2"))
    await world.answer(60, HELD, (ACME, "200", "45.005"), (CALL, "-2", "249"))
    await world.compare()
    await world.answer(NIGHT, HELD, (ACME, "100", "45.005"), (CALL, "-1", "249"))
    await world.compare()


@scenario
async def shares_told_of_after_the_option(world: World) -> None:
    await world.bought("1", "2", instrument=CALL)
    await world.answer(NIGHT, HELD)
    await world.compare()
    await world.answer(NIGHT + 3600, HELD, (ACME, "100", "52.01"))
    await world.compare()


@scenario
async def split(world: World) -> None:
    await world.bought("10", "29.9")
    await world.answer(60, HELD, (ACME, "10", "30"))
    await world.compare()
    await world.answer(NIGHT, HELD, (ACME, "30", "10"))
    await world.compare()


@scenario
async def reverse_split(world: World) -> None:
    await world.bought("100", "2", fee="0")
    await world.answer(NIGHT, HELD, (ACME, "10", "20"))
    await world.compare()


@scenario
async def transfer(world: World) -> None:
    await world.bought()
    await world.answer(-60, HELD, account=OTHER)
    await world.answer(3600, HELD)
    await world.answer(3600, HELD, (ACME, "10", "10"), account=OTHER)
    await world.compare()
    await world.compare(OTHER)
    await world.compare()


@scenario
async def missed_overnight(world: World) -> None:
    await world.listened((-3600, 7200), (DAY, None))
    await world.bought()
    await world.answer(7000, HELD, (ACME, "10", "10"))
    await world.compare()
    await world.answer(DAY + 5, HELD, (ACME, "12", "11"))
    await world.compare()


@scenario
async def cut_off_overnight(world: World) -> None:
    # The process was killed; when, only what it had told last can say.
    await world.listened((-3600, DAY), (DAY, None), reason=CUT_OFF)
    await world.bought()
    await world.answer(7000, HELD, (ACME, "10", "10"))
    await world.compare()
    world.link = Link(epoch=2)
    await world.answer(DAY + 5, HELD, (ACME, "12", "11"))
    await world.compare()


@scenario
async def ibkr_away_overnight(world: World) -> None:
    # The connection to the gateway lasted: only its next answer says what it does not tell of.
    await world.listened((-3600, None))
    await world.bought()
    await world.answer(7000, HELD, (ACME, "10", "10"))
    await world.tell(dataset("executions", seconds=7000))
    await world.compare()
    midnight = 14.5 * 3600
    await world.answer(DAY + 5, HELD, (ACME, "12", "11"))
    await world.tell(dataset("executions", seconds=DAY + 6, covers_from=midnight))
    await world.compare()


@scenario
async def away_within_the_day(world: World) -> None:
    await world.listened((-3600, 3600), (7200, None))
    await world.bought()
    await world.answer(3000, HELD, (ACME, "10", "10"))
    await world.compare()
    await world.answer(7205, HELD, (ACME, "12", "11"))
    await world.compare()


@scenario
async def empty_answer(world: World) -> None:
    await world.bought()
    await world.answer(60, HELD, (ACME, "10", "10"))
    await world.compare()
    await world.answer(120)
    await world.compare()


@scenario
async def failed_answer(world: World) -> None:
    await world.bought()
    await world.answer(60, HELD, (ACME, "10", "10"))
    await world.compare()
    await world.tell(dataset(complete=False, seconds=120))
    await world.compare()


@scenario
async def unfinished_answer(world: World) -> None:
    await world.bought()
    await world.answer(60, HELD, (ACME, "10", "10"))
    await world.compare()
    await world.tell(position("1", "147000", seconds=120, sweep="x", instrument=GOLD))
    await world.tell(dataset(complete=False, seconds=121))
    await world.compare()


@scenario
async def answer_with_a_part_lost(world: World) -> None:
    await world.bought()
    await world.answer(60, HELD, (ACME, "10", "10"))
    await world.compare()
    await world.tell(
        position("1", "147000", seconds=120, sweep="x", instrument=GOLD),
        positions_completed("x", 2, seconds=120),
    )
    await world.compare()


@scenario
async def combo(world: World) -> None:
    await world.answer(-60, HELD)
    await world.tell(
        execution("k.01", "1", "1", instrument=COMBO),
        execution("l.01", "1", "2", instrument=CALL),
        execution("m.01", "-1", "2.5", instrument=PUT),
        *(commission(f"{name}.01", "1") for name in "lm"),
    )
    await world.tell(position("1", "0.5", seconds=59, instrument=COMBO))
    await world.answer(60, HELD, (CALL, "1", "201"), (PUT, "-1", "249"))
    await world.compare()


@scenario
async def fill_after_the_word(world: World) -> None:
    await world.bought()
    await world.answer(60, HELD, (ACME, "10", "10"))
    await world.tell(execution("a.01", "5", "10", seconds=70), commission("a.01", "1"))
    compared = await world.compare()
    assert compared == Compared(1, 0, False), "the broker has not spoken of the other since"


@scenario
async def just_arrived(world: World) -> None:
    await world.bought()
    await world.answer(60, HELD, (ACME, "12", "11"))
    assert (await world.compare_once()).unsettled


@scenario
async def turned_round(world: World) -> None:
    await world.bought()
    await world.answer(60, HELD, (ACME, "-3", "8"))
    await world.compare()


@scenario
async def statement_of_the_trades_before(world: World) -> None:
    await opening_balance(world)
    await world.state(trade("x.01", "10", "12.4", seconds=-900_000, opens=True))
    await world.compare()


@scenario
async def statement_that_begins_later(world: World) -> None:
    await opening_balance(world)
    await world.state(
        trade("x.01", "-5", "15", "0", seconds=-900_000, cost="-55", closes=True, realized_pnl="20"),
        trade("y.01", "5", "13", "0", seconds=-800_000, opens=True),
    )
    await world.compare()


@scenario
async def statement_of_a_missed_execution(world: World) -> None:
    await more_at_the_broker(world)
    await world.state(trade("c.01", "2", "15.5", seconds=50, opens=True))
    await world.compare()


@scenario
async def statement_of_a_holding(world: World) -> None:
    await opening_balance(world)
    await world.state(holding("7", "70", seconds=-DAY))
    await world.compare()


@scenario
async def statement_names_a_split(world: World) -> None:
    await split(world)
    await world.state(change("20", "split"))
    await world.compare()


@scenario
async def statement_of_a_split_with_a_fraction_in_cash(world: World) -> None:
    await world.bought("5", "20")
    await world.answer(60, HELD, (ACME, "5", "20.2"))
    await world.compare()
    await world.answer(NIGHT, HELD, (ACME, "1", "80.8"))
    await world.compare()
    await world.state(
        change("-3.75", "split"),
        change("-0.25", "corporate_action", price="90", seconds=NIGHT - 3000),
    )
    await world.compare()


@scenario
async def statement_of_an_option_settled_in_cash(world: World) -> None:
    await long_option_expired(world)
    await world.state(change("-2", "exercise_or_assignment", instrument=CALL, price="4"))
    await world.compare()


@scenario
async def statement_of_an_assigned_covered_call(world: World) -> None:
    await covered_call_assigned(world)
    await world.state(
        change("1", "exercise_or_assignment", instrument=CALL, carried=True),
        change("-100", "exercise_or_assignment", price="52.49"),
    )
    await world.compare()


@scenario
async def statement_of_one_assigned_and_one_expired(world: World) -> None:
    await world.bought("-2", "2.5", instrument=PUT)
    await world.answer(NIGHT, HELD, (ACME, "100", "37.505"))
    await world.compare()
    await world.state(
        change("1", "exercise_or_assignment", instrument=PUT, carried=True),
        change("1", "expiry", instrument=PUT, price="0"),
        change("100", "exercise_or_assignment", cost="3750.5"),
    )
    await world.compare()


@scenario
async def statement_of_a_transfer_out(world: World) -> None:
    # Booked at the end of its day, and gone long before.
    await missing_at_the_broker(world)
    await world.state(change("-10", "transfer", carried=True, seconds=14.4 * 3600))
    await world.compare()


@scenario
async def statement_of_a_transfer_in(world: World) -> None:
    # Booked at the beginning of its day, before the broker showed it.
    await missing_here(world)
    await world.state(change("5", "transfer", cost="100", seconds=-9.5 * 3600))
    await world.compare()


@scenario
async def statement_of_a_merger(world: World) -> None:
    await world.bought()
    await world.answer(60, HELD, (ACME, "10", "10"))
    await world.compare()
    await world.answer(NIGHT, HELD, (MERGED, "4", "25"))
    await world.compare()
    await world.state(
        change("-10", "merger", carried=True),
        change("4", "merger", instrument=MERGED),
    )
    await world.compare()


@scenario
async def statement_of_a_merger_for_cash(world: World) -> None:
    await missing_at_the_broker(world)
    await world.state(change("-10", "merger", price="12.5", seconds=14.4 * 3600))
    await world.compare()


@scenario
async def statement_of_a_spin_off(world: World) -> None:
    await world.bought()
    await world.answer(NIGHT, HELD, (ACME, "10", "8"), (MERGED, "5", "4"))
    await world.compare()
    await world.state(
        change("0", "spin_off", cost="-20"),
        change("5", "spin_off", instrument=MERGED, cost="20"),
    )
    await world.compare()


@scenario
async def statement_of_another_name(world: World) -> None:
    await world.bought()
    await world.answer(NIGHT, HELD, (MERGED, "10", "10"))
    await world.compare()
    await world.state(
        change("-10", "symbol_change", carried=True),
        change("10", "symbol_change", instrument=MERGED, cost="100"),
    )
    await world.compare()


async def exchanged(world: World, cause: Cause, brings: str, average_cost: str, **more: str) -> None:
    """Ten that cost 100 are replaced by something else, and the broker shows what that had cost."""
    await world.bought()
    await world.answer(NIGHT, HELD, (MERGED, brings, average_cost))
    await world.compare()
    await world.state(
        change("-10", cause, carried=True, group="one", **more),  # type: ignore[arg-type]
        change(brings, cause, instrument=MERGED, group="one"),
    )
    await world.compare()


@scenario
async def statement_of_a_merger_for_shares(world: World) -> None:
    await exchanged(world, "merger", "4", "25")


@scenario
async def statement_of_a_merger_for_shares_and_money(world: World) -> None:
    await exchanged(world, "merger", "4", "17.5", cash="50", realized="20")


@scenario
async def statement_of_a_tender(world: World) -> None:
    await exchanged(world, "tender", "10", "10")


@scenario
async def statement_of_a_new_name_of_two_lots(world: World) -> None:
    await world.bought()
    await world.tell(execution("late.01", "5", "20", seconds=50), commission("late.01", "0"))
    await world.answer(NIGHT, HELD, (MERGED, "15", "13.333333333333333"))
    await world.compare()
    await world.state(
        change("-15", "symbol_change", carried=True, group="one"),
        change("15", "symbol_change", instrument=MERGED, group="one"),
    )
    await world.compare()


@scenario
async def statement_of_a_spin_off_at_no_stated_cost(world: World) -> None:
    await world.bought()
    await world.state(change("5", "spin_off", instrument=MERGED, group="one"))


@scenario
async def late_execution_before_a_merger(world: World) -> None:
    await world.bought("6", "10", fee="0")
    await world.state(
        change("-10", "merger", carried=True, group="one"),
        change("5", "merger", instrument=MERGED, group="one"),
    )
    await world.tell(execution("late.01", "4", "20", seconds=50), commission("late.01", "0"))
    sale = execution("sold.01", "-5", "40", seconds=DAY, instrument=MERGED)
    await world.tell(sale, commission("sold.01", "0"))


@scenario
async def statement_of_a_merger_taken_back(world: World) -> None:
    await statement_of_a_merger_for_shares(world)
    await world.take_back()
    await world.compare()


def documented() -> dict[str, list[str]]:
    """The rows of the page's table: what happens, by scenario."""
    rows = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    return {row[0].strip("`"): row[3:] for row in rows if len(row) == len(COLUMNS)}


def test_the_page_tells_of_every_scenario_and_of_no_other() -> None:
    assert list(documented()) == list(SCENARIOS)


def number(value: Decimal | None) -> str:
    return "unknown" if value is None else plain(round(value, 4)).replace("-", "−")


async def happened(rows: Rows) -> list[str]:
    """Events, differences, causes and what was realized, of every book but the one that only stands by."""
    events: dict[tuple[str, str], list[str]] = {}
    realized: dict[tuple[str, str], Decimal | None] = {}
    for row in await rows(
        "SELECT p.account, coalesce(nullif(i.local_symbol, ''), i.symbol) AS name, p.realized_pnl, e.type, "
        "e.quantity, e.seq FROM positions p JOIN position_events e ON e.position_id = p.id "
        "JOIN instruments i USING (conid) WHERE p.conid <> :standing_by "
        "ORDER BY p.account, p.conid DESC, p.ordinal, e.seq",
        standing_by=GOLD.conid,
    ):
        key = (row["account"], row["name"])
        events.setdefault(key, []).append(f"{row['type']} {number(row['quantity'])}")
        if row["seq"] == 1:
            earlier = realized.get(key, Decimal(0))
            unknown = earlier is None or row["realized_pnl"] is None
            realized[key] = None if unknown else earlier + row["realized_pnl"]
    found = await rows(
        "SELECT kind, resolved_at FROM reconciliation_differences ORDER BY account, conid DESC, id"
    )
    causes = await rows(
        "SELECT e.cause, e.inferred FROM positions p JOIN position_events e ON e.position_id = p.id "
        "WHERE p.conid <> :standing_by AND e.cause IS NOT NULL "
        "GROUP BY p.account, p.conid, e.cause, e.inferred ORDER BY p.account, p.conid DESC",
        standing_by=GOLD.conid,
    )
    return [
        "; ".join(
            (f"{name}: " if len(events) > 1 else "") + ", ".join(told) for (_, name), told in events.items()
        )
        or "none",
        "; ".join(row["kind"] + (" (resolved)" if row["resolved_at"] else "") for row in found) or "none",
        "; ".join(dict.fromkeys(row["cause"] + (" (inferred)" if row["inferred"] else "") for row in causes))
        or "none",
        "; ".join(map(number, realized.values())) or "0",
    ]


@pytest.mark.parametrize("name", ["short-put-assigned", "split", "future-expired"])
async def test_a_difference_whose_cause_is_concluded_stands_open_until_the_next_comparison(
    name: str,
    relay: Relay,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
) -> None:
    world = World(relay, database, streams, settings, clock)
    await SCENARIOS[name](world)
    async with database.read() as reader:
        resolved = await differences_page(reader, status="resolved", limit=5)
        standing = await differences_page(reader, status="open", limit=5)
    assert world.standing
    assert {one.kind for one in resolved} == world.standing
    assert standing == []


@pytest.mark.parametrize("name", SCENARIOS)
async def test_what_the_page_says_happens_happens(
    name: str,
    relay: Relay,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    clock: Hand,
    rows: Rows,
) -> None:
    await SCENARIOS[name](World(relay, database, streams, settings, clock))
    assert " | ".join(await happened(rows)) == " | ".join(documented().get(name, []))
    assert clock.now >= START + timedelta(hours=1)
