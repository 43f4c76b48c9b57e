"""What was committed. Written to the outbox in the transaction it tells of, published after it."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec
from msgspec import Struct

from core.events.facts import Dataset

VERSION = 1


class PositionChanged(Struct, frozen=True, kw_only=True, tag_field="type", tag="position"):
    """A position episode as the ledger now has it. The highest ``version`` of an ``id`` counts.

    ``removed`` is true where a recomputation found that the episode never was.
    """

    id: str
    version: int
    removed: bool = False
    account: str
    conid: int
    symbol: str
    local_symbol: str
    sec_type: str
    currency: str
    description: str
    multiplier: Decimal
    price_magnifier: int
    side: Literal["long", "short"]
    status: Literal["open", "closed"]
    quantity: Decimal
    average_cost: Decimal | None
    cost_basis: Decimal | None
    realized_pnl: Decimal | None
    commission: Decimal
    opened_at: datetime
    closed_at: datetime | None
    broker_quantity: Decimal | None
    reconciled: bool
    provisional: bool


class AccountValueChanged(Struct, frozen=True, kw_only=True, tag_field="type", tag="account_value"):
    """An account value was stored."""

    account: str
    key: str
    currency: str
    value: str
    as_of: datetime


class ExecutionRecorded(Struct, frozen=True, kw_only=True, tag_field="type", tag="execution"):
    """An execution, a correction or its commission was stored."""

    exec_id: str
    account: str
    conid: int


class DatasetRecorded(Struct, frozen=True, kw_only=True, tag_field="type", tag="dataset"):
    """How complete a dataset of an account is, as of when."""

    account: str
    dataset: Dataset
    as_of: datetime
    complete: bool


class AccountsRecorded(Struct, frozen=True, kw_only=True, tag_field="type", tag="accounts"):
    """The list of accounts changed."""

    accounts: tuple[str, ...]


class JobChanged(Struct, frozen=True, kw_only=True, tag_field="type", tag="job"):
    """A job moved on."""

    id: str
    kind: str
    status: str
    progress: float | None
    error: str | None


Change = (
    PositionChanged
    | AccountValueChanged
    | ExecutionRecorded
    | DatasetRecorded
    | AccountsRecorded
    | JobChanged
)


class ChangeBatch(Struct, frozen=True, kw_only=True):
    """One entry of the changes stream: all that one transaction changed."""

    changes: tuple[Change, ...]
    v: int = VERSION


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(ChangeBatch).decode
