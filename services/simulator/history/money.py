"""The cash of an account: what its steps moved, what it earned and paid, what its owner brought and took."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Literal, NamedTuple

from services.simulator.history.steps import Step
from services.simulator.history.world import World
from services.simulator.holdings import ZERO
from services.simulator.instruments import Instrument

Reason = Literal[
    "sales", "purchases", "commissions", "settling", "deposits", "withdrawals", "dividends", "in_lieu",
    "withholding", "interest", "fees",
]  # fmt: skip
"""The lines of a cash report."""

_CENT = Decimal("0.01")
_THOUSAND = Decimal(1_000)
_WITHHELD = {"USD": Decimal("0.15"), "EUR": Decimal("0.26375")}
_TO_PAYMENT = 12
_DEBITED = 0.2
_BETWEEN_DEPOSITS = 63
_CUSHION = Decimal(500)


class Move(NamedTuple):
    """What one thing did to the cash in one currency on a day."""

    day: int
    currency: str
    amount: Decimal
    reason: Reason


@dataclass(frozen=True, slots=True)
class Flow:
    """Cash that came or went other than by a trade: a row of its own in a statement."""

    day: int
    currency: str
    amount: Decimal
    reason: Reason
    description: str
    instrument: Instrument | None = None

    @property
    def move(self) -> Move:
        """What it did to the cash."""
        return Move(self.day, self.currency, self.amount, self.reason)


def moves_of(step: Step, day: int) -> Iterator[Move]:
    """What a step moved."""
    instrument = step.instrument
    if step.commission:
        yield Move(day, step.commission_currency, -step.commission, "commissions")
    if instrument.sec_type == "FUT":
        if step.gross_realized:
            yield Move(day, instrument.currency, step.gross_realized, "settling")
        return
    if step.kind in {"trade", "delivered"}:
        paid = -step.money
        yield Move(day, instrument.currency, paid, "sales" if paid > ZERO else "purchases")
    if instrument.sec_type == "CASH":
        got = step.quantity
        yield Move(day, instrument.symbol, got, "sales" if got > ZERO else "purchases")


def earned(
    world: World, held: Mapping[int, Sequence[tuple[int, Decimal]]], cash: Sequence[str]
) -> list[Flow]:
    """Dividends on what was ``held`` (changes of each contract by day), and interest and fees by month."""
    flows: list[Flow] = []
    for conid, changes in sorted(held.items()):
        instrument = world.book.instruments.get(conid)
        if instrument is not None and instrument.sec_type == "STK":
            flows += _dividends(world, instrument, changes)
    for day in range(1, len(world.days)):
        if world.days[day].month != world.days[day - 1].month:
            flows += _of_a_month(world, day, cash)
    return flows


def _dividends(
    world: World, instrument: Instrument, changes: Sequence[tuple[int, Decimal]]
) -> Iterator[Flow]:
    yearly = (instrument.conid % 7) * Decimal("0.005")  # every seventh pays none, none more than 3 %
    if not yearly:
        return
    total = len(world.days)
    for ex_day in range(20 + instrument.conid % 40, total - _TO_PAYMENT, _BETWEEN_DEPOSITS):
        quantity = next((held for day, held in reversed(changes) if day < ex_day), ZERO)
        if not quantity:
            continue
        price = world.mark(instrument, ex_day)
        rate = (price * yearly / 4).quantize(Decimal("0.0001"))
        gross = (quantity * rate).quantize(_CENT)
        if not gross:
            continue
        day, name = (
            ex_day + _TO_PAYMENT,
            f"{instrument.symbol} CASH DIVIDEND {instrument.currency} {rate} PER SHARE",
        )
        if gross < ZERO:
            text = f"{name} - PAYMENT IN LIEU"
            yield Flow(day, instrument.currency, gross, "in_lieu", text, instrument)
            continue
        yield Flow(day, instrument.currency, gross, "dividends", f"{name} (Ordinary Dividend)", instrument)
        tax = (gross * _WITHHELD.get(instrument.currency, ZERO)).quantize(_CENT)
        if tax:
            yield Flow(day, instrument.currency, -tax, "withholding", f"{name} - TAX", instrument)


def _of_a_month(world: World, day: int, cash: Sequence[str]) -> Iterator[Flow]:
    """Interest for the month before, and what its market data cost."""
    rng, month = world.rng, f"{world.days[day - 1]:%b-%Y}".upper()
    for currency in cash:
        amount = (Decimal(rng.randrange(150, 4_200)) / 100).quantize(_CENT)
        if rng.random() < _DEBITED:
            text = f"{currency} DEBIT INT FOR {month}"
            yield Flow(day, currency, -(amount / 4).quantize(_CENT), "interest", text)
        else:
            yield Flow(day, currency, amount, "interest", f"{currency} CREDIT INT FOR {month}")
    text = f"MARKET DATA: US SECURITIES SNAPSHOT BUNDLE FOR {month}"
    yield Flow(day, "USD" if "USD" in cash else cash[0], Decimal("-10.00"), "fees", text)


def brought(world: World, moves: Sequence[Move], ending: Mapping[str, Decimal], base: str) -> list[Flow]:
    """What the owner brought and took, so that no currency ran out and each ends at ``ending``."""
    by_currency: dict[str, list[Move]] = defaultdict(list)
    for move in moves:
        by_currency[move.currency].append(move)
    flows: list[Flow] = []
    for currency in sorted({*by_currency, *ending}):
        taken = []
        if currency == base:
            day = len(world.days) * 5 // 9
            amount = -Decimal(world.rng.randrange(5, 12)) * _THOUSAND
            taken = [Flow(day, currency, amount, "withdrawals", "DISBURSEMENT INITIATED BY ACCOUNT OWNER")]
        known = [*by_currency[currency], *(flow.move for flow in taken)]
        flows += taken + _deposits(len(world.days), currency, known, ending.get(currency, ZERO))
    return flows


def _deposits(total: int, currency: str, moves: Sequence[Move], ending: Decimal) -> list[Flow]:
    by_day = [ZERO] * total
    for move in moves:
        by_day[move.day] += move.amount
    starts = list(range(0, total, _BETWEEN_DEPOSITS))
    amounts: list[Decimal] = []
    balance = ZERO
    for start in starts:
        least = running = balance
        for amount in by_day[start : start + _BETWEEN_DEPOSITS]:
            running += amount
            least = min(least, running)
        lacking = max(_CUSHION - least, ZERO) if any(by_day[start : start + _BETWEEN_DEPOSITS]) else ZERO
        amounts.append((lacking / _THOUSAND).to_integral_value(ROUND_CEILING) * _THOUSAND)
        balance = running + amounts[-1]
    left = ending - balance
    if left > ZERO:
        # Brought early it harms nobody; in equal parts but for the first, which takes what is over.
        part = (left / len(starts) / 500).to_integral_value() * 500
        part = part if part * (len(starts) - 1) < left else ZERO
        amounts = [amount + part for amount in amounts]
        amounts[0] += left - part * len(starts)
    text = "CASH RECEIPTS / ELECTRONIC FUND TRANSFERS"
    flows = [
        Flow(day, currency, amount, "deposits", text)
        for day, amount in zip(starts, amounts, strict=True)
        if amount
    ]
    if left < ZERO:
        text = "DISBURSEMENT INITIATED BY ACCOUNT OWNER"
        flows.append(Flow(total - 3, currency, left, "withdrawals", text))
    return flows
