"""Who is let in: each stream entry once, and of a link that was replaced only what stays true."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from core import logs
from core.events.facts import (
    AccountsListed,
    CommissionReported,
    ExecutionReported,
    FrameUnreadable,
    InstrumentDescribed,
    LinkChanged,
)
from models.session import Writer
from models.stores import inbox
from models.stores.inbox import StreamPlace
from services.position_sync import metrics
from services.position_sync.intake import Item, Told

log = logs.get_logger(__name__)

_TRUE_WHOEVER_TELLS = (ExecutionReported, CommissionReported, InstrumentDescribed, FrameUnreadable)
"""Facts that no newer connection contradicts, and that the broker may not tell again."""

_STALE = (
    "A link that had been replaced by a newer one went on sending. What it said of the present was refused; "
    "its executions and commissions were kept."
)
_REMEMBERED = 1_000


@dataclass(slots=True)
class Admitted:
    """What a transaction let in, what it had let in before, and what it refused."""

    fresh: list[Told] = field(default_factory=list)
    repeated: list[Told] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    stale: set[int] = field(default_factory=set)
    first_places: dict[int, StreamPlace] = field(default_factory=dict)


class Admission:
    """Lets entries in, within the transaction of their effect.

    It remembers what this process has committed of the epochs it met, so that a batch of a known epoch costs
    the one statement that inserts its names.
    """

    def __init__(self) -> None:
        self._first_places: dict[int, StreamPlace] = {}
        self._told_stale: set[int] = set()

    async def admit(self, connection: Writer, told: Sequence[Told], now: datetime) -> Admitted:
        """Decide on ``told``. Called before anything else is locked: every worker locks in one order."""
        admitted = Admitted(first_places=self._earlier(told))
        # The state of a session is written after the books, and where it begins before them.
        kinds = (LinkChanged, AccountsListed)
        changing = {item.epoch for one in told for item in one.items if isinstance(item.fact, kinds)}
        if changing:
            await inbox.lock_sessions(connection, changing | set(admitted.first_places))
        await inbox.record_first_entries(connection, admitted.first_places)
        names = {one.name: one.facts for one in told}
        replaced = await inbox.admit(connection, names, now) if names else {}
        for one in told:
            if one.name not in replaced:
                admitted.repeated.append(one)
                continue
            since = replaced.pop(one.name)
            is_stale = since is not None and since < one.place
            admitted.fresh.append(_what_stays_true(one, admitted) if is_stale else one)
        for epoch in sorted(admitted.stale - self._told_stale):
            await inbox.log_stale_link(connection, epoch, now, _STALE)
        return admitted

    def committed(self, admitted: Admitted) -> None:
        """The transaction is committed: what was noted in it need not be noted again."""
        if len(self._first_places) > _REMEMBERED:
            self._first_places.clear()
        self._first_places |= admitted.first_places
        for kind, number in admitted.refused.items():
            metrics.STALE.labels(kind).inc(number)
        for epoch in sorted(admitted.stale - self._told_stale):
            self._told_stale.add(epoch)
            log.warning("stale_link_refused", epoch=epoch)

    def _earlier(self, told: Sequence[Told]) -> dict[int, StreamPlace]:
        places: dict[int, StreamPlace] = {}
        for one in told:
            epoch = one.name[0]
            known = places.get(epoch) or self._first_places.get(epoch)
            if one.is_named and (known is None or one.place < known):
                places[epoch] = one.place
        return places


def _what_stays_true(told: Told, admitted: Admitted) -> Told:
    kept: list[Item] = []
    for item in told.items:
        if isinstance(item.fact, _TRUE_WHOEVER_TELLS):
            kept.append(item)
        else:
            admitted.refused[type(item.fact).__name__] += 1
            admitted.stale.add(item.epoch)
    return replace(told, items=kept)
