"""A file's names are looked up, not searched for: twice as many take twice as long."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from core.domain.instruments import Instrument, own_conid
from core.domain.stated import StatedInstrument
from models.session import Database
from services.position_sync.importing.finding import Finding

TERMS = frozenset({"symbol", "sec_type", "currency", "expiry", "strike", "right", "multiplier"})


def option(number: int) -> StatedInstrument:
    """One of many of one underlying, told apart by its strike."""
    name = f"ACME/{number}"
    return StatedInstrument(
        line=number + 2,
        section="trade",
        name=name,
        says=TERMS,
        instrument=Instrument(
            conid=own_conid(name),
            symbol="ACME",
            sec_type="OPT",
            currency="USD",
            multiplier=Decimal(100),
            expiry="20260116",
            strike=Decimal(number),
            right="C",
        ),
    )


def share(number: int) -> StatedInstrument:
    name = f"S{number}"
    instrument = Instrument(conid=own_conid(name), symbol=name, sec_type="STK", currency="USD")
    return StatedInstrument(
        line=number + 2, section="trade", name=name, says=frozenset({"symbol"}), instrument=instrument
    )


@contextmanager
def calls_of(module: str) -> Iterator[list[int]]:
    """How many functions of a module are called meanwhile, and how many things it copies or goes through."""
    counted = [0]

    def count(frame: Any, event: str, _: object) -> None:
        if event in {"call", "c_call"} and frame.f_globals.get("__name__") == module:
            counted[0] += 1

    sys.setprofile(count)
    try:
        yield counted
    finally:
        sys.setprofile(None)


async def test_new_names_are_found_by_looking_them_up(database: Database) -> None:
    for make in (option, share):
        counts = []
        for size in (200, 800):
            async with database.read() as reader:
                finding = Finding(reader, "a.csv")
                with calls_of(Finding.__module__) as counted:
                    await finding.find(make(number) for number in range(size))
            assert len(finding.names()) == size
            finding.end()
            counts.append(counted[0])
        assert counts[1] < 5 * counts[0], make.__name__


async def test_a_name_of_a_later_batch_is_found_among_those_of_an_earlier_one(database: Database) -> None:
    async with database.read() as reader:
        finding = Finding(reader, "a.csv")
        await finding.find([option(1), option(2)])
        by_isin = StatedInstrument(
            line=9,
            section="trade",
            name="other",
            isin="US0000000001",
            says=TERMS - {"strike"},
            instrument=option(2).instrument,
        )
        await finding.find([share(1), by_isin, option(2), option(3)])
    assert len({conid for _, _, conid in finding.names()}) == 4
