"""Fills as the broker tells of them, and the orders they belong to."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

Side = Literal["BOT", "SLD"]
Key = tuple[str, int]

MANUAL_ORDER_IDS = (0, 2147483647)


@dataclass(frozen=True, slots=True)
class Order:
    """Whose order it was; manual ones carry order id 0 or 2147483647. ``total`` is the full size."""

    order_id: int
    perm_id: int
    client_id: int
    total: Decimal
    reference: str = ""


@dataclass(slots=True)
class Execution:
    """One version of one fill. ``realized`` is ``None`` when nothing was closed (the wire's unset value).

    ``commission`` is what this version adds: the versions of one fill add up.
    """

    exec_id: str
    account: str
    conid: int
    side: Side
    quantity: Decimal
    price: Decimal
    executed_at: datetime
    exchange: str
    order: Order
    filled: Decimal
    average_price: Decimal
    commission: Decimal
    commission_currency: str
    realized: Decimal | None = None
    corrects: str | None = None
    corrected_by: str | None = None
    commission_reported: bool = True

    @property
    def key(self) -> Key:
        """Account and contract id."""
        return self.account, self.conid

    @property
    def signed_quantity(self) -> Decimal:
        """Bought is positive, sold negative."""
        return self.quantity if self.side == "BOT" else -self.quantity

    @property
    def root(self) -> str:
        """What all versions of one fill share: the id without its last part."""
        return self.exec_id.rpartition(".")[0]


def next_revision(exec_id: str) -> str:
    """The id of the correction of ``exec_id``: the last part counts up (``….01`` → ``….02``)."""
    root, _, revision = exec_id.rpartition(".")
    return f"{root}.{int(revision) + 1:02d}"
