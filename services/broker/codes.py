"""IBKR's message codes by what they mean for us."""

import re
from enum import Enum
from typing import Final


class Meaning(Enum):
    """What a code says about the link."""

    IBKR_LOST = "the gateway lost its connection to IBKR; what it shows is the last known"
    IBKR_BACK_DATA_LOST = "the gateway is connected to IBKR again; subscriptions were lost"
    IBKR_BACK_DATA_KEPT = "the gateway is connected to IBKR again; subscriptions were kept"
    PORT_CHANGED = "the gateway changed its socket port; we go on with the configured one"
    MARKET_DATA_DOWN = "a market data farm is down; marks may be old"
    MARKET_DATA_OK = "a market data farm is up"
    FARM_DOWN = "a farm that we do not depend on is down"
    FARM_OK = "a farm that we do not depend on is up"
    BENIGN = "nothing to do"
    CLIENT_ID_IN_USE = "another program is connected with our client id"
    NEEDS_LOGIN = "the gateway waits for someone to log in or to confirm a notice"
    NOT_CONNECTED = "the gateway is not connected"
    READ_ONLY = "the gateway refused a request because its API is read-only"
    COMPETING_SESSION = "another session of this user took over the market data"
    UNKNOWN_SUBSCRIPTION = "the gateway does not know a subscription that we ended"
    OTHER = "an error of a request, or one we have no name for"


MEANINGS: Final = {
    1100: Meaning.IBKR_LOST,
    1101: Meaning.IBKR_BACK_DATA_LOST,
    1102: Meaning.IBKR_BACK_DATA_KEPT,
    1300: Meaning.PORT_CHANGED,
    2103: Meaning.MARKET_DATA_DOWN,
    2104: Meaning.MARKET_DATA_OK,
    2105: Meaning.FARM_DOWN,
    2106: Meaning.FARM_OK,
    2107: Meaning.BENIGN,
    2108: Meaning.BENIGN,
    2110: Meaning.IBKR_LOST,
    2119: Meaning.BENIGN,
    2157: Meaning.FARM_DOWN,
    2158: Meaning.FARM_OK,
    300: Meaning.UNKNOWN_SUBSCRIPTION,
    321: Meaning.READ_ONLY,
    326: Meaning.CLIENT_ID_IN_USE,
    502: Meaning.NOT_CONNECTED,
    504: Meaning.NOT_CONNECTED,
    10141: Meaning.NEEDS_LOGIN,
    10197: Meaning.COMPETING_SESSION,
}
"""Source: IBKR's table of system and error messages. 10141: nobody accepted the paper-trading disclaimer."""

_FARM = re.compile(r":\s*(\S+)\s*$")
_ACCOUNT = re.compile(r"\b[A-Z]{1,3}\d{4,}[A-Z]?\b")


def meaning_of(code: int) -> Meaning:
    """What ``code`` means; codes that we have no name for are ``OTHER``."""
    return MEANINGS.get(code, Meaning.OTHER)


def farm_of(text: str) -> str:
    """The farm that a 2103–2106 names, for example ``usfarm``; empty where it names none."""
    found = _FARM.search(text)
    return found[1] if found else ""


def redact(text: str) -> str:
    """IBKR's text without account numbers, fit for a log."""
    return _ACCOUNT.sub("<account>", text)
