"""What an account was worth at a moment: when that may be taken down, and what it comes to.

Only what the broker told a moment ago is taken: an hour in which it told nothing is a gap. Net liquidation is
always the broker's own; the parts are for looking into it, and what they lack is told as coverage.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

from core.domain.account_values import (
    ACCRUED_CASH,
    BASE,
    BASE_SUMMARY,
    CASH_BALANCE,
    FUTURES_PNL,
    GROSS_POSITION_VALUE,
    NET_DIVIDEND,
    NET_LIQUIDATION,
    TOTAL_CASH,
)
from core.domain.freshness import BEAT_LIMIT, VALUE_CADENCE, Download, is_complete, link_reason, value_reason
from core.domain.link import LinkState, UpDown
from core.domain.market_hours import open_at
from core.domain.money import ZERO, decimal_from_text, is_usable
from core.domain.pnl import EXACT
from core.domain.rates import EXCHANGE_RATE
from core.errors import ErrorCategory

SnapshotSource: TypeAlias = Literal["ibkr"]
"""Whose word a snapshot is."""

AHEAD: Final = timedelta(seconds=60)
"""What is of this moment is never so far ahead of it: where it seems to be, the clock was set back."""

CASH_LIKE: Final = frozenset({"CASH", "BAG"})
"""Currency pairs are cash, and told as such; of a combo only the legs are held."""

WORTH_NOTHING_SOMETIMES: Final = frozenset({"OPT", "FOP", "WAR", "IOPT", "FUT"})
"""What can be worth zero: an option far out of the money, a future at zero. A share is
not: a gateway that has no market data says so of it."""

_COVERAGE: Final = Decimal("0.000001")


class AccountValue(NamedTuple):
    """What the broker told last of one key in one currency, over which connection."""

    value: str
    as_of: datetime
    epoch: int


class LinkWord(NamedTuple):
    """What the link told last of itself, and how long ago; ``None``: it never did."""

    gateway: UpDown
    ibkr: UpDown
    state: LinkState
    reason: str
    epoch: int
    silent: timedelta | None
    clock_offset: timedelta
    """The broker's clock minus ours."""


class Figures(NamedTuple):
    """Profit and loss as IBKR's account window has it, in the base currency."""

    daily_pnl: Decimal | None
    unrealized_pnl: Decimal | None
    realized_pnl: Decimal | None
    as_of: datetime


class Holding(NamedTuple):
    """What the broker says is held, and the last mark of it. ``mark_quantity`` is what it was counted for."""

    conid: int
    sec_type: str
    currency: str
    point_value: Decimal
    quantity: Decimal
    average_cost: Decimal | None
    mark_quantity: Decimal | None
    market_price: Decimal | None
    market_value: Decimal | None
    unrealized_pnl: Decimal | None
    daily_pnl: Decimal | None
    priced_at: datetime | None


class LastKnown(NamedTuple):
    """All that is known of one account at a moment. ``values`` are by key and currency."""

    account: str
    link: LinkWord | None
    account_values: Download | None
    positions: Download | None
    values: Mapping[tuple[str, str], AccountValue]
    pnl: Figures | None
    holdings: Sequence[Holding]
    hours: Mapping[int, tuple[str, str]] = MappingProxyType({})
    """By conid: regular trading hours, as IBKR spells them, and the zone they are in."""


class Refusal(NamedTuple):
    """Why there is no snapshot. The reason names no account and no amount."""

    category: ErrorCategory
    reason: str


class RateUsed(NamedTuple):
    """One unit of a currency in the base currency, and when the broker told so."""

    currency: str
    rate: Decimal
    as_of: datetime


class CashHeld(NamedTuple):
    """Cash in one currency; ``BASE_SUMMARY``: all of it, in the base currency.

    ``accrued`` is what of interest and dividends is due and not paid yet, ``futures`` what futures gained
    since they were settled last.
    """

    currency: str
    cash: Decimal
    as_of: datetime
    accrued: Decimal | None = None
    futures: Decimal | None = None


class Valued(NamedTuple):
    """A holding and what it was worth. ``fresh``: its mark was of then."""

    holding: Holding
    mark_price: Decimal | None
    market_value: Decimal | None
    market_value_base: Decimal | None
    fresh: bool
    market_open: bool | None
    """In regular trading hours; ``None``: they are not known."""


class Valuation(NamedTuple):
    """What an account was worth. ``asof_ts`` is the broker's time of ``net_liquidation``."""

    account: str
    asof_ts: datetime
    base_currency: str
    net_liquidation: Decimal
    total_cash: Decimal | None
    gross_position_value: Decimal | None
    coverage: Decimal
    pnl: Figures | None
    positions: tuple[Valued, ...]
    rates: tuple[RateUsed, ...]
    cash: tuple[CashHeld, ...]


