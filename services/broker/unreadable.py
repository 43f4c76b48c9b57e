"""What is raised, and told, about a message that cannot be read."""

from core.errors import ErrorCategory, LotkeeperError
from core.events.facts import Dataset


class UnreadableError(LotkeeperError):
    """A message from the gateway could not be read. The text says why, without its contents."""

    code = "message_unreadable"

    def __init__(self, category: ErrorCategory, reason: str) -> None:
        super().__init__(reason)
        self.category = category
        self.reason = reason


ACCOUNT_FIELD = {"6": 5, "7": 19, "11": 16, "61": 2, "63": 3, "71": 3, "73": 3}
"""Where a message carries its account, by message id."""

DATASET: dict[str, Dataset] = {
    "6": "account_values",
    "7": "pnl",
    "11": "executions",
    "59": "executions",
    "61": "positions",
    "63": "account_values",
    "71": "positions",
    "73": "account_values",
    "94": "pnl",
    "95": "pnl",
}
"""The dataset that is incomplete when a message of this id cannot be read."""

REQUEST_ID_FIELD = {"11": 1, "63": 2, "71": 2, "73": 2, "94": 1, "95": 1}
"""Where a message carries the id of the request it answers: the same news again has another."""


def account_of(fields: list[str]) -> str:
    """The account a raw message is about; empty where it does not say."""
    index = ACCOUNT_FIELD.get(fields[0]) if fields else None
    return fields[index] if index is not None and index < len(fields) else ""


def identity_of(fields: list[str]) -> tuple[str, ...]:
    """What makes two unreadable messages the same one, told again in answer to another request."""
    skipped = REQUEST_ID_FIELD.get(fields[0]) if fields else None
    return tuple(field for index, field in enumerate(fields) if index != skipped)
