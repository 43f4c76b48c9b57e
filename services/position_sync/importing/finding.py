"""Find the instruments that a file names among those that are known; what is new gets a number of ours.

What an import that stands has taken a name for it is taken for again, whatever became known since: so a file
that overlaps another states the same trades. Nothing is guessed: a name that fits several is a fault.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from core.domain.identity.known import PAPERS
from core.domain.instruments import Instrument
from core.domain.stated import StatedEvent, StatedInstrument, StatedPosition, StatedTrade, Statement
from core.errors import Fault, FaultyRowsError
from models.queries.named_instruments import KnownInstrument, known_as, taken_for
from models.session import Reader, Writer

_TERMS = frozenset({"expiry", "strike", "right"})
_CONTRACT = ("expiry", "strike", "right", "multiplier")


class _Known:
    """Instruments by conid, and by what they are called together with the terms that a file may state.

    Files state the same few terms in each row, so that each way to look them up is made once.
    """

    def __init__(self, known: Iterable[KnownInstrument] = ()) -> None:
        self.by_conid: dict[int, KnownInstrument] = {}
        self._called: dict[tuple[str, ...], dict[tuple[object, ...], list[KnownInstrument]]] = {}
        for one in known:
            self.add(one)

    def add(self, one: KnownInstrument) -> None:
        """Know one more."""
        self.by_conid[one.instrument.conid] = one
        for terms, called in self._called.items():
            _note(called, terms, one)

    def like(self, one: StatedInstrument) -> list[KnownInstrument]:
        """Those of its kind, currency and stated terms that share its ISIN or a symbol, each once."""
        terms = tuple(name for name in _CONTRACT if name in one.says)
        called = self._called.get(terms)
        if called is None:
            called = self._called[terms] = {}
            for own in self.by_conid.values():
                _note(called, terms, own)
        keys = _keys(one.instrument, one.isin, terms)
        found = {own.instrument.conid: own for key in keys for own in called.get(key, ())}
        return [own for _, own in sorted(found.items())]


def _note(
    called: dict[tuple[object, ...], list[KnownInstrument]], terms: Sequence[str], one: KnownInstrument
) -> None:
    for key in _keys(one.instrument, one.isin, terms):
        called.setdefault(key, []).append(one)


def _keys(instrument: Instrument, isin: str, terms: Sequence[str]) -> list[tuple[object, ...]]:
    kind = instrument.sec_type, instrument.currency, *(getattr(instrument, name) for name in terms)
    names = [("isin", isin)] if isin else []
    names += [("symbol", symbol) for symbol in sorted(_symbols(instrument))]
    return [(*kind, *name) for name in names]


class Finding:
    """The instruments of one file, as far as they have to be found."""

    def __init__(self, connection: Reader | Writer, name: str) -> None:
        self._connection = connection
        self._name = name
        self._found: dict[int, StatedInstrument] = {}
        self._names: dict[str, tuple[int, int]] = {}
        self._new = _Known()
        self._faults: list[Fault] = []

    async def find(self, wanted: Iterable[StatedInstrument]) -> None:
        """Find some more."""
        fresh = list(wanted)
        if not fresh:
            return
        taken = await taken_for(self._connection, {one.name for one in fresh})
        others = [one for one in fresh if one.name not in taken]
        known = _Known(
            await known_as(
                self._connection,
                conids={one.instrument.conid for one in fresh} | set(taken.values()),
                symbols={symbol for one in others for symbol in _symbols(one.instrument)},
                isins={one.isin for one in others if one.isin},
            )
        )
        for one in fresh:
            earlier = self._found.get(one.instrument.conid)
            if earlier is not None:
                self._agrees(one, earlier.instrument)
            else:
                self._settle(one, taken.get(one.name), known)

    def found(self, record: Statement) -> Statement:
        """A record with the instrument that it is about, as it was found."""
        if not self._found:
            return record
        match record:
            case StatedInstrument() if record.name:
                return self._found[record.instrument.conid]
            case StatedTrade() | StatedEvent() | StatedPosition():
                found = self._found.get(record.instrument.conid)
                return record if found is None else replace(record, instrument=found.instrument)
            case _:
                return record

    def names(self) -> list[tuple[int, str, int]]:
        """The names of those without a conid: the line, the name, and the number it was taken for."""
        return [(line, name, conid) for name, (line, conid) in self._names.items()]

    def end(self) -> None:
        """Say what could not be found.

        Raises:
            FaultyRowsError: something could not.
        """
        if self._faults:
            raise FaultyRowsError(self._name, self._faults)

    def _settle(self, one: StatedInstrument, taken: int | None, known: _Known) -> None:
        told, conid = one.instrument, one.instrument.conid
        chosen: KnownInstrument | None = None
        if conid > 0:
            chosen = self._new.by_conid.get(conid) or known.by_conid.get(conid)
            if chosen is not None and not self._agrees(one, chosen.instrument):
                chosen = KnownInstrument(told, "")
        elif taken is not None:
            chosen = known.by_conid.get(taken)
        if conid < 0 and chosen is None:
            chosen = self._choose(one, known)
        if chosen is None and one.lacks:
            what = f"conid {conid}" if conid > 0 else repr(one.name)
            self._fail(one, f"{what} is not known here: state {', '.join(one.lacks)}, too")
        if chosen is None:
            chosen = KnownInstrument(told, one.isin)
            self._new.add(chosen)
        isin = chosen.isin or one.isin
        self._found[conid] = replace(one, instrument=chosen.instrument, isin=isin)
        if conid < 0:
            self._names[one.name] = (one.line, chosen.instrument.conid)

    def _choose(self, one: StatedInstrument, known: _Known) -> KnownInstrument | None:
        """The one known instrument that this can only be; ``None`` for none."""
        alike = [*known.like(one), *self._new.like(one)]
        by_isin = [own for own in alike if one.isin and own.isin == one.isin]
        by_symbol = [own for own in alike if not (one.isin and own.isin) and _is_called(own.instrument, one)]
        fitting = by_isin or by_symbol
        # What the broker numbers is meant before what only a file named.
        fitting = [own for own in fitting if own.instrument.conid > 0] or fitting
        exchange = one.instrument.exchange
        if len(fitting) > 1 and exchange:
            fitting = [own for own in fitting if own.instrument.exchange == exchange] or fitting
        if len(fitting) > 1:
            conids = ", ".join(str(own.instrument.conid) for own in fitting)
            self._fail(one, f"{one.name!r} may be any of the conids {conids}: state which")
        return fitting[0] if fitting else None

    def _agrees(self, one: StatedInstrument, known: Instrument) -> bool:
        """Whether what the file says of an instrument with a conid is what is known of it."""
        if one.instrument.conid < 0:
            return True
        for name in sorted(one.says):
            stated, own = getattr(one.instrument, name), getattr(known, name)
            if own and stated != own:
                self._fail(one, f"conid {known.conid} is known with {name} {own}, not {stated}")
                return False
        return True

    def _fail(self, one: StatedInstrument, reason: str) -> None:
        self._faults.append(Fault(one.line, "conid" if one.instrument.conid > 0 else "symbol", reason))


def _is_called(known: Instrument, one: StatedInstrument) -> bool:
    """Whether it bears the symbol; where its terms do not tell a derivative apart only the contract's own.

    They tell nothing of a warrant: its twins have the same underlying, and all the same terms.
    """
    bare = known.sec_type in PAPERS or not _TERMS.isdisjoint(one.lacks)
    borne = {known.local_symbol.upper()} - {""} if bare else _symbols(known)
    return not borne.isdisjoint(_symbols(one.instrument))


def _symbols(instrument: Instrument) -> set[str]:
    return {instrument.symbol.upper(), instrument.local_symbol.upper()} - {""}
