"""What a gateway says: every response as its list of fields. Pure; layouts of server versions 157 to 178."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.simulator.book import Position
from services.simulator.executions import Execution
from services.simulator.instruments import Instrument
from services.simulator.wire import UNSET_DOUBLE, UNSET_INTEGER, Fields, double, plain, size

# Server versions from which a layout has changed.
ONE_SIZE_FIELD = 163
SIZE_FIELDS = 164
REJECT_JSON = 166
PEG_FIELDS = 170
ZONES_IN_TIMES = 174
NO_FA_PROFILE = 177
PENDING_PRICE = 178


# Names that a gateway's machine gives its zone and that are in no zone database.
FOREIGN_ZONES = {
    "Central European Standard Time": "Europe/Warsaw",
    "Eastern Standard Time": "US/Eastern",
    "GMT Standard Time": "Europe/London",
    "Greenwich Mean Time": "Etc/GMT",
    "Pacific Standard Time": "US/Pacific",
    "Tokyo Standard Time": "Asia/Tokyo",
    "W. Europe Standard Time": "Europe/Berlin",
}


def handshake(server_version: int, now: datetime, zone: str) -> Fields:
    """The answer to the greeting: exactly two fields."""
    return [str(server_version), f"{_in_zone(now, zone):%Y%m%d %H:%M:%S} {zone}"]


def managed_accounts(accounts: Iterable[str]) -> Fields:
    """The accounts of the login."""
    return ["15", "1", ",".join(accounts)]


def next_valid_id(order_id: int) -> Fields:
    """The first order or request id a client may use."""
    return ["9", "1", str(order_id)]


def error(version: int, code: int, text: str, req_id: int = -1) -> Fields:
    """An error, a warning or a notice."""
    fields = ["4", "2", str(req_id), str(code), text]
    return [*fields, ""] if version >= REJECT_JSON else fields


def current_time(now: datetime) -> Fields:
    """The answer to a heartbeat."""
    return ["49", "1", str(int(now.timestamp()))]


def contract(instrument: Instrument, exchange: str) -> Fields:
    """The eleven contract fields that positions, portfolio rows, executions and orders share."""
    return [
        str(instrument.conid),
        instrument.symbol,
        instrument.sec_type,
        instrument.expiry,
        double(instrument.strike),
        instrument.right,
        instrument.multiplier_text,
        exchange,
        instrument.currency,
        instrument.local_symbol,
        instrument.trading_class,
    ]


def position(account: str, instrument: Instrument, held: Position) -> Fields:
    """A position; quantity ``0`` and cost ``0.0`` say that it was closed."""
    return [
        "61",
        "3",
        account,
        *contract(instrument, instrument.position_exchange),
        size(held.quantity),
        double(held.average_cost),
    ]


def position_end() -> Fields:
    """The first burst of positions is complete."""
    return ["62", "1"]


def position_multi(req_id: int, account: str, instrument: Instrument, held: Position) -> Fields:
    """A position of a request for one account."""
    return ["71", "1", str(req_id), *position(account, instrument, held)[2:], ""]


def position_multi_end(req_id: int) -> Fields:
    """The positions of a request for one account are complete."""
    return ["72", "1", str(req_id)]


def account_value(account: str, tag: str, value: str, currency: str) -> Fields:
    """One account value of an account subscription."""
    return ["6", "2", tag, value, currency, account]


def portfolio(
    account: str,
    instrument: Instrument,
    held: Position,
    mark: Decimal,
    value: Decimal,
    unrealized: Decimal,
    realized: Decimal,
) -> Fields:
    """One portfolio row of an account subscription."""
    return [
        "7",
        "8",
        *contract(instrument, instrument.exchange),
        size(held.quantity),
        double(mark),
        double(value),
        double(held.average_cost),
        double(unrealized),
        double(realized),
        account,
    ]


def account_time(now: datetime, zone: str) -> Fields:
    """When the account was last updated, hours and minutes."""
    return ["8", "1", f"{_in_zone(now, zone):%H:%M}"]


def account_download_end(account: str) -> Fields:
    """The first burst of an account subscription is complete."""
    return ["54", "1", account]


def account_update_multi(req_id: int, account: str, tag: str, value: str, currency: str) -> Fields:
    """One account value of a request for one account."""
    return ["73", "1", str(req_id), account, "", tag, value, currency]


def account_update_multi_end(req_id: int) -> Fields:
    """The account values of a request for one account are complete."""
    return ["74", "1", str(req_id)]


def account_summary(req_id: int, account: str, tag: str, value: str, currency: str) -> Fields:
    """One row of an account summary."""
    return ["63", "1", str(req_id), account, tag, value, currency]


def account_summary_end(req_id: int) -> Fields:
    """The account summary is complete."""
    return ["64", "1", str(req_id)]


def pnl(req_id: int, daily: Decimal | None, unrealized: Decimal | None, realized: Decimal | None) -> Fields:
    """An account's profit and loss."""
    return ["94", str(req_id), double(daily), double(unrealized), double(realized)]