def snapshot_key(account: str, hour: datetime | None, run_id: int) -> str:
    """What names a snapshot: there is one of an account in an hour, and one in each run asked for."""
    return f"{account}/{hour:%Y-%m-%dT%HZ}" if hour is not None else f"{account}/run-{run_id}"


def refusal(known: LastKnown, now: datetime, *, flush: timedelta) -> Refusal | None:
    """Why what is known of an account cannot be taken for what is true; ``None``: it can.

    ``flush`` is how long marks and beats wait at most until they are written.
    """
    return _link_refusal(known, flush) or _value_refusal(known, now)


def _link_refusal(known: LastKnown, flush: timedelta) -> Refusal | None:
    link = known.link
    if link is None or link.silent is None or link.silent > BEAT_LIMIT + 2 * flush:
        return Refusal("network", "broker_link_down")
    reason = link_reason(
        gateway=link.gateway,
        ibkr=link.ibkr,
        state=link.state,
        reason=link.reason,
        complete=link.state == "live",
        synced_before=known.account_values is not None,
    )
    if reason is not None:
        return Refusal("network", reason)
    for name, download in (("account_values", known.account_values), ("positions", known.positions)):
        if not is_complete([download], link.epoch):
            return Refusal("network", f"incomplete: {name}")
    return None


def _value_refusal(known: LastKnown, now: datetime) -> Refusal | None:
    told = _net_liquidation(known.values)
    if told is None or known.link is None or told[1].epoch < known.link.epoch:
        return Refusal("validation", f"missing: {NET_LIQUIDATION}")
    if _number(told[1].value) is None:
        return Refusal("validation", f"not a number: {NET_LIQUIDATION}")
    if told[1].as_of > now + AHEAD:
        return Refusal("validation", "the clock was set back: what was told last is of a time to come")
    old = value_reason(told[1].as_of, now, cadence=VALUE_CADENCE)
    return None if old is None else Refusal("network", f"{old}: {NET_LIQUIDATION}")


def valuation(known: LastKnown, now: datetime) -> Valuation:
    """What an account is worth, of which nothing is refused.

    A position's value is the broker's, or price × quantity where that was counted for another quantity.
    Where there is no mark or no rate it is unknown in the base currency, and lowers the coverage.
    """
    link, told = known.link, _net_liquidation(known.values)
    net = _number(told[1].value) if told is not None else None
    if link is None or told is None or net is None:
        raise ValueError("what is known of the account is refused")
    base, asof_ts = told[0], told[1].as_of + link.clock_offset
    rates = _rates(known.values, base, link.epoch)
    with localcontext(EXACT):
        positions = tuple(
            _valued(one, rates.get(one.currency), now)._replace(
                market_open=open_at(*known.hours.get(one.conid, ("", "")), asof_ts)
            )
            for one in known.holdings
        )
        coverage = _coverage(positions, rates)
    pnl = known.pnl
    if pnl is not None and not _is_of_now(pnl.as_of, now):
        pnl = None
    used = {one.currency for one in known.holdings} | {
        currency for key, currency in known.values if key == CASH_BALANCE
    }
    return Valuation(
        account=known.account,
        asof_ts=asof_ts,
        base_currency=base,
        net_liquidation=net,
        total_cash=_figure(known.values, TOTAL_CASH, base, link.epoch),
        gross_position_value=_figure(known.values, GROSS_POSITION_VALUE, base, link.epoch),
        coverage=coverage,
        pnl=pnl,
        positions=positions,
        rates=tuple(
            RateUsed(currency, rate.rate, rate.as_of)
            for currency, rate in sorted(rates.items())
            if currency in used and currency != base
        ),
        cash=tuple(_cash(known.values, base, rates, link.epoch)),
    )


def _number(spelled: str) -> Decimal | None:
    number = decimal_from_text(spelled)
    return number if is_usable(number) else None


def _net_liquidation(
    values: Mapping[tuple[str, str], AccountValue],
) -> tuple[str, AccountValue] | None:
    """The newest, and its currency: IBKR gives it in the base currency only."""
    told = [
        (currency, value)
        for (key, currency), value in values.items()
        if key == NET_LIQUIDATION and currency not in {"", BASE}
    ]
    return max(told, key=lambda one: (one[1].epoch, one[1].as_of), default=None)


def _figure(
    values: Mapping[tuple[str, str], AccountValue], key: str, base: str, epoch: int
) -> Decimal | None:
    """What the broker told over this connection: values come when they change."""
    told = values.get((key, base))
    return _number(told.value) if told is not None and told.epoch >= epoch else None


