"""What a gateway answers to each request, given what it shows. No I/O: lists of messages come out."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from services.simulator import messages, requests
from services.simulator.book import ACCOUNT_ZONE, Book
from services.simulator.executions import Execution, Key
from services.simulator.figures import account_pnl, account_values, position_pnl, summary_rows
from services.simulator.holdings import ZERO
from services.simulator.instruments import Instrument
from services.simulator.wire import Fields, plain

_SIDES = {"BUY": "BOT", "BOT": "BOT", "SELL": "SLD", "SLD": "SLD"}
_LEDGER_ONLY = {"NetLiquidation"}
_UNITS = {"S": 1, "D": 86_400, "W": 7 * 86_400, "M": 30 * 86_400, "Y": 365 * 86_400}
_BAR_UNITS = {"sec": 1, "min": 60, "hour": 3600, "day": 86_400, "week": 7 * 86_400, "month": 30 * 86_400}
MOST_BARS = 2_000


def positions(book: Book) -> list[Fields]:
    """One message a position, account by account."""
    return [
        messages.position(account, book.instruments[conid], held)
        for (account, conid), held in sorted(book.positions.items())
    ]


def positions_multi(book: Book, req_id: int, account: str) -> list[Fields]:
    """One account's positions and their end."""
    rows = [
        messages.position_multi(req_id, account, book.instruments[conid], held)
        for (owner, conid), held in sorted(book.positions.items())
        if owner == account
    ]
    return [*rows, messages.position_multi_end(req_id)]


def account_rows(book: Book, account: str) -> Iterator[tuple[str, str, str, Fields]]:
    """(tag, currency, value, message) of an account subscription's values."""
    for row in account_values(book, account):
        yield (
            row.tag,
            row.currency,
            row.value,
            messages.account_value(account, row.tag, row.value, row.currency),
        )


def portfolio_rows(book: Book, account: str, keys: Iterable[Key]) -> Iterator[Fields]:
    """Portfolio messages of the given positions, closed ones included."""
    for key in keys:
        if key[0] == account:
            profit = position_pnl(book, key)
            yield messages.portfolio(
                account,
                book.instruments[key[1]],
                book.position(key),
                book.marks[key[1]],
                book.market_value(key),
                profit.unrealized,
                profit.realized,
            )


def multi_rows(
    book: Book, req_id: int, account: str, *, ledger_only: bool
) -> Iterator[tuple[str, str, str, Fields]]:
    """(tag, currency, value, message) of a request for one account's values."""
    for row in account_values(book, account):
        if not ledger_only or row.ledger or row.tag in _LEDGER_ONLY:
            message = messages.account_update_multi(req_id, account, row.tag, row.value, row.currency)
            yield row.tag, row.currency, row.value, message


def summary(book: Book, req_id: int, tags: str) -> Iterator[tuple[str, str, str, Fields]]:
    """(account and tag, currency, value, message) of an account summary over all accounts."""
    for account in book.accounts:
        for row in summary_rows(account_values(book, account), tags):
            message = messages.account_summary(req_id, account, row.tag, row.value, row.currency)
            yield f"{account} {row.tag}", row.currency, row.value, message


def pnl(book: Book, req_id: int, account: str) -> Fields:
    """An account's profit now."""
    profit = account_pnl(book, account)
    return messages.pnl(req_id, profit.daily, profit.unrealized, profit.realized)


def pnl_single(book: Book, req_id: int, key: Key) -> Fields:
    """A position's profit and value now."""
    profit = position_pnl(book, key)
    quantity, value = book.position(key).quantity, book.market_value(key)
    return messages.pnl_single(req_id, quantity, profit.daily, profit.unrealized, profit.realized, value)


def matching_executions(
    book: Book, request: requests.Executions, now: datetime, zone: str
) -> list[Execution]:
    """Today's fills (since midnight in the account's zone) that a filter lets through, oldest first.

    All versions of a corrected fill are among them, as the broker sends them.
    """
    midnight = datetime.combine(now.astimezone(ACCOUNT_ZONE).date(), datetime.min.time(), ACCOUNT_ZONE)
    since = max(midnight, _since(request.since, zone, midnight))
    side = _SIDES.get(request.side.upper())

    def wanted(fill: Execution) -> bool:
        instrument = book.instruments[fill.conid]
        return (
            fill.executed_at >= since
            and request.client_id in {0, fill.order.client_id}
            and request.account in {"", fill.account}
            and request.symbol in {"", instrument.symbol}
            and request.sec_type in {"", instrument.sec_type}
            and request.exchange in {"", fill.exchange}
            and (side is None or side == fill.side)
        )

    return [fill for fill in book.executions.values() if wanted(fill)]


