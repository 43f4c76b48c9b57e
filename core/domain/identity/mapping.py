"""Which instruments are the same one, wherever they are listed and whoever told of them.

A pure function of all instruments at once: the order in which they became known does not matter, and neither
does how often this is done. The strongest identifier decides, and what is weaker and disagrees is told:

1. the same ISIN is the same instrument, and no other ISIN is;
2. a CUSIP without an ISIN is the ISIN that is made of it, or that another instrument has with it;
3. a FIGI without either is what another instrument has with it. Different FIGIs say nothing: each listing has
   its own, and so have a share's composite and its class;
4. derivatives are the same by their underlying and their terms. Warrants are not: banks issue alike ones by
   the dozen, one bank several, and one without an identifier is its own;
5. what has no identifier is what has the same symbol at the same exchange in the same currency, if that is
   one, with little confidence;
6. and what has nothing is its own.

What a person said goes before all of it.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import chain
from types import MappingProxyType
from typing import Final, NamedTuple

from core.domain.identity.derivatives import Derivatives
from core.domain.identity.identifiers import country_of, cusip_within, is_isin
from core.domain.identity.known import (
    CONFIDENCE,
    DERIVATIVES,
    DOUBT,
    PAIR_CONFIDENCE,
    PAIRS,
    PAPERS,
    Found,
    Identified,
    Known,
    MappingSource,
    Review,
    contradiction,
    identified,
    terms_of,
)
from core.domain.identity.securities import Securities

ISIN_ID: Final = "isin:"
CONID_ID: Final = "conid:"
"""What the id of a global instrument begins with which has nothing but an ISIN, or nothing at all."""


class ByHand(NamedTuple):
    """What a person said that an instrument is: an id, or ``conid:N`` for whatever that one is.

    ``forced``: though its identifiers say that it is not.
    """

    target: str
    forced: bool = False


class Mapped(NamedTuple):
    """What an instrument is, by what that was found, and how far it can be relied on (0 to 1)."""

    conid: int
    global_instrument_id: str
    source: MappingSource
    confidence: Decimal
    review: Review | None = None


class GlobalInstrument(NamedTuple):
    """One instrument of all brokers and listings. What is not known of it is ``None``."""

    id: str
    name: str
    symbol: str
    kind: str
    isin: str | None
    cusip: str | None
    figi: str | None
    currency: str | None
    country: str | None
    underlying_id: str | None


class Identities(NamedTuple):
    """What all instruments are: by conid, and by id."""

    mapped: dict[int, Mapped]
    instruments: dict[str, GlobalInstrument]


def map_instruments(
    known: Iterable[Known],
    by_hand: Mapping[int, ByHand] = MappingProxyType({}),
    merged: Mapping[str, str] = MappingProxyType({}),
) -> Identities:
    """Say of each instrument what it is. ``merged`` are ids that a person said to be another's."""
    ordered = {one.conid: one for one in sorted(known, key=lambda one: one.conid)}
    found = _find(ordered)
    mapped: dict[int, Mapped] = {}
    groups: dict[str, list[Known]] = {}
    for conid, one in ordered.items():
        auto = found[conid]
        hand = by_hand.get(conid)
        if hand is None:
            mapped[conid] = _mapped(auto, merged, one)
        else:
            meant = _meant(hand.target, found)
            mapped[conid] = _mapped(Found(conid, meant, "manual"), merged, one)
        if hand is None:
            groups.setdefault(mapped[conid].global_instrument_id, []).append(one)
    for conid, hand in by_hand.items():
        if conid in mapped and not hand.forced:
            mapped[conid] = _checked(ordered[conid], mapped[conid], groups)
    return Identities(mapped, _described(ordered, found, mapped, merged))


def target_of(global_id: str, members: Iterable[int]) -> str:
    """What to note for a person who says that an instrument is ``global_id``, which these are by themselves.

    An ISIN stands for itself. Other ids change as more becomes known, so one of the instruments stands for
    them.
    """
    first = min(members, key=lambda conid: (conid < 0, abs(conid)), default=None)
    return global_id if global_id.startswith(ISIN_ID) or first is None else f"{CONID_ID}{first}"


def final_id(global_id: str, merged: Mapping[str, str]) -> str:
    """What an id has become by merging."""
    seen = {global_id}
    while (onward := merged.get(global_id)) is not None and onward not in seen:
        seen.add(global_id := onward)
    return global_id


def isin_in(global_id: str) -> str:
    """The ISIN that an id is made of; empty: of none."""
    isin = global_id.removeprefix(ISIN_ID)
    return isin if isin != global_id and is_isin(isin) else ""


