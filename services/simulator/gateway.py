"""The gateway behind the socket: its clients, what it shows them, and how it tells of fills."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal

from core.logs import get_logger
from services.simulator import answers, messages, requests
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

Clock = Callable[[], datetime]
Rows = Iterable[tuple[str, str, str, Fields]]

READ_ONLY, NO_CONTRACT, UNKNOWN_MESSAGE, BAD_ACCOUNT = 321, 200, 505, 321
FIRST_ORDER_ID = 1


class Gateway:
    """Sessions on one side, a book on the other.

    While the link to the broker is lost it goes on showing the book as it was: what is filled meanwhile is not told
    live, as with a real gateway, and is found only by asking for executions afterwards.
    """

    def __init__(self, book: Book, table: GatewayTable, faults: FaultState, clock: Clock) -> None:
        self.book = book
        self.faults = faults
        self.table = table
        self.sessions: set[Session] = set()
        self._clock = clock
        self._shown: Book | None = None
        self._later: set[asyncio.Handle] = set()

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
        return messages.handshake(version, self._clock(), self.table.time_zone)

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

    def answer(self, session: Session, request: requests.Request) -> None:  # noqa: C901, PLR0912 - a flat table of cases
        """Answer one request of a client."""
        match request:
            case requests.CurrentTime():
                session.send(messages.current_time(self._clock()))
            case requests.ManagedAccounts():
                session.send(messages.managed_accounts(self.shown.accounts))
            case requests.NextIds():
                session.send(messages.next_valid_id(FIRST_ORDER_ID))
            case requests.Positions():
                self._positions(session, subscribe=request.subscribe)
            case requests.AccountUpdates():
                self._account_updates(session, request)
            case requests.AccountUpdatesMulti():
                self._account_updates_multi(session, request)
            case requests.PositionsMulti():
                self._positions_multi(session, request)
            case requests.AccountSummary():
                self._summary(session, request)
            case requests.Pnl():
                self._pnl(session, request)
            case requests.PnlSingle():
                self._pnl_single(session, request)
            case requests.Executions():
                self._executions(session, request)
            case requests.OpenOrders():
                if request.answered:
                    session.send(messages.open_order_end())
            case requests.CompletedOrders():
                session.send(messages.completed_orders_end())
            case requests.ContractDetails():
                self._contract_details(session, request)
            case requests.HistoricalData():
                self._history(session, request)
            case requests.MarketData():
                self._market_data(session, request)
            case requests.Trading():
                self._error(session, READ_ONLY, TEXTS[READ_ONLY], request.order_id)
            case requests.Unknown():
                log.warning("simulator_request_unknown", message_id=request.message_id[:20])
                self._error(session, UNKNOWN_MESSAGE, "Unknown message id.", request.req_id)
            case requests.Cancelled() | requests.StartApi():
                pass

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
        match commission:
            case "after":
                self._report(fill)
            case "twice":
                self._report(fill)
                self._report(fill)
            case "late":
                self._report_later(fill, self.table.late_commission_seconds)
            case "before":
                pass
            case "never":
                fill.commission_reported = False
            case float() | int():
                self._report_later(fill, float(commission))
        if not position_first:
            self.send_positions([fill.key])

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
        if not self.link_lost:
            self.broadcast(lambda _: messages.commission_report(fill))

    def _report_later(self, fill: Execution, seconds: float) -> None:
        fill.commission_reported = False

        def due() -> None:
            self._later.discard(handle)
            self._report(fill)

        handle = asyncio.get_running_loop().call_later(seconds, due)
        self._later.add(handle)

    def send_positions(self, keys: Iterable[Key]) -> None:
        """Tell subscribers what is held now."""
        book = self.shown
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
                self._send_changed(
                    session, "account", -1, answers.account_rows(self.book, subscribed.account)
                )
                keys = sorted(self.book.positions)
                session.send(*answers.portfolio_rows(self.book, subscribed.account, keys))
                session.send(messages.account_time(self._clock(), self.table.time_zone))
            for req_id, (account, ledger_only) in subscribed.values.items():
                rows = answers.multi_rows(self.book, req_id, account, ledger_only=ledger_only)
                self._send_changed(session, "multi", req_id, rows)
            for req_id, tags in subscribed.summaries.items():
                self._send_changed(session, "summary", req_id, answers.summary(self.book, req_id, tags))

    def stop(self) -> None:
        """Nothing that was put off happens any more."""
        for handle in self._later:
            handle.cancel()
        self._later.clear()

    # answers

    def _error(self, session: Session, code: int, text: str, req_id: int = -1) -> None:
        session.send(messages.error(session.version, code, text, req_id))

    def _send_changed(self, session: Session, kind: str, req_id: int, rows: Rows) -> None:
        known = session.subscriptions.sent
        out = []
        for tag, currency, value, message in rows:
            name = (kind, req_id, tag, currency, "")
            if known.get(name) != value:
                known[name] = value
                out.append(message)
        session.send(*out)

    def _forget_sent(self, session: Session, kind: str, req_id: int) -> None:
        known = session.subscriptions.sent
        for name in [name for name in known if name[:2] == (kind, req_id)]:
            del known[name]

    def _positions(self, session: Session, *, subscribe: bool) -> None:
        session.subscriptions.positions = subscribe
        if not subscribe:
            return
        rows = answers.positions(self.shown)
        match self.faults.positions:
            case "normal":
                session.send(*rows, messages.position_end())
            case "empty":
                session.send(messages.position_end())
            case "never":
                session.subscriptions.positions = False
            case ("partial", count):
                session.subscriptions.positions = False
                session.send(*rows[:count])

    def _known(self, session: Session, account: str, req_id: int) -> bool:
        if account in self.shown.accounts:
            return True
        text = "Error validating request.-'bX' : cause - Invalid account code"
        self._error(session, BAD_ACCOUNT, text, req_id)
        return False

    def _account_updates(self, session: Session, request: requests.AccountUpdates) -> None:
        account = request.account or next(iter(self.shown.accounts))
        if not request.subscribe:
            session.subscriptions.account = None
            return
        if not self._known(session, account, -1):
            return
        # One account at a time: a new subscription replaces the last one.
        session.subscriptions.account = account
        self._forget_sent(session, "account", -1)
        self._send_changed(session, "account", -1, answers.account_rows(self.shown, account))
        session.send(
            *answers.portfolio_rows(self.shown, account, sorted(self.shown.positions)),
            messages.account_time(self._clock(), self.table.time_zone),
            messages.account_download_end(account),
        )

    def _account_updates_multi(self, session: Session, request: requests.AccountUpdatesMulti) -> None:
        self._forget_sent(session, "multi", request.req_id)
        if request.account is None:
            session.subscriptions.values.pop(request.req_id, None)
            return
        if not self._known(session, request.account, request.req_id):
            return
        session.subscriptions.values[request.req_id] = (request.account, request.ledger_only)
        rows = answers.multi_rows(
            self.shown, request.req_id, request.account, ledger_only=request.ledger_only
        )
        self._send_changed(session, "multi", request.req_id, rows)
        session.send(messages.account_update_multi_end(request.req_id))

    def _positions_multi(self, session: Session, request: requests.PositionsMulti) -> None:
        if request.account is None:
            session.subscriptions.positions_multi.pop(request.req_id, None)
        elif self._known(session, request.account, request.req_id):
            session.subscriptions.positions_multi[request.req_id] = request.account
            session.send(*answers.positions_multi(self.shown, request.req_id, request.account))

    def _summary(self, session: Session, request: requests.AccountSummary) -> None:
        self._forget_sent(session, "summary", request.req_id)
        if request.tags is None:
            session.subscriptions.summaries.pop(request.req_id, None)
            return
        session.subscriptions.summaries[request.req_id] = request.tags
        rows = answers.summary(self.shown, request.req_id, request.tags)
        self._send_changed(session, "summary", request.req_id, rows)
        session.send(messages.account_summary_end(request.req_id))

    def _pnl(self, session: Session, request: requests.Pnl) -> None:
        if request.account is None:
            session.subscriptions.pnl.pop(request.req_id, None)
        elif self._known(session, request.account, request.req_id):
            session.subscriptions.pnl[request.req_id] = request.account
            if self.table.first_pnl_unset:
                session.send(messages.pnl(request.req_id, None, None, None))
            session.send(answers.pnl(self.shown, request.req_id, request.account))

    def _pnl_single(self, session: Session, request: requests.PnlSingle) -> None:
        if request.account is None:
            session.subscriptions.pnl_single.pop(request.req_id, None)
            return
        if not self._known(session, request.account, request.req_id):
            return
        if request.conid not in self.shown.instruments:
            self._error(
                session, NO_CONTRACT, "No security definition has been found for the request", request.req_id
            )
            return
        key = (request.account, request.conid)
        session.subscriptions.pnl_single[request.req_id] = key
        if self.table.first_pnl_unset:
            quantity: Decimal = self.shown.position(key).quantity
            session.send(messages.pnl_single(request.req_id, quantity, None, None, None, None))
        session.send(answers.pnl_single(self.shown, request.req_id, key))

    def _executions(self, session: Session, request: requests.Executions) -> None:
        fills = answers.matching_executions(self.shown, request, self._clock(), self.table.time_zone)
        out: list[Fields] = []
        for fill in fills:
            out.append(self.execution_fields(session.version, request.req_id, fill))
            if fill.commission_reported:
                out.append(messages.commission_report(fill))
        session.send(*out, messages.execution_end(request.req_id))

    def _find(self, session: Session, wanted: requests.Contract, req_id: int) -> list[answers.Instrument]:
        found = answers.find_contracts(self.shown, wanted)
        if not found:
            self._error(session, NO_CONTRACT, "No security definition has been found for the request", req_id)
        return found

    def _contract_details(self, session: Session, request: requests.ContractDetails) -> None:
        found = self._find(session, request.contract, request.req_id)
        if found:
            rows = [messages.contract_details(session.version, request.req_id, one) for one in found]
            session.send(*rows, messages.contract_details_end(request.req_id))

    def _history(self, session: Session, request: requests.HistoricalData) -> None:
        for instrument in self._find(session, request.contract, request.req_id)[:1]:
            zone = self.table.time_zone
            session.send(answers.history(self.shown, request, instrument, self._clock(), zone))

    def _market_data(self, session: Session, request: requests.MarketData) -> None:
        if request.contract is None:
            session.subscriptions.quotes.pop(request.req_id, None)
            return
        for instrument in self._find(session, request.contract, request.req_id)[:1]:
            session.send(
                messages.tick_parameters(request.req_id, instrument.min_tick),
                messages.market_data_type(request.req_id),
                *answers.quote(self.shown, request.req_id, instrument),
                messages.tick_price(request.req_id, 9, self.shown.marks[instrument.conid], ZERO),
            )
            if request.snapshot:
                session.send(messages.tick_snapshot_end(request.req_id))
            else:
                session.subscriptions.quotes[request.req_id] = instrument.conid
