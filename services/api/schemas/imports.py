from datetime import date
from typing import Any

from msgspec import Struct

from core.domain.disputes import DisputeCause, DisputeKind
from services.api.schemas.common import Amount, Freshness, Moment


class Import(Struct, frozen=True, kw_only=True):
    """A file that was imported. ``stated_at`` is when it was written, by its own word.

    ``report`` says, per section, how many rows were ``new``, ``matched`` (known already), ``corrected``,
    ``disputed`` (said otherwise before; kept aside) or ``ignored``, by reason; which books hold or have
    realized something else since; and what the file had that is not known here.

    Who has access to some accounts only sees the files that tell of one of them. Of a file that tells of
    others, too, ``name``, ``sha256`` and ``report`` are empty.
    """

    id: int
    kind: str
    name: str
    sha256: str
    status: str
    trigger: str
    stated_at: Moment
    imported_at: Moment
    undone_at: Moment | None
    report: dict[str, Any]


class ImportPage(Struct, frozen=True, kw_only=True):
    """Imports, newest first."""

    items: tuple[Import, ...]
    next_cursor: str | None
    freshness: Freshness


class DifferenceCount(Struct, frozen=True, kw_only=True):
    """How many figures of a kind differ for one cause."""

    kind: DisputeKind
    cause: DisputeCause
    figures: int


class ImportDetail(Import, frozen=True, kw_only=True):
    """An import, and in how many figures what it states is not what the ledger comes to."""

    differences: tuple[DifferenceCount, ...]
    freshness: Freshness


class StatementDifference(Struct, frozen=True, kw_only=True):
    """A figure of a statement that is not the one that the ledger comes to.

    ``day`` is the broker's day that it is about; ``kind`` what was compared, ``reference`` which of it: a
    trade's id, an event, ``parts`` or ``holdings`` of a value, the figure and the opening time of a lot.
    ``ours`` is null where it is not known here. Amounts are in ``currency``; of quantities and returns, which
    are fractions, it is empty. ``import_id`` and ``line`` say where it is stated.
    """

    id: str
    account: str
    day: date
    kind: DisputeKind
    cause: DisputeCause
    conid: int | None
    symbol: str | None
    currency: str
    reference: str
    ours: Amount | None
    stated: Amount
    difference: Amount | None
    import_id: int
    line: int
    found_at: Moment


class StatementDifferencePage(Struct, frozen=True, kw_only=True):
    """Differences from statements, newest day first.

    ``compared_at`` is when the account, or of all the one whose turn is longest ago, was last compared: at
    each import, soon after what statements tell of was folded anew, and once a night. It is null where none
    was.
    """

    items: tuple[StatementDifference, ...]
    compared_at: Moment | None
    next_cursor: str | None
    freshness: Freshness
