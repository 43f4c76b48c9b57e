"""Standing requests: profit and loss of every account and of everything held, and contract details once."""

import asyncio
from typing import Any

from ib_async import Contract
from ib_async.wrapper import RequestError

from services.broker.connection import Connection
from services.broker.listen import Key
from services.broker.pacer import Pacer

_DETAILS_AT_ONCE = 3


class Subscriptions:
    """Keeps what one connection is subscribed to in step with its accounts and holdings."""

    def __init__(self, connection: Connection, pacer: Pacer, answer_seconds: float) -> None:
        self._client: Any = connection.client
        self._ib: Any = connection.ib
        self._flow = connection.flow
        self._listener = connection.listener
        self._signals = connection.listener.signals
        self._pacer = pacer
        self._answer_seconds = answer_seconds
        self._accounts: dict[str, int] = {}
        self._singles: dict[Key, int] = {}
        self._renewing = False

    def refresh(self) -> None:
        """Look at accounts and holdings again."""
        self._signals.holdings.set()

    def renew(self) -> None:
        """Ask anew for everything: the gateway may have lost what was asked before."""
        self._renewing = True
        self._listener.accounts_with_pnl.clear()
        self._signals.holdings.set()

    async def first_figures(self, seconds: float) -> set[str]:
        """Wait up to ``seconds`` for a figure of every account; the accounts that have none yet."""
        try:
            async with asyncio.timeout(seconds):
                while missing := set(self._listener.accounts) - self._listener.accounts_with_pnl:
                    self._signals.pnl.clear()
                    await self._signals.pnl.wait()
        except TimeoutError:
            return missing
        return set()

    async def follow(self) -> None:
        """Subscribe to every account and to what begins to be held, end the rest, until cancelled."""
        while True:
            await self._signals.holdings.wait()
            self._signals.holdings.clear()
            renewing, self._renewing = self._renewing, False
            accounts = self._listener.accounts
            for account in [name for name in self._accounts if renewing or name not in accounts]:
                await self._pacer.turn()
                self._end_account(account)
            for account in accounts:
                if account not in self._accounts:
                    await self._pacer.turn()
                    self._begin_account(account)
            held = [key for key, quantity in self._listener.held.items() if quantity]
            for key in [key for key in self._singles if renewing or not self._listener.held.get(key)]:
                await self._pacer.turn()
                self._end_single(key)
            for key in held:
                if key not in self._singles:
                    await self._pacer.turn()
                    self._begin_single(key)

    async def follow_instruments(self) -> None:
        """Fetch the contract details of what has none yet, a few at a time, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(_DETAILS_AT_ONCE):
                group.create_task(self._fetch_details(), name=f"details-{number}")

    async def _fetch_details(self) -> None:
        while True:
            await self._signals.descriptions.wait()
            conid = self._signals.next_undescribed()
            if conid is None:
                continue
            await self._pacer.turn()
            answer = self._ib.reqContractDetailsAsync(Contract(conId=conid))
            try:
                # Without an answer it is not refused: the next mention of it asks again.
                if await self._flow.answered(answer, self._answer_seconds):
                    answer.result()
            except RequestError:
                self._signals.refuse(conid)
            finally:
                answer.cancel()

    def _begin_account(self, account: str) -> None:
        request = self._client.getReqId()
        self._accounts[account] = request
        self._listener.account_of_pnl[request] = account
        self._client.reqPnL(request, account, "")

    def _begin_single(self, key: Key) -> None:
        request = self._client.getReqId()
        self._singles[key] = request
        self._listener.key_of_single[request] = key
        account, conid = key
        self._client.reqPnLSingle(request, account, "", conid)

    def _end_single(self, key: Key) -> None:
        request = self._singles.pop(key)
        self._listener.key_of_single.pop(request, None)
        self._client.cancelPnLSingle(request)

    def _end_account(self, account: str) -> None:
        request = self._accounts.pop(account)
        self._listener.account_of_pnl.pop(request, None)
        self._client.cancelPnL(request)
