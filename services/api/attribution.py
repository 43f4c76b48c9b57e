"""Where an account's gain came from, as the contract spells it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from core.domain.measures.explained import Explained, Unknown
from core.domain.measures.itemized import Grouping, Item, itemized
from core.domain.money import ZERO, plain
from models.queries.attribution.account import Refusal, Stored
from models.queries.attribution.moved import Named
from services.api.schemas.attribution import (
    AttributionItem,
    AttributionUnclassified,
    AttributionUnknown,
)


def told_of(account: str, stored: Stored, by: Grouping) -> dict[str, Any]:
    """All of the answer but its freshness: work, and none for an event loop."""
    found = stored.explained()
    gain = found.attribution
    return {
        "account": account,
        "since": stored.since.as_of,
        "until": stored.until.as_of,
        "start_source": stored.since.source,
        "end_source": stored.until.source,
        "by": by,
        "currency": stored.base,
        "start_value": plain(stored.since.value),
        "end_value": plain(stored.until.value),
        "net_contribution": plain(found.contribution),
        "gain": plain(gain.gain),
        "items": tuple(_item(item, stored.names) for item in itemized(gain, by)),
        "unexplained": plain(gain.unexplained),
        "unknown": tuple(_unknown(one, stored.names) for one in found.unknown),
        "unclassified": _unclassified(found),
        "rate_age_seconds": int(stored.rates_apart.total_seconds()),
        "data_quality": stored.quality(found),
    }


def sentence_of(refusal: Refusal) -> str:
    """Why there is nothing to be taken apart, and what to ask for."""
    match refusal.reason:
        case "nothing_between":
            return "No value was told between these times but one. Ask for a longer time."
        case "currency_changed":
            return "The account's base currency is another one at the end. Ask for a time in which it is one."
        case "value_not_known" if refusal.first is None:
            return "Nothing is known of what this account was worth: there is no snapshot, and no statement."
        case "value_not_known":
            first = f"{refusal.first:%Y-%m-%dT%H:%M:%SZ}"
            return (
                f"The first value that is known of this account is of {first}. Ask for a time from then on."
            )


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _symbol(conid: int | None, names: Mapping[int, Named]) -> str | None:
    name = None if conid is None else names.get(conid)
    return None if name is None else name.symbol


def _item(item: Item, names: Mapping[int, Named]) -> AttributionItem:
    name = None if item.conid is None else names.get(item.conid)
    return AttributionItem(
        key=item.key,
        conid=item.conid,
        symbol=_symbol(item.conid, names),
        asset_class=item.asset_class,
        currency=item.currency if name is None else name.currency,
        price=_amount(item.amounts.get("price", ZERO)),
        dividends=_amount(item.amounts.get("dividends", ZERO)),
        interest=_amount(item.amounts.get("interest", ZERO)),
        fees=_amount(item.amounts.get("fees", ZERO)),
        fx=_amount(item.amounts.get("fx", ZERO)),
        total=plain(item.total),
        complete=item.is_complete,
    )


def _unknown(one: Unknown, names: Mapping[int, Named]) -> AttributionUnknown:
    part = one.part
    return AttributionUnknown(
        kind=None if part is None else part.kind,
        conid=None if part is None else part.conid,
        symbol=_symbol(None if part is None else part.conid, names),
        asset_class=None if part is None else part.asset_class,
        currency=None if part is None else part.currency,
        reason=one.reason,
    )


def _unclassified(found: Explained) -> tuple[AttributionUnclassified, ...]:
    return tuple(
        AttributionUnclassified(currency=one.currency, amount=plain(one.amount), worth=_amount(one.worth))
        for one in found.unclassified
    )
