"""What is known by its underlying and its terms: options, futures, contracts for difference."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from core.domain.identity.known import Found, Known, Terms, terms_of, trading_class_of
from core.domain.money import plain

_BySymbol = tuple[str, Terms]


class Derivatives:
    """Takes all of them, and then says what each of them is. ``ids`` says what underlyings are, by conid."""

    def __init__(self, ids: Mapping[int, str]) -> None:
        self._ids = ids
        self._all: list[tuple[Known, Terms, str, str]] = []
        self._unknown: list[Known] = []
        self._classes: dict[tuple[str, Terms], set[str]] = defaultdict(set)

    def add(self, one: Known) -> None:
        """Take one in."""
        terms = terms_of(one)
        underlying = self._underlying(one)
        if terms is None or not (underlying or one.symbol):
            self._unknown.append(one)
            return
        trading_class = trading_class_of(one)
        self._all.append((one, terms, underlying, trading_class))
        if underlying and trading_class:
            self._classes[underlying, terms].add(trading_class)

    def found(self) -> Iterator[Found]:
        """Of each its conid, what it is, by what, and why to look at it."""
        for one in self._unknown:
            yield Found(one.conid, f"conid:{one.conid}", "conid")
        named: dict[_BySymbol, dict[str, str]] = defaultdict(dict)
        unnamed: list[tuple[Known, Terms, str]] = []
        for one, terms, underlying, trading_class in self._all:
            if not underlying:
                unnamed.append((one, terms, trading_class))
                continue
            classes = self._classes.get((underlying, terms), set())
            # One class there is, or none: what does not say which is of that one.
            chosen = trading_class or ((*classes,)[0] if len(classes) == 1 else "")
            where = _spell(underlying, terms, chosen)
            if one.symbol:
                named[one.symbol.upper(), terms][where] = chosen
            is_one_of_several = len(classes) > 1 and not chosen
            yield Found(one.conid, where, "underlying", "terms_of_several" if is_one_of_several else None)
        yield from _by_symbol(unnamed, named)

    def _underlying(self, one: Known) -> str:
        if one.underlying_conid is None:
            return ""
        return self._ids.get(one.underlying_conid, f"conid:{one.underlying_conid}")


def _by_symbol(
    unnamed: list[tuple[Known, Terms, str]], named: Mapping[_BySymbol, Mapping[str, str]]
) -> Iterator[Found]:
    """Without a named underlying they are what is called the same and has the same terms, if that is one."""
    classes: dict[_BySymbol, set[str]] = defaultdict(set)
    for one, terms, trading_class in unnamed:
        if trading_class:
            classes[one.symbol.upper(), terms].add(trading_class)
    for one, terms, trading_class in unnamed:
        key = one.symbol.upper(), terms
        fitting = {
            where
            for where, other in named.get(key, {}).items()
            if not trading_class or not other or trading_class == other
        }
        own = classes.get(key, set())
        chosen = trading_class or ((*own,)[0] if len(own) == 1 else "")
        if len(fitting) == 1:
            yield Found(one.conid, fitting.pop(), "symbol")
            continue
        is_one_of_several = bool(fitting) or (not chosen and len(own) > 1)
        where = _spell(one.symbol.upper(), terms, chosen)
        yield Found(one.conid, where, "symbol", "terms_of_several" if is_one_of_several else None)


def _spell(underlying: str, terms: Terms, trading_class: str) -> str:
    """An id: ``opt:isin:US0378331005/20261218/150/C/100/USD/AAPL``."""
    strike = "" if terms.strike is None else plain(terms.strike)
    multiplier = plain(terms.multiplier)
    named = terms.currency, trading_class
    parts = underlying, terms.expiry, strike, terms.right, multiplier, *named
    return f"{terms.sec_type.lower()}:{'/'.join(filter(None, parts))}"
