"""Ways to misbehave: what is switched on now, and frames that no client should trip over."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from services.simulator.wire import UNSET_DOUBLE, UNSET_INTEGER, Fields, frame

# Where an execution message has its id; its time follows.
EXEC_ID_FIELD = 14

PositionsAnswer = Literal["normal", "never", "empty"] | tuple[Literal["partial"], int]
CommissionMode = Literal["after", "before", "late", "never", "twice"]
Garbage = Literal[
    "garbage",
    "unknown_message",
    "unset_numbers",
    "nan_numbers",
    "strange_zone",
    "wrong_length",
    "huge_length",
]

CONNECTIVITY_LOST = "Connectivity between IB and Trader Workstation has been lost."
RESTORED_LOST = (
    "Connectivity between IB and Trader Workstation has been restored - data lost. "
    "All data farms are connected: usfarm; eufarm; ushmds."
)
RESTORED_KEPT = (
    "Connectivity between IB and Trader Workstation has been restored - data maintained. "
    "All data farms are connected: usfarm; eufarm; ushmds."
)

# What IBKR says with a code, for those who ask for the code alone.
TEXTS = {
    321: "Error validating request.-'bW' : cause - The API interface is currently in Read-Only mode.",
    326: "Unable to connect as the client id is already in use. Retry with a unique client id.",
    1100: CONNECTIVITY_LOST,
    1101: RESTORED_LOST,
    1102: RESTORED_KEPT,
    1300: "TWS socket port has been reset and this connection is being dropped.",
    2103: "Market data farm connection is broken:usfarm",
    2104: "Market data farm connection is OK:usfarm",
    2105: "HMDS data farm connection is broken:ushmds",
    2106: "HMDS data farm connection is OK:ushmds",
    2107: "HMDS data farm connection is inactive but should be available upon demand.ushmds",
    2108: "Market data farm connection is inactive but should be available upon demand.usfarm",
    2110: "Connectivity between Trader Workstation and server is broken. It will be restored automatically.",
    2157: "Sec-def data farm connection is broken:secdefil",
    2158: "Sec-def data farm connection is OK:secdefil",
    10197: "No market data during competing live session",
}


@dataclass(slots=True)
class FaultState:
    """What is switched on. ``moving`` is cleared while the gateway is stalled."""

    never_answer: bool = False
    time_only: bool = False
    hang_up_on_accept: bool = False
    positions: PositionsAnswer = "normal"
    execution_time_zone: str | None = None
    moving: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.moving.set()

    @property
    def stalled(self) -> bool:
        """Whether the sockets are open and silent."""
        return not self.moving.is_set()


def _garbage(_account: str, _execution: Fields) -> bytes:
    return frame(["\x07garbage", "\x1b[2J", "%n%s", ""])


def _unknown_message(_account: str, _execution: Fields) -> bytes:
    return frame(["987", "1", "nobody", "knows", "this"])


def _unset_numbers(account: str, _execution: Fields) -> bytes:
    profit = frame(["94", UNSET_INTEGER, UNSET_DOUBLE, UNSET_DOUBLE, UNSET_DOUBLE])
    return profit + frame(["6", "2", "NetLiquidation", UNSET_DOUBLE, "USD", account])


def _nan_numbers(account: str, execution: Fields) -> bytes:
    value = frame(["6", "2", "NetLiquidation", "NaN", "USD", account])
    return value + frame(["59", "1", execution[EXEC_ID_FIELD], "NaN", "USD", "NaN", "", ""])


def _strange_zone(_account: str, execution: Fields) -> bytes:
    spoiled = list(execution)
    day, clock, *_ = spoiled[EXEC_ID_FIELD + 1].split()
    spoiled[EXEC_ID_FIELD + 1] = f"{day} {clock} Nowhere Standard Time"
    return frame(spoiled)


def _wrong_length(_account: str, _execution: Fields) -> bytes:
    # The prefix promises more than comes: what follows is read as part of this frame.
    good = frame(["49", "1", "1"])
    return (len(good) + 20).to_bytes(4, "big") + good[4:]


def _huge_length(_account: str, _execution: Fields) -> bytes:
    return (2**31 - 1).to_bytes(4, "big") + b"49\x001\x00"


BAD_FRAMES: dict[Garbage, Callable[[str, Fields], bytes]] = {
    "garbage": _garbage,
    "unknown_message": _unknown_message,
    "unset_numbers": _unset_numbers,
    "nan_numbers": _nan_numbers,
    "strange_zone": _strange_zone,
    "wrong_length": _wrong_length,
    "huge_length": _huge_length,
}


def bad_frames(kind: Garbage, account: str, execution: Fields) -> bytes:
    """Bytes of one misbehaviour; ``execution`` is a good execution message to spoil.

    Raises:
        KeyError: there is no such kind.
    """
    return BAD_FRAMES[kind](account, execution)
