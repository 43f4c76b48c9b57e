"""The hub as those see it who may see some accounts only.

Rows, sums, freshness, topics with their numbers: all is made of a picture in which there are no other
accounts, so that not even a number that is skipped, or a time, tells of one. One view serves all who may see
the same accounts. It follows nothing by itself: the hub tells it what changed.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final, TypeVar, cast

from core.events.changes import PositionChanged
from core.events.facts import MarkReported
from models.queries.accounts import AccountRow
from models.session import Database
from services.api.freshness import NOBODYS, Link, worst
from services.api.live.board import Part, together
from services.api.live.feed import Feed, Judged
from services.api.live.hub import Hub
from services.api.live.numbering import Rows
from services.api.live.picture import DatasetState, Dirty, Picture
from services.api.live.readings import LOOKED_AT, Readings
from services.api.live.rows import AccountState
from services.api.live.shown import EXECUTIONS, POSITIONS, SHOWN, SUMMARY, Row
from services.api.schemas.accounts import ALL_ACCOUNTS
from services.api.schemas.common import Coverage

IDLE_SECONDS: Final = 60.0
"""So long after its last reader a view goes on, for one who comes back."""

K = TypeVar("K")
V = TypeVar("V")


class _Seen(Mapping[K, V]):
    """What of a mapping is of these accounts. Of what is not there and what is not seen the same is said."""

    def __init__(
        self, whole: Mapping[K, V], accounts: frozenset[str], account_of: Callable[[K, V], str]
    ) -> None:
        self._whole = whole
        self._accounts = accounts
        self._account_of = account_of

    def __getitem__(self, key: K) -> V:
        value = self._whole[key]
        if self._account_of(key, value) not in self._accounts:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[K]:
        return (key for key, value in self._whole.items() if self._account_of(key, value) in self._accounts)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class SeenPicture:
    """A picture with no other accounts in it. What is asked of it and not said here is not there at all."""

    def __init__(self, whole: Picture, accounts: frozenset[str]) -> None:
        self._whole = whole
        self._accounts = accounts

    @property
    def positions(self) -> Mapping[str, PositionChanged]:
        """Open positions, by their ids."""
        return _Seen(self._whole.positions, self._accounts, lambda _, position: position.account)

    @property
    def accounts(self) -> Mapping[str, AccountState]:
        """The accounts with their values."""
        return _Seen(self._whole.accounts, self._accounts, lambda account, _: account)

    @property
    def datasets(self) -> Mapping[tuple[str, str], DatasetState]:
        """The downloads, by account and name."""
        return _Seen(self._whole.datasets, self._accounts, lambda key, _: key[0])

    @property
    def newest_mark(self) -> Mapping[str, datetime]:
        """By account, when a mark was last told."""
        return _Seen(self._whole.newest_mark, self._accounts, lambda account, _: account)

    def mark_of(self, position: PositionChanged) -> MarkReported | None:
        """The position's mark."""
        return self._whole.mark_of(position)

    @property
    def links(self) -> Mapping[str, Link]:
        """The links of the logins that list them; where there is one only it is nobody's."""
        whole = self._whole.links
        logins = {state.login for state in self.accounts.values()}
        return {login: link for login, link in whole.items() if login in logins or len(whole) == 1}

    @property
    def membership(self) -> int:
        """Counts what is told nobody: how often there were others among all positions."""
        return self._whole.membership

    @property
    def revision(self) -> int:
        """The same of all changes."""
        return self._whole.revision


class _SeenFeed(Feed):
    """Rows are the same for all who see them, and encoded once."""

    def __init__(self, picture: Picture, whole: Feed) -> None:
        super().__init__(picture)
        self._whole = whole

    def encoded_position(self, position: PositionChanged, judged: Judged) -> bytes:
        """The encoded row."""
        return self._whole.encoded_position(position, judged)


_OF_PICTURE: Final = (POSITIONS, SUMMARY)
"""The topics of which every row is in the picture; the others are read from the database."""


