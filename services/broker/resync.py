"""Comparing everything with the broker: what is asked, and when an answer may be believed."""

import asyncio
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ib_async import ExecutionFilter
from ib_async.wrapper import RequestError

from core import logs
from core.clock import Clock
from core.domain.coverage import EXECUTIONS_OVERLAP
from core.events.facts import (
    AccountsListed,
    Dataset,
    DatasetCompleted,
    InstrumentDescribed,
    PositionsCompleted,
    ResyncFenced,
)
from services.broker import metrics
from services.broker.beat import Link
from services.broker.connection import Connection
from services.broker.flow import MOST_SECONDS
from services.broker.gateway_time import (
    LAST_RESORT,
    filter_time,
    midnight_before,
    seconds_to_midnight,
    zone_named,
)
from services.broker.pacer import Pacer
from services.broker.publish import Publisher
from services.broker.recorded import Recorded
from services.broker.subscriptions import Subscriptions
from services.broker.told import REMEMBERED
from services.broker.translate import Instruments

log = logs.get_logger(__name__)

MANY_ACCOUNTS = 50
"""IBKR answers the request for all positions, and allows a subscription each, up to so many accounts."""

_FIRST_PNL_SECONDS = 1.5
_LAST_CALL_SECONDS = 2.0
_LAST_CALL_LEEWAY_SECONDS = 1.0
_CLOCKS_APART = timedelta(seconds=1.5)
"""What we know of the broker's clock, in whole seconds, may be off by so much."""
_ON_ITS_WAY = timedelta(seconds=10)
"""Workers that share the stream may store what was told earlier so much later."""
_SUMMARY_TAGS = (
    "AccountType,NetLiquidation,TotalCashValue,SettledCash,AccruedCash,BuyingPower,EquityWithLoanValue,"
    "GrossPositionValue,InitMarginReq,MaintMarginReq,AvailableFunds,ExcessLiquidity,Cushion,$LEDGER:ALL"
)

