"""Comparing everything with the broker: what is asked, and when an answer may be believed."""

import asyncio
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from core import logs
from core.clock import Clock
from core.events.facts import (
    AccountsListed,
    InstrumentDescribed,
    PositionsCompleted,
    ResyncFenced,
)
from services.broker import metrics
from services.broker.answers import Answers, Errors
from services.broker.beat import Link
from services.broker.connection import Connection
from services.broker.executions import Executions
from services.broker.pacer import Pacer
from services.broker.publish import Publisher
from services.broker.recorded import Recorded
from services.broker.subscriptions import Subscriptions
from services.broker.translate import Instruments

log = logs.get_logger(__name__)

MANY_ACCOUNTS = 50
"""IBKR answers the request for all positions, and allows a subscription each, up to so many accounts."""

_FIRST_PNL_SECONDS = 1.5
_SUMMARY_TAGS = (
    "AccountType,NetLiquidation,TotalCashValue,SettledCash,AccruedCash,BuyingPower,EquityWithLoanValue,"
    "GrossPositionValue,InitMarginReq,MaintMarginReq,AvailableFunds,ExcessLiquidity,Cushion,$LEDGER:ALL"
)


class Resync:
    """Asks one connection for its datasets and says, account by account, what came completely."""

    def __init__(
        self,
        connection: Connection,
        subscriptions: Subscriptions,
        publisher: Publisher,
        link: Link,
        instruments: Instruments,
        clock: Clock,
        pacer: Pacer,
        answer_seconds: float,
        recorded: Recorded,
        answer: Callable[[ResyncFenced], None],
    ) -> None:
        self._client: Any = connection.client
        self._ib: Any = connection.ib
        self._wrapper: Any = connection.ib.wrapper
        self._flow = connection.flow
        self._listener = connection.listener
        self._subscriptions = subscriptions
        self._publisher = publisher
        self._link = link
        self._instruments = instruments
        self._clock = clock
        self._pacer = pacer
        self._answers = Answers(connection, publisher, link, clock, answer_seconds)
        self._tell_fence = answer
        self.executions = Executions(connection, publisher, link, recorded, self._answers)
        self._value_requests: dict[str, int] = {}
        self._position_requests: dict[str, int] = {}
        self._summary_request = -1
        self._unanswered = False

    @property
    def was_answered(self) -> bool:
        """Whether each answer since the last full comparison began came to its end, whatever was in it."""
        return self._answers.all_came

    async def full(self, trigger: str, job_ids: Iterable[str], *, was_away: Callable[[], bool]) -> bool:
        """Everything, then the fence; whether all of it was complete.

        ``was_away`` tells whether IBKR was away behind the gateway since this began: what was asked before
        that may lack what happened then, though it is back.

        Raises:
            ConnectionError: the link was lost meanwhile (the fence then says so).
        """
        started_at, elapsed_ms = self._clock(), logs.stopwatch()
        before = self._publisher.taken_facts
        errors: list[str] = []
        self._answers.all_came = True
        try:
            await self._announce()
            for dataset in (self.positions, self.executions.ask_unrecorded, self.account_values):
                for error in (await dataset()).values():
                    if error not in errors:
                        errors.append(error)
            await self._profit_and_loss()
            if was_away():
                errors.append("the gateway lost its connection to IBKR meanwhile")
        except ConnectionError:
            errors.append("the link to the gateway was lost meanwhile")
            raise
        except asyncio.CancelledError:
            errors.append("the link to the gateway ended meanwhile")
            raise
        finally:
            for job_id in job_ids:
                self._tell_fence(
                    ResyncFenced(
                        received_at=self._clock(),
                        trigger=trigger,
                        started_at=started_at,
                        ok=not errors,
                        error="; ".join(errors),
                        job_id=job_id,
                    )
                )
            metrics.RESYNCS.labels("failed" if errors else "ok").inc()
        told = {"facts": self._publisher.taken_facts - before, "duration_ms": elapsed_ms()}
        if errors:
            self._link.incomplete()
            log.warning("resync_incomplete", trigger=trigger, reasons=errors, **told)
        else:
            log.info("resync_complete", trigger=trigger, **told)
        return not errors

    async def _announce(self) -> None:
        accounts = self._listener.accounts
        self._client.reqManagedAccts()
        self._publisher.put(AccountsListed(received_at=self._clock(), accounts=accounts))
        for conid in sorted(self._listener.described):
            instrument = self._instruments.get(conid)
            if instrument is not None:
                # As for what the gateway tells: where there is no room, it waits.
                await self._flow.free.wait()
                self._publisher.put(InstrumentDescribed(received_at=self._clock(), instrument=instrument))
        self._subscriptions.refresh()

    async def positions(self) -> Errors:
        """All positions. Only a list that was ended is believed, and only where all of it could be read."""
        listener = self._listener
        accounts = listener.accounts
        listener.damaged.pop("positions", None)
        listener.swept = set()
        listener.sweep = sweep = uuid.uuid4().hex
        try:
            if len(accounts) > MANY_ACCOUNTS:
                errors = await self._each_accounts_positions(accounts)
            else:
                errors = await self._all_positions(accounts)
            errors |= self._answers.damage("positions", accounts)
            errors |= await self._doubt_empty_answers([name for name in accounts if name not in errors])
        finally:
            # What is told of before ``PositionsCompleted`` stands before it in the stream and belongs to it.
            listener.sweep = ""
        if not self._link.up:
            errors = dict.fromkeys(accounts, "the gateway is not connected to IBKR")
        believed = tuple(account for account in accounts if account not in errors)
        if believed:
            listener.forget_unswept(believed)
            count = sum(1 for account, _ in listener.swept if account not in errors)
            self._publisher.put(
                PositionsCompleted(
                    received_at=self._clock(),
                    sweep=sweep,
                    accounts=believed,
                    count=count,
                    as_of=self._link.broker_now(),
                )
            )
        self._answers.completed("positions", accounts, errors)
        return errors

    async def _doubt_empty_answers(self, accounts: list[str]) -> Errors:
        """Accounts without any position, of which the gateway says elsewhere that they hold something.

        A gateway that has just started may answer before it has loaded the portfolio. Elsewhere: the
        account's values, asked for anew because they may be older than its last sale, and, without them, the
        positions that it told of before in this connection.
        """
        listener = self._listener
        named = {account for account, _ in listener.swept}
        empty = [account for account in accounts if account not in named]
        if all(listener.exposed(account) is False for account in empty) and not any(
            map(listener.held_something, empty)
        ):
            return {}
        unanswered = await self.account_values()
        doubted = []
        for account in empty:
            exposed = listener.exposed(account)
            unknown = exposed is None or account in unanswered
            if exposed or (unknown and listener.held_something(account)):
                doubted.append(account)
        return dict.fromkeys(
            doubted, "the gateway named no position, but its other figures say that something is held"
        )

    async def _all_positions(self, accounts: tuple[str, ...]) -> Errors:
        listener = self._listener
        error = await self._answers.wait(
            "positions", self._ib.reqPositionsAsync(), lambda: len(listener.swept), "positions"
        )
        if error:
            # Should this answer come yet, it would look like the answer to the next request.
            self._unanswered = True
        elif self._unanswered:
            self._unanswered = False
            if {key for key, quantity in listener.held.items() if quantity} - listener.swept:
                error = "the answer to the request for positions may be an earlier one's"
        return dict.fromkeys(accounts, error) if error else {}

    async def _each_accounts_positions(self, accounts: tuple[str, ...]) -> Errors:
        errors: Errors = {}
        for account in accounts:
            await self._pacer.turn()
            earlier = self._position_requests.pop(account, None)
            if earlier is not None:
                self._client.cancelPositionsMulti(earlier)
            request = self._client.getReqId()
            self._position_requests[account] = request
            future = self._wrapper.startReq(request)
            self._client.reqPositionsMulti(request, account, "")
            error = await self._answers.wait(request, future, lambda: len(self._listener.swept), "positions")
            if error:
                errors[account] = error
        return errors

    async def account_values(self) -> Errors:
        """Account values of every account; they stay subscribed."""
        accounts = self._listener.accounts
        self._listener.damaged.pop("account_values", None)
        if len(accounts) == 1:
            errors = await self._one_accounts_values(accounts[0])
        elif len(accounts) <= MANY_ACCOUNTS:
            errors = await self._each_accounts_values(accounts)
        else:
            errors = await self._account_summary(accounts)
        errors |= self._answers.damage("account_values", accounts)
        self._answers.completed("account_values", accounts, errors)
        return errors

    async def _one_accounts_values(self, account: str) -> Errors:
        """The only request that brings portfolio marks too, and only one account can have it."""
        if account in self._value_requests:
            self._client.reqAccountUpdates(False, account)
        self._value_requests[account] = -1
        future = self._ib.reqAccountUpdatesAsync(account)
        error = await self._answers.wait("accountValues", future, None, "account values")
        return {account: error} if error else {}

    async def _each_accounts_values(self, accounts: tuple[str, ...]) -> Errors:
        answers = []
        for account in accounts:
            await self._pacer.turn()
            earlier = self._value_requests.pop(account, None)
            if earlier is not None:
                self._client.cancelAccountUpdatesMulti(earlier)
            request = self._client.getReqId()
            self._value_requests[account] = request
            future = self._wrapper.startReq(request)
            self._client.reqAccountUpdatesMulti(request, account, "", False)
            answers.append(self._answers.wait(request, future, None, "account values"))
        told = await asyncio.gather(*answers)
        return {account: error for account, error in zip(accounts, told, strict=True) if error}

    async def _account_summary(self, accounts: tuple[str, ...]) -> Errors:
        if self._summary_request >= 0:
            self._client.cancelAccountSummary(self._summary_request)
        self._summary_request = request = self._client.getReqId()
        future = self._wrapper.startReq(request)
        self._client.reqAccountSummary(request, "All", _SUMMARY_TAGS)
        error = await self._answers.wait(request, future, None, "account values")
        return dict.fromkeys(accounts, error) if error else {}

    async def _profit_and_loss(self) -> None:
        """Say of which accounts no figure has come yet. When one comes, the listener says so."""
        missing = await self._subscriptions.first_figures(_FIRST_PNL_SECONDS)
        accounts = tuple(account for account in self._listener.accounts if account not in missing)
        self._answers.completed("pnl", accounts, {})
        self._answers.completed("pnl", tuple(missing), dict.fromkeys(missing, "no figure has come yet"))
