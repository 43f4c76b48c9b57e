"""The numbers with which the Flex Web Service says why it gives no statement, by what they mean to us.

Source: IBKR's "Flex Web Service", version 3, error codes
(https://www.interactivebrokers.com/campus/ibkr-api-page/flex-web-service/#error-codes).
"""

from typing import Final, Literal, TypeAlias

Meaning: TypeAlias = Literal["later", "throttled", "anew", "token", "query", "unknown"]
"""What is to be done.

``later``: ask for the same again; ``throttled``: the same, more slowly; ``anew``: the number of the statement
is no good, so begin from the start; ``token`` and ``query``: a person has to put that right; ``unknown``: a
number that is not in the service's list.
"""

IN_PROGRESS: Final = 1019
TOO_MANY: Final = 1018
TOKEN_EXPIRED: Final = 1012
TOKEN_INVALID: Final = 1015
QUERY_INVALID: Final = 1014

MEANINGS: Final[dict[int, Meaning]] = {
    1001: "later",  # could not be generated at this time
    1003: "query",  # is not available: there is none for that period
    1004: "later",  # is incomplete at this time
    1005: "later",  # settlement data is not ready
    1006: "later",  # FIFO P/L data is not ready
    1007: "later",  # MTM P/L data is not ready
    1008: "later",  # MTM and FIFO P/L data is not ready
    1009: "later",  # the server is under heavy load
    1010: "query",  # legacy queries are no longer supported
    1011: "token",  # the service is not active
    TOKEN_EXPIRED: "token",
    1013: "token",  # may not be used from this address
    QUERY_INVALID: "query",
    TOKEN_INVALID: "token",
    1016: "query",  # the account is invalid
    1017: "anew",  # the reference code is invalid
    TOO_MANY: "throttled",
    IN_PROGRESS: "later",
    1020: "query",  # invalid request, or it could not be validated
    1021: "later",  # could not be retrieved at this time
}

_WHERE_TOKENS_ARE: Final = (
    "Client Portal → Performance & Reports → Flex Queries → Flex Web Service Configuration"
)
_WHERE_QUERIES_ARE: Final = "Client Portal → Performance & Reports → Flex Queries"
_NEW_TOKEN: Final = (
    f"Generate a new one in {_WHERE_TOKENS_ARE} and store it with `lotkeeper flex setup` "
    "(or in LOTKEEPER_FLEX_TOKEN)"
)

_REMEDIES: Final = {
    1003: "There is no statement for its period yet: try again tomorrow, or choose another period for it in "
    f"{_WHERE_QUERIES_ARE}",
    1010: f"Make it again as an Activity Flex Query in {_WHERE_QUERIES_ARE}",
    1011: f"Switch the service on in {_WHERE_TOKENS_ARE}, then see with `lotkeeper flex fetch`",
    TOKEN_EXPIRED: _NEW_TOKEN,
    1013: "The token may be used from another address only. Generate one without that restriction, or with "
    f"this machine's public address, in {_WHERE_TOKENS_ARE} and store it with `lotkeeper flex setup`",
    QUERY_INVALID: "The number is the Query ID behind the info sign of the query in "
    f"{_WHERE_QUERIES_ARE}, under the user name that the token belongs to",
    TOKEN_INVALID: _NEW_TOKEN,
    1016: f"See which accounts the query is for in {_WHERE_QUERIES_ARE}",
    1020: f"Compare the token and the Query ID with those in {_WHERE_QUERIES_ARE}",
}


def meaning_of(code: int | None) -> Meaning:
    """What is to be done about a code."""
    return "unknown" if code is None else MEANINGS.get(code, "unknown")


def remedy_of(code: int | None) -> str:
    """What the user can do about it, a sentence without its full stop; empty where waiting is all."""
    return "" if code is None else _REMEDIES.get(code, "")
