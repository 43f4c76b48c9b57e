"""The broker's own sums of a statement: what the account was worth, and where its cash came from."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from services.simulator.history.account import AccountPast
from services.simulator.history.money import Move, Reason
from services.simulator.history.rows import number, on, row
from services.simulator.history.world import World
from services.simulator.history.year import Year
from services.simulator.holdings import ZERO

_LINES: dict[Reason, str] = {
    "commissions": "commissions",
    "deposits": "deposits",
    "withdrawals": "withdrawals",
    "dividends": "dividends",
    "in_lieu": "paymentInLieu",
    "withholding": "withholdingTax",
    "interest": "brokerInterest",
    "fees": "otherFees",
    "sales": "netTradesSales",
    "purchases": "netTradesPurchases",
    "settling": "cashSettlingMtm",
}


def equity(world: World, past: AccountPast, year: Year) -> Iterator[str]:
    """What the account was worth on each business day.

    What open futures gained stands under commodities: the book has it apart from its cash.
    """
    for day in range(year.begins, year.ends + 1):
        worth = past.worth[day]
        parts = {
            "cash": (max(worth.cash, ZERO), min(worth.cash, ZERO)),
            "stock": (worth.stock_long, worth.stock_short),
            "options": (worth.options_long, worth.options_short),
            "commodities": (max(worth.futures, ZERO), min(worth.futures, ZERO)),
        }
        said: dict[str, object] = {
            "accountId": past.account,
            "acctAlias": "",
            "model": "",
            "currency": past.base,
            "reportDate": on(world.days[day]),
        }
        for name, (long, short) in parts.items():
            said |= {name: number(long + short), f"{name}Long": number(long), f"{name}Short": number(short)}
        for name in ("bonds", "notes", "funds", "interestAccruals", "dividendAccruals"):
            said[name] = "0"
        said["total"] = number(worth.total)
        said["totalLong"] = number(sum((long for long, _ in parts.values()), ZERO))
        said["totalShort"] = number(sum((short for _, short in parts.values()), ZERO))
        yield row("EquitySummaryByReportDateInBase", said)


def cash_report(world: World, past: AccountPast, year: Year) -> Iterator[str]:
    """What moved the cash, as a sum in the base currency and in each currency."""
    starting, ending = past.cash(year.begins - 1), past.cash(year.ends)
    moves = _moves(past, year)
    rates = _rates_before(world, past, year)
    start = sum((amount * rates[one] for one, amount in starting.items()), ZERO)
    lines = _sums(
        [(move.reason, move.amount * world.rate(move.currency, past.base, move.day)) for move in moves]
    )
    end = past.worth[year.ends].cash
    translation = end - start - sum(lines.values(), ZERO)
    yield _report(past, year, "BASE_SUMMARY", (start, end), lines, translation)
    for currency in sorted(ending):
        own = _sums([(move.reason, move.amount) for move in moves if move.currency == currency])
        yield _report(past, year, currency, (starting.get(currency, ZERO), ending[currency]), own, None)


def change_in_nav(world: World, past: AccountPast, year: Year) -> str:
    """How what the account was worth came from the year's start to its end."""
    start = past.worth[year.begins - 1].total if year.begins else ZERO
    end = past.worth[year.ends].total
    lines = _sums(
        [
            (move.reason, move.amount * world.rate(move.currency, past.base, move.day))
            for move in _moves(past, year)
        ]
    )
    told = {
        "depositsWithdrawals": lines["deposits"] + lines["withdrawals"],
        "assetTransfers": _received(world, past, year),
        "dividends": lines["dividends"] + lines["in_lieu"],
        "withholdingTax": lines["withholding"],
        "interest": lines["interest"],
        "commissions": lines["commissions"],
        "otherFees": lines["fees"],
    }
    mtm = end - start - sum(told.values(), ZERO)
    return row(
        "ChangeInNAV",
        {
            "accountId": past.account,
            "acctAlias": "",
            "model": "",
            "currency": past.base,
            "fromDate": on(year.first),
            "toDate": on(year.last),
            "startingValue": number(start),
            "mtm": number(mtm),
            "realized": "0",
            "changeInUnrealized": "0",
            **{name: number(amount) for name, amount in told.items()},
            "endingValue": number(end),
        },
    )


def _received(world: World, past: AccountPast, year: Year) -> Decimal:
    total = ZERO
    for step in past.steps:
        day = past.day_of[id(step)]
        if step.kind == "received" and year.begins <= day <= year.ends:
            instrument = step.instrument
            value = step.quantity * world.mark(instrument, day) * instrument.point_value
            total += value * world.rate(instrument.currency, past.base, day)
    return total


def _moves(past: AccountPast, year: Year) -> list[Move]:
    return [move for move in past.moves if year.begins <= move.day <= year.ends]


def _rates_before(world: World, past: AccountPast, year: Year) -> dict[str, Decimal]:
    day = max(year.begins - 1, 0)
    return {one: world.rate(one, past.base, day) for one in {move.currency for move in past.moves}}


def _sums(amounts: list[tuple[Reason, Decimal]]) -> dict[Reason, Decimal]:
    sums: dict[Reason, Decimal] = defaultdict(lambda: ZERO)
    for reason, amount in amounts:
        sums[reason] += amount
    return sums


def _report(
    past: AccountPast,
    year: Year,
    currency: str,
    cash: tuple[Decimal, Decimal],
    lines: dict[Reason, Decimal],
    translation: Decimal | None,
) -> str:
    start, end = cash
    said: dict[str, object] = {
        "accountId": past.account,
        "acctAlias": "",
        "model": "",
        "currency": currency,
        "levelOfDetail": "BaseCurrency" if currency == "BASE_SUMMARY" else "Currency",
        "fromDate": on(year.first),
        "toDate": on(year.last),
        "startingCash": number(start),
    }
    said |= {name: number(lines.get(reason, ZERO)) for reason, name in _LINES.items()}
    said["depositWithdrawals"] = number(lines.get("deposits", ZERO) + lines.get("withdrawals", ZERO))
    if translation is not None:
        said["fxTranslationGainLoss"] = number(translation)
    said["endingCash"] = said["endingSettledCash"] = number(end)
    return row("CashReportCurrency", said)
