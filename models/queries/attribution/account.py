"""Where one account's gain came from."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from core.domain.days import EARLIEST, held_at
from core.domain.disputes import MONEY_LEEWAY
from core.domain.measures.explained import (
    SETTLED_BY_DIFFERENCE,
    End,
    Explained,
    Flow,
    FlowKind,
    Holding,
    Move,
    Replaced,
    Worth,
    explain,
    handed_on,
)
from core.domain.money import ZERO
from core.domain.performance import Quality
from core.domain.stated import CashKind
from models.queries.attribution.ends import (
    Contributed,
    Moment,
    Stock,
    contributed,
    first_known,
    moment_by,
    own_accounts,
    stock_at,
)
from models.queries.attribution.moved import Flowed, Happened, Moved, Named, Traded, moved_between, named
from models.queries.attribution.rates import Found, Needed, nearest_rates
from models.queries.performance import base_currency_of
from models.session import Reader

_KINDS: Final[dict[CashKind, FlowKind]] = {
    "dividend": "dividends",
    "payment_in_lieu": "dividends",
    "withholding_tax": "dividends",
    "interest": "interest",
    "bond_interest": "interest",
    "fee": "fees",
    "commission_adjustment": "fees",
    "tax": "fees",
    "conversion": "fx",
}
_REPLACING: Final = frozenset({"merger", "tender", "symbol_change", "corporate_action"})
_A_DAY: Final = timedelta(days=1)
_NOTHING: Final = Worth(ZERO, ZERO)


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a gain between two moments: enough to take it apart."""

    base: str
    since: Moment
    until: Moment
    stocks: tuple[Stock, Stock]
    moved: Moved
    names: Mapping[int, Named]
    rates: Mapping[Needed, Found]
    contributed: Contributed | None

    @property
    def rates_apart(self) -> timedelta:
        """How far, at most, a rate that is used was told from what it converts."""
        return max((found.apart for found in self.rates.values()), default=timedelta())

    def quality(self, found: Explained) -> Quality:
        """Whether all of the gain is known, down to what rounding may leave of each part.

        It is estimated by rates of other days, or where a contribution is.
        """
        parts = found.attribution.parts
        if found.unknown or abs(found.attribution.unexplained) > MONEY_LEEWAY * (1 + len(parts)):
            return "incomplete"
        told = self.contributed
        estimated = self.rates_apart > _A_DAY or (told is not None and told.estimated)
        return "estimated" if estimated else "complete"

    def explained(self) -> Explained:
        """The gain, taken apart: work, and none for an event loop."""
        told = self.contributed
        holdings = handed_on(self._holdings(), self._replaced())
        return explain(
            self.base,
            self._end(self.since, self.stocks[0]),
            self._end(self.until, self.stocks[1]),
            holdings.values(),
            self._flows(),
            None if told is None else told.amount,
            is_itemized=None if told is None else told.amount is not None,
        )

    def _end(self, moment: Moment, stock: Stock) -> End:
        at = _rates_at(moment)
        rates = {one.currency: found.rate for one, found in self.rates.items() if one.at == at}
        return End(moment.value, {**rates, **stock.rates}, stock.cash, stock.accrued, moment.day is not None)

    def _holdings(self) -> dict[int, Holding]:
        moves: dict[int, list[Move]] = defaultdict(list)
        for one in self.moved.trades:
            if one.sec_type != "CASH":
                cash = ZERO if one.sec_type in SETTLED_BY_DIFFERENCE else -one.amount
                rate = self._rate(one.currency, one.at)
                moves[one.conid].append(Move(one.quantity, one.amount, cash, rate))
        for event in self.moved.events:
            moves[event.conid].append(self._move(event))
        before, after = self.stocks
        return {
            conid: Holding(
                conid,
                self.names[conid].sec_type,
                self.names[conid].currency,
                before.listed.get(conid, _NOTHING),
                after.listed.get(conid, _NOTHING),
                moves[conid],
            )
            for conid in sorted({*before.listed, *after.listed, *moves})
        }

    def _move(self, event: Happened) -> Move:
        """What an event put into a holding: what was paid for it, or what was brought was worth."""
        name = self.names[event.conid]
        rate = event.rate or self._rate(name.currency, event.at)
        cash = event.cash or ZERO
        given = event.cause == "transfer" and event.cash is None
        amount: Decimal | None = -cash
        if given:
            amount = event.worth
        elif name.sec_type in SETTLED_BY_DIFFERENCE:
            amount, cash = event.delivered if event.cause == "exercise_or_assignment" else ZERO, ZERO
        elif not event.is_stated and not self._says_all(event, name):
            amount = None
        return Move(event.quantity, amount, cash, rate, given)

    @staticmethod
    def _says_all(event: Happened, name: Named) -> bool:
        """Whether the broker's live word tells all of it: an option that is gone, other numbers of units."""
        if event.cause == "exercise_or_assignment":
            return name.sec_type in {"OPT", "FOP", "WAR", "IOPT"}
        return event.cause in {"expiry", "split"}

    def _replaced(self) -> Iterator[Replaced]:
        """What took the place of just one other instrument."""
        groups: dict[str, list[Happened]] = defaultdict(list)
        for event in self.moved.events:
            if event.cause in _REPLACING and event.group:
                groups[event.group].append(event)
        for legs in groups.values():
            left = {leg.conid for leg in legs if leg.quantity < ZERO}
            came = {leg.conid for leg in legs if leg.quantity > ZERO}
            if len(left) == len(came) == 1 and left != came:
                [gone], [new] = left, came
                rate = legs[0].rate or self._rate(self.names[gone].currency, legs[0].at)
                yield Replaced(gone, new, rate)

    def _flows(self) -> Iterator[Flow]:
        for one in self.moved.flows:
            yield self._flow(one)
        for charged in self.moved.commissions:
            rate = self._rate(charged.currency, charged.at)
            if charged.amount is not None:
                yield Flow("fees", -charged.amount, charged.currency, rate, charged.conid, charged.sec_type)
            if charged.awaited:
                yield Flow("fees", None, charged.currency, rate, charged.conid, charged.sec_type)
        for event in self.moved.events:
            name = self.names[event.conid]
            if event.cash and name.sec_type in SETTLED_BY_DIFFERENCE:  # nothing is paid but what it costs
                rate = event.rate or self._rate(name.currency, event.at)
                yield Flow("fees", event.cash, name.currency, rate, event.conid, name.sec_type)
        for trade in self.moved.trades:
            if trade.sec_type == "CASH":
                for currency, amount in ((trade.symbol, trade.quantity), (trade.currency, -trade.amount)):
                    rate = self._rate(currency, trade.at)
                    yield Flow(
                        "fx", amount, currency, rate, counted_to=self._foreign(trade.symbol, trade.currency)
                    )

    def _flow(self, one: Flowed) -> Flow:
        kind: FlowKind = "external" if one.external else _KINDS.get(one.kind, "other")
        rate = one.rate or self._rate(one.currency, one.at)
        if kind == "fx":
            bought, _, sold = one.symbol.partition(".")
            return Flow(
                kind, one.amount, one.currency, rate, counted_to=self._foreign(bought, sold or one.currency)
            )
        return Flow(
            kind, one.amount, one.currency, rate, one.conid if one.sec_type != "CASH" else None, one.sec_type
        )

    def _foreign(self, bought: str, sold: str) -> str:
        """The currency that a conversion is counted to: the one that is not the base currency."""
        return sold if bought == self.base else bought

    def _rate(self, currency: str, at: datetime | None) -> Decimal | None:
        if currency == self.base:
            return Decimal(1)
        found = None if at is None else self.rates.get(Needed(currency, at))
        return None if found is None else found.rate


