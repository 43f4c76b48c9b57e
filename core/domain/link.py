"""The link to the broker as a state machine: what it can be, what can happen to it, what each state means.

``live`` is reached through ``syncing`` only, and ``fenced`` is left by the lease only.
"""

from enum import Enum
from typing import Final, Literal, NamedTuple, get_args

LinkState = Literal["disconnected", "connecting", "syncing", "live", "degraded", "needs_login", "fenced"]
UpDown = Literal["up", "down", "unknown"]

STATES: Final[tuple[LinkState, ...]] = get_args(LinkState)

NOT_YET_SYNCED = "not_yet_synced"
DATA_STALE = "data_stale"
NO_ROOM = "no_room"
_UNHEARD = frozenset({DATA_STALE, NO_ROOM})


class LinkEvent(Enum):
    """What can happen to a link."""

    CONNECT = "the first attempt to connect of an outage begins; those after it change nothing"
    CONNECTED = "the gateway has named its accounts"
    CONNECTED_OFFLINE = "the gateway has named its accounts, and is not connected to IBKR itself"
    SYNCED = "everything was compared with the broker, completely"
    INCOMPLETE = "a comparison with the broker has a gap"
    IBKR_LOST = "the gateway lost its connection to IBKR"
    RESTORED = "IBKR, or the data, are back: what happened meanwhile must be asked for"
    STALE = "the gateway is there, and nothing is heard: it tells the time only, or there is no room for more"
    LOST = "the connection to the gateway ended, or could not be made"
    NEEDS_LOGIN = "the gateway waits for a person"
    FENCED = "another link has this login"
    LEASED = "the login is this link's"
    STOPPED = "the process ends"


class LinkEventRefusedError(ValueError):
    """Something was said to happen to a link that cannot happen in its state: a fault of ours."""

    def __init__(self, state: LinkState, event: LinkEvent) -> None:
        super().__init__(f"{event.name} cannot happen to a link that is {state}.")


# One column a state, in the order of STATES; None: refused.
_TABLE: Final[dict[LinkEvent, tuple[LinkState | None, ...]]] = {
    LinkEvent.CONNECT: ("connecting", None, None, None, None, None, None),
    LinkEvent.CONNECTED: ("syncing", "syncing", None, None, None, "syncing", None),
    LinkEvent.CONNECTED_OFFLINE: ("degraded", "degraded", None, None, None, "degraded", None),
    LinkEvent.SYNCED: (None, None, "live", "live", None, None, None),
    LinkEvent.INCOMPLETE: (None, None, "syncing", "syncing", "degraded", None, None),
    LinkEvent.IBKR_LOST: (None, None, "degraded", "degraded", "degraded", None, None),
    LinkEvent.RESTORED: (None, None, "syncing", "syncing", "syncing", None, None),
    LinkEvent.STALE: (None, None, "degraded", "degraded", None, None, None),
    LinkEvent.LOST: (*("disconnected",) * 6, None),
    LinkEvent.NEEDS_LOGIN: (*("needs_login",) * 6, None),
    LinkEvent.FENCED: ("fenced",) * 7,
    LinkEvent.LEASED: (None, None, None, None, None, None, "connecting"),
    LinkEvent.STOPPED: (*("disconnected",) * 6, "fenced"),
}

_KEEPS_ITS_REASON = frozenset({LinkEvent.CONNECT, LinkEvent.INCOMPLETE})


def next_state(state: LinkState, event: LinkEvent) -> LinkState:
    """The state after ``event``.

    Raises:
        LinkEventRefusedError: it cannot happen in ``state``.
    """
    after = _TABLE[event][STATES.index(state)]
    if after is None:
        raise LinkEventRefusedError(state, event)
    return after


class Standing(NamedTuple):
    """A state and why the link is not up in it (one of ``LINK_REASONS``; empty where it is)."""

    state: LinkState = "disconnected"
    reason: str = NOT_YET_SYNCED

    def after(self, event: LinkEvent, reason: str = "") -> "Standing":
        """How the link stands after ``event``.

        Raises:
            LinkEventRefusedError: it cannot happen in this state.
        """
        state = next_state(self.state, event)
        keeps = event in _KEEPS_ITS_REASON or (self.state == state == "fenced")
        return Standing(state, self.reason if keeps else reason)

    @property
    def gateway(self) -> UpDown:
        """Whether the gateway can be asked."""
        if self.state in {"syncing", "live", "degraded"}:
            return "up"
        # A standby does not look, and before the first attempt nobody has.
        return "unknown" if self.state == "fenced" or self.reason == NOT_YET_SYNCED else "down"

    @property
    def ibkr(self) -> UpDown:
        """Whether the gateway is connected to IBKR, as far as it says."""
        if self.state in {"syncing", "live"}:
            return "up"
        return "down" if self.state == "degraded" and self.reason not in _UNHEARD else "unknown"

    @property
    def is_live(self) -> bool:
        """Whether what the broker says is passed on completely and as it happens."""
        return self.state == "live"

    @property
    def is_stale(self) -> bool:
        """Whether the gateway is there and has stopped to tell anything."""
        return self.state == "degraded" and self.reason == DATA_STALE
