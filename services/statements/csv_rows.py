"""Rows of a CSV file to neutral records, and what is wrong with those that cannot be used."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Final, get_args

from core.domain.money import ZERO
from core.domain.stated import CashKind, Ignored, StatedCashFlow, StatedEvent, StatedTrade, Statement
from services.statements.csv_instruments import INSTRUMENT_COLUMNS, Named, NamedInstruments, currency_code
from services.statements.csv_values import Cells, Time, number, shown, time
from services.statements.stating.days import ARRIVED, LEFT

COLUMNS: Final = INSTRUMENT_COLUMNS | {
    *("type", "account", "id", "time", "zone", "side", "quantity", "price", "commission"),
    *("commission_currency", "cost", "amount", "order_ref", "notes"),
}
_CASH: Final[dict[str, CashKind]] = {
    kind: kind for kind in get_args(CashKind) if kind not in {"transfer", "commission_adjustment"}
}
_SIDES: Final = {"buy": 1, "bot": 1, "b": 1, "sell": -1, "sld": -1, "s": -1}
_MOST_TEXT: Final = 1000


class Stating:
    """States the rows of one file. ``zone`` is that of times that name none."""

    def __init__(self, zone: tzinfo, now: datetime) -> None:
        self._zone = zone
        self._now = now
        self._instruments = NamedInstruments()
        self._stating: dict[str, Callable[[Cells], Sequence[Statement]]] = {
            "trade": self._trade,
            "transfer_in": self._transfer,
            "transfer_out": self._transfer,
            **dict.fromkeys(_CASH, self._cash),
        }

    def state(self, row: Cells) -> Sequence[Statement]:
        """What a row states; nothing where something is wrong with it."""
        for column in row.by_name.keys() & COLUMNS:
            if len(row.text(column)) > _MOST_TEXT:
                row.fail(column, f"it is longer than {_MOST_TEXT:,} characters")
                return ()
        if not row.text("account"):
            row.fail("account", "it is needed, and empty")
        state = self._stating.get(row.text("type").lower())
        if state is None:
            row.fail("type", f"{shown(row.text('type'))} is none of {', '.join(self._stating)}")
            return ()
        before = len(row.faults)
        stated = state(row)
        return stated if len(row.faults) == before else ()

    def _trade(self, row: Cells) -> Sequence[Statement]:
        named = self._instruments.of(row)
        quantity, price = _traded(row), row.read("price", number, needed=True)
        moment, commission = self._time(row), row.read("commission", number)
        currency = row.read("commission_currency", currency_code)
        if named is None or quantity is None or price is None or moment is None:
            return ()
        if named.ignored is not None:
            return (_ignored(row, "trades", named),)
        return (
            *named.news,
            StatedTrade(
                line=row.line,
                section=row.text("type").lower(),
                account=row.text("account"),
                instrument=named.instrument,
                exec_id="",
                executed_at=_at(moment, arrives=quantity > ZERO),
                zone_assumed=moment.zone_assumed,
                timed=moment.at is not None,
                quantity=quantity,
                price=price,
                commission=commission,
                commission_currency=currency or "",
                order_ref=row.text("order_ref"),
                exchange=row.text("exchange"),
                own_id=row.text("id"),
            ),
        )

    def _transfer(self, row: Cells) -> Sequence[Statement]:
        named, kind = self._instruments.of(row), row.text("type").lower()
        stated, cost = row.read("quantity", number, needed=True), row.read("cost", number)
        moment = self._time(row)
        if stated is not None and not stated:
            row.fail("quantity", "it is zero")
        if cost is not None and cost < ZERO:
            row.fail("cost", "it is what was paid, and has no sign")
        if named is None or not stated or moment is None:
            return ()
        if named.ignored is not None:
            return (_ignored(row, "events", named),)
        incoming = kind == "transfer_in"
        quantity = stated if incoming else -stated
        return (
            *named.news,
            StatedEvent(
                line=row.line,
                section=kind,
                account=row.text("account"),
                instrument=named.instrument,
                at=_at(moment, arrives=incoming),
                cause="transfer",
                quantity=quantity,
                carried=not incoming,
                cost=None if cost is None else cost.copy_abs().copy_sign(quantity),
                event_id=_own(row),
                kind=kind,
                description=row.text("notes"),
            ),
        )

    def _cash(self, row: Cells) -> Sequence[Statement]:
        kind = _CASH[row.text("type").lower()]
        amount, moment = row.read("amount", number, needed=True), self._time(row)
        currency = row.read("currency", currency_code, needed=True)
        conid = self._instruments.conid(row)
        if amount is not None and not amount:
            row.fail("amount", "it is zero")
        if amount and kind in {"deposit", "withdrawal"} and (amount > ZERO) is (kind == "withdrawal"):
            sign = "positive" if kind == "deposit" else "negative"
            row.fail("amount", f"the account sees a {kind}: it must be {sign}")
        if amount is None or moment is None or currency is None:
            return ()
        return (
            StatedCashFlow(
                line=row.line,
                section=kind,
                account=row.text("account"),
                kind=kind,
                at=_at(moment, arrives=True),
                amount=amount,
                currency=currency,
                conid=conid,
                symbol=row.text("symbol"),
                transaction_id=_own(row),
                description=row.text("notes"),
                own_id=row.text("id"),
            ),
        )

    def _time(self, row: Cells) -> Time | None:
        return row.read("time", lambda text: time(text, row.text("zone"), self._zone, self._now), needed=True)


def _traded(row: Cells) -> Decimal | None:
    """The signed quantity of a trade: of its side, or as it is signed itself."""
    quantity, side = row.read("quantity", number, needed=True), row.text("side").lower()
    if quantity is None:
        return None
    if not quantity:
        row.fail("quantity", "it is zero")
        return None
    if not side:
        return quantity
    sign = _SIDES.get(side)
    if sign is None:
        row.fail("side", f"{shown(row.text('side'))} is neither buy nor sell")
        return None
    if quantity < ZERO < sign:
        row.fail("quantity", "it is negative, and the side says that it was bought")
        return None
    return quantity.copy_abs() * sign


def _at(moment: Time, *, arrives: bool) -> datetime:
    """Its time; of a day alone, its beginning for what comes and its evening for what goes."""
    if moment.at is not None:
        return moment.at
    clock = ARRIVED if arrives else LEFT
    return datetime.combine(moment.day, clock, moment.zone).astimezone(UTC)


def _own(row: Cells) -> str:
    """The file's own id, so that it is none of the broker's."""
    return f"csv:{row.text('id')}" if row.text("id") else ""


def _ignored(row: Cells, section: str, named: Named) -> Ignored:
    assert named.ignored is not None  # noqa: S101 - the callers ask before
    return Ignored(line=row.line, section=section, account=row.text("account"), reason=named.ignored)
