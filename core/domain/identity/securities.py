"""What is known by identifiers of its own: shares, funds, bonds, and warrants that have one."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from core.domain.identity.identifiers import cusip_within
from core.domain.identity.known import Found, Identified, Known, MappingSource, Review

_NO_EXCHANGE: Final = frozenset({"", "SMART", "VALUE", "IBKR", "BEST"})
"""What stands where no exchange is named: routes, and what has no market."""


class Securities:
    """Takes all of them, and then says what each of them is."""

    def __init__(self) -> None:
        self._all: list[tuple[Known, Identified]] = []
        self._isins_of_cusip: dict[str, set[str]] = defaultdict(set)
        self._isins_of_figi: dict[str, set[str]] = defaultdict(set)
        self._figis_of_cusip: dict[str, set[str]] = defaultdict(set)

    def add(self, one: Known, told: Identified) -> None:
        """Take one in."""
        self._all.append((one, told))
        if told.isin:
            if within := cusip_within(told.isin):
                self._isins_of_cusip[within].add(told.isin)
            if told.cusip:
                self._isins_of_cusip[told.cusip].add(told.isin)
            if told.figi:
                self._isins_of_figi[told.figi].add(told.isin)
        elif told.cusip and told.figi:
            self._figis_of_cusip[told.cusip].add(told.figi)

    def found(self) -> Iterator[Found]:
        """Of each its conid, what it is, by what, and why to look at it."""
        ids, ids_of_figi = self._anchored()
        for one, told in self._all:
            if told.figi and one.conid not in ids:
                same = ids_of_figi.get(told.figi, set())
                ids[one.conid] = (*same,)[0] if len(same) == 1 else f"figi:{told.figi}", "figi"
        by_symbol: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for one, told in self._all:
            if told.any and (place := _place(one)) is not None:
                by_symbol[place].add(ids[one.conid][0])
        for one, told in self._all:
            if told.any:
                yield Found(one.conid, *ids[one.conid], self._review(told, ids_of_figi))
            else:
                yield _by_symbol(one, told, by_symbol)

    def _anchored(self) -> tuple[dict[int, tuple[str, MappingSource]], dict[str, set[str]]]:
        """What those are that have an ISIN or a CUSIP, and which of these have a FIGI."""
        by_cusip: dict[str, tuple[str, MappingSource]] = {}
        ids: dict[int, tuple[str, MappingSource]] = {}
        ids_of_figi: dict[str, set[str]] = defaultdict(set)
        for one, told in self._all:
            if told.isin:
                ids[one.conid] = f"isin:{told.isin}", "isin"
            elif told.cusip:
                if told.cusip not in by_cusip:
                    by_cusip[told.cusip] = self._by_cusip(told.cusip)
                ids[one.conid] = by_cusip[told.cusip]
            if told.figi and one.conid in ids:
                ids_of_figi[told.figi].add(ids[one.conid][0])
        return ids, ids_of_figi

    def _by_cusip(self, cusip: str) -> tuple[str, MappingSource]:
        direct = self._isins_of_cusip.get(cusip, set())
        if len(direct) == 1:
            return f"isin:{(*direct,)[0]}", "cusip"
        if not direct:
            figis = self._figis_of_cusip.get(cusip, set())
            shared = {isin for figi in figis for isin in self._isins_of_figi.get(figi, ())}
            # What is made of another CUSIP is another instrument.
            fitting = {isin for isin in shared if not cusip_within(isin)}
            if len(shared) == len(fitting) == 1:
                return f"isin:{fitting.pop()}", "figi"
        return f"cusip:{cusip}", "cusip"

    def _review(self, told: Identified, ids_of_figi: dict[str, set[str]]) -> Review | None:
        if told.isin and told.cusip and cusip_within(told.isin) not in {"", told.cusip}:
            return "cusip_contradicts_isin"
        cusip = told.cusip or cusip_within(told.isin)
        if cusip and len(self._isins_of_cusip.get(cusip, ())) > 1:
            return "cusip_of_several"
        if told.figi and len(ids_of_figi.get(told.figi, ())) > 1:
            return "figi_of_several"
        return "identifier_invalid" if told.invalid else None


def _place(one: Known) -> tuple[str, ...] | None:
    """Where its symbol means one thing; ``None``: it is not known where."""
    if not one.symbol or one.exchange in _NO_EXCHANGE:
        return None
    return one.sec_type, one.symbol.upper(), one.exchange, one.currency


def _by_symbol(one: Known, told: Identified, by_symbol: dict[tuple[str, ...], set[str]]) -> Found:
    place = _place(one)
    alone = f"conid:{one.conid}"
    # What it should have is not known to be the same as what the other has.
    if told.invalid:
        return Found(one.conid, alone, "conid", "identifier_invalid")
    if place is None:
        return Found(one.conid, alone, "conid")
    same = by_symbol.get(place, set())
    if len(same) > 1:
        return Found(one.conid, alone, "conid", "symbol_of_several")
    return Found(one.conid, (*same,)[0] if same else f"symbol:{'/'.join(place)}", "symbol")
