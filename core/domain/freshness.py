"""When what the broker told last can pass for what is true now: one rule for what is shown and what is kept.

A link that is open but silent is not live, a download with a gap is not complete, and a value that is older
than its cadence is old, however well its link is.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

from core.domain.link import LinkState, UpDown

BEAT_LIMIT: Final = timedelta(seconds=2.5)
"""The broker link beats about once a second; silence for longer than this means that it is gone."""

VALUE_CADENCE: Final = timedelta(seconds=210)
"""IBKR sends portfolio and account values on change or every three minutes; half a minute is slack."""

CADENCES: Final[Mapping[str, timedelta | None]] = {
    "positions": None,  # on change: a link that lives is enough
    "executions": None,
    "account_values": VALUE_CADENCE,
    "pnl": VALUE_CADENCE,
}


class Download(Protocol):
    """How a download of one dataset ended, and over which connection it came."""

    @property
    def complete(self) -> bool: ...  # noqa: D102 - as it says

    @property
    def epoch(self) -> int: ...  # noqa: D102 - as it says


def link_reason(
    *, gateway: UpDown, ibkr: UpDown, state: LinkState, reason: str, complete: bool, synced_before: bool
) -> str | None:
    """Why a link that speaks is not live; ``None``: it is.

    ``complete``: everything was compared over this connection; ``synced_before``: over an earlier one.
    """
    if gateway != "up":
        return reason or "gateway_unreachable"
    if ibkr == "down" or state == "degraded":
        return reason or "ib_1100"
    if not complete:
        return "incomplete" if synced_before else "not_yet_synced"
    return None


def is_complete(downloads: Iterable[Download | None], epoch: int) -> bool:
    """Whether no download has a gap, and the first came over the connection ``epoch`` or a later one."""
    for index, download in enumerate(downloads):
        if download is None:
            if index == 0:
                return False
        elif not download.complete or (index == 0 and download.epoch < epoch):
            return False
    return True


def value_reason(
    as_of: datetime | None, now: datetime, *, cadence: timedelta | None = None, complete: bool = True
) -> str | None:
    """Why a value of a live link is not live itself; ``None``: it is. Without a time it never came."""
    if not complete or as_of is None:
        return "incomplete"
    if cadence is not None and now - as_of > cadence:
        return "old"
    return None