class View(Part):
    """A board of some accounts. Its numbers begin with its first reader, and are this process's alone.

    ``database`` shows what is of these accounts.
    """

    def __init__(self, whole: Hub, accounts: frozenset[str], database: Database) -> None:
        picture = cast("Picture", SeenPicture(whole.picture, accounts))
        feed = _SeenFeed(picture, whole.feed)
        super().__init__(
            picture,
            feed,
            SHOWN,
            pace=whole.pace,
            loaded=whole.loaded,
            joined=lambda _: whole.views_wait.set(),
        )
        self.used_at = time.monotonic()
        self._hub = whole
        self._accounts = accounts
        self._epoch = uuid.uuid4().hex[:16]
        self._readings = Readings(whole.settings, database, None, feed)
        self._told = self._seen(whole.judge()).signs()

    def judge(self) -> Judged:
        """How things are now."""
        return self._seen(self._hub.judge())

    def know_account(self, row: AccountRow) -> None:
        """As the hub, which shows it to everybody who may see the account."""
        self._hub.know_account(row)

    def _seen(self, judged: Judged) -> Judged:
        """What is judged of these accounts: links of other logins are as if they were not."""
        if not judged.apart:
            return Judged(judged.now, judged.verdict)
        apart = {name: verdict for name, verdict in judged.apart.items() if name in self._accounts}
        return Judged(judged.now, worst(apart.values()) if apart else NOBODYS, apart)

    def tell_status(self, judged: Judged) -> None:
        """Tell everybody how things stand, where that is news to those who see these accounts only."""
        seen = self._seen(judged)
        before, self._told = self._told, seen.signs()
        if self._told != before:
            super().tell_status(seen)

    def status(self, judged: Judged) -> str:
        """The status message."""
        return super().status(self._seen(judged))

    def settle(self) -> Judged:
        """Judge now; what that changes is told, and where nobody read along yet, the numbers begin."""
        judged = self._seen(self._hub.settle())
        if self.loaded.is_set():
            self.begin()
        return judged

    def coverage(self, key: str) -> Coverage:
        """How many of the open positions of an account, or of all that are seen, have a fresh mark."""
        names = self.picture.accounts if key == ALL_ACCOUNTS else (key,)
        return together(self._hub.coverage(name) for name in names)

    def begin(self) -> None:
        """Show what there is, once; to whoever waits for it at once."""
        if self._has_begun:
            return
        judged = self.judge()
        ordered = [position.id for position in self.feed.sorted_positions()]
        shown = {
            POSITIONS: self.position_rows(ordered, judged),
            SUMMARY: self.summary_rows(self.picture.accounts, judged),
        }
        for name, listed in shown.items():
            self._begin(name, {key: row for key, row in listed.items() if row is not None})

    def _begin(self, name: str, rows: Mapping[str, Row]) -> None:
        self.topics[name].begin(self._epoch, 0, rows)
        self.subscribers.begin_anew([name], "epoch_changed")

    @property
    def _has_begun(self) -> bool:
        return all(self.topics[name].has_begun for name in _OF_PICTURE)

    def tell_changes(self, dirty: Dirty, judged: Judged) -> None:
        """Number a frame of what changed, if anybody reads along; end when nobody has for a while."""
        if self.clients:
            self.used_at = time.monotonic()
        elif self.is_idle:
            self._hub.views.pop(self._accounts, None)
            return
        if not self._has_begun:
            return
        judged = self._seen(judged)
        self._tell(POSITIONS, self.position_rows(dirty.positions, judged), judged)
        changed = [account for account in dirty.accounts if account in self.picture.accounts]
        if changed:
            self._tell(SUMMARY, self.summary_rows(changed, judged), judged)

    def recorded(self, topic: str, account: str | None) -> None:
        """Something of this topic was committed, of an account, or who knows of which."""
        if account is None or account in self._accounts:
            self._readings.due.add(topic)
            self._hub.views_wait.set()

    async def look(self) -> None:
        """Read what is not told whole by a change where somebody follows it, and tell what of it is new."""
        wanted = {name for name in self._readings.rows if self._is_wanted(name)}
        if not wanted or not self.loaded.is_set():
            return
        for name in await self._readings.read(wanted, self.judge()):
            rows = self._readings.rows[name]
            if self.topics[name].has_begun:
                self._tell(name, self.topics[name].difference(rows), self.judge())
            else:
                self._begin(name, rows)

    def _is_wanted(self, name: str) -> bool:
        if self.subscribers.follow(name):
            return name in LOOKED_AT or name in self._readings.due
        # Whoever comes back is told of what was missed.
        return name == EXECUTIONS and name in self._readings.due and self.topics[name].has_begun

    def _tell(self, name: str, rows: Rows, judged: Judged) -> None:
        topic = self.topics[name]
        frame = topic.frame(rows, self.freshness(name, judged)) if rows else None
        if frame is not None:
            topic.apply(frame)
            self.subscribers.hand_out(frame)

    @property
    def is_idle(self) -> bool:
        """Whether nobody has used it for a while."""
        return not self.clients and time.monotonic() - self.used_at > IDLE_SECONDS


def view_of(hub: Hub, accounts: frozenset[str], database: Database) -> View:
    """The hub for those who may see these accounts; one for all of them, made when it is first needed.

    ``database`` is as they see it.
    """
    view = hub.views.get(accounts)
    if not isinstance(view, View):
        for known, other in [*hub.views.items()]:
            if isinstance(other, View) and other.is_idle:
                del hub.views[known]
        view = hub.views[accounts] = View(hub, accounts, database)
    view.used_at = time.monotonic()
    return view
