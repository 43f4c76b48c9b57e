"""The simulator as a whole: book, market, gateway and port, and all that can be done to them."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self

from core.clock import Clock, utc_now
from core.logs import get_logger
from services.simulator import wire
from services.simulator.book import ACCOUNT_ZONE, Book
from services.simulator.burst import burst_chunks, burst_fills, phantom_fill
from services.simulator.desk import Desk
from services.simulator.executions import Execution, Key, Order, Side
from services.simulator.faults import (
    BAD_FRAMES,
    TEXTS,
    CommissionMode,
    FaultState,
    Garbage,
    PositionsAnswer,
    bad_frames,
)
from services.simulator.gateway import Gateway
from services.simulator.market import Intent, Market
from services.simulator.messages import zone_named
from services.simulator.persist import BookFile
from services.simulator.scenario import Scenario, load_scenario, new_book
from services.simulator.server import Listener
from services.simulator.session import Session

log = get_logger(__name__)

# Fills are in the journal at once; this bounds how far the marks go back after a kill.
SAVE_SECONDS = 120.0
# An order that a client of the API placed, as far as announced orders are concerned.
ANNOUNCED_CLIENT, FIRST_ANNOUNCED_ORDER = 0, 500

ScenarioSource = str | Path | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Burst:
    """What a burst did: the ids in the order in which they were sent, and how long the sockets took them."""

    exec_ids: list[str]
    seconds: float


class Simulator:
    """A TWS that is not there. Use ``async with Simulator.start(...) as sim``."""

    def __init__(
        self,
        scenario: Scenario,
        book: Book,
        *,
        port: int = 0,
        seed: int = 0,
        file: BookFile | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.scenario = scenario
        self.book = book
        self.faults = FaultState()
        self.gateway = Gateway(book, scenario.gateway, self.faults, clock)
        self._desk = Desk(self.gateway)
        self.control_port: int | None = None
        self._clock = clock
        self._file = file
        self._rng = random.Random(seed)  # noqa: S311 - a market, not a secret
        fresh = new_book(scenario, clock(), 0)
        _adopt(book, fresh)
        self._market = Market(
            book,
            {key: held.quantity for key, held in fresh.positions.items()},
            fresh.marks,
            rng=self._rng,
            fewest_positions=scenario.market.fewest_positions,
        )
        self._listener = Listener(self._connected, port)
        self._tasks: list[asyncio.Task[None]] = []
        self._dropping: asyncio.Task[None] | None = None
        self._market_open = True
        self._announced_orders = FIRST_ANNOUNCED_ORDER

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        scenario: ScenarioSource = "default",
        *,
        book_path: Path | str | None = None,
        port: int = 0,
        control_port: int | None = None,
        seed: int = 0,
        clock: Clock = utc_now,
        exec_id_tag: int | None = None,
    ) -> AsyncIterator[Self]:
        """Start a simulator and stop it at the end of the block.

        Args:
            scenario: the name of a bundled scenario, a TOML file, or a mapping of the same shape.
            book_path: where the book is kept from run to run; without it the book lives as long as the block.
            port: where clients connect; 0 finds a free port (then ``sim.port``).
            control_port: where the HTTP control API listens; 0 finds a free port, ``None`` starts none.
            seed: of the market; the same seed does the same things in the same order.
            clock: the time of day.
            exec_id_tag: the first part of every exec id, for runs that must give the same ids.

        Raises:
            LotkeeperError: a wrong scenario, a port that is taken, a book that is in use or damaged.
        """
        loaded = load_scenario(scenario)
        async with AsyncExitStack() as stack:
            file = stack.enter_context(BookFile(Path(book_path))) if book_path is not None else None
            book = (file.load() if file else None) or new_book(loaded, clock(), exec_id_tag)
            sim = cls(loaded, book, port=port, seed=seed, file=file, clock=clock)
            if file:
                file.save(book)
            stack.push_async_callback(sim._stop)
            await sim._begin()
            if control_port is not None:
                # FastAPI is wanted by nobody who does not ask for the control port.
                from services.simulator.control_api import serve_control  # noqa: PLC0415 - as said above

                sim.control_port = await stack.enter_async_context(serve_control(sim, control_port))
            yield sim

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self._listener.port

    @property
    def client_ids(self) -> list[int]:
        """Clients that have started the API."""
        return sorted(session.client_id or 0 for session in self.gateway.ready_sessions)

    # fills

    async def fill(
        self,
        *,
        account: str,
        conid: int,
        side: Side,
        quantity: Decimal | str | float,
        price: Decimal | str | float | None = None,
        announce_order: bool = False,
        commission: CommissionMode | float = "after",
        order_id: int = 0,
        client_id: int = 0,
        position_first: bool = False,
    ) -> str:
        """Fill an order at once and tell every client; returns the exec id.

        ``price`` defaults to the mark. A number for ``commission`` is the report's delay in seconds.
        ``order_id`` and ``client_id`` say whose order it was; with ``announce_order`` the order is told of
        first (messages 5 and 3).
        """
        size = Decimal(str(quantity))
        if size <= 0 or account not in self.book.accounts or conid not in self.book.instruments:
            raise ValueError(f"cannot fill {size} of contract {conid} in this account: no such thing")
        paid = self.book.marks[conid] if price is None else Decimal(str(price))
        if announce_order and not order_id:
            self._announced_orders += 1
            order_id = self._announced_orders
        order = Order(order_id, self.book.next_perm_id(), client_id, size)
        execution = self.book.fill(account, conid, side, size, paid, self._clock(), order=order)
        self._keep([execution])
        self.gateway.announce(
            execution, commission=commission, announce_order=announce_order, position_first=position_first
        )
        return execution.exec_id

    async def correct(
        self,
        exec_id: str,
        *,
        quantity: Decimal | str | float | None = None,
        price: Decimal | str | float | None = None,
        commission: CommissionMode | float = "after",
    ) -> str:
        """Replace a fill's quantity (0: it never was) or price: same id, last part one up; the new id."""
        old = self.book.executions[exec_id]
        size = old.quantity if quantity is None else Decimal(str(quantity))
        if size < 0:
            raise ValueError(
                f"cannot correct a fill to {size}: the side stays, the quantity is never negative"
            )
        paid = old.price if price is None else Decimal(str(price))
        execution = self.book.correct(exec_id, size, paid, self._clock())
        self._keep([execution])
        self.gateway.announce(execution, commission=commission)
        return execution.exec_id

    async def burst(self, count: int, *, books: int | Sequence[Key] | None = None) -> Burst:
        """Book ``count`` fills and send them, each with its commission report, as fast as the clients read.

        ``books`` is how many (or which) account-and-contract pairs they go to; by default everything that is
        held. Positions are told once, at the end.
        """
        keys = sorted(self.book.positions) if books is None or isinstance(books, int) else list(books)
        if isinstance(books, int):
            spare = ((account, conid) for account in self.book.accounts for conid in self.book.instruments)
            keys = [*keys, *(key for key in spare if key not in self.book.positions)][:books]
        now = self._clock()
        executions = burst_fills(self.book, keys, count, rng=self._rng, now=now)
        self._keep(executions)
        listeners = [] if self.gateway.link_lost else self.gateway.ready_sessions
        began = time.perf_counter()
        await asyncio.gather(
            *(
                session.send_all(burst_chunks(self.gateway, session.version, executions))
                for session in listeners
            )
        )
        seconds = time.perf_counter() - began
        self.gateway.send_positions(keys)
        return Burst([execution.exec_id for execution in executions], seconds)

    def duplicate(self, exec_id: str) -> None:
        """Send an execution and its commission report once more, unchanged."""
        fill = self.book.executions[exec_id]
        self.gateway.send_execution(fill)
        self.gateway.send_commission(fill)

    async def out_of_order(self, *, account: str, conid: int, count: int = 3) -> list[str]:
        """Buy a lot ``count`` times and tell of it backwards: commissions first, newest fill first."""
        lot, mark, now = self.book.instruments[conid].lot_size, self.book.marks[conid], self._clock()
        fills = [
            self.book.fill(
                account, conid, "BOT", lot, mark, now, order=Order(0, self.book.next_perm_id(), 0, lot)
            )
            for _ in range(count)
        ]
        self._keep(fills)
        self.gateway.send_positions([(account, conid)])
        for fill in reversed(fills):
            self.gateway.send_commission(fill)
        for fill in reversed(fills):
            self.gateway.send_execution(fill)
        return [fill.exec_id for fill in fills]

    def pause_market(self) -> None:
        """Marks stand still and nobody trades."""
        self._market_open = False

    def resume_market(self) -> None:
        """Marks move and orders fill again (as far as the scenario lets them)."""
        self._market_open = True

    # faults of the connection

    def drop_connections(self) -> int:
        """Hang up on everybody; new connections are welcome. Returns how many there were."""
        sessions = list(self.gateway.sessions)
        for session in sessions:
            session.drop()
        self.gateway.sessions.clear()
        return len(sessions)

    def stall(self, on: bool = True) -> None:
        """Sockets stay open, nothing is read, answered or sent; when it ends, what was kept back goes out."""
        if on:
            self.faults.moving.clear()
            return
        self.faults.moving.set()
        for session in self.gateway.sessions:
            session.release()

    async def refuse(self, on: bool = True, how: Literal["closed", "hang_up"] = "closed") -> None:
        """Let no new client in: the port is closed, or (``hang_up``) open and every connection ended at once.

        Clients that are connected stay; see ``drop_connections``.
        """
        self.faults.hang_up_on_accept = on and how == "hang_up"
        if on and how == "closed":
            self._listener.refuse()
        else:
            await self._listener.open()

    def accept_but_never_answer(self, on: bool = True) -> None:
        """New connections are accepted and never greeted. Those that wait already go on waiting."""
        self.faults.never_answer = on

    def tell_time_only(self, on: bool = True) -> None:
        """Clients are let in and told the time, and nothing else is said or answered; what is not is lost."""
        self.faults.time_only = on

    def drop_every(self, seconds: float | None) -> None:
        """Hang up on everybody every so many seconds; ``None`` stops it."""
        if self._dropping is not None:
            self._dropping.cancel()
            self._dropping = None
        if seconds is not None:
            self._dropping = asyncio.get_running_loop().create_task(
                _every("drop", seconds, self.drop_connections), name="simulator-drop"
            )

    # faults of what is said

    def send_error(self, code: int, text: str | None = None, req_id: int = -1) -> None:
        """An error, warning or notice to everybody; without a text, IBKR's own."""
        self.gateway.send_error(code, TEXTS.get(code, f"Code {code}") if text is None else text, req_id)

    def connectivity_lost(self) -> None:
        """1100, again every few seconds: the socket stays, account data stands still, fills are not told."""
        self.gateway.lose_link()

    def connectivity_restored(self, data_lost: bool = False) -> None:
        """1101 (subscriptions are gone) or 1102 (they are kept)."""
        self.gateway.restore_link(data_lost=data_lost)

    def send_raw(self, message: bytes | Sequence[str]) -> None:
        """Bytes as they are, or one message of these fields, to everybody."""
        data = message if isinstance(message, bytes) else wire.frame(list(message))
        for session in self.gateway.ready_sessions:
            session.send_bytes(data)

    def send_bad(self, kind: Garbage) -> None:
        """One of the things no client should trip over, see ``faults.bad_frames``."""
        if kind not in BAD_FRAMES:
            raise KeyError(kind)
        account = next(iter(self.book.accounts))
        fill = phantom_fill(self.book, account, self._clock())
        for session in self.gateway.ready_sessions:
            fields = self.gateway.execution_fields(session.version, -1, fill)
            session.send_bytes(bad_frames(kind, account, fields))

    def positions_answer(self, how: PositionsAnswer = "normal") -> None:
        """How requests for positions are answered: ``normal``, ``never``, ``empty`` or ``("partial", k)``."""
        self.faults.positions = how

    def execution_time_zone(self, name: str | None) -> None:
        """The zone name that execution times carry from now on; ``None`` is the scenario's own."""
        if name is not None:
            zone_named(name)
        self.faults.execution_time_zone = name

    # life

    async def _begin(self) -> None:
        market, gateway, faults = self.scenario.market, self.scenario.gateway, self.scenario.faults
        self.faults.never_answer = faults.never_answer
        self.faults.execution_time_zone = faults.execution_time_zone
        answer = faults.positions
        self.faults.positions = ("partial", answer) if isinstance(answer, int) else answer
        if not faults.refuse:
            await self._listener.open()
        if faults.drop_every_seconds:
            self.drop_every(faults.drop_every_seconds)
        self._run("pnl", gateway.pnl_seconds, self.gateway.push_pnl)
        self._run("values", gateway.account_seconds, self.gateway.push_values)
        self._run("lost", gateway.lost_notice_seconds, self.gateway.repeat_lost)
        self._run("day", 1.0, self._roll_day)
        self._run("save", SAVE_SECONDS, self._save)
        if market.moves:
            self._run("marks", market.tick_seconds, self._move)
        if market.fills:
            fewest, most = market.fill_seconds
            self._run("fills", lambda: self._rng.uniform(fewest, most), self._trade)
        log.info("simulator_ready", port=self.port, accounts=len(self.book.accounts))

    async def _stop(self) -> None:
        if self._dropping is not None:
            self._tasks.append(self._dropping)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.gateway.stop()
        self.drop_connections()
        await self._listener.close()
        self._save()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.faults.hang_up_on_accept:
            writer.transport.abort()
            return
        session = Session(
            reader,
            writer,
            faults=self.faults,
            greet=self.gateway.greet,
            start=self.gateway.start,
            answer=self._desk.answer,
            newest_version=min(self.scenario.gateway.server_version, wire.SERVER_VERSION),
        )
        self.gateway.sessions.add(session)
        try:
            await session.serve()
        finally:
            self.gateway.sessions.discard(session)

    def _run(self, name: str, seconds: float | Callable[[], float], action: Callable[[], object]) -> None:
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(_every(name, seconds, action), name=f"simulator-{name}"))

    def _move(self) -> None:
        if self._market_open:
            self._market.move()

    def _trade(self) -> None:
        if self._market_open:
            self._trade_once(self._market.next_fill())

    def _trade_once(self, intent: Intent) -> None:
        late = self._rng.random() < self.scenario.market.late_commission_share
        execution = self.book.fill(
            intent.account,
            intent.conid,
            intent.side,
            intent.quantity,
            intent.price,
            self._clock(),
            order=intent.order,
            filled=intent.filled,
            average_price=intent.average_price,
        )
        self._keep([execution])
        # Position and execution callbacks come in no fixed order.
        position_first = self._rng.random() < 0.3  # noqa: PLR2004 - now and then
        self.gateway.announce(
            execution, commission="late" if late else "after", position_first=position_first
        )

    def _keep(self, executions: Sequence[Execution]) -> None:
        """Make fills durable before anybody hears of them."""
        if self._file is not None and self._file.append(executions):
            self._file.save(self.book)

    def _save(self) -> None:
        if self._file is not None:
            self._file.save(self.book)

    def _roll_day(self) -> None:
        self.book.roll_day(self._clock().astimezone(ACCOUNT_ZONE).date())


async def _every(name: str, seconds: float | Callable[[], float], action: Callable[[], object]) -> None:
    """Do something again and again; what goes wrong is logged once, and once when it is over."""
    failing = False
    while True:
        await asyncio.sleep(seconds() if callable(seconds) else seconds)
        try:
            action()
        except Exception:
            # The edge of the process: one full disk or odd order must not leave a market that looks calm.
            if not failing:
                log.exception("simulator_job_failed", job=name)
            failing = True
        else:
            if failing:
                log.info("simulator_job_recovered", job=name)
            failing = False


def _adopt(book: Book, fresh: Book) -> None:
    """Take in instruments and accounts that a scenario has gained since the book was begun."""
    for conid, instrument in fresh.instruments.items():
        if conid not in book.instruments:
            book.instruments[conid] = instrument
            book.marks[conid] = fresh.marks[conid]
    for name, account in fresh.accounts.items():
        book.accounts.setdefault(name, account)
