"""From the picture to rows: judged for freshness, encoded once, handed to REST and WebSocket alike."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple, TypeAlias
from uuid import UUID

from core.domain.freshness import VALUE_CADENCE, is_complete
from core.events.changes import PositionChanged
from models.queries.positions import PositionKey
from services.api.freshness import Verdict, freshness, worst
from services.api.live.picture import Picture
from services.api.live.rows import account_row, all_row, position_row, summary_row
from services.api.schemas.accounts import ALL_ACCOUNTS, Account, Summary
from services.api.schemas.common import Coverage, Freshness, encode
from services.api.schemas.positions import Position

_KEPT_PAGES = 32

Sign = tuple[str, str | None, bool]
"""What of a freshness block matters enough to tell a row again: source, reason, stale."""


def sign_of(block: Freshness) -> Sign:
    """The part of the block that changes by itself, without the age."""
    return block.source, block.reason, block.stale


class Judged(NamedTuple):
    """When we look, and what the links say then: of all together and, where there are several, apart.

    ``waiting`` are the links of logins that list no account: nothing that is shown depends on them.
    """

    now: datetime
    verdict: Verdict
    apart: Mapping[str, Verdict] = {}
    waiting: Sequence[Verdict] = ()

    def signs(self) -> list[tuple[object, ...]]:
        """What of it is news when it differs."""
        return [
            (account, verdict.links, verdict.reason, verdict.epoch, verdict.state)
            for account, verdict in [
                ("", self.verdict),
                *sorted(self.apart.items(), key=itemgetter(0)),
                *((verdict.login, verdict) for verdict in self.waiting),
            ]
        ]

    def of(self, accounts: Iterable[str]) -> Verdict:
        """What the links of these accounts say."""
        if not self.apart:
            return self.verdict
        told = [self.apart[name] for name in accounts if name in self.apart]
        return worst(told) if told else self.verdict


_Moment: TypeAlias = tuple[int, int, Verdict, Mapping[str, Verdict]]


class _Encoded(NamedTuple):
    position: PositionChanged
    mark: object
    block: Freshness
    second: int
    body: bytes


class Feed:
    """Rows of the picture. Encoded position rows are kept until something they show changes."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self._encoded: dict[str, _Encoded] = {}
        self._sorted: tuple[int, list[PositionChanged]] = (-1, [])
        self._pages: OrderedDict[tuple[object, ...], tuple[_Moment, bytes]] = OrderedDict()

    # -- freshness ---------------------------------------------------------------------------------------

    def _complete(self, account: str, *names: str, judged: Judged) -> bool:
        """Whether the account's downloads have no gap, and the first named came over this connection.

        What no login lists comes over none.
        """
        state = self.picture.accounts.get(account)
        if state is not None and not state.listed:
            return False
        known = self.picture.datasets
        return is_complete([known.get((account, name)) for name in names], judged.of([account]).epoch)

    def dataset_as_of(self, account: str, name: str) -> datetime | None:
        """From when what we have of a download is: its last run, or whatever came by itself since."""
        state = self.picture.datasets.get((account, name))
        known = self.picture.accounts.get(account)
        came = None
        if known is not None and name == "account_values":
            came = known.newest_value_as_of()
        elif known is not None and name == "pnl" and known.pnl is not None:
            came = known.pnl.received_at
        return self._newest((None if state is None else state.as_of, came))

    def position_freshness(self, position: PositionChanged, judged: Judged) -> Freshness:
        """Of a row: an open one is as fresh as its mark."""
        complete = self._complete(position.account, "positions", "executions", judged=judged)
        verdict = judged.of([position.account])
        if position.status == "closed":
            as_of = self.dataset_as_of(position.account, "executions") or position.closed_at
            return freshness(verdict, as_of=as_of, received_at=as_of, now=judged.now, complete=complete)
        mark = self.picture.mark_of(position)
        if mark is None:
            # What is held is known, what it is worth is not.
            as_of = self.dataset_as_of(position.account, "positions")
            return freshness(verdict, as_of=as_of, received_at=as_of, now=judged.now, complete=False)
        as_of = mark.received_at
        return freshness(
            verdict,
            as_of=as_of,
            received_at=as_of,
            now=judged.now,
            cadence=VALUE_CADENCE,
            complete=complete,
        )

    def _newest(self, moments: Iterable[datetime | None]) -> datetime | None:
        return max((moment for moment in moments if moment is not None), default=None)

    def positions_freshness(self, judged: Judged, account: str | None = None) -> Freshness:
        """Of a list of positions: held on change, so a link that lives and is complete is enough."""
        accounts = [account] if account is not None else self._watched()
        as_of = self._newest(
            [
                *(self.dataset_as_of(name, "positions") for name in accounts),
                *(self.picture.newest_mark.get(name) for name in accounts),
            ]
        )
        complete = all(self._complete(name, "positions", "executions", judged=judged) for name in accounts)
        verdict = judged.of(accounts)
        return freshness(verdict, as_of=as_of, received_at=as_of, now=judged.now, complete=complete)

    def dataset_freshness(self, name: str, judged: Judged, account: str | None = None) -> Freshness:
        """Of a list that one download fills on change."""
        accounts = [account] if account is not None else self._watched()
        as_of = self._newest(self.dataset_as_of(each, name) for each in accounts)
        complete = all(self._complete(each, name, judged=judged) for each in accounts)
        verdict = judged.of(accounts)
        return freshness(verdict, as_of=as_of, received_at=as_of, now=judged.now, complete=complete)

    def summary_freshness(self, accounts: Iterable[str], judged: Judged) -> Freshness:
        """Of a summary: as fresh as the oldest of its accounts.

        Profit and loss may tick every second; what an account is worth is no newer for that.
        """
        names = list(accounts)
        moments = [self.picture.accounts[name].newest_value_as_of() for name in names]
        as_of = None if None in moments or not moments else min(m for m in moments if m is not None)
        return freshness(
            judged.of(names),
            as_of=as_of,
            received_at=as_of,
            now=judged.now,
            cadence=VALUE_CADENCE,
            complete=all(self._complete(name, "account_values", judged=judged) for name in names),
        )

    def _watched(self) -> list[str]:
        """The accounts whose data can be live: one that only statements tell of makes nothing else old."""
        names = sorted(self.picture.accounts)
        told = [
            name
            for name in names
            if (state := self.picture.accounts[name]).listed or state.newest_value_as_of() is not None
        ]
        return told or names

    # -- positions ---------------------------------------------------------------------------------------

    def position(self, position: PositionChanged, judged: Judged) -> Position:
        """The row of a position."""
        block = self.position_freshness(position, judged)
        return position_row(position, self.picture.mark_of(position), block, judged.now)

    def encoded_position(self, position: PositionChanged, judged: Judged) -> bytes:
        """The encoded row; ages move on by whole seconds."""
        block = self.position_freshness(position, judged)
        mark = self.picture.mark_of(position)
        second = int(judged.now.timestamp())
        kept = self._encoded.get(position.id)
        if (
            kept is not None
            and kept.position is position
            and kept.mark is mark
            and kept.second == second
            and sign_of(kept.block) == sign_of(block)
            and kept.block.links == block.links
        ):
            return kept.body
        body = encode(position_row(position, mark, block, judged.now))
        self._encoded[position.id] = _Encoded(position, mark, block, second, body)
        return body

    def forget(self, position_id: str) -> None:
        """Let go of a row that is gone."""
        self._encoded.pop(position_id, None)

    def sorted_positions(self) -> list[PositionChanged]:
        """Open positions, newest first, as the database lists them."""
        membership, listed = self._sorted
        if membership != self.picture.membership:
            listed = sorted(self.picture.positions.values(), key=place_of, reverse=True)
            self._sorted = (self.picture.membership, listed)
            return listed
        return [self.picture.positions[position.id] for position in listed]

    def open_page(
        self, *, account: str | None, symbol: str | None, after: PositionKey | None, limit: int
    ) -> list[PositionChanged]:
        """At most ``limit`` open positions after ``after``."""
        found: list[PositionChanged] = []
        for position in self.sorted_positions():
            if account is not None and position.account != account:
                continue
            if symbol is not None and position.symbol != symbol:
                continue
            if after is not None and place_of(position) >= after:
                continue
            found.append(position)
            if len(found) == limit:
                break
        return found

    def kept_page(self, key: tuple[object, ...], judged: Judged) -> bytes | None:
        """The answer that was given to the same question, while nothing it shows has changed."""
        kept = self._pages.get(key)
        if kept is not None and kept[0] == self._moment(judged):
            return kept[1]
        return None

    def keep_page(self, key: tuple[object, ...], judged: Judged, body: bytes) -> None:
        """Keep an answer for whoever asks the same within a second."""
        self._pages[key] = (self._moment(judged), body)
        self._pages.move_to_end(key)
        while len(self._pages) > _KEPT_PAGES:
            self._pages.popitem(last=False)

    def _moment(self, judged: Judged) -> _Moment:
        return self.picture.revision, int(judged.now.timestamp()), judged.verdict, judged.apart

    # -- accounts ----------------------------------------------------------------------------------------

    def accounts(self, judged: Judged) -> list[Account]:
        """The row of every account."""
        return [
            account_row(self.picture.accounts[name], self.summary_freshness([name], judged))
            for name in sorted(self.picture.accounts)
        ]

    def summary(self, key: str, judged: Judged, coverage: Coverage) -> Summary:
        """The summary of an account, or of ``ALL``."""
        if key == ALL_ACCOUNTS:
            names = self._watched()
            states = [self.picture.accounts[name] for name in names]
            return all_row(states, coverage, self.summary_freshness(names, judged))
        state = self.picture.accounts[key]
        return summary_row(state, coverage, self.summary_freshness([key], judged))

    def together(self, accounts: Iterable[str], judged: Judged, coverage: Coverage) -> Summary:
        """The sums over some accounts; of several those count whose data can be live."""
        asked = sorted(accounts)
        watched = set(self._watched())
        names = [name for name in asked if name in watched] or asked
        states = [self.picture.accounts[name] for name in names]
        return all_row(states, coverage, self.summary_freshness(names, judged))


def place_of(position: PositionChanged) -> PositionKey:
    """Where a position stands in the list."""
    return PositionKey(position.opened_at, UUID(position.id))