def _since(text: str, zone: str, otherwise: datetime) -> datetime:
    """A filter's time: ``20261121 09:30:00``, with or without a zone, or with a dash, which means UTC."""
    parts = text.replace("-", " ", 1).split()
    if not parts:
        return otherwise
    named = parts[2] if len(parts) > 2 else "UTC" if "-" in text else zone  # noqa: PLR2004 - date, time, zone
    try:
        stamp = datetime.strptime(" ".join(parts[:2]), "%Y%m%d %H:%M:%S").replace(tzinfo=ZoneInfo(named))
    except (ValueError, KeyError):
        return otherwise
    return stamp


def find_contracts(book: Book, wanted: requests.Contract) -> list[Instrument]:
    """Every instrument that has what the request names."""

    def matches(instrument: Instrument) -> bool:
        if wanted.conid:
            return instrument.conid == wanted.conid
        return (
            wanted.symbol in {"", instrument.symbol}
            and wanted.sec_type in {"", instrument.sec_type}
            and wanted.currency in {"", instrument.currency}
            and wanted.local_symbol in {"", instrument.local_symbol}
            and instrument.expiry.startswith(wanted.expiry)
            and wanted.strike in {ZERO, instrument.strike}
            and wanted.right[:1] in {"", "?", "0", instrument.right}
        )

    if not (wanted.conid or wanted.symbol or wanted.local_symbol):
        return []
    return [instrument for instrument in book.instruments.values() if matches(instrument)]


def quote(book: Book, req_id: int, instrument: Instrument) -> list[Fields]:
    """Bid, ask and last around the mark."""
    mark, tick = book.marks[instrument.conid], instrument.min_tick
    lot = instrument.lot_size * 100
    return [
        messages.tick_price(req_id, 1, mark - tick if mark > tick else mark, lot),
        messages.tick_price(req_id, 2, mark + tick, lot),
        messages.tick_price(req_id, 4, mark, lot),
    ]


def history(
    book: Book, request: requests.HistoricalData, instrument: Instrument, now: datetime, zone: str
) -> Fields:
    """Bars that swing gently and end at the mark: a shape to draw, not a record of anything."""
    bar_seconds = _bar_seconds(request.bar_size)
    count = max(1, min(MOST_BARS, _duration_seconds(request.duration) // bar_seconds))
    end = min(now, _since(request.end, zone, now))
    mark, half = book.marks[instrument.conid], instrument.min_tick
    bars: list[list[str]] = []
    for back in range(count, 0, -1):
        at = end - timedelta(seconds=bar_seconds * back)
        swing = Decimal((back - 1) % 40 - 20 if back > 1 else 0) / 2000
        close = instrument.on_tick(mark * (1 + swing))
        prices = [close, close + half * 2, max(close - half * 2, half), close]
        values = [plain(price) for price in prices]
        bars.append([_bar_date(at, request, zone), *values, "1000", plain(close), "10"])
    start = end - timedelta(seconds=bar_seconds * count)
    stamps = [f"{at.astimezone(ACCOUNT_ZONE):%Y%m%d %H:%M:%S} {zone}" for at in (start, end)]
    return messages.historical_data(request.req_id, stamps[0], stamps[1], bars)


def _bar_date(at: datetime, request: requests.HistoricalData, zone: str) -> str:
    if "day" in request.bar_size or "week" in request.bar_size or "month" in request.bar_size:
        return f"{at.astimezone(ACCOUNT_ZONE):%Y%m%d}"
    if request.date_format == 2:  # noqa: PLR2004 - the protocol's number for seconds since 1970
        return str(int(at.timestamp()))
    return f"{at.astimezone(ACCOUNT_ZONE):%Y%m%d %H:%M:%S} {zone}"


def _duration_seconds(text: str) -> int:
    amount, _, unit = text.partition(" ")
    return (int(amount) if amount.isdigit() else 1) * _UNITS.get(unit[:1].upper(), 1)


def _bar_seconds(text: str) -> int:
    amount, _, unit = text.partition(" ")
    name = unit.rstrip("s")
    return (int(amount) if amount.isdigit() else 1) * _BAR_UNITS.get(name, 60)
