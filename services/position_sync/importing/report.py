"""What an import came to, section by section, and what it changed."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

from core.domain.books import BookKey
from core.domain.money import plain
from models.queries.imports import BookFigures
from models.stores.staged_trades import Dispute

MOST_LISTED = 1_000
"""Changes and disputes beyond are counted, not listed."""


class Tally(Struct):
    """How many rows of a kind came to what."""

    new: int = 0
    matched: int = 0
    corrected: int = 0
    disputed: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    """By reason."""


class Change(Struct, frozen=True):
    """What an import changed, or would, in one book. Amounts are in the instrument's currency."""

    account: str
    conid: int
    symbol: str
    currency: str
    quantity_before: Decimal
    quantity: Decimal
    cost_before: Decimal | None
    cost: Decimal | None
    realized_before: Decimal | None
    realized: Decimal | None


class Period(Struct, frozen=True):
    """The time that the file covers of an account."""

    account: str
    starts_at: datetime
    ends_at: datetime
    complete: bool


class Report(Struct):
    """What an import came to, or would.

    ``import_id`` is ``None`` after a dry run; ``already`` says since when this very file stands imported, or,
    where it was to be taken back, is not any more.
    """

    name: str
    kind: str
    sha256: str
    import_id: int | None = None
    already: datetime | None = None
    dry_run: bool = False
    sections: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    accounts: list[str] = field(default_factory=list)
    """Of which the file tells, or whose books it changed."""
    accounts_created: list[str] = field(default_factory=list)
    periods: list[Period] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    changed_books: int = 0
    disputes: list[Dispute] = field(default_factory=list)
    gaps_closed: int = 0
    circular: int = 0
    """How many corporate actions brought what would come from itself: it is of unknown cost."""
    unknown: dict[str, int] = field(default_factory=dict)
    """Elements and attributes that nothing here knows, and how often; they stay in the file."""

    @property
    def taken(self) -> int:
        """How many rows are known from it now: new, corrected, or known before."""
        return sum(one.new + one.matched + one.corrected for one in self.sections.values())

    @property
    def disputed(self) -> int:
        """How many rows say something else than what is known."""
        return sum(one.disputed for one in self.sections.values())

    def ignore(self, section: str, reason: str) -> None:
        """Count a row that changes nothing."""
        ignored = self.sections[section].ignored
        ignored[reason] = ignored.get(reason, 0) + 1

    def count(self, section: str, outcomes: Mapping[str, int] | Counter[str]) -> None:
        """Count rows by what they came to; what is no outcome is a reason to be ignored."""
        tally = self.sections[section]
        for outcome, rows in outcomes.items():
            if outcome in {"new", "matched", "corrected", "disputed"}:
                setattr(tally, outcome, getattr(tally, outcome) + rows)
            else:
                tally.ignored[outcome] = tally.ignored.get(outcome, 0) + rows

    def compare(self, before: Mapping[BookKey, BookFigures], after: Mapping[BookKey, BookFigures]) -> None:
        """Note which books hold, or have realized, something else now."""
        changes = list(_changes(before, after))
        self.changed_books += len(changes)
        self.changes.extend(changes[: MOST_LISTED - len(self.changes)])

    def as_json(self) -> dict[str, Any]:
        """For programs and for keeping; amounts are strings."""
        return {
            "name": self.name,
            "kind": self.kind,
            "sha256": self.sha256,
            "import_id": self.import_id,
            "already": None if self.already is None else self.already.isoformat(),
            "dry_run": self.dry_run,
            "sections": {
                name: {
                    "new": one.new,
                    "matched": one.matched,
                    "corrected": one.corrected,
                    "disputed": one.disputed,
                    "ignored": dict(sorted(one.ignored.items())),
                }
                for name, one in sorted(self.sections.items())
            },
            "accounts": self.accounts,
            "accounts_created": self.accounts_created,
            "periods": [
                {
                    "account": one.account,
                    "starts_at": one.starts_at.isoformat(),
                    "ends_at": one.ends_at.isoformat(),
                    "complete": one.complete,
                }
                for one in self.periods
            ],
            "changed_books": self.changed_books,
            "changes": [_spelled(one.__struct_fields__, one) for one in self.changes],
            "disputes": [_spelled(one._fields, one) for one in self.disputes],
            "gaps_closed": self.gaps_closed,
            "circular": self.circular,
            "unknown": self.unknown,
        }


def _spelled(names: Iterable[str], one: object) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in names}
    return {name: plain(value) if isinstance(value, Decimal) else value for name, value in values.items()}


def _changes(before: Mapping[BookKey, BookFigures], after: Mapping[BookKey, BookFigures]) -> Iterable[Change]:
    for key, now in after.items():
        was = before.get(key)
        figures = (now.quantity, now.cost, now.realized_pnl)
        if was is not None and figures == (was.quantity, was.cost, was.realized_pnl):
            continue
        if was is None and not now.episodes:
            continue
        yield Change(
            now.account,
            now.conid,
            now.local_symbol or now.symbol,
            now.currency,
            was.quantity if was else Decimal(0),
            now.quantity,
            was.cost if was else None,
            now.cost,
            was.realized_pnl if was else None,
            now.realized_pnl,
        )
