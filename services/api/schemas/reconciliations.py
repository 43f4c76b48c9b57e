from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from core.domain.episodes import Cause
from core.domain.reconciliation import ComparisonKind, DifferenceKind
from models.queries.differences import DifferenceStatus
from services.api.schemas.common import Amount, Freshness, Moment


class Reconciliation(Struct, frozen=True, kw_only=True):
    """One comparison of an account with what the broker says is held.

    ``trigger`` is what it was done for. ``checked`` books were looked at, ``differences`` of them differed;
    ``counts`` says how many came to what, and is empty where that was not recorded.
    """

    id: int
    account: str
    started_at: Moment
    finished_at: Moment | None
    trigger: str
    checked: int
    differences: int
    counts: dict[ComparisonKind, int]


class ReconciliationPage(Struct, frozen=True, kw_only=True):
    """Comparisons, newest first.

    ``compared_at`` is the oldest of the newest comparison of each account that the login has: what is said of
    all of them is as old as that. Null while one of them was never compared.
    """

    items: tuple[Reconciliation, ...]
    compared_at: Moment | None
    next_cursor: str | None
    freshness: Freshness


class Difference(Struct, frozen=True, kw_only=True):
    """Something in which our ledger and the broker did not agree, and do not until ``resolved_at``.

    ``ours`` and ``brokers`` are quantities; of a ``cost_mismatch`` or a ``provisional`` one average costs, in
    ``currency`` per unit. ``cause`` is null while nobody looked for one; ``inferred``: it was concluded from
    circumstances. ``position_id`` is the open, or else the last position in this instrument, null where there
    never was one.

    ``status``: ``open`` wants attention, of an ``acknowledged`` one somebody knows, and why it may stand;
    ``resolved`` is gone. What they said (``note``) was said of ``acknowledged_ours`` and
    ``acknowledged_brokers``. Once either figure is found to be another it counts no more
    (``acknowledgement_ended_at``), and the difference is open again.
    """

    id: int
    account: str
    conid: int
    symbol: str
    local_symbol: str
    sec_type: str
    currency: str
    kind: DifferenceKind
    cause: Cause | None
    inferred: bool
    ours: Amount | None
    brokers: Amount | None
    since: Moment
    resolved_at: Moment | None
    position_id: str | None
    status: DifferenceStatus
    acknowledged_at: Moment | None
    acknowledged_by: str | None
    note: str | None
    acknowledged_ours: Amount | None
    acknowledged_brokers: Amount | None
    acknowledgement_ended_at: Moment | None


class DifferenceDetail(Difference, frozen=True, kw_only=True):
    """A difference by itself."""

    freshness: Freshness


class DifferenceAcknowledgement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a difference may stand as it is.

    With both ``ours`` and ``brokers``, as they were seen, it is refused where they are others by now.
    """

    note: Annotated[str, Meta(min_length=1, max_length=2_000)]
    ours: Amount | UnsetType | None = UNSET
    brokers: Amount | UnsetType | None = UNSET


class DifferencePage(Struct, frozen=True, kw_only=True):
    """Differences from the broker, newest first."""

    items: tuple[Difference, ...]
    next_cursor: str | None
    freshness: Freshness
