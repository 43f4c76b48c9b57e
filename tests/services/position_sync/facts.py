"""Facts as the broker link would send them, with as little said as each test needs."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

from core.domain.instruments import Instrument
from core.domain.rates import EXCHANGE_RATE
from core.events.facts import (
    AccountValueReported,
    CommissionReported,
    DatasetCompleted,
    ExecutionReported,
    Fact,
    FactBatch,
    PositionReported,
    PositionsCompleted,
    encode,
)
from core.streams.port import Entry

START = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
ACCOUNT = "DU1000001"
ACME = Instrument(conid=265598, symbol="ACME", sec_type="STK", currency="USD", exchange="SMART")
GOLD = Instrument(
    conid=551601561, symbol="GC", sec_type="FUT", currency="USD", exchange="COMEX", multiplier=Decimal(100)
)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def execution(
    exec_id: str,
    quantity: str,
    price: str = "10",
    *,
    seconds: float = 0,
    account: str = ACCOUNT,
    instrument: Instrument = ACME,
) -> ExecutionReported:
    """``-0`` is a sale that is cancelled, ``0`` a purchase."""
    signed = Decimal(quantity)
    return ExecutionReported(
        received_at=at(seconds + 0.1),
        account=account,
        instrument=instrument,
        exec_id=exec_id,
        executed_at=at(seconds),
        side="SLD" if signed.is_signed() else "BOT",
        quantity=abs(signed),
        price=Decimal(price),
    )


def commission(
    exec_id: str, amount: str = "1", *, currency: str = "USD", seconds: float = 0, realized: str | None = None
) -> CommissionReported:
    return CommissionReported(
        received_at=at(seconds + 0.2),
        exec_id=exec_id,
        commission=Decimal(amount),
        currency=currency,
        realized_pnl=None if realized is None else Decimal(realized),
    )


def exchange_rate(
    currency: str, value: str, *, seconds: float = 0, account: str = ACCOUNT
) -> AccountValueReported:
    """What one unit of a currency is worth in the account's base currency."""
    return AccountValueReported(
        received_at=at(seconds), account=account, key=EXCHANGE_RATE, value=value, currency=currency
    )


def position(
    quantity: str,
    average_cost: str | None = "10",
    *,
    seconds: float = 0,
    sweep: str = "",
    account: str = ACCOUNT,
    instrument: Instrument = ACME,
) -> PositionReported:
    return PositionReported(
        received_at=at(seconds),
        account=account,
        instrument=instrument,
        quantity=Decimal(quantity),
        average_cost=None if average_cost is None else Decimal(average_cost),
        as_of=at(seconds),
        sweep=sweep,
    )


def positions_completed(
    sweep: str, count: int, *, seconds: float = 0, accounts: Sequence[str] = (ACCOUNT,)
) -> PositionsCompleted:
    return PositionsCompleted(
        received_at=at(seconds), sweep=sweep, accounts=tuple(accounts), count=count, as_of=at(seconds)
    )


def dataset(
    name: str = "positions",
    *,
    complete: bool = True,
    seconds: float = 0,
    account: str = ACCOUNT,
    covers_from: float | None = None,
    facts_lost: bool = False,
) -> DatasetCompleted:
    return DatasetCompleted(
        received_at=at(seconds),
        account=account,
        dataset=name,
        as_of=at(seconds),
        complete=complete,
        covers_from=None if covers_from is None else at(covers_from),
        facts_lost=facts_lost,
    )


_epochs = count(100)
"""Above those that tests choose for themselves."""


class Link:
    """Numbers facts as one connection of the broker link does. Each is newer than those made before."""

    def __init__(self, epoch: int | None = None) -> None:
        self.epoch = next(_epochs) if epoch is None else epoch
        self._next_seq = 0
        self._entries = 0

    def entry(self, *facts: Fact) -> Entry:
        batch = FactBatch(epoch=self.epoch, first_seq=self._next_seq, facts=facts)
        self._next_seq += len(facts)
        self._entries += 1
        return Entry(f"{self._entries}-0", encode(batch))