class Refusal(NamedTuple):
    """Why there is no gain to be taken apart; ``first`` is of when the first value is that is known."""

    reason: Literal["value_not_known", "nothing_between", "currency_changed"]
    first: datetime | None = None


async def gain_between(
    reader: Reader, account: str, since: datetime | None, until: datetime
) -> Stored | Refusal:
    """What is stored of an account's gain between the values told last by two moments.

    Without ``since`` from the first value that is known.
    """
    since, until = None if since is None else max(since, EARLIEST), max(until, EARLIEST)
    start = since or await first_known(reader, account)
    before = None if start is None else await moment_by(reader, account, start)
    after = await moment_by(reader, account, until)
    if before is None or after is None:
        return Refusal("value_not_known", await first_known(reader, account))
    if after.as_of <= before.as_of:
        return Refusal("nothing_between")
    stated = await base_currency_of(reader, account)
    base = after.currency or stated
    if base is None or (before.currency or stated) != base:
        return Refusal("currency_changed")
    accounts = await own_accounts(reader, account)
    stocks = [await stock_at(reader, account, accounts, end) for end in (before, after)]
    moved = await moved_between(reader, accounts, base, before, after)
    told = await contributed(reader, account, before, after)
    names = await named(reader, _conids(stocks, moved))
    rates = await nearest_rates(reader, base, _needed((before, after), stocks, moved, names))
    return Stored(base, before, after, (stocks[0], stocks[1]), moved, names, rates, told)


def _conids(stocks: Iterable[Stock], moved: Moved) -> set[int]:
    held = {conid for stock in stocks for conid in stock.listed}
    return held | {trade.conid for trade in moved.trades} | {event.conid for event in moved.events}


def _rates_at(moment: Moment) -> datetime:
    """When the rates of an end were told: those of a day are of when its trading ends."""
    return moment.as_of if moment.day is None else held_at(moment.day, "FUT")


def _needed(
    ends: tuple[Moment, Moment], stocks: Sequence[Stock], moved: Moved, names: Mapping[int, Named]
) -> Iterator[Needed]:
    """The rates that are not told with what they are for."""
    for trade in moved.trades:
        if trade.at is not None:
            yield from (Needed(one, trade.at) for one in _currencies_of(trade))
    for one in moved.commissions:
        if one.at is not None:
            yield Needed(one.currency, one.at)
    for flow in moved.flows:
        if not flow.rate:
            yield Needed(flow.currency, flow.at)
    for event in moved.events:
        if not event.rate and (event.cash or event.worth or event.cause in _REPLACING):
            yield Needed(names[event.conid].currency, event.at)
    held = [
        {names[conid].currency for conid, worth in stock.listed.items() if worth.quantity}
        | {currency for currency, amount in (stock.cash or {}).items() if amount}
        for stock in stocks
    ]
    # At the end what is gained counts with the rate of then, whether or not it is still held.
    held[1] |= held[0] | {name.currency for name in names.values()} | {one.currency for one in moved.flows}
    held[1] |= {one.currency for one in moved.commissions}
    held[1] |= {currency for trade in moved.trades for currency in _currencies_of(trade)}
    for end, stock, currencies in zip(ends, stocks, held, strict=True):
        yield from (Needed(currency, _rates_at(end)) for currency in currencies - set(stock.rates))


def _currencies_of(trade: Traded) -> tuple[str, ...]:
    return (trade.currency, trade.symbol) if trade.sec_type == "CASH" else (trade.currency,)