def pnl_single(
    req_id: int,
    quantity: Decimal,
    daily: Decimal | None,
    unrealized: Decimal | None,
    realized: Decimal | None,
    value: Decimal | None,
) -> Fields:
    """A position's profit and loss, and what it is worth."""
    amounts = (double(daily), double(unrealized), double(realized), double(value))
    return ["95", str(req_id), size(quantity), *amounts]


@lru_cache(4096)  # many fills share a second, and a busy day is told again and again
def execution_time(at: datetime, version: int, zone: str, shown_zone: str | None = None) -> str:
    """An execution's time: with a zone from 174 on, with two spaces and none before.

    ``shown_zone`` is another zone to tell the time in; it may be a foreign name.
    """
    if version < ZONES_IN_TIMES:
        return f"{_in_zone(at, zone):%Y%m%d  %H:%M:%S}"
    shown = shown_zone or zone
    return f"{_in_zone(at, shown):%Y%m%d %H:%M:%S} {shown}"


def execution(
    version: int,
    req_id: int,
    instrument: Instrument,
    fill: Execution,
    zone: str,
    shown_zone: str | None = None,
) -> Fields:
    """A fill; ``req_id`` is -1 when it comes live."""
    fields = [
        "11",
        str(req_id),
        str(fill.order.order_id),
        *contract(instrument, fill.exchange),
        fill.exec_id,
        execution_time(fill.executed_at, version, zone, shown_zone),
        fill.account,
        fill.exchange,
        fill.side,
        size(fill.quantity),
        plain(fill.price),
        str(fill.order.perm_id),
        str(fill.order.client_id),
        "0",
        size(fill.filled),
        double(fill.average_price),
        fill.order.reference,
        "",
        "",
        "",
        "2",
    ]
    return [*fields, "0"] if version >= PENDING_PRICE else fields


def execution_end(req_id: int) -> Fields:
    """All fills that a request asked for have been sent."""
    return ["55", "1", str(req_id)]


def commission_report(fill: Execution) -> Fields:
    """What a fill cost and realized; both are unset where nothing was closed."""
    return [
        "59",
        "1",
        fill.exec_id,
        double(fill.commission),
        fill.commission_currency,
        double(fill.realized),
        UNSET_DOUBLE,
        "",
    ]


def order_status(fill: Execution, status: str, filled: Decimal, last_price: Decimal) -> Fields:
    """Where an order stands."""
    order = fill.order
    return [
        "3",
        str(order.order_id),
        status,
        size(filled),
        size(order.total - filled),
        double(fill.average_price) if filled else "0",
        str(order.perm_id),
        "0",
        double(last_price) if filled else "0",
        str(order.client_id),
        "",
        "0",
    ]


def open_order(
    version: int, instrument: Instrument, fill: Execution, status: str, *, commission: bool = False
) -> Fields:
    """A market order for ``fill.order.total``, as far as clients need it to know the order's permanent id."""
    order = fill.order
    unset = UNSET_DOUBLE
    costs = [double(fill.commission), "", "", fill.commission_currency] if commission else ["", "", "", ""]
    contract_fields = contract(instrument, instrument.routing_exchange)
    # As recorded: an order shows the strike of anything but an option as 0 and the right as a question mark.
    if instrument.sec_type != "OPT":
        contract_fields[4:6] = ["0", "?"]
    shares = f"{order.perm_id}.0/{fill.account}/{size(order.total)}"
    return [
        *["5", str(order.order_id), *contract_fields],
        *[
            "BUY" if fill.side == "BOT" else "SELL",
            size(order.total),
            "MKT",
            "0.0",
            "0.0",
            "DAY",
            "",
            fill.account,
        ],
        *["", "0", order.reference, str(order.client_id), str(order.perm_id), "0", "0", "0", "", shares],
        *["", "", ""],
        *([] if version >= NO_FA_PROFILE else [""]),
        *["", "", "", "", "", "0", "", "-1", "0", "", "", "", "", "", UNSET_INTEGER, "0", "0", "0", "", "3"],
        *["0", "0", "", "0", "0", "", "0", "None", "", "0", "", "", "", "?", "0", "0", "", "0", "0"],
        *["", "", "", "", "", "0", "0", "0", UNSET_INTEGER, UNSET_INTEGER, "", "", "0", "", "IB"],
        *["0", "0", "", "0", "0", status, *[unset] * 9, *costs[:1], *costs[1:], ""],
        *["0", "0", "0", "None", *[unset] * 6, "0", "", "", "", "0", "1", "0", "0", "0", "", "", "0"],
        *(["", "", "", "", ""] if version >= PEG_FIELDS else []),
    ]


