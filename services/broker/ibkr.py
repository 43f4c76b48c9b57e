"""What the gateway says of its own connection to IBKR."""

import asyncio


class Ibkr:
    """Whether IBKR is there behind the gateway, as far as it says so.

    ``lost_by`` is the code with which it said that IBKR is not (0: it did not), ``losses`` how often it did.
    ``renew``: since then everything that was subscribed to has to be asked for anew.
    """

    def __init__(self) -> None:
        self.up = asyncio.Event()
        self.lost_by = 0
        self.losses = 0
        self.renew = False

    def begin(self) -> None:
        """A connection is there: what was heard before it was made counts."""
        self.renew = False
        if self.lost_by:
            self.up.clear()
        else:
            self.up.set()

    def lost(self, code: int) -> None:
        """The gateway has lost its connection to IBKR."""
        self.lost_by = code
        self.losses += 1
        self.up.clear()

    def back(self, *, renew: bool) -> None:
        """It has it again."""
        self.lost_by = 0
        self.renew = self.renew or renew
