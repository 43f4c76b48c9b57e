"""What a statement states, as records, with as little said as each test needs."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from core.domain.instruments import Instrument
from core.domain.stated import StatedPeriod, StatedTrade, Statement
from services.position_sync.importing.source import Source
from tests.services.position_sync.facts import ACCOUNT, ACME, START, at

_lines = count(1)


class Spoken:
    """A reading of records that are at hand; raises what stands among them."""

    unknown: Mapping[str, int] = {"NewThing": 2}
    bytes_read = 0

    def __init__(self, records: Iterable[Statement | Exception]) -> None:
        self._records = records

    def __iter__(self) -> Iterator[Statement]:
        for record in self._records:
            self.bytes_read += 1
            if isinstance(record, Exception):
                raise record
            yield record


def source(folder: Path, *records: Statement | Exception, name: str = "statement.xml") -> Source:
    """A file that states this; files of another name, or that state something else, are others."""
    path = folder / name
    path.write_text(f"{name} {records!r}")
    return Source(path, "flex", lambda _file, _name: Spoken(records))


def trade(
    exec_id: str,
    quantity: str,
    price: str = "10",
    commission: str | None = "1",
    *,
    seconds: float = 0,
    account: str = ACCOUNT,
    instrument: Instrument = ACME,
    **more: Any,
) -> StatedTrade:
    return StatedTrade(
        line=more.pop("line", None) or next(_lines),
        section="Trade",
        account=account,
        instrument=instrument,
        exec_id=exec_id,
        executed_at=at(seconds),
        zone_assumed=False,
        timed=True,
        quantity=Decimal(quantity),
        price=Decimal(price),
        commission=None if commission is None else Decimal(commission),
        commission_currency=more.pop("commission_currency", "USD"),
        **{
            name: Decimal(value) if isinstance(value, str) and name in {"realized_pnl", "cost"} else value
            for name, value in more.items()
        },
    )


def period(
    days: float = 1, *, starts_at: datetime = START - timedelta(hours=10), account: str = ACCOUNT
) -> StatedPeriod:
    return StatedPeriod(
        line=next(_lines),
        section="FlexStatement",
        account=account,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(days=days),
        generated_at=starts_at + timedelta(days=days, hours=3),
    )
