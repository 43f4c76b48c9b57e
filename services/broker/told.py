"""What one connection has told of executions, so that what the gateway repeats is not told twice."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from ib_async import CommissionReport, Execution

from core.domain.executions import split_exec_id
from core.domain.money import decimal_from_float, decimal_from_text
from models.queries.told import RecordedFigures

REMEMBERED = 200_000


class _Figures(NamedTuple):
    """Two figures by which a repetition is known, and when they were told by our clock."""

    one: Decimal | None
    other: Decimal | None
    at: datetime


def _of_fill(fill: Execution, at: datetime) -> _Figures:
    return _Figures(decimal_from_float(fill.shares), decimal_from_float(fill.price), at)


def _of_commission(report: CommissionReport, at: datetime) -> _Figures:
    return _Figures(decimal_from_float(report.commission), decimal_from_float(report.realizedPNL), at)


class Told:
    """Executions and commissions that were told, and the answer under way that may repeat them.

    ``request`` is the request for executions under way, ``replayed`` how many answered it and ``oldest`` when
    the first of these was traded. With ``skip_known`` what was told before is not told again; ``repeated``
    names it.
    """

    def __init__(self) -> None:
        self._executions: dict[str, _Figures] = {}
        self._commissions: dict[str, _Figures] = {}
        self.request = -1
        self.skip_known = False
        self.replayed = 0
        self.oldest: datetime | None = None
        self.repeated: set[str] = set()

    def know(self, recorded: Iterable[RecordedFigures], *, but_after: datetime | None = None) -> None:
        """Of all that was told only what is recorded counts: the rest may have been lost on its way.

        What was told after ``but_after`` counts as well: it is under way.
        """
        executions, commissions = self._executions, self._commissions
        self._executions, self._commissions = {}, {}
        for one in recorded:
            self._executions[one.exec_id] = _Figures(one.quantity, one.price, one.received_at)
            if one.paid_at is not None:
                self._commissions[one.exec_id] = _Figures(one.commission, one.realized_pnl, one.paid_at)
        if but_after is not None:
            self._executions |= {key: one for key, one in executions.items() if one.at > but_after}
            self._commissions |= {key: one for key, one in commissions.items() if one.at > but_after}

    def begin(self, request: int, *, skip_known: bool) -> None:
        """What comes under ``request`` from now on answers it."""
        self.request, self.skip_known = request, skip_known
        self.replayed, self.oldest, self.repeated = 0, None, set()

    def end(self) -> None:
        """The answer has ended."""
        self.request, self.skip_known = -1, False

    def repeats(self, request: int, fill: Execution) -> bool:
        """Whether an execution that comes is known and need not be told."""
        if request != self.request:
            return False
        self._replay(fill.execId, fill.time)
        known = self._executions.get(fill.execId)
        if not self.skip_known or known is None or known[:2] != _of_fill(fill, known.at)[:2]:
            return False
        self.repeated.add(fill.execId)
        return True

    def repeats_text(self, request: str, exec_id: str, shares: str, price: str, at: datetime) -> bool:
        """The same, by what the message says: nearly all of a long answer need not even be decoded."""
        known = self._executions.get(exec_id) if self.skip_known else None
        if known is None or request != str(self.request):
            return False
        if decimal_from_text(shares) != known.one or decimal_from_text(price) != known.other:
            return False
        self._replay(exec_id, at)
        self.repeated.add(exec_id)
        return True

    def _replay(self, exec_id: str, at: datetime) -> None:
        self.replayed += 1
        # A correction carries the time of what it corrects, which may have been another day.
        if (self.oldest is None or at < self.oldest) and split_exec_id(exec_id)[1] <= 1:
            self.oldest = at

    def note(self, fill: Execution, at: datetime) -> None:
        """An execution was told."""
        if len(self._executions) >= REMEMBERED:
            self._executions.clear()
        self._executions[fill.execId] = _of_fill(fill, at)

    def repeats_commission(self, report: CommissionReport) -> bool:
        """Whether a commission that comes is known and need not be told."""
        known = self._commissions.get(report.execId)
        return self.skip_known and known is not None and known[:2] == _of_commission(report, known.at)[:2]

    def repeats_commission_text(self, exec_id: str, commission: str, realized: str) -> bool:
        """The same, by what the message says."""
        known = self._commissions.get(exec_id) if self.skip_known else None
        if known is None or decimal_from_text(commission) != known.one:
            return False
        return decimal_from_text(realized) == known.other

    def note_commission(self, report: CommissionReport, at: datetime) -> None:
        """A commission was told."""
        if len(self._commissions) >= REMEMBERED:
            self._commissions.clear()
        self._commissions[report.execId] = _of_commission(report, at)

    def repeated_since_before(self, at: datetime) -> dict[str, bool]:
        """What the last answer repeated and was told before ``at``, and whether its commission was too."""
        return {
            exec_id: (paid := self._commissions.get(exec_id)) is not None and paid.at < at
            for exec_id in self.repeated
            if (known := self._executions.get(exec_id)) is not None and known.at < at
        }

    def forget(self, exec_ids: Iterable[str]) -> None:
        """Have executions and their commissions told again when they are repeated."""
        for exec_id in exec_ids:
            self._executions.pop(exec_id, None)
            self._commissions.pop(exec_id, None)
