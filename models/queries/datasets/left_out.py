"""What no export has, and why. Every table is named here or in ``catalogue``: none can be forgotten."""

from typing import Final

_WHO_MAY = "says who may see this portfolio, and opens it: none of the portfolio itself"
_QUEUE = "work under way, of no meaning elsewhere or an hour later"

TABLES: Final = {
    "api_token_accounts": _WHO_MAY,
    "api_tokens": _WHO_MAY,
    "recovery_codes": _WHO_MAY,
    "second_factors": _WHO_MAY,
    "sign_in_tries": _WHO_MAY,
    "user_accounts": _WHO_MAY,
    "user_sessions": _WHO_MAY,
    "users": _WHO_MAY,
    "alert_conditions": _QUEUE,
    "coalesced_jobs": _QUEUE,
    "idempotency_keys": _QUEUE,
    "inbox": _QUEUE,
    "inbox_trials": _QUEUE,
    "outbox": _QUEUE,
    "performance_renewals": _QUEUE,
    "installation": "its one fact, the profile, stands in the manifest",
}

COLUMNS: Final = {("flex_fetches", "token_mark"): "made of the token"}