def _rates(values: Mapping[tuple[str, str], AccountValue], base: str, epoch: int) -> dict[str, RateUsed]:
    rates: dict[str, RateUsed] = {}
    for (key, currency), told in values.items():
        if key != EXCHANGE_RATE or currency in {"", BASE} or told.epoch < epoch:
            continue
        rate = _number(told.value)
        if rate is not None and rate > ZERO:
            rates[currency] = RateUsed(currency, rate, told.as_of)
    rates[base] = RateUsed(base, Decimal(1), datetime.min.replace(tzinfo=UTC))
    return rates


def _cash(
    values: Mapping[tuple[str, str], AccountValue], base: str, rates: Mapping[str, RateUsed], epoch: int
) -> list[CashHeld]:
    held: list[CashHeld] = []
    for (key, currency), told in sorted(values.items()):
        if key != CASH_BALANCE or not currency or told.epoch < epoch:
            continue
        amount = _number(told.value)
        if amount is not None:
            is_all = currency == BASE
            held.append(
                CashHeld(
                    BASE_SUMMARY if is_all else currency,
                    amount,
                    told.as_of,
                    None if is_all else _accrued(values, currency, base, rates, epoch),
                    None if is_all else _figure(values, FUTURES_PNL, currency, epoch),
                )
            )
    return held


def _accrued(
    values: Mapping[tuple[str, str], AccountValue],
    currency: str,
    base: str,
    rates: Mapping[str, RateUsed],
    epoch: int,
) -> Decimal | None:
    """Interest and dividends that are due in a currency; ``None`` unless both are told.

    In the base currency interest is told twice under one name, its own and that of the whole account: its own
    is the whole less that of the others.
    """
    dividends = _figure(values, NET_DIVIDEND, currency, epoch)
    interest = _figure(values, ACCRUED_CASH, BASE if currency == base else currency, epoch)
    if dividends is None or interest is None:
        return None
    if currency == base:
        for key, other in values:
            if key != ACCRUED_CASH or other in {"", BASE, base}:
                continue
            told, rate = _figure(values, key, other, epoch), rates.get(other)
            if told is None or rate is None:
                return None
            interest -= told * rate.rate
    return dividends + interest


def _is_of_now(as_of: datetime | None, now: datetime) -> bool:
    return (
        as_of is not None and as_of <= now + AHEAD and value_reason(as_of, now, cadence=VALUE_CADENCE) is None
    )


def _valued(holding: Holding, rate: RateUsed | None, now: datetime) -> Valued:
    price, value = holding.market_price, holding.market_value
    zero_is_real = holding.sec_type in WORTH_NOTHING_SOMETIMES
    if not is_usable(price) or (price == ZERO and not zero_is_real):
        price = None
    if not is_usable(value) or (value == ZERO and not zero_is_real):
        value = None
    if holding.mark_quantity != holding.quantity:
        value = None  # counted for what was held before
    if value is None and price is not None:
        value = price * holding.quantity * holding.point_value
    fresh = value is not None and _is_of_now(holding.priced_at, now)
    in_base = None if value is None or rate is None else value * rate.rate
    return Valued(holding, price, value, in_base, fresh, None)


def _coverage(positions: Sequence[Valued], rates: Mapping[str, RateUsed]) -> Decimal:
    """The share of what is held whose value in the base currency is known from a fresh mark."""
    counted = [one for one in positions if one.holding.sec_type not in CASH_LIKE]
    return covered_share(
        [
            (_weight(one, rates.get(one.holding.currency)), one.fresh and one.market_value_base is not None)
            for one in counted
        ]
    )


def covered_share(parts: Sequence[tuple[Decimal | None, bool]]) -> Decimal:
    """The share of ``parts``, each its weight and whether it is covered, that is covered: 0 to 1.

    What has no weight counts as much as the others on average: what is not known is never taken for nothing.
    Of no parts at all none is uncovered.
    """
    known = [weight for weight, _ in parts if weight is not None]
    average = sum(known, ZERO) / len(known) if known else ZERO
    filled = [average or Decimal(1) if weight is None else weight for weight, _ in parts]
    if not any(filled):
        filled = [Decimal(1)] * len(parts)
    covered = [weight for weight, (_, is_covered) in zip(filled, parts, strict=True) if is_covered]
    return (sum(covered, ZERO) / sum(filled, ZERO)).quantize(_COVERAGE) if parts else Decimal(1)


def _weight(one: Valued, rate: RateUsed | None) -> Decimal | None:
    if one.market_value_base is not None:
        return abs(one.market_value_base)
    cost = one.holding.average_cost
    return None if rate is None or cost is None else abs(cost * one.holding.quantity * rate.rate)
