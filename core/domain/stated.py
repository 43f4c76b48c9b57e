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
    "conversion",
    "other",
]
EXTERNAL: Final[frozenset[CashKind]] = frozenset({"deposit", "withdrawal", "transfer"})
"""What the owner brings or takes; everything else is earned, paid or converted within the account."""

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
    "cancelled",
    "repeated",
    "summary_of_other_rows",
    "not_used",
    "unusable_figure",
]
"""Why a row changes nothing. What it says stays in the raw file."""


class Stated(Struct, frozen=True, kw_only=True, tag=True):
    """One thing that a statement states. ``line`` is where, from 1; ``section`` its own name for the kind.

    Of what is ignored the section is that of the report: what it would have been counted under.
    """

    line: int
    section: str


class Ignored(Stated, frozen=True, kw_only=True):
    """A row that changes nothing. ``account`` is empty where it names none."""

    account: str
    reason: IgnoredReason


class StatedAccount(Stated, frozen=True, kw_only=True):
    """An account that the statement is about. ``closed_on``: the broker's day on which it was closed."""

    account: str
    base_currency: str | None = None
    alias: str | None = None
    closed_on: date | None = None


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
    """An instrument, with what identifies it elsewhere.

    ``name`` is set where it has to be found among those that are known first: by its conid, or, where that is
    ours and made of the name, by ISIN or symbol. ``lacks`` is what the file leaves out, without which one
    that is not known cannot be made, and ``says`` which of the instrument's fields the file states.
    """

    instrument: Instrument
    isin: str = ""
    cusip: str = ""
    figi: str = ""
    issuer: str = ""
    underlying_conid: int | None = None
    name: str = ""
    lacks: tuple[str, ...] = ()
    says: frozenset[str] = frozenset()


class StatedTrade(Stated, frozen=True, kw_only=True):
    """A fill. ``quantity`` is signed; ``commission`` positive for a cost, taxes in it.

    ``exec_id`` is the broker's, empty where it booked without one. ``realized_pnl`` is the broker's own,
    ``None`` where it computed none. ``cost`` is signed like the quantity: what was paid for what it opens, or
    had been for what it closes. ``opens`` says that it only opens, ``closes`` that it only closes; neither
    that it does both, or does not say. ``cancels`` that it takes back the trade that ``trade_id`` numbers.
    ``own_id`` is what the file's owner calls it: two with one such id in an account are one.
    ``reported_on`` is the broker's day in whose sums it is, which for a trade of the evening is the next one.
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
    own_id: str = ""
    reported_on: date | None = None


class StatedLot(Stated, frozen=True, kw_only=True):
    """A lot that something closed, as the broker chose it: a trade, an exercise, an expiry.

    ``quantity`` and ``cost`` are signed like the lot, commission in the cost. ``opened_at`` is ``None`` where
    the statement does not say when it was opened.
    """

    account: str
    instrument: Instrument
    closed_at: datetime
    opened_at: datetime | None
    quantity: Decimal
    cost: Decimal | None = None
    realized_pnl: Decimal | None = None


class StatedEvent(Stated, frozen=True, kw_only=True):
    """What changed a holding without a trade: a split, an exercise, an expiry, a transfer.

    ``quantity`` is the signed change. ``carried``: what left took its cost with it, nothing was realized.
    ``cost`` is signed like the quantity: that of what came, or of what is carried away. ``price`` is what it
    was worth, as quoted; of what closes something, the one that leads to the broker's realized figure.
    ``group`` ties what belongs together (the legs of one merger, an option and its stock). ``cash`` is the
    money that came (or, negative, went) with it; ``market_value``, signed like the quantity, what was
    transferred, or came for something else, was worth on the market that day. Both are in the instrument's
    currency. ``kept_share`` is the share of the cost of what left that went on to what came for it, the rest
    being sold for ``cash``.
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
    cash: Decimal | None = None
    market_value: Decimal | None = None
    fx_rate_to_base: Decimal | None = None
    reported_on: date | None = None
    kept_share: Decimal | None = None


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
    """Money that came or went, other than by trades. ``transaction_id`` is the broker's, may be empty.

    ``own_id`` is what the file's owner calls it: two with one such id in an account are one.
    """

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
    own_id: str = ""
    reported_on: date | None = None


class StatedBalance(Stated, frozen=True, kw_only=True):
    """Cash in one currency at the end of a day; in ``BASE_SUMMARY`` all of it, in the base currency.

    ``starting_cash`` is what was there before ``starts_on``. What came in between: what ``trades`` brought or
    cost, ``commissions``, what ``futures`` settled day by day, and ``flows``, everything else.
    """

    account: str
    as_of: date
    currency: str
    cash: Decimal
    settled_cash: Decimal | None = None
    starts_on: date | None = None
    starting_cash: Decimal | None = None
    trades: Decimal | None = None
    commissions: Decimal | None = None
    futures: Decimal | None = None
    flows: Decimal | None = None


class StatedValue(Stated, frozen=True, kw_only=True):
    """What an account was worth at the end of a day, in its base currency.

    ``accruals`` are what was earned or owed and not paid yet, interest and, of it, ``dividend_accruals``.
    ``other`` is what is neither cash nor any of the parts beside it. ``gross`` is the value of all holdings,
    what is sold short taken as positive.
    """

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
    dividend_accruals: Decimal | None = None
    other: Decimal | None = None
    gross: Decimal | None = None


class StatedChange(Stated, frozen=True, kw_only=True):
    """How an account's value came about over whole days, in its base currency.

    ``contribution`` is what the owner brought less what he took, ``gain`` all the rest: both are the sums of
    what the statement states. ``twr`` is the broker's time-weighted return, a fraction.
    """

    account: str
    starts_on: date
    ends_on: date
    starting: Decimal
    ending: Decimal
    contribution: Decimal
    gain: Decimal
    currency: str | None = None
    twr: Decimal | None = None


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
    | StatedLot
    | StatedEvent
    | StatedPosition
    | StatedInventory
    | StatedCashFlow
    | StatedBalance
    | StatedValue
    | StatedChange
    | StatedRate
)
"""Anything that a reader yields."""


REPORTED_AS: Final[dict[type, str]] = {
    StatedTrade: "trades",
    StatedEvent: "events",
    StatedPosition: "positions",
    StatedInventory: "inventories",
    StatedCashFlow: "cash",
    StatedBalance: "cash_balances",
    StatedRate: "fx_rates",
    StatedValue: "values",
    StatedChange: "changes",
    StatedLot: "lots",
}
"""What the report of an import counts records under."""


def passed_over(record: Stated, account: str, reason: IgnoredReason) -> Ignored:
    """That what a record states changes nothing."""
    return Ignored(line=record.line, section=REPORTED_AS[type(record)], account=account, reason=reason)
