"""What callbacks leave for the tasks that may act on it: a callback itself makes no request."""

import asyncio

_SAYS_NOTHING = {"9", "15", "49"}
_ERROR = "4"


class Signals:
    """Flags set by callbacks of one connection.

    ``holdings``: something began or ceased to be held. ``accounts``: the login's list of accounts changed.
    ``pnl``: an account's first profit-and-loss figure came. ``descriptions``: ``undescribed`` grew.
    ``damage``: a message that a dataset needs could not be read. ``data``: something else than the time came.
    """

    def __init__(self) -> None:
        self.holdings = asyncio.Event()
        self.accounts = asyncio.Event()
        self.pnl = asyncio.Event()
        self.descriptions = asyncio.Event()
        self.damage = asyncio.Event()
        self.data = asyncio.Event()
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


def tells_something(fields: list[str]) -> bool:
    """Whether a message is an answer or news, and not what a gateway says that has lost touch with its data.

    Those are the time, its accounts, the next order id, and notices that answer no request.
    """
    if not fields or fields[0] in _SAYS_NOTHING:
        return False
    return fields[0] != _ERROR or fields[2:3] != ["-1"]
