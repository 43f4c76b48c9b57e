"""What readers of a picture are told from: its rows, judged, and the topics that they follow."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from services.api.live.client import Client
from services.api.live.feed import Feed, Judged
from services.api.live.numbering import Rows
from services.api.live.pace import Pace
from services.api.live.picture import Dirty, Picture
from services.api.live.shown import EXECUTIONS, SUMMARY
from services.api.live.subscribers import Subscribers
from services.api.live.topic import Topic
from services.api.schemas.accounts import ALL_ACCOUNTS, Summary
from services.api.schemas.common import Coverage, Freshness, encode
from services.api.schemas.stream import Status


class Board(ABC):
    """A picture, judged, with its topics and whoever follows them."""

    def __init__(
        self,
        picture: Picture,
        feed: Feed,
        topics: Iterable[str],
        *,
        pace: Pace,
        loaded: asyncio.Event,
        joined: Callable[[str], None],
    ) -> None:
        self.pace = pace
        self.loaded = loaded
        self.picture = picture
        self.feed = feed
        limits = {"ring_frames": pace.ring_frames, "ring_bytes": pace.ring_bytes}
        self.topics = {name: Topic(name, **limits) for name in topics}
        self.subscribers = Subscribers(self.topics, self, joined)

    @property
    def clients(self) -> set[Client]:
        """Whoever is connected."""
        return self.subscribers.clients

    # -- judging -----------------------------------------------------------------------------------------

    @abstractmethod
    def judge(self) -> Judged:
        """How things are now."""

    @abstractmethod
    def settle(self) -> Judged:
        """Judge now; rows that read otherwise for it are told before anything else is."""

    def freshness(self, topic: str, judged: Judged) -> Freshness:
        """The block of a topic."""
        if topic == SUMMARY:
            return self.feed.summary_freshness(self.picture.accounts, judged)
        if topic == EXECUTIONS:
            return self.feed.dataset_freshness("executions", judged)
        return self.feed.positions_freshness(judged)

    def status(self, judged: Judged) -> str:
        """The status message."""
        verdict = judged.verdict
        message = Status(
            links=verdict.links,
            state=verdict.state,
            since=verdict.since,
            reason=verdict.reason,
            freshness=self.feed.positions_freshness(judged),
            server_time=judged.now,
        )
        return encode(message).decode()

    def tell_status(self, judged: Judged) -> None:
        """Tell everybody how things stand."""
        self.subscribers.tell(self.status(judged))

    def beat(self, now: datetime, turn: int) -> None:
        """Tell everybody whose turn it is the newest sequence of each of their topics."""
        self.subscribers.beat(now, turn)

    # -- rows --------------------------------------------------------------------------------------------

    @abstractmethod
    def coverage(self, key: str) -> Coverage:
        """How many of the open positions of an account, or of ``ALL``, have a fresh mark."""

    def summary(self, key: str, judged: Judged) -> Summary:
        """The summary of an account, or of ``ALL``."""
        return self.feed.summary(key, judged, self.coverage(key))

    def together(self, accounts: Sequence[str], judged: Judged) -> Summary:
        """The sums over some accounts."""
        return self.feed.together(accounts, judged, together(self.coverage(name) for name in accounts))

    def position_rows(self, ids: Iterable[str], judged: Judged) -> Rows:
        """Rows of positions, ``None`` for one that is not held."""
        held = self.picture.positions
        return {
            key: None if (position := held.get(key)) is None else self.feed.position(position, judged)
            for key in ids
        }

    def summary_rows(self, accounts: Iterable[str], judged: Judged) -> Rows:
        """Rows of accounts, and with them that of all together."""
        return {key: self.summary(key, judged) for key in (*sorted(accounts), ALL_ACCOUNTS)}


class Part(Board):
    """A board of some of the accounts of a larger one, which tells it what changes."""

    @abstractmethod
    def begin(self) -> None:
        """Show what there is, to whoever waits for it: the picture was loaded."""

    @abstractmethod
    def tell_changes(self, dirty: Dirty, judged: Judged) -> None:
        """These rows changed, or are judged otherwise, on the larger board."""

    @abstractmethod
    def recorded(self, topic: str, account: str | None) -> None:
        """Something of this topic was committed, of an account, or who knows of which."""

    @abstractmethod
    async def look(self) -> None:
        """Read what is not told whole by a change, and tell what of it is new."""


def together(each: Iterable[Coverage]) -> Coverage:
    """The coverage of several accounts."""
    fresh = total = 0
    for one in each:
        fresh, total = fresh + one.fresh, total + one.total
    return Coverage(fresh=fresh, total=total)
