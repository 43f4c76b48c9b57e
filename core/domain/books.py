"""A book: one account's ledger of one instrument, and what the broker last said of it."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from core.domain.fills import Key
from core.domain.lots import CostMethod
from core.domain.money import ZERO

BookKey = tuple[str, int]
"""Account and conid."""


class Book(NamedTuple):
    """A book as stored: the fold's checkpoint and the broker's last word. A new one has neither."""

    account: str
    conid: int
    cost_method: CostMethod
    quantity: Decimal = ZERO
    last_executed_at: datetime | None = None
    last_exec_base_id: str | None = None
    first_anchor_at: datetime | None = None
    last_anchor_at: datetime | None = None
    episodes: int = 0
    version: int = 0
    dirty: bool = False
    broker_quantity: Decimal | None = None
    broker_average_cost: Decimal | None = None
    broker_as_of: datetime | None = None
    broker_epoch: int | None = None
    broker_seq: int | None = None
    broker_sweep: str = ""
    sweep_epoch: int | None = None
    sweep_seq: int | None = None
    touched_at: datetime | None = None
    reconciled_at: datetime | None = None

    @property
    def key(self) -> BookKey:
        """Account and conid."""
        return self.account, self.conid

    @property
    def last_key(self) -> Key | None:
        """Where the last fill that was folded stands."""
        if self.last_executed_at is None or self.last_exec_base_id is None:
            return None
        return self.last_executed_at, self.last_exec_base_id

    @property
    def word(self) -> tuple[int, int]:
        """Epoch and sequence of the broker's last word; before any, lower than all."""
        return (-1, -1) if self.broker_epoch is None else (self.broker_epoch, self.broker_seq or 0)

    @property
    def swept(self) -> tuple[int, int]:
        """Epoch and sequence of what the newest positions answer said; before any, lower than all."""
        return (-1, -1) if self.sweep_epoch is None else (self.sweep_epoch, self.sweep_seq or 0)
