"""The wire between the broker link and the workers: what the broker said, frozen and versioned.

A fact is named by the broker's own keys, so that applying it twice or out of order gives the same result.
``received_at`` is our clock at the moment of the callback; ``as_of`` is the broker's clock.
Facts travel in batches: one stream entry holds one ``FactBatch``.
"""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec
from msgspec import Struct

from core.domain.executions import Side
from core.domain.instruments import Instrument
from core.domain.link import LinkState, UpDown
from core.errors import ErrorCategory

VERSION = 1

Dataset = Literal["positions", "executions", "account_values", "pnl"]

LINK_REASONS = (
    "not_yet_synced",
    "broker_link_down",
    "gateway_unreachable",
    "gateway_not_answering",
    "gateway_silent",
    "ib_1100",
    "needs_login",
    "client_id_in_use",
    "fenced",
    "data_stale",
    "no_room",
)
"""Why a link is not up. ``broker_link_down`` is concluded by readers when the link's own beats stop."""


class _Event(Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    received_at: datetime


class AccountsListed(_Event, frozen=True, kw_only=True, tag="accounts_listed"):
    """The accounts this login sees."""

    accounts: tuple[str, ...]


class InstrumentDescribed(_Event, frozen=True, kw_only=True, tag="instrument_described"):
    """Contract details: the magnifier and the long name that positions and executions lack."""

    instrument: Instrument


class ExecutionReported(_Event, frozen=True, kw_only=True, tag="execution"):
    """One fill. ``quantity`` is positive; ``side`` carries the direction."""

    account: str
    instrument: Instrument
    exec_id: str
    executed_at: datetime
    side: Side
    quantity: Decimal
    price: Decimal
    order_id: int = 0
    perm_id: int = 0
    client_id: int = 0
    order_ref: str = ""
    exchange: str = ""
    cumulative_quantity: Decimal | None = None
    average_price: Decimal | None = None
    liquidity: int = 0
    model_code: str = ""
    zone_assumed: bool = False


class CommissionReported(_Event, frozen=True, kw_only=True, tag="commission"):
    """What a fill cost, and the profit or loss IBKR says it realized (``None`` where IBKR left it unset)."""

    exec_id: str
    commission: Decimal
    currency: str
    realized_pnl: Decimal | None = None


class PositionReported(_Event, frozen=True, kw_only=True, tag="position"):
    """What the broker says is held. ``sweep`` names the positions request it answers, if it does."""

    account: str
    instrument: Instrument
    quantity: Decimal
    average_cost: Decimal | None
    as_of: datetime
    sweep: str = ""


class PositionsCompleted(_Event, frozen=True, kw_only=True, tag="positions_completed"):
    """``positionEnd``: all of ``accounts`` was reported under ``sweep``; what is absent is flat."""

    sweep: str
    accounts: tuple[str, ...]
    count: int
    as_of: datetime


class AccountValueReported(_Event, frozen=True, kw_only=True, tag="account_value"):
    """One account value, for example ``NetLiquidation`` in the base currency. IBKR gives it no time."""

    account: str
    key: str
    value: str
    currency: str


class DatasetCompleted(_Event, frozen=True, kw_only=True, tag="dataset_completed"):
    """A download of ``dataset`` for ``account`` ended, completely or not (``error`` says why not)."""

    account: str
    dataset: Dataset
    as_of: datetime
    complete: bool
    error: str = ""
    covers_from: datetime | None = None
    """Of executions: since when the gateway tells them all, its midnight at the latest.

    ``None`` where it was asked for less, which reaches back to ``EXECUTIONS_OVERLAP`` before ``as_of``.
    """
    facts_lost: bool = False
    """Of executions: some of what was told since the last answer may be lost, with Redis or on the disk."""


class ResyncFenced(_Event, frozen=True, kw_only=True, tag="resync_fenced"):
    """The sync fence: everything a resync brought stands before it in the stream."""

    trigger: str
    started_at: datetime
    ok: bool
    error: str = ""
    job_id: str = ""


class LinkChanged(_Event, frozen=True, kw_only=True, tag="link_changed"):
    """The link to the gateway, or the gateway's link to IBKR, went up or down."""

    gateway: UpDown
    ibkr: UpDown
    since: datetime
    reason: str = ""
    state: LinkState = "disconnected"
    before: LinkState = "disconnected"


class FrameUnreadable(_Event, frozen=True, kw_only=True, tag="frame_unreadable"):
    """A message that could not be read; kept whole so that nothing is lost."""

    category: ErrorCategory
    reason: str
    frame: str
    account: str = ""


Fact = (
    AccountsListed
    | InstrumentDescribed
    | ExecutionReported
    | CommissionReported
    | PositionReported
    | PositionsCompleted
    | AccountValueReported
    | DatasetCompleted
    | ResyncFenced
    | LinkChanged
    | FrameUnreadable
)


class MarkReported(_Event, frozen=True, kw_only=True, tag="mark"):
    """What one position is worth right now. ``None`` is unknown, never zero."""

    account: str
    conid: int
    quantity: Decimal | None = None
    market_price: Decimal | None = None
    market_value: Decimal | None = None
    daily_pnl: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    realized_pnl: Decimal | None = None


class PnlReported(_Event, frozen=True, kw_only=True, tag="pnl"):
    """An account's profit and loss in its base currency, in IBKR's account window (resets daily)."""

    account: str
    daily_pnl: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    realized_pnl: Decimal | None = None


class LinkBeat(_Event, frozen=True, kw_only=True, tag="link_beat"):
    """About once a second and on every change: the link's state, so that silence is noticed.

    ``last_message_at`` is when the gateway last said anything. ``clock_offset_seconds`` is the broker's clock
    minus ours. ``complete`` is true once the resync of this connection has ended well. ``waiting_facts`` and
    ``spooled_bytes`` are what Redis does not have yet, in memory and on disk.
    """

    gateway: UpDown
    ibkr: UpDown
    since: datetime
    reason: str = ""
    state: LinkState = "disconnected"
    complete: bool = False
    last_message_at: datetime | None = None
    clock_offset_seconds: float = 0.0
    waiting_facts: int = 0
    spooled_bytes: int = 0


Tick = MarkReported | PnlReported | LinkBeat


class FactBatch(Struct, frozen=True, kw_only=True):
    """One entry of the facts stream. Fact ``i`` has the sequence ``first_seq + i`` within ``epoch``."""

    epoch: int
    first_seq: int
    facts: tuple[Fact, ...]
    v: int = VERSION


class TickBatch(Struct, frozen=True, kw_only=True):
    """One entry of the ticks stream."""

    epoch: int
    ticks: tuple[Tick, ...]
    v: int = VERSION
    login: str = ""
    """Of the gateway they come from: an epoch is older or newer than another of the same login only."""


def is_of_none_connected(epoch: int, tick: Tick) -> bool:
    """Whether a link says how it is that was not connected since it began: neither older nor newer than any.

    It may wait for a person. One that stands by says nothing of the login, which another link has; one that
    is connected has an epoch.
    """
    return epoch == 0 and isinstance(tick, LinkBeat) and tick.gateway != "up" and tick.state != "fenced"


encode = msgspec.json.Encoder().encode
decode_facts = msgspec.json.Decoder(FactBatch).decode
decode_ticks = msgspec.json.Decoder(TickBatch).decode