Errors = dict[str, str]
"""Why a dataset is incomplete, by account; empty when all is well."""


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
        self._answer_seconds = answer_seconds
        self._recorded = recorded
        self._tell_fence = answer
        self._zone = zone_named(connection.zone_name) or ZoneInfo(LAST_RESORT)
        self._executions_asked_at: datetime | None = None
        self._losses_told = publisher.losses
        self._value_requests: dict[str, int] = {}
        self._position_requests: dict[str, int] = {}
        self._summary_request = -1
        self._unanswered = False

    async def full(self, trigger: str, job_ids: Iterable[str], *, was_away: Callable[[], bool]) -> bool:
        """Everything, then the fence; whether all of it was complete.

        ``was_away`` tells whether IBKR was away behind the gateway since this began: what was asked before
        that may lack what happened then, though it is back.

        Raises:
            ConnectionError: the link was lost meanwhile (the fence then says so).
        """
        started_at = self._clock()
        errors: list[str] = []
        try:
            await self._announce()
            for dataset in (self.positions, self._unrecorded_executions, self.account_values):
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
        if errors:
            self._link.incomplete()
            log.warning("resync_incomplete", trigger=trigger, reasons=errors)
        else:
            seconds = (self._clock() - started_at).total_seconds()
            log.info("resync_complete", trigger=trigger, seconds=round(seconds, 2))
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
            errors |= self._damage("positions", accounts)
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
        self._completed("positions", accounts, errors)
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
        error = await self._answer(
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
            error = await self._answer(request, future, lambda: len(self._listener.swept), "positions")
            if error:
                errors[account] = error
        return errors

    async def executions(self, *, skip_known: bool = False, since: datetime | None = None) -> Errors:
        """Today's executions of every account and client. They come through the hooks like any other.

        ``skip_known`` leaves out those that were told before with the same figures. ``since`` asks only for
        those from then on, by the broker's clock.
        """
        listener = self._listener
        accounts = listener.accounts
        listener.damaged.pop("executions", None)
        request = self._client.getReqId()
        listener.told.begin(request, skip_known=skip_known)
        future = self._wrapper.startReq(request)
        asked_at = self._link.broker_now()
        wanted = ExecutionFilter() if since is None else ExecutionFilter(time=filter_time(since))
        try:
            self._client.reqExecutions(request, wanted)
            error = await self._answer(request, future, lambda: listener.told.replayed, "executions")
        finally:
            listener.told.end()
        errors = dict.fromkeys(accounts, error) if error else self._damage("executions", accounts)
        losses = self._publisher.losses
        facts_lost = losses > self._losses_told
        if not errors:
            self._executions_asked_at = asked_at
            self._losses_told = losses
        covers_from = self._covers_from(since)
        self._completed("executions", accounts, errors, covers_from=covers_from, facts_lost=facts_lost)
        return errors

    async def _unrecorded_executions(self) -> Errors:
        """Today's executions, but those that PostgreSQL has as they are; all of them while it is away."""
        now = self._link.broker_now()
        midnight = midnight_before(now, self._zone) - timedelta(seconds=self._link.clock_offset_seconds)
        recorded = await self._recorded.since(midnight, REMEMBERED)
        if recorded is None:
            return await self.executions()
        self._listener.told.know(recorded)
        return await self.executions(skip_known=True)

    def _covers_from(self, since: datetime | None) -> datetime | None:
        """Since when an answer that has just ended tells every execution; ``None``: since it was asked to."""
        # An answer about midnight counts as one after it, whichever clock is late.
        midnight = midnight_before(self._link.broker_now() + _CLOCKS_APART, self._zone)
        if since is not None and since >= midnight:
            return None
        oldest = self._listener.told.oldest
        return midnight if oldest is None else min(midnight, oldest)

    async def executions_again(self) -> None:
        """Executions that came since the last answer, with an overlap; before the day ends, all of them."""
        since = self._executions_asked_at
        left = seconds_to_midnight(self._link.broker_now(), self._zone)
        if since is None or left <= _LAST_CALL_SECONDS + _LAST_CALL_LEEWAY_SECONDS:
            await self.check_executions()
        else:
            await self.executions(skip_known=True, since=since - EXECUTIONS_OVERLAP)

    async def check_executions(self) -> None:
        """All executions. What was told, and should have reached PostgreSQL, and has not, is told again."""
        if await self.executions(skip_known=True):
            return
        heard_until = await self._recorded.heard_until(self._publisher.epoch)
        if heard_until is None:
            return
        told = self._listener.told
        by_our_clock = heard_until - timedelta(seconds=self._link.clock_offset_seconds)
        missing = await self._recorded.missing(told.repeated_since_before(by_our_clock - _ON_ITS_WAY))
        if not missing:
            return
        metrics.EXECUTIONS_MISSING.inc(len(missing))
        log.warning("executions_missing_in_database", executions=len(missing))
        told.forget(missing)
        await self.executions(skip_known=True)

    def until_executions(self, seconds: float) -> float:
        """When to ask for executions again: after so many seconds, or for the last time of the day.

        With the gateway's midnight goes what other clients traded and was not asked for before.
        """
        left = seconds_to_midnight(self._link.broker_now(), self._zone) - _LAST_CALL_SECONDS
        return left if _LAST_CALL_LEEWAY_SECONDS < left < seconds else seconds

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
        errors |= self._damage("account_values", accounts)
        self._completed("account_values", accounts, errors)
        return errors

    async def _one_accounts_values(self, account: str) -> Errors:
        """The only request that brings portfolio marks too, and only one account can have it."""
        if account in self._value_requests:
            self._client.reqAccountUpdates(False, account)
        self._value_requests[account] = -1
        future = self._ib.reqAccountUpdatesAsync(account)
        error = await self._answer("accountValues", future, None, "account values")
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
            answers.append(self._answer(request, future, None, "account values"))
        told = await asyncio.gather(*answers)
        return {account: error for account, error in zip(accounts, told, strict=True) if error}

    async def _account_summary(self, accounts: tuple[str, ...]) -> Errors:
        if self._summary_request >= 0:
            self._client.cancelAccountSummary(self._summary_request)
        self._summary_request = request = self._client.getReqId()
        future = self._wrapper.startReq(request)
        self._client.reqAccountSummary(request, "All", _SUMMARY_TAGS)
        error = await self._answer(request, future, None, "account values")
        return dict.fromkeys(accounts, error) if error else {}

    async def _profit_and_loss(self) -> None:
        """Say of which accounts no figure has come yet. When one comes, the listener says so."""
        missing = await self._subscriptions.first_figures(_FIRST_PNL_SECONDS)
        accounts = tuple(account for account in self._listener.accounts if account not in missing)
        self._completed("pnl", accounts, {})
        self._completed("pnl", tuple(missing), dict.fromkeys(missing, "no figure has come yet"))

    async def _answer(
        self, key: object, future: "asyncio.Future[Any]", progress: Callable[[], int] | None, what: str
    ) -> str:
        """Wait for the end of an answer, as long as it keeps coming; why it is not complete, or nothing.

        While the gateway is held back nothing is expected of it, and of what it then says a part may be lost.
        Held back again and again, it has as long as it would have in one hold.
        """
        loop = asyncio.get_running_loop()
        breaks = self._flow.breaks
        seen, came_at = progress() if progress else 0, loop.time()
        while True:
            changes = self._flow.changes
            try:
                done, _ = await asyncio.wait({future}, timeout=self._answer_seconds)
            except asyncio.CancelledError:
                future.cancel()
                raise
            if done:
                break
            now = progress() if progress else 0
            if now != seen:
                seen, came_at = now, loop.time()
            elif self._flow.listened_since(changes) or loop.time() - came_at > MOST_SECONDS:
                self._wrapper._futures.pop(key, None)  # noqa: SLF001 - nobody waits for it any more
                self._wrapper._results.pop(key, None)  # noqa: SLF001 - the same
                future.cancel()
                return f"the gateway did not answer the request for {what} completely"
        try:
            future.result()
        except RequestError as error:
            return f"the gateway refused the request for {what} (code {error.code})"
        return "" if self._flow.breaks == breaks else f"there was no room for the answer with {what}"

    def _damage(self, dataset: Dataset, accounts: tuple[str, ...]) -> Errors:
        damaged = self._listener.damaged.get(dataset, set())
        if not damaged:
            return {}
        affected = accounts if damaged - set(accounts) else tuple(damaged)
        return dict.fromkeys(affected, f"a message about {dataset} could not be read")

    def _completed(
        self,
        dataset: Dataset,
        accounts: tuple[str, ...],
        errors: Errors,
        *,
        covers_from: datetime | None = None,
        facts_lost: bool = False,
    ) -> None:
        for account in accounts:
            error = errors.get(account, "")
            self._publisher.put(
                DatasetCompleted(
                    received_at=self._clock(),
                    account=account,
                    dataset=dataset,
                    as_of=self._link.broker_now(),
                    complete=not error,
                    error=error,
                    covers_from=None if error else covers_from,
                    facts_lost=facts_lost,
                )
            )
