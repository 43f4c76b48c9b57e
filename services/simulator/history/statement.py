"""One account's statement of one year, in the shape of an Activity Flex query's answer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.simulator.history.account import AccountPast
from services.simulator.history.money import Flow, Reason
from services.simulator.history.rows import about, moment, number, on, row, section
from services.simulator.history.steps import Step
from services.simulator.history.summaries import cash_report, change_in_nav, equity
from services.simulator.history.world import World
from services.simulator.history.year import Year
from services.simulator.holdings import ZERO
from services.simulator.instruments import Instrument

_BOOKED = frozenset({"expired", "exercised", "assigned", "delivered"})
_EVENTS = {"expired": "Expiration", "exercised": "Exercise", "assigned": "Assignment"}
_TYPES: dict[Reason, str] = {
    "deposits": "Deposits/Withdrawals",
    "withdrawals": "Deposits/Withdrawals",
    "dividends": "Dividends",
    "in_lieu": "Payment In Lieu Of Dividends",
    "withholding": "Withholding Tax",
    "interest": "Broker Interest Received",
    "fees": "Other Fees",
}


@dataclass(slots=True)
class StatementOf:
    """Writes one account's statement. ``first_number`` is what its steps are numbered from."""

    world: World
    past: AccountPast
    year: Year
    first_number: int

    def text(self) -> str:
        """The statement as XML."""
        world, past, year = self.world, self.past, self.year
        sections: Sequence[tuple[str, Callable[[], Iterator[str]]]] = (
            ("EquitySummaryInBase", lambda: equity(world, past, year)),
            ("CashReport", lambda: cash_report(world, past, year)),
            ("Trades", self._trades),
            ("OptionEAE", self._option_events),
            ("CorporateActions", self._actions),
            ("Transfers", self._transfers),
            ("CashTransactions", self._transactions),
            ("OpenPositions", self._positions),
            ("ConversionRates", self._rates),
            ("SecuritiesInfo", self._securities),
        )
        head = (
            f'<FlexStatement accountId="{past.account}" fromDate="{on(year.first)}" toDate="{on(year.last)}" '
            f'period="" whenGenerated="{moment(year.written_at)}">\n'
        )
        who = row(
            "AccountInformation",
            {
                "accountId": past.account,
                "acctAlias": "",
                "currency": past.base,
                "accountType": "Individual",
                "customerType": "Individual",
                "accountCapabilities": "Margin",
                "tradingPermissions": "Stocks,Options,Futures,Forex",
                "dateOpened": on(world.days[0]),
                "dateFunded": on(world.days[0]),
                "dateClosed": "",
            },
        )
        body = "".join(section(name, "".join(rows())) for name, rows in sections)
        return f"{head}{who}{change_in_nav(world, past, year)}{body}</FlexStatement>\n"

    def _own(self, instrument: Instrument, day: int) -> dict[str, object]:
        """What every row about an instrument of this account begins with."""
        world, past = self.world, self.past
        return {
            "accountId": past.account,
            "acctAlias": "",
            "model": "",
            "currency": instrument.currency,
            "fxRateToBase": number(world.rate(instrument.currency, past.base, day)),
            **about(instrument, world.book.instruments),
        }

    def _steps(self) -> Iterator[tuple[int, int, Step]]:
        """Each step of the year with its number and its day."""
        for place, step in enumerate(self.past.steps):
            day = self.past.day_of[id(step)]
            if self.year.begins <= day <= self.year.ends:
                yield self.first_number + place, day, step

    def _trades(self) -> Iterator[str]:
        for serial, day, step in self._steps():
            if step.kind in {"split", "received"}:
                continue
            yield row("Trade", {**self._own(step.instrument, day), **self._trade(serial, day, step)})

    def _trade(self, serial: int, day: int, step: Step) -> dict[str, object]:
        world, instrument = self.world, step.instrument
        booked = step.kind in _BOOKED
        is_conversion = instrument.sec_type == "CASH"
        closes = step.closed is not None
        unsigned = step.closed if step.closed is not None else step.opening_cost
        proceeds = ZERO - step.money
        return {
            "tradeID": serial,
            "reportDate": on(world.days[day]),
            "tradeDate": on(step.at.date()),
            "dateTime": moment(step.at),
            "settleDateTarget": on(world.days[min(day + 2, len(world.days) - 1)]),
            "transactionType": "BookTrade" if booked else "ExchTrade",
            "exchange": "--" if booked else instrument.exchange,
            "quantity": number(step.quantity),
            "tradePrice": number(step.price),
            "tradeMoney": number(step.money),
            "proceeds": number(proceeds),
            "taxes": "0",
            "ibCommission": number(ZERO - step.commission),
            "ibCommissionCurrency": step.commission_currency,
            "netCash": number(ZERO if is_conversion else proceeds - step.own_commission),
            "closePrice": number(world.mark(instrument, day)),
            "openCloseIndicator": "" if is_conversion else "C" if closes else "O",
            "notes": step.codes,
            "cost": "0" if is_conversion else number(unsigned.copy_sign(step.quantity)),
            "fifoPnlRealized": number(step.realized or ZERO),
            "mtmPnl": number(
                (step.quantity * world.mark(instrument, day) * instrument.point_value) - step.money
            ),
            "origTradePrice": "0",
            "origTradeDate": "",
            "origTradeID": "",
            "buySell": "BUY" if step.quantity > ZERO else "SELL",
            "ibOrderID": 100_000_000 + serial,
            "ibExecID": "" if booked else exec_id(serial),
            "transactionID": 200_000_000 + serial,
            "orderReference": "",
            "levelOfDetail": "EXECUTION",
            "orderType": "" if booked else "LMT",
            "isAPIOrder": "N",
        }

    def _option_events(self) -> Iterator[str]:
        for serial, day, step in self._steps():
            name = _EVENTS.get(step.kind)
            if name is None:
                continue
            yield row(
                "OptionEAE",
                {
                    **self._own(step.instrument, day),
                    "date": on(step.at.date()),
                    "transactionType": name,
                    "quantity": number(step.quantity),
                    "tradePrice": "0",
                    "markPrice": "0",
                    "proceeds": "0",
                    "commisionsAndTax": "0",
                    "costBasis": number((step.closed or ZERO).copy_sign(step.quantity)),
                    "realizedPnl": number(step.realized or ZERO),
                    "fxPnl": "0",
                    "mtmPnl": "0",
                    "tradeID": serial,
                },
            )

    def _actions(self) -> Iterator[str]:
        split = self.world.split
        for serial, day, step in self._steps():
            if step.kind != "split" or split is None:
                continue
            instrument = step.instrument
            own = self._own(instrument, day)
            which = own["isin"] or instrument.conid
            text = (
                f"{instrument.symbol}({which}) SPLIT {split.ratio} FOR 1 "
                f"({instrument.symbol}, {instrument.long_name}, {which})"
            )
            yield row(
                "CorporateAction",
                {
                    **own,
                    "reportDate": on(self.world.days[day]),
                    "dateTime": moment(step.at),
                    "actionDescription": text,
                    "amount": "0",
                    "proceeds": "0",
                    "value": "0",
                    "quantity": number(step.quantity),
                    "fifoPnlRealized": "0",
                    "mtmPnl": "0",
                    "code": "",
                    "type": "FS",
                    "transactionID": 200_000_000 + serial,
                    "actionID": 300_000_000 + serial,
                },
            )

    def _transfers(self) -> Iterator[str]:
        for serial, day, step in self._steps():
            if step.kind != "received":
                continue
            value = step.quantity * self.world.mark(step.instrument, day) * step.instrument.point_value
            yield row(
                "Transfer",
                {
                    **self._own(step.instrument, day),
                    "reportDate": on(self.world.days[day]),
                    "date": on(step.at.date()),
                    "type": "ACATS",
                    "direction": "IN",
                    "company": "--",
                    "account": "--",
                    "quantity": number(step.quantity),
                    "transferPrice": "0",
                    "positionAmount": number(value),
                    "positionAmountInBase": number(
                        value * self.world.rate(step.instrument.currency, self.past.base, day)
                    ),
                    "pnlAmount": number(value - step.cost),
                    "fxPnl": "0",
                    "cashTransfer": "0",
                    "code": "",
                    "clientReference": "",
                    "transactionID": 200_000_000 + serial,
                },
            )

    def _transactions(self) -> Iterator[str]:
        for place, flow in enumerate(self.past.flows):
            if self.year.begins <= flow.day <= self.year.ends:
                yield self._transaction(400_000_000 + self.first_number * 100 + place, flow)

    def _transaction(self, serial: int, flow: Flow) -> str:
        world = self.world
        instrument = flow.instrument
        own: dict[str, object] = {
            "accountId": self.past.account,
            "acctAlias": "",
            "model": "",
            "currency": flow.currency,
            "fxRateToBase": number(world.rate(flow.currency, self.past.base, flow.day)),
        }
        if instrument is not None:
            own |= about(instrument, world.book.instruments)
        kind = _TYPES[flow.reason]
        if flow.reason == "interest" and flow.amount < ZERO:
            kind = "Broker Interest Paid"
        return row(
            "CashTransaction",
            {
                **own,
                "description": flow.description,
                "dateTime": on(world.days[flow.day]),
                "settleDate": on(world.days[flow.day]),
                "reportDate": on(world.days[flow.day]),
                "amount": number(flow.amount),
                "type": kind,
                "tradeID": "",
                "code": "",
                "transactionID": serial,
                "clientReference": "",
                "levelOfDetail": "DETAIL",
            },
        )

    def _positions(self) -> Iterator[str]:
        day = self.year.ends
        for held in sorted(self.past.held[day], key=lambda one: one.instrument.conid):
            instrument, quantity = held.instrument, held.quantity
            own = self._own(instrument, day)
            yield self._position(own, instrument, quantity, held.cost, None)
            for lot in held.lots:
                cost = lot.cost.copy_sign(lot.quantity)
                yield self._position(own, instrument, lot.quantity, cost, lot.opened_at)

    def _position(
        self,
        own: dict[str, object],
        instrument: Instrument,
        quantity: Decimal,
        cost: Decimal,
        opened_at: datetime | None,
    ) -> str:
        mark = self.world.mark(instrument, self.year.ends)
        value = quantity * mark * instrument.point_value
        opened = "" if opened_at is None else moment(opened_at)
        price = number(cost / quantity / instrument.point_value)
        return row(
            "OpenPosition",
            {
                **own,
                "reportDate": on(self.year.last),
                "position": number(quantity),
                "markPrice": number(mark),
                "positionValue": number(value),
                "openPrice": price,
                "costBasisPrice": price,
                "costBasisMoney": number(cost),
                "percentOfNAV": "",
                "fifoPnlUnrealized": number(value - cost),
                "side": "Long" if quantity > ZERO else "Short",
                "levelOfDetail": "SUMMARY" if opened_at is None else "LOT",
                "openDateTime": opened,
                "holdingPeriodDateTime": opened,
                "code": "",
                "originatingOrderID": "",
                "originatingTransactionID": "",
                "accruedInt": "",
            },
        )

    def _rates(self) -> Iterator[str]:
        base = self.past.base
        currencies = {one.currency for one in self.world.book.instruments.values()} - {base}
        for day in range(self.year.begins, self.year.ends + 1):
            for currency in sorted(currencies):
                yield row(
                    "ConversionRate",
                    {
                        "reportDate": on(self.world.days[day]),
                        "fromCurrency": currency,
                        "toCurrency": base,
                        "rate": number(self.world.rate(currency, base, day)),
                    },
                )

    def _securities(self) -> Iterator[str]:
        mentioned: dict[int, Instrument] = {}
        for _, _, step in self._steps():
            mentioned[step.instrument.conid] = step.instrument
        for held in self.past.held[self.year.ends]:
            mentioned[held.instrument.conid] = held.instrument
        for _, instrument in sorted(mentioned.items()):
            if instrument.sec_type != "CASH":
                known = about(instrument, self.world.book.instruments)
                yield row(
                    "SecurityInfo", {**known, "currency": instrument.currency, "maturity": "", "code": ""}
                )


def exec_id(serial: int) -> str:
    """The id of an execution of the past: of the shape of the broker's, and of no book of the simulator's."""
    return f"0000e0d5.{serial:08x}.01.01"
