"""A client that believes the sequence only, as the page does."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.services.api.conftest import Socket
from tests.waiting import SECONDS


class Mirror:
    """The rows of one topic as its messages tell them; ``resets`` are the reasons for which it began anew."""

    def __init__(self, topic: str = "positions") -> None:
        self.topic = topic
        self.rows: dict[str, Any] = {}
        self.epoch = ""
        self.seq = -1
        self.resets: list[str] = []
        self.resumed: list[int] = []

    def take(self, message: Any) -> None:
        """Take in a message; numbers that do not follow are a failure."""
        if message.get("topic") != self.topic:
            return
        match message["type"]:
            case "snapshot":
                self.rows, self.epoch, self.seq = dict(message["data"]), message["epoch"], message["seq"]
            case "reset":
                self.resets.append(message["reason"])
                self.seq = -1
            case "resumed":
                self.resumed.append(message["replayed"])
            case "delta" if self.seq >= 0:
                self._delta(message)

    def _delta(self, message: Any) -> None:
        told = message["epoch"], message["prev_seq"], message["seq"]
        assert told == (self.epoch, self.seq, self.seq + 1)
        self.seq = message["seq"]
        for op in message["ops"]:
            if op["op"] == "delete":
                del self.rows[op["key"]]
            else:
                self.rows[op["key"]] = op["value"]

    async def follow(self, socket: Socket) -> None:
        """Subscribe, from where this left off."""
        wanted: dict[str, Any] = {"topic": self.topic}
        if self.epoch:
            wanted |= {"epoch": self.epoch, "after_seq": self.seq}
        await socket.send({"type": "subscribe", "topics": [wanted]})

    async def until(self, socket: Socket, holds: Callable[[dict[str, Any]], object]) -> None:
        """Read until the rows are such."""
        async with asyncio.timeout(SECONDS):
            while self.seq < 0 or not holds(self.rows):
                self.take(await socket.next())
