"""Hooks on the wrapper's own methods: ib_async's events lose fills, these do not.

Every hook puts what it is given into the queue, synchronously, and does nothing else. ib_async's own bodies
are left out where all they do is bookkeeping that a recorder never reads and that grows until the link ends
(fills, trades, positions, portfolio); they are kept where a request waits for them.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from ib_async import IB, CommissionReport, Contract, ContractDetails, Execution

from core import logs
from core.clock import Clock
from core.domain.money import ZERO, decimal_from_text
from core.errors import ErrorCategory
from core.events.facts import (
    AccountsListed,
    AccountValueReported,
    Dataset,
    DatasetCompleted,
    FrameUnreadable,
    InstrumentDescribed,
    MarkReported,
)
from services.broker import metrics, translate
from services.broker.beat import Link
from services.broker.gate import Sink
from services.broker.holding import Holding
from services.broker.problems import Problems
from services.broker.signals import Signals, tells_something
from services.broker.told import Told
from services.broker.translate import Instruments
from services.broker.unreadable import DATASET, UnreadableError, account_of, identity_of

log = logs.get_logger(__name__)

_REMEMBERED_UNREADABLE = 10_000
_CLOCK_LIMIT_SECONDS = 10 * 365 * 86_400.0
_UNSET = "1.797693134862315"
_EXPOSURE_TAGS = {"GrossPositionValue", "InitMarginReq", "MaintMarginReq"}
_NOT_A_NUMBER = {"nan", "infinity", "-infinity", "inf", "-inf"}
_encode = msgspec.json.encode

OnCode = Callable[[int, str], None]
Key = tuple[str, int]


class Listener:
    """What one connection says, turned into facts and ticks.

    ``held`` is the newest quantity of each (account, conid) told in this connection. ``sweep`` is the id of
    the positions request under way and ``swept`` what answered it. ``damaged`` holds, by dataset, the
    accounts (``""``: unknown which) of messages that could not be read. ``told`` knows the executions that
    were told, and ``holding`` their order. ``exposure`` holds account values that are 0 where nothing is
    held. While one of ``farms_down`` is down, profit-and-loss figures are not called complete. ``is_prompt``
    tells whether a time that comes was sent just now.
    """

    def __init__(
        self,
        ib: IB,
        sink: Sink,
        link: Link,
        instruments: Instruments,
        clock: Clock,
        on_code: OnCode,
        told: Told,
    ) -> None:
        self._ib = ib
        self._wrapper: Any = ib.wrapper
        self._decoder: Any = ib.client.decoder
        self._put = sink.put
        self._tick = sink.tick
        self._link = link
        self._instruments = instruments
        self._clock = clock
        self._on_code = on_code
        self._problems = Problems(log)
        self._unreadable: set[tuple[str, ...]] = set()
        self._marks: dict[Key, MarkReported] = {}
        self.now: datetime = clock()
        self.messages = 0
        self.is_prompt: Callable[[], bool] = lambda: True
        self.signals = Signals()
        self.accounts: tuple[str, ...] = ()
        self.held: dict[Key, Decimal] = {}
        self.sweep = ""
        self.swept: set[Key] = set()
        self.told = told
        self.holding = Holding(sink.put)
        self.farms_down: set[str] = set()
        self.damaged: dict[Dataset, set[str]] = {}
        self.account_of_pnl: dict[int, str] = {}
        self.key_of_single: dict[int, Key] = {}
        self.accounts_with_pnl: set[str] = set()
        self.described: set[int] = set()
        self.exposure: dict[tuple[str, str], Decimal] = {}

    def attach(self) -> None:
        """Hook the wrapper instance and take over reading and decoding of its client."""
        wrapper = self._wrapper
        self._original_error = wrapper.error
        self._original_accounts = wrapper.managedAccounts
        self._original_details = wrapper.contractDetails
        for name in (
            "execDetails",
            "commissionReport",
            "position",
            "positionMulti",
            "positionMultiEnd",
            "updatePortfolio",
            "updateAccountValue",
            "accountUpdateMulti",
            "accountSummary",
            "pnl",
            "pnlSingle",
            "managedAccounts",
            "currentTime",
            "contractDetails",
            "error",
        ):
            setattr(wrapper, name, getattr(self, f"_{_snake(name)}"))
        wrapper.bondContractDetails = self._contract_details
        # On every 1102 it would add one more account-summary subscription.
        self._ib.errorEvent -= self._ib._onError  # noqa: SLF001 - it has no switch

    def data_arrived(self) -> None:
        """Stamp what follows with one reading of the clock."""
        self.now = self._clock()
        self._link.last_message_at = self.now

    def message_arrived(self, fields: list[str]) -> None:
        """Count a whole message, a sign of life, and note where it is more than that."""
        self.messages += 1
        if not self.signals.data.is_set() and tells_something(fields):
            self.signals.data.set()

    def forget_unreadable(self) -> None:
        """Have messages that could not be read told again when they are repeated."""
        self._unreadable.clear()

    def unreadable(self, category: ErrorCategory, reason: str, fields: list[str]) -> None:
        """Keep a message aside, and say that its dataset is incomplete."""
        metrics.UNREADABLE.labels(reason.partition(":")[0]).inc()
        message = fields[0][:8] if fields else ""
        self._problems.tell((message, reason), "message_unreadable", message=message, reason=reason)
        account = account_of(fields)
        dataset = DATASET.get(message)
        if dataset is not None:
            self.damaged.setdefault(dataset, set()).add(account)
            self.signals.damage.set()
            if dataset == "pnl":
                # The next readable figure says that it is complete again.
                self.accounts_with_pnl -= {account} if account in self.accounts else set(self.accounts)
        identity = identity_of(fields)
        if identity in self._unreadable:
            return
        if len(self._unreadable) >= _REMEMBERED_UNREADABLE:
            self._unreadable.clear()
        self._unreadable.add(identity)
        self._put(
            FrameUnreadable(
                received_at=self.now,
                category=category,
                reason=reason,
                frame=_encode(fields).decode(),
                account=account,
            )
        )
        if dataset is not None:
            for affected in (account,) if account in self.accounts else self.accounts:
                self._put(
                    DatasetCompleted(
                        received_at=self.now,
                        account=affected,
                        dataset=dataset,
                        as_of=self._link.broker_now(),
                        complete=False,
                        error=f"a message could not be read: {reason}",
                    )
                )

    # The wrapper's callbacks, with ib_async's own names in snake_case.

    def _exec_details(self, request: int, contract: Contract, fill: Execution) -> None:
        if self.told.repeats(request, fill):
            return
        instrument = self._instruments.of(contract)
        assumed = self._decoder.zone_assumed
        fact = translate.execution(instrument, fill, received_at=self.now, zone_assumed=assumed)
        self.holding.tell(fact, is_answer=request == self.told.request)
        self.told.note(fill, self.now)
        self._want_description(contract.conId)

    def _commission_report(self, report: CommissionReport) -> None:
        if self.told.repeats_commission(report):
            return
        self.holding.tell_commission(translate.commission(report, received_at=self.now))
        self.told.note_commission(report, self.now)

    def _position(self, account: str, contract: Contract, quantity: float, average_cost: float) -> None:
        instrument = self._instruments.of(contract)
        fact = translate.position(
            account,
            instrument,
            quantity,
            average_cost,
            received_at=self.now,
            as_of=self._link.broker_now(),
            sweep=self.sweep,
        )
        self._put(fact)
        key = (account, contract.conId)
        before = self.held.get(key)
        self.held[key] = fact.quantity
        if self.sweep:
            self.swept.add(key)
        if bool(before) != bool(fact.quantity):
            self.signals.holdings.set()
        self._want_description(contract.conId)

    def _position_multi(
        self,
        request: int,
        account: str,
        model: str,
        contract: Contract,
        quantity: float,
        average_cost: float,
    ) -> None:
        del request
        # An account's holdings come once in all and, with model portfolios, once more for each model.
        if not model:
            self._position(account, contract, quantity, average_cost)

    def _position_multi_end(self, request: int) -> None:
        self._wrapper._endReq(request)  # noqa: SLF001 - ib_async leaves this answer unheard

    def _update_portfolio(
        self,
        contract: Contract,
        quantity: float,
        price: float,
        value: float,
        average_cost: float,
        unrealized: float,
        realized: float,
        account: str,
    ) -> None:
        del average_cost
        key = (account, contract.conId)
        mark = translate.mark_from_portfolio(
            account,
            contract.conId,
            quantity=quantity,
            price=price,
            value=value,
            unrealized=unrealized,
            realized=realized,
            last=self._marks.get(key),
            received_at=self.now,
        )
        self._marks[key] = mark
        self._tick(key, mark)

    def _update_account_value(self, tag: str, value: str, currency: str, account: str) -> None:
        if value.startswith(_UNSET) or value.lower() in _NOT_A_NUMBER:
            raise UnreadableError("validation", "an account value is unset")
        if tag in _EXPOSURE_TAGS:
            self.exposure[account, tag] = decimal_from_text(value) or ZERO
        self._put(
            AccountValueReported(
                received_at=self.now, account=account, key=tag, value=value, currency=currency
            )
        )

    def _account_update_multi(
        self, request: int, account: str, model: str, tag: str, value: str, currency: str
    ) -> None:
        del request
        if not model:
            self._update_account_value(tag, value, currency, account)

    def _account_summary(self, request: int, account: str, tag: str, value: str, currency: str) -> None:
        del request
        self._update_account_value(tag, value, currency, account)

    def _pnl(self, request: int, daily: float, unrealized: float, realized: float) -> None:
        account = self.account_of_pnl.get(request)
        if account is None:
            return
        self._tick(account, translate.account_pnl(account, daily, unrealized, realized, received_at=self.now))
        if account not in self.accounts_with_pnl and not self.farms_down:
            self.accounts_with_pnl.add(account)
            self.signals.pnl.set()
            self._put(
                DatasetCompleted(
                    received_at=self.now,
                    account=account,
                    dataset="pnl",
                    as_of=self._link.broker_now(),
                    complete=True,
                )
            )

    def _pnl_single(
        self,
        request: int,
        quantity: float,
        daily: float,
        unrealized: float,
        realized: float,
        value: float,
    ) -> None:
        key = self.key_of_single.get(request)
        if key is None:
            return
        account, conid = key
        mark = translate.mark_from_pnl(
            account,
            conid,
            self._instruments.get(conid) if conid in self.described else None,
            quantity=quantity,
            daily=daily,
            unrealized=unrealized,
            realized=realized,
            value=value,
            last=self._marks.get(key),
            received_at=self.now,
        )
        self._marks[key] = mark
        self._tick(key, mark)

    def _managed_accounts(self, listed: str) -> None:
        self._original_accounts(listed)
        accounts = tuple(account for account in listed.split(",") if account)
        if not accounts:
            return
        if self.accounts and set(accounts) != set(self.accounts):
            self.signals.accounts.set()
        self.accounts = accounts
        self._put(AccountsListed(received_at=self.now, accounts=accounts))

    def _current_time(self, unix_seconds: int) -> None:
        if abs(unix_seconds - self.now.timestamp()) > _CLOCK_LIMIT_SECONDS:
            # Believed, it would date every answer after all later ones, or beyond what a date can be.
            raise UnreadableError("validation", "the gateway's clock is more than ten years off")
        if self.is_prompt():
            self._link.heard_time(unix_seconds)

    def _contract_details(self, request: int, details: ContractDetails) -> None:
        instrument = self._instruments.describe(details)
        self.described.add(instrument.conid)
        self._put(InstrumentDescribed(received_at=self.now, instrument=instrument))
        if request in self._wrapper._results:  # noqa: SLF001 - an answer that came too late has no place there
            self._original_details(request, details)

    def _error(self, request: int, code: int, text: str, rejection: str = "") -> None:
        metrics.CODES.labels(str(code)).inc()
        self._original_error(request, code, text, rejection)
        self._on_code(code, text)

    def exposed(self, account: str) -> bool | None:
        """Whether the account's values say that something is held; ``None`` while they were not told."""
        values = [value for (owner, _), value in self.exposure.items() if owner == account]
        return any(values) if values else None

    def held_something(self, account: str) -> bool:
        """Whether the gateway told of a position of ``account`` in this connection and not of its end."""
        return any(quantity for (owner, _), quantity in self.held.items() if owner == account)

    def forget_unswept(self, accounts: Collection[str]) -> None:
        """What a complete answer about ``accounts`` left out is not held any more."""
        for key in [key for key in self.held if key[0] in accounts and key not in self.swept]:
            del self.held[key]
            self.signals.holdings.set()

    def _want_description(self, conid: int) -> None:
        if conid not in self.described:
            self.signals.want_description(conid)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
