"""What is looked at to tell people: what wants attention, what accounts are worth, how the API does."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from core.domain.alerting import Condition

Direction = Literal["above", "below"]
"""At a price or beyond it: the way in which a limit is met."""


class WatchedAccount(NamedTuple):
    """An account as a live link tells it, in its base currency; ``name`` is how people are told of it."""

    account: str
    name: str
    net_liquidation: Decimal | None
    daily_pnl: Decimal | None
    currency: str | None


class WatchedPrice(NamedTuple):
    """What an instrument that is held was worth last, as it is quoted."""

    symbol: str
    price: Decimal
    currency: str
    as_of: datetime


class Seen(NamedTuple):
    """All of it at one moment.

    ``accounts`` and ``prices`` are empty while the link is not live: what is old meets no limit. ``requests``
    and ``failures`` are counted since the process began, ``failures`` being those that it could not answer.
    ``markets_open``: whether anything that is held trades now; ``None``: not known.
    """

    at: datetime
    conditions: Sequence[Condition]
    accounts: Sequence[WatchedAccount]
    prices: Mapping[int, WatchedPrice]
    requests: int
    failures: int
    connections_taken: int
    connections: int
    markets_open: bool | None


Look = Callable[[], Awaitable[Seen | None]]
"""Looks now; ``None`` while nothing can be known yet."""


def told_name(account: str, alias: str | None) -> str:
    """How people are told of an account where messages go through others' hands: its alias or last digits."""
    # Who gave an account no alias has its number for one.
    return alias if alias and account not in alias else f"...{account[-3:]}"
