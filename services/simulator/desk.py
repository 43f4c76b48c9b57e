"""The gateway's desk: one answer to each request of a client, from what the gateway shows at the moment."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from core.logs import get_logger
from services.simulator import answers, messages, requests
from services.simulator.executions import Execution
from services.simulator.faults import TEXTS
from services.simulator.gateway import FIRST_ORDER_ID, Gateway
from services.simulator.holdings import ZERO
from services.simulator.instruments import Instrument
from services.simulator.session import Session
from services.simulator.wire import Fields

log = get_logger(__name__)

READ_ONLY, NO_CONTRACT, UNKNOWN_MESSAGE, BAD_ACCOUNT = 321, 200, 505, 321


class Desk:
    """Answers requests; what is subscribed to is noted in the session and pushed by the gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def answer(self, session: Session, request: requests.Request) -> None:  # noqa: C901, PLR0912 - flat
        """Answer one request of a client."""
        match request:
            case requests.CurrentTime():
                session.send(messages.current_time(self._gateway.clock()))
            case requests.ManagedAccounts():
                session.send(messages.managed_accounts(self._gateway.shown.accounts))
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

    def _error(self, session: Session, code: int, text: str, req_id: int = -1) -> None:
        session.send(messages.error(session.version, code, text, req_id))

    def _positions(self, session: Session, *, subscribe: bool) -> None:
        session.subscriptions.positions = subscribe
        if not subscribe:
            return
        rows = answers.positions(self._gateway.shown)
        match self._gateway.faults.positions:
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
        if account in self._gateway.shown.accounts:
            return True
        text = "Error validating request.-'bX' : cause - Invalid account code"
        self._error(session, BAD_ACCOUNT, text, req_id)
        return False

    def _account_updates(self, session: Session, request: requests.AccountUpdates) -> None:
        account = request.account or next(iter(self._gateway.shown.accounts))
        if not request.subscribe:
            session.subscriptions.account = None
            return
        if not self._known(session, account, -1):
            return
        # One account at a time: a new subscription replaces the last one.
        session.subscriptions.account = account
        session.forget("account", -1)
        session.send_changed("account", -1, answers.account_rows(self._gateway.shown, account))
        session.send(
            *answers.portfolio_rows(self._gateway.shown, account, sorted(self._gateway.shown.positions)),
            messages.account_time(self._gateway.clock(), self._gateway.table.time_zone),
            messages.account_download_end(account),
        )

    def _account_updates_multi(self, session: Session, request: requests.AccountUpdatesMulti) -> None:
        session.forget("multi", request.req_id)
        if request.account is None:
            session.subscriptions.values.pop(request.req_id, None)
            return
        if not self._known(session, request.account, request.req_id):
            return
        session.subscriptions.values[request.req_id] = (request.account, request.ledger_only)
        rows = answers.multi_rows(
            self._gateway.shown, request.req_id, request.account, ledger_only=request.ledger_only
        )
        session.send_changed("multi", request.req_id, rows)
        session.send(messages.account_update_multi_end(request.req_id))

    def _positions_multi(self, session: Session, request: requests.PositionsMulti) -> None:
        if request.account is None:
            session.subscriptions.positions_multi.pop(request.req_id, None)
        elif self._known(session, request.account, request.req_id):
            session.subscriptions.positions_multi[request.req_id] = request.account
            session.send(*answers.positions_multi(self._gateway.shown, request.req_id, request.account))

    def _summary(self, session: Session, request: requests.AccountSummary) -> None:
        session.forget("summary", request.req_id)
        if request.tags is None:
            session.subscriptions.summaries.pop(request.req_id, None)
            return
        session.subscriptions.summaries[request.req_id] = request.tags
        rows = answers.summary(self._gateway.shown, request.req_id, request.tags)
        session.send_changed("summary", request.req_id, rows)
        session.send(messages.account_summary_end(request.req_id))

    def _pnl(self, session: Session, request: requests.Pnl) -> None:
        if request.account is None:
            session.subscriptions.pnl.pop(request.req_id, None)
        elif self._known(session, request.account, request.req_id):
            session.subscriptions.pnl[request.req_id] = request.account
            if self._gateway.table.first_pnl_unset:
                session.send(messages.pnl(request.req_id, None, None, None))
            session.send(answers.pnl(self._gateway.shown, request.req_id, request.account))

    def _pnl_single(self, session: Session, request: requests.PnlSingle) -> None:
        if request.account is None:
            session.subscriptions.pnl_single.pop(request.req_id, None)
            return
        if not self._known(session, request.account, request.req_id):
            return
        if request.conid not in self._gateway.shown.instruments:
            self._error(
                session, NO_CONTRACT, "No security definition has been found for the request", request.req_id
            )
            return
        key = (request.account, request.conid)
        session.subscriptions.pnl_single[request.req_id] = key
        if self._gateway.table.first_pnl_unset:
            quantity: Decimal = self._gateway.shown.position(key).quantity
            session.send(messages.pnl_single(request.req_id, quantity, None, None, None, None))
        session.send(answers.pnl_single(self._gateway.shown, request.req_id, key))

    def _executions(self, session: Session, request: requests.Executions) -> None:
        fills = answers.matching_executions(
            self._gateway.shown, request, self._gateway.clock(), self._gateway.table.time_zone
        )
        session.stream(self._told_of(session, request.req_id, fills))

    def _told_of(self, session: Session, req_id: int, fills: Iterable[Execution]) -> Iterator[Fields]:
        for fill in fills:
            yield self._gateway.execution_fields(session.version, req_id, fill)
            if fill.commission_reported:
                yield messages.commission_report(fill)
        yield messages.execution_end(req_id)

    def _find(self, session: Session, wanted: requests.Contract, req_id: int) -> list[Instrument]:
        found = answers.find_contracts(self._gateway.shown, wanted)
        if not found:
            self._error(session, NO_CONTRACT, "No security definition has been found for the request", req_id)
        return found

    def _contract_details(self, session: Session, request: requests.ContractDetails) -> None:
        found = self._find(session, request.contract, request.req_id)
        if found:
            day = self._gateway.shown.day
            rows = [messages.contract_details(session.version, request.req_id, one, day) for one in found]
            session.send(*rows, messages.contract_details_end(request.req_id))

    def _history(self, session: Session, request: requests.HistoricalData) -> None:
        for instrument in self._find(session, request.contract, request.req_id)[:1]:
            zone = self._gateway.table.time_zone
            session.send(
                answers.history(self._gateway.shown, request, instrument, self._gateway.clock(), zone)
            )

    def _market_data(self, session: Session, request: requests.MarketData) -> None:
        if request.contract is None:
            session.subscriptions.quotes.pop(request.req_id, None)
            return
        for instrument in self._find(session, request.contract, request.req_id)[:1]:
            session.send(
                messages.tick_parameters(request.req_id, instrument.min_tick),
                messages.market_data_type(request.req_id),
                *answers.quote(self._gateway.shown, request.req_id, instrument),
                messages.tick_price(request.req_id, 9, self._gateway.shown.marks[instrument.conid], ZERO),
            )
            if request.snapshot:
                session.send(messages.tick_snapshot_end(request.req_id))
            else:
                session.subscriptions.quotes[request.req_id] = instrument.conid
