"""Ids for what a broker booked without one: the same for the same thing in whichever statement."""

import uuid
from typing import Final

from core.domain.days import day_of
from core.domain.episodes import NAMESPACE
from core.domain.money import plain
from core.domain.stated import StatedCashFlow, StatedEvent, StatedTrade

_TRADE: Final = "statement-trade"
_OWN_TRADE: Final = "own-trade"
_OWN_FLOW: Final = "own-flow"


class Names:
    """Names what one file states. Rows that say the same are told apart by their number among these.

    A transaction's own number names nothing: a query may leave that column out, and then the same thing would
    get another name. But two rows that say the same with one such number are one.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._twins: dict[tuple[str, ...], dict[str, int]] = {}

    def trade(self, one: StatedTrade) -> str:
        """The execution id of a trade, the broker's where it bears one."""
        if one.exec_id and not one.cancels:
            return one.exec_id
        if one.own_id:
            return f"{self._kind}-{uuid.uuid5(NAMESPACE, f'{_OWN_TRADE}/{one.account}/{one.own_id}')}"
        said = (
            one.account,
            str(one.instrument.conid),
            one.executed_at.isoformat(),
            plain(one.quantity),
            plain(one.price),
        )
        return f"{self._kind}-{self._named(_TRADE, said, one.transaction_id)}"

    def event(self, one: StatedEvent) -> str:
        """What names an event: its day, for not every statement has its time."""
        said = (
            one.account,
            str(one.instrument.conid),
            day_of(one.at).isoformat(),
            one.cause,
            plain(one.quantity),
        )
        return str(self._named("statement-event", said, one.event_id))

    def flow(self, one: StatedCashFlow) -> str:
        """What names a flow of cash: what its owner calls it, else all that is said of it."""
        if one.own_id:
            return f"{_OWN_FLOW}/{one.account}/{one.kind}/{one.own_id}"
        said = (
            *(one.account, one.kind, one.at.isoformat(), plain(one.amount), one.currency),
            *(str(one.conid or ""), one.symbol, one.description),
        )
        return str(self._named("statement-flow", said, one.transaction_id))

    def _named(self, kind: str, said: tuple[str, ...], number: str) -> uuid.UUID:
        twins = self._twins.setdefault((kind, *said), {})
        # Without a number of its own each row is another.
        ordinal = twins.setdefault(number or f"row {len(twins)}", len(twins))
        return uuid.uuid5(NAMESPACE, "/".join((kind, *said, str(ordinal))))