def open_order_end() -> Fields:
    """All open orders have been sent."""
    return ["53", "1"]


def completed_orders_end() -> Fields:
    """All completed orders have been sent."""
    return ["102"]


def contract_details(version: int, req_id: int, instrument: Instrument, day: date) -> Fields:
    """What there is to know about a contract."""
    exchanges = (
        "SMART," + instrument.exchange if instrument.routing_exchange == "SMART" else instrument.exchange
    )
    month = instrument.expiry[:6]
    hours = f"{day:%Y%m%d}:0930-{day:%Y%m%d}:1600"
    return [
        *(["10"] if version >= SIZE_FIELDS else ["10", "8"]),
        *[
            str(req_id),
            instrument.symbol,
            instrument.sec_type,
            instrument.expiry,
            double(instrument.strike),
        ],
        *[instrument.right, instrument.routing_exchange, instrument.currency, instrument.local_symbol],
        *[
            instrument.trading_class,
            instrument.trading_class,
            str(instrument.conid),
            plain(instrument.min_tick),
        ],
        # Before 164 there was a size multiplier, which clients read and throw away.
        *([] if version >= SIZE_FIELDS else ["1"]),
        *[instrument.multiplier_text, "ACTIVETIM,LMT,MKT,STP", exchanges, str(instrument.price_magnifier)],
        *[str(instrument.under_conid), instrument.long_name, instrument.exchange, month, "", "", ""],
        *["US/Eastern", hours, hours, "", ""],
        *(["1", "ISIN", instrument.isin] if instrument.isin else ["0"]),
        *["1", instrument.symbol if instrument.under_conid else "", "STK" if instrument.under_conid else ""],
        *["26", instrument.expiry, instrument.stock_type],
        *[plain(instrument.lot_size)] * (3 if version >= SIZE_FIELDS else int(version == ONE_SIZE_FIELD)),
    ]


def contract_details_end(req_id: int) -> Fields:
    """All contracts that match have been sent."""
    return ["52", "1", str(req_id)]


def historical_data(req_id: int, start: str, end: str, bars: Sequence[Sequence[str]]) -> Fields:
    """Bars: date, open, high, low, close, volume, weighted average, count."""
    return ["17", str(req_id), start, end, str(len(bars)), *(value for bar in bars for value in bar)]


def market_data_type(req_id: int, kind: int = 1) -> Fields:
    """1 live, 2 frozen, 3 delayed, 4 delayed and frozen."""
    return ["58", "1", str(req_id), str(kind)]


def tick_parameters(req_id: int, min_tick: Decimal) -> Fields:
    """How finely a subscription's prices move."""
    return ["81", str(req_id), plain(min_tick), "9c0001", "3"]


def tick_price(req_id: int, kind: int, price: Decimal, quantity: Decimal) -> Fields:
    """A price with its size: kind 1 bid, 2 ask, 4 last, 9 close."""
    return ["1", "6", str(req_id), str(kind), plain(price), size(quantity), "1"]


def tick_snapshot_end(req_id: int) -> Fields:
    """A snapshot is complete."""
    return ["57", "1", str(req_id)]


def zone_named(name: str) -> ZoneInfo:
    """The zone behind a name that a gateway shows.

    Raises:
        ValueError: it is not known.
    """
    try:
        return ZoneInfo(FOREIGN_ZONES.get(name, name))
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"{name!r} is no time zone, neither IANA's nor of {', '.join(FOREIGN_ZONES)}"
        ) from None


def _in_zone(at: datetime, zone: str) -> datetime:
    return at.astimezone(zone_named(zone))
