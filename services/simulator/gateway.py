"""The gateway behind the socket: its clients, what it shows them, and how it tells of fills and changes."""

import asyncio
from collections.abc import Callable, Iterable, Iterator

from core.clock import Clock
from core.logs import get_logger
from services.simulator import answers, messages
from services.simulator.book import Book
from services.simulator.executions import Execution, Key
from services.simulator.faults import (
    CONNECTIVITY_LOST,
    RESTORED_KEPT,
    RESTORED_LOST,
    TEXTS,
    CommissionMode,
    FaultState,
)
from services.simulator.holdings import ZERO
from services.simulator.scenario import GatewayTable
from services.simulator.session import Session
from services.simulator.wire import Fields

log = get_logger(__name__)

FIRST_ORDER_ID = 1


class Gateway:
    """Sessions on one side, a book on the other.

    While the link to the broker is lost it goes on showing the book as it was: what is filled meanwhile is
    not told live, as with a real gateway, and is found only by asking for executions afterwards.
    """

    def __init__(self, book: Book, table: GatewayTable, faults: FaultState, clock: Clock) -> None:
        self.book = book
        self.faults = faults
        self.table = table
        self.sessions: set[Session] = set()
        self.clock = clock
        self._shown: Book | None = None
        self._later: dict[asyncio.Handle, Execution] = {}

    @property
    def link_lost(self) -> bool:
        """Whether the link between gateway and broker is down (1100)."""
        return self._shown is not None

    @property
    def shown(self) -> Book:
        """What clients get to see."""
        return self.book if self._shown is None else self._shown

    @property
    def ready_sessions(self) -> list[Session]:
        """Clients that have started the API."""
        return [session for session in self.sessions if session.ready]

    # clients come and go

    def greet(self, version: int) -> Fields:
        """The handshake's answer."""
        return messages.handshake(version, self.clock(), self.table.time_zone)

    def start(self, session: Session) -> bool:
        """Let a client in, unless its id is taken."""
        if any(
            other is not session and other.client_id == session.client_id for other in self.ready_sessions
        ):
            return False
        notices = [messages.error(session.version, code, TEXTS[code]) for code in (2104, 2106, 2158)]
        if self.link_lost:
            notices = [messages.error(session.version, 1100, CONNECTIVITY_LOST)]
        session.send(
            messages.managed_accounts(self.shown.accounts), messages.next_valid_id(FIRST_ORDER_ID), *notices
        )
        log.info("simulator_client_connected", client_id=session.client_id, version=session.version)
        return True

    # what happens is told

    def broadcast(self, build: Callable[[int], Fields]) -> None:
        """Send a message to everybody; ``build`` gets the client's protocol version."""
        for session in self.ready_sessions:
            session.send(build(session.version))

    def send_error(self, code: int, text: str, req_id: int = -1) -> None:
        """An error or notice to everybody."""
        self.broadcast(lambda version: messages.error(version, code, text, req_id))

    def execution_fields(self, version: int, req_id: int, fill: Execution) -> Fields:
        """A fill as it is told now."""
        zone, shown = self.table.time_zone, self.faults.execution_time_zone
        return messages.execution(version, req_id, self.book.instruments[fill.conid], fill, zone, shown)

    def send_execution(self, fill: Execution) -> None:
        """Tell everybody of a fill, live; nothing is told while the link is lost."""
        if self.link_lost:
            return
        self.broadcast(lambda version: self.execution_fields(version, -1, fill))

    def send_commission(self, fill: Execution) -> None:
        """Tell everybody what a fill cost."""
        if self.link_lost:
            return
        self.broadcast(lambda _: messages.commission_report(fill))

    def announce(
        self,
        fill: Execution,
        *,
        commission: CommissionMode | float = "after",
        announce_order: bool = False,
        position_first: bool = False,
    ) -> None:
        """Tell all clients of a fill, its commission and the position it made."""
        if self.link_lost:
            fill.commission_reported = commission != "never"
            return
        if position_first:
            self.send_positions([fill.key])
        if commission == "before":
            self._report(fill)
        for session in self.ready_sessions:
            session.send(*self._execution_story(session.version, fill, announce_order=announce_order))
        self._report_after(fill, commission)
        if not position_first:
            self.send_positions([fill.key])

    def _report_after(self, fill: Execution, commission: CommissionMode | float) -> None:
        match commission:
            case "after" | "twice":
                self._report(fill)
                if commission == "twice":
                    self._report(fill)
            case "late":
                self._report_later(fill, self.table.late_commission_seconds)
            case "never":
                fill.commission_reported = False
            case float() | int():
                self._report_later(fill, commission)

    def _execution_story(self, version: int, fill: Execution, *, announce_order: bool) -> Iterator[Fields]:
        """The recorded order of things: 5, 3, 11, 5, 3, 5 when the order is told of, else the fill alone."""
        told = self.execution_fields(version, -1, fill)
        if not announce_order:
            yield told
            return
        instrument = self.book.instruments[fill.conid]
        final = "Filled" if fill.filled >= fill.order.total else "Submitted"
        yield messages.open_order(version, instrument, fill, "PreSubmitted")
        yield messages.order_status(fill, "PreSubmitted", ZERO, ZERO)
        yield told
        yield messages.open_order(version, instrument, fill, final)
        yield messages.order_status(fill, final, fill.filled, fill.price)
        yield messages.open_order(version, instrument, fill, final, commission=True)

    def _report(self, fill: Execution) -> None:
        fill.commission_reported = True
        self.send_commission(fill)

    def _report_later(self, fill: Execution, seconds: float) -> None:
        fill.commission_reported = False

        def due() -> None:
            del self._later[handle]
            self._report(fill)

        handle = asyncio.get_running_loop().call_later(seconds, due)
        self._later[handle] = fill

    def send_positions(self, keys: Iterable[Key]) -> None:
        """Tell subscribers what is held now."""
        if self.link_lost:
            return
        book = self.book
        for account, conid in keys:
            held = book.position((account, conid))
            message = messages.position(account, book.instruments[conid], held)
            for session in self.ready_sessions:
                subscribed = session.subscriptions
                if subscribed.positions:
                    session.send(message)
                for req_id, owner in subscribed.positions_multi.items():
                    if owner == account:
                        session.send(messages.position_multi(req_id, account, book.instruments[conid], held))
                if subscribed.account == account:
                    session.send(*answers.portfolio_rows(book, account, [(account, conid)]))

    def lose_link(self) -> None:
        """1100: the clients stay, the account data stands still."""
        if self._shown is None:
            self._shown = self.book.copy()
        self.repeat_lost()

    def repeat_lost(self) -> None:
        """1100 again, as a gateway does every few seconds."""
        if self.link_lost:
            self.send_error(1100, CONNECTIVITY_LOST)

    def restore_link(self, *, data_lost: bool) -> None:
        """1101 (every subscription is gone) or 1102 (kept: positions that have changed are told)."""
        if self._shown is None:
            return
        before, self._shown = self._shown.positions, None
        self.send_error(1101 if data_lost else 1102, RESTORED_LOST if data_lost else RESTORED_KEPT)
        if data_lost:
            for session in self.sessions:
                session.subscriptions.clear()
            return
        now = self.book.positions
        self.send_positions(sorted(key for key in {*before, *now} if before.get(key) != now.get(key)))

    # what is sent again and again

    def push_pnl(self) -> None:
        """Profit and quotes to whoever has subscribed, about once a second."""
        if self.link_lost:
            return
        for session in self.ready_sessions:
            subscribed = session.subscriptions
            out = [answers.pnl(self.book, req_id, account) for req_id, account in subscribed.pnl.items()]
            out += [
                answers.pnl_single(self.book, req_id, key) for req_id, key in subscribed.pnl_single.items()
            ]
            for req_id, conid in subscribed.quotes.items():
                out += answers.quote(self.book, req_id, self.book.instruments[conid])
            if out:
                session.send(*out)

    def push_values(self) -> None:
        """Account values that have changed, and portfolio rows."""
        if self.link_lost:
            return
        for session in self.ready_sessions:
            subscribed = session.subscriptions
            if subscribed.account is not None:
                session.send_changed("account", -1, answers.account_rows(self.book, subscribed.account))
                keys = sorted(self.book.positions)
                session.send(*answers.portfolio_rows(self.book, subscribed.account, keys))
                session.send(messages.account_time(self.clock(), self.table.time_zone))
            for req_id, (account, ledger_only) in subscribed.values.items():
                rows = answers.multi_rows(self.book, req_id, account, ledger_only=ledger_only)
                session.send_changed("multi", req_id, rows)
            for req_id, tags in subscribed.summaries.items():
                session.send_changed("summary", req_id, answers.summary(self.book, req_id, tags))

    def stop(self) -> None:
        """Nothing that was put off happens any more; who asks the next gateway of this book hears of it."""
        for handle, fill in self._later.items():
            handle.cancel()
            fill.commission_reported = True
        self._later.clear()
