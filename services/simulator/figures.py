"""Account values as IBKR names them, and profit and loss, worked out of a book. Pure."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

from services.simulator.book import Book
from services.simulator.executions import Key
from services.simulator.holdings import ZERO

CENT = Decimal("0.01")
# Tags that an account summary or a ledger subscription may leave out or keep.
LEDGER_PREFIX = "$LEDGER"


@dataclass(frozen=True, slots=True)
class AccountValue:
    """One row: tag, value as text, currency (empty where it has none)."""

    tag: str
    value: str
    currency: str
    ledger: bool = False


@dataclass(frozen=True, slots=True)
class Pnl:
    """Daily, unrealized and realized profit; realized is since the day began."""

    daily: Decimal
    unrealized: Decimal
    realized: Decimal


@dataclass(slots=True)
class _Ledger:
    """One currency of one account."""

    cash: Decimal = ZERO
    stocks: Decimal = ZERO
    options: Decimal = ZERO
    futures: Decimal = ZERO
    unrealized: Decimal = ZERO
    realized: Decimal = ZERO
    gross: Decimal = ZERO
    daily: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        return self.cash + self.stocks + self.options + self.futures

    def add(self, other: "_Ledger", rate: Decimal) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name) * rate)


def account_pnl(book: Book, account: str) -> Pnl:
    """Profit of a whole account, in its base currency; currency pairs are cash, not profit."""
    total = _total(book, account, _ledgers(book, account))
    return Pnl(total.daily, total.unrealized, total.realized)


def position_pnl(book: Book, key: Key) -> Pnl:
    """Profit of one position, in the instrument's currency."""
    return Pnl(book.daily(key), book.unrealized(key), book.realized_today.get(key, ZERO))


def net_liquidation(book: Book, account: str) -> Decimal:
    """What the account is worth, in its base currency."""
    return _total(book, account, _ledgers(book, account)).net


def account_values(book: Book, account: str) -> list[AccountValue]:
    """Every row of an account: its own, then those of each currency and of BASE."""
    base = book.accounts[account].base_currency
    ledgers = _ledgers(book, account)
    total = _total(book, account, ledgers)
    maintenance = (total.gross * Decimal("0.25")).quantize(CENT)
    initial = (total.gross * Decimal("0.30")).quantize(CENT)
    available = total.net - initial
    rows = [
        AccountValue("AccountCode", account, ""),
        AccountValue("AccountOrGroup", account, base),
        AccountValue("AccountReady", "true", ""),
        AccountValue("AccountType", "INDIVIDUAL", ""),
        AccountValue("Cushion", f"{(total.net - maintenance) / total.net if total.net else ZERO:.6f}", ""),
        *(
            AccountValue(tag, _money(amount), base)
            for tag, amount in (
                ("AccruedCash", ZERO),
                ("AvailableFunds", available),
                ("BuyingPower", max(available, ZERO) * 4),
                ("EquityWithLoanValue", total.net),
                ("ExcessLiquidity", total.net - maintenance),
                ("FullAvailableFunds", available),
                ("FullInitMarginReq", initial),
                ("FullMaintMarginReq", maintenance),
                ("GrossPositionValue", total.gross),
                ("InitMarginReq", initial),
                ("MaintMarginReq", maintenance),
                ("NetLiquidation", total.net),
                ("PreviousDayEquityWithLoanValue", total.net - total.daily),
                ("SettledCash", total.cash),
                ("TotalCashValue", total.cash),
            )
        ),
    ]
    for currency, ledger in sorted(ledgers.items()):
        rows += _ledger_rows(currency, ledger, book.exchange_rate(currency, base))
    rows += _ledger_rows("BASE", total, Decimal(1))
    return rows


def summary_rows(values: list[AccountValue], tags: str) -> list[AccountValue]:
    """What an account summary with this comma list of tags gets; ``$LEDGER:ALL`` asks for every currency."""
    wanted = set(tags.split(","))
    rows = [row for row in values if not row.ledger and row.tag in wanted]
    for tag in wanted:
        if tag.startswith(LEDGER_PREFIX):
            currency = tag.partition(":")[2] or "BASE"
            rows += [row for row in values if row.ledger and currency in {"ALL", row.currency}]
    return rows


def _ledgers(book: Book, account: str) -> dict[str, _Ledger]:
    ledgers: dict[str, _Ledger] = defaultdict(_Ledger)
    for currency, amount in book.accounts[account].cash.items():
        ledgers[currency].cash = amount
    for conid, instrument in book.instruments.items():
        key = (account, conid)
        if instrument.sec_type == "CASH" or key not in book.held:
            continue
        ledger = ledgers[instrument.currency]
        value, unrealized = book.market_value(key), book.unrealized(key)
        ledger.unrealized += unrealized
        ledger.realized += book.realized_today.get(key, ZERO)
        ledger.daily += book.daily(key)
        match instrument.sec_type:
            case "STK":
                ledger.stocks += value
                ledger.gross += abs(value)
            case "OPT":
                ledger.options += value
                ledger.gross += abs(value)
            case "FUT":
                # A future is worth what it has gained since it was opened; its notional is nobody's money.
                ledger.futures += book.open_gain(key)
    return ledgers


def _total(book: Book, account: str, ledgers: dict[str, _Ledger]) -> _Ledger:
    base = book.accounts[account].base_currency
    total = _Ledger()
    for currency, ledger in ledgers.items():
        total.add(ledger, book.exchange_rate(currency, base))
    return total


def _ledger_rows(currency: str, ledger: _Ledger, rate: Decimal) -> list[AccountValue]:
    return [
        AccountValue("Currency", currency, currency, ledger=True),
        AccountValue("ExchangeRate", f"{rate:.7f}", currency, ledger=True),
        *(
            AccountValue(tag, _money(amount), currency, ledger=True)
            for tag, amount in (
                ("CashBalance", ledger.cash),
                ("TotalCashBalance", ledger.cash),
                ("AccruedCash", ZERO),
                ("StockMarketValue", ledger.stocks),
                ("OptionMarketValue", ledger.options),
                ("FuturesPNL", ledger.futures),
                ("NetLiquidationByCurrency", ledger.net),
                ("UnrealizedPnL", ledger.unrealized),
                ("RealizedPnL", ledger.realized),
            )
        ),
    ]


def _money(amount: Decimal) -> str:
    # Adding zero turns a rounded -0.00 into 0.00.
    return format(amount.quantize(CENT) + ZERO, "f")