def _find(ordered: Mapping[int, Known]) -> dict[int, Found]:
    told = {conid: identified(one) for conid, one in ordered.items()}
    found: dict[int, Found] = {}
    securities = Securities()
    derivatives: list[Known] = []
    for conid, one in ordered.items():
        if one.sec_type in PAIRS and one.symbol:
            name = f"{one.sec_type.lower()}:{one.symbol}/{one.currency}"
            found[conid] = Found(conid, name, "symbol")
        elif one.sec_type in DERIVATIVES:
            derivatives.append(one)
        elif one.sec_type in PAPERS and not told[conid].any:
            review: Review | None = "identifier_invalid" if told[conid].invalid else None
            found[conid] = Found(conid, f"{CONID_ID}{conid}", "conid", review)
        else:
            securities.add(one, told[conid])
    found.update((one.conid, one) for one in securities.found())
    # A future's options come after the future.
    ids = {conid: one.id for conid, one in found.items()}
    for is_of_future in (False, True):
        part = Derivatives(ids)
        for one in derivatives:
            if (one.sec_type == "FOP") == is_of_future:
                part.add(one)
        for each in part.found():
            found[each.conid] = each
            ids[each.conid] = each.id
    return found


def _meant(target: str, found: Mapping[int, Found]) -> str:
    number = target.removeprefix(CONID_ID)
    if number != target and number.lstrip("-").isdigit() and int(number) in found:
        return found[int(number)].id
    return target


def _mapped(found: Found, merged: Mapping[str, str], one: Known) -> Mapped:
    is_pair = found.source == "symbol" and one.sec_type in PAIRS
    confidence = PAIR_CONFIDENCE if is_pair else CONFIDENCE[found.source]
    if found.review is not None:
        confidence *= DOUBT
    return Mapped(found.conid, final_id(found.id, merged), found.source, confidence, found.review)


def _checked(one: Known, mapped: Mapped, groups: Mapping[str, list[Known]]) -> Mapped:
    """What a person said once may be contradicted by what became known since."""
    where = mapped.global_instrument_id
    if not contradiction(one, groups.get(where, ()), isin_in(where)):
        return mapped
    return mapped._replace(confidence=mapped.confidence * DOUBT, review="manual_contradicts")


def _described(
    ordered: Mapping[int, Known],
    found: Mapping[int, Found],
    mapped: Mapping[int, Mapped],
    merged: Mapping[str, str],
) -> dict[str, GlobalInstrument]:
    own: dict[str, list[Known]] = {}
    others: dict[str, list[Known]] = {}
    for conid, one in ordered.items():
        where = mapped[conid].global_instrument_id
        is_own = mapped[conid].source != "manual" and found[conid].id == where
        (own if is_own else others).setdefault(where, []).append(one)
    described: dict[str, GlobalInstrument] = {}
    for where in sorted({*own, *others}):
        members = own.get(where) or others[where]
        described[where] = _describe(where, members, is_own=where in own)
    for where, members in own.items():
        conids = {one.underlying_conid for one in members if one.sec_type in DERIVATIVES | PAPERS}
        underlyings = {found[conid].id for conid in conids if conid is not None and conid in found}
        if len(underlyings) == 1:
            underlying = final_id(underlyings.pop(), merged)
            if underlying in described and underlying != where:
                described[where] = described[where]._replace(underlying_id=underlying)
    return described


def _describe(where: str, members: list[Known], *, is_own: bool) -> GlobalInstrument:
    told = [identified(one) for one in members]
    best = min(zip(members, told, strict=True), key=_rank)[0]
    isin = isin_in(where)
    cusips = (one.cusip for one in told) if is_own else ()
    return GlobalInstrument(
        id=where,
        name=best.description or best.local_symbol or best.symbol or str(best.conid),
        symbol=best.symbol,
        kind=best.sec_type,
        isin=isin or None,
        cusip=_only(chain([cusip_within(isin)] if isin else [], cusips)),
        figi=_only(one.figi for one in told) if is_own else None,
        currency=_only(one.currency for one in members),
        country=country_of(isin) if isin else None,
        underlying_id=None,
    )


def _rank(pair: tuple[Known, Identified]) -> tuple[object, ...]:
    """Whose name counts: what is identified best, then what the broker knows, then what it knew first."""
    one, told = pair
    has_terms = terms_of(one) is not None
    return not told.isin, not told.any, not has_terms, one.conid < 0, abs(one.conid)


def _only(values: Iterable[str]) -> str | None:
    told = {value for value in values if value}
    return told.pop() if len(told) == 1 else None
