"""What callbacks leave for the tasks that may act on it: a callback itself makes no request."""

import asyncio


class Signals:
    """Flags set by callbacks of one connection.

    ``holdings``: something began or ceased to be held. ``accounts``: the login's list of accounts changed.
    ``pnl``: an account's first profit-and-loss figure came. ``descriptions``: ``undescribed`` grew.
    ``damage``: a message that a dataset needs could not be read.
    """

    def __init__(self) -> None:
        self.holdings = asyncio.Event()
        self.accounts = asyncio.Event()
        self.pnl = asyncio.Event()
        self.descriptions = asyncio.Event()
        self.damage = asyncio.Event()
        self.undescribed: dict[int, None] = {}
        self._refused: set[int] = set()

    def want_description(self, conid: int) -> None:
        """Ask for the contract details of ``conid``, unless the gateway refused them before."""
        if conid not in self.undescribed and conid not in self._refused:
            self.undescribed[conid] = None
            self.descriptions.set()

    def next_undescribed(self) -> int | None:
        """Take the conid that has waited longest."""
        for conid in self.undescribed:
            del self.undescribed[conid]
            return conid
        self.descriptions.clear()
        return None

    def refuse(self, conid: int) -> None:
        """The gateway has no details of ``conid`` (an expired contract): do not ask at every fill."""
        self._refused.add(conid)
