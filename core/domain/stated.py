"""What a statement states, whoever wrote it: one neutral record for each thing it can say.

A reader (of Flex XML, of CSV) yields these in the order of its file; the importer takes them without knowing
what the file looked like. Amounts have the signs of the account's view: what comes in is positive. Whatever a
file leaves unsaid is ``None``, never zero.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from core.domain.episodes import Cause
from core.domain.instruments import Instrument

CashKind: TypeAlias = Literal[
    "deposit",
    "withdrawal",
    "transfer",
    "dividend",
    "payment_in_lieu",
    "withholding_tax",
    "interest",
    "bond_interest",
    "fee",
    "commission_adjustment",
    "tax",
    "other",
]
EXTERNAL: Final[frozenset[CashKind]] = frozenset({"deposit", "withdrawal", "transfer"})
"""What the owner brings or takes; everything else is earned or paid within the account."""

IgnoredReason: TypeAlias = Literal[
    "not_an_execution",
    "no_account",
    "no_instrument",
    "no_quantity",
    "no_price",
    "no_time",
    "no_multiplier",
    "no_amount",
    "no_date",
    "no_currency",
    "currency_trade",
    "combo",
    "cancels_what_is_not_here",
    "repeated",
    "summary_of_other_rows",
    "not_used",
    "unusable_figure",
]
"""Why a row changes nothing. What it says stays in the raw file."""


class Stated(Struct, frozen=True, kw_only=True):
    """One thing that a statement states. ``line`` is where, from 1; ``section`` its own name for the kind."""

    line: int
    section: str


class Ignored(Stated, frozen=True, kw_only=True):
    """A row that changes nothing. ``account`` is empty where it names none."""

    account: str
    reason: IgnoredReason


class StatedAccount(Stated, frozen=True, kw_only=True):
    """An account that the statement is about."""

    account: str
    base_currency: str | None = None
    alias: str | None = None


class StatedPeriod(Stated, frozen=True, kw_only=True):
    """The time that a statement covers, whole days of the broker: from ``starts_at``, before ``ends_at``.

    ``complete`` says that it tells of all executions of that time, so that it closes gaps of observation.
    """

    account: str
    starts_at: datetime
    ends_at: datetime
    generated_at: datetime | None = None
    complete: bool = True


class StatedInstrument(Stated, frozen=True, kw_only=True):
    """An instrument, with what identifies it elsewhere."""

    instrument: Instrument
    isin: str = ""
    cusip: str = ""
    figi: str = ""
    underlying_conid: int | None = None


class StatedTrade(Stated, frozen=True, kw_only=True):
    """A fill. ``quantity`` is signed; ``commission`` positive for a cost, taxes in it.

    ``exec_id`` is the broker's, empty where it booked without one. ``realized_pnl`` is the broker's own,
    ``None`` where it computed none. ``cost`` is signed like the quantity: what was paid for what it opens, or
    had been for what it closes. ``opens`` says that it only opens, ``closes`` that it only closes; neither
    that it does both, or does not say. ``cancels`` that it takes back the trade that ``trade_id`` numbers.
    """

    account: str
    instrument: Instrument
    exec_id: str
    executed_at: datetime
    zone_assumed: bool
    timed: bool
    quantity: Decimal
    price: Decimal
    commission: Decimal | None
    commission_currency: str
    realized_pnl: Decimal | None = None
    cost: Decimal | None = None
    opens: bool = False
    closes: bool = False
    cancels: bool = False
    trade_id: str = ""
    transaction_id: str = ""
    transaction_type: str = ""
    order_id: str = ""
    order_ref: str = ""
    exchange: str = ""
    codes: tuple[str, ...] = ()


class StatedEvent(Stated, frozen=True, kw_only=True):
    """What changed a holding without a trade: a split, an exercise, an expiry, a transfer.

    ``quantity`` is the signed change. ``carried``: what left took its cost with it, nothing was realized.
    ``cost`` is signed like the quantity: that of what came, or of what is carried away. ``price`` is what it
    was worth, as quoted; of what closes something, the one that leads to the broker's realized figure.
    ``group`` ties what belongs together (the legs of one merger, an option and its stock).
    """

    account: str
    instrument: Instrument
    at: datetime
    cause: Cause
    quantity: Decimal
    carried: bool = False
    cost: Decimal | None = None
    price: Decimal | None = None
    realized_pnl: Decimal | None = None
    event_id: str = ""
    group: str = ""
    kind: str = ""
    description: str = ""


class StatedPosition(Stated, frozen=True, kw_only=True):
    """What was held at the end of a day. ``cost`` is signed like the quantity, commission in it."""

    account: str
    instrument: Instrument
    as_of: datetime
    quantity: Decimal
    cost: Decimal | None = None
    mark_price: Decimal | None = None
    market_value: Decimal | None = None
    unrealized_pnl: Decimal | None = None


class StatedInventory(Stated, frozen=True, kw_only=True):
    """All that an account held at the end of a day is stated: what is left out was not held."""

    account: str
    as_of: date


class StatedCashFlow(Stated, frozen=True, kw_only=True):
    """Money that came or went, other than by trades. ``transaction_id`` is the broker's, may be empty."""

    account: str
    kind: CashKind
    at: datetime
    amount: Decimal
    currency: str
    fx_rate_to_base: Decimal | None = None
    conid: int | None = None
    symbol: str = ""
    transaction_id: str = ""
    description: str = ""


class StatedBalance(Stated, frozen=True, kw_only=True):
    """Cash in one currency at the end of a day; in ``BASE_SUMMARY`` all of it, in the base currency."""

    account: str
    as_of: date
    currency: str
    cash: Decimal
    settled_cash: Decimal | None = None


class StatedValue(Stated, frozen=True, kw_only=True):
    """What an account was worth at the end of a day, in its base currency."""

    account: str
    as_of: date
    net_liquidation: Decimal
    currency: str | None = None
    cash: Decimal | None = None
    stock: Decimal | None = None
    options: Decimal | None = None
    bonds: Decimal | None = None
    funds: Decimal | None = None
    accruals: Decimal | None = None


class StatedRate(Stated, frozen=True, kw_only=True):
    """What one unit of ``currency`` was worth in ``into`` at the end of a day."""

    as_of: date
    currency: str
    into: str
    rate: Decimal


Statement: TypeAlias = (
    Ignored
    | StatedAccount
    | StatedPeriod
    | StatedInstrument
    | StatedTrade
    | StatedEvent
    | StatedPosition
    | StatedInventory
    | StatedCashFlow
    | StatedBalance
    | StatedValue
    | StatedRate
)
"""Anything that a reader yields."""
