from msgspec import Struct, field

from core.domain.measures.attribution import PartKind
from core.domain.measures.explained import Reason
from core.domain.measures.itemized import Grouping
from core.domain.performance import Quality, Source
from services.api.schemas.common import Amount, Freshness, Moment


class AttributionItem(Struct, frozen=True, kw_only=True):
    """What an instrument, a class, a currency or a kind gained, and by what; in the account's base currency.

    ``key`` is a conid (of cash in a currency and what is paid on it ``CASH.USD``), a class of IBKR's, a
    currency, or a kind. ``conid``, ``symbol``, ``asset_class`` and ``currency`` are null where the group is
    of several. A kind of which nothing is known is null; ``total`` is of what is known, and unless
    ``complete`` there is more, which is within what is unexplained.
    """

    key: str
    conid: int | None
    symbol: str | None
    asset_class: str | None
    currency: str | None
    price: Amount | None
    dividends: Amount | None
    interest: Amount | None
    fees: Amount | None
    fx: Amount | None
    total: Amount
    complete: bool


class AttributionUnknown(Struct, frozen=True, kw_only=True):
    """A part that is not known, and why. Without a ``kind`` it is what the owner brought or took."""

    kind: PartKind | None
    conid: int | None
    symbol: str | None
    asset_class: str | None
    currency: str | None
    reason: Reason


class AttributionUnclassified(Struct, frozen=True, kw_only=True):
    """Cash that came (or, negative, went) without anything that tells what it was; ``worth``: in base."""

    currency: str
    amount: Amount
    worth: Amount | None


class Attribution(Struct, frozen=True, kw_only=True):
    """Where an account's gain came from, in ``currency``, its base currency.

    ``from`` and ``to`` are the ends really used: of what was told last by the times asked for, a snapshot
    (``start_source``, ``end_source``) or the day of a statement. ``gain`` = ``end_value`` − ``start_value`` −
    ``net_contribution`` (what the owner brought less what he took) = the totals of all items +
    ``unexplained``, to the last digit. ``unknown`` and ``unclassified`` say what is within ``unexplained``.
    ``rate_age_seconds`` is how far, at most, a rate was told from what it converts. ``data_quality``:
    ``complete``; ``estimated``, where a rate is more than a day from that, or a contribution was valued or
    placed by our own reckoning; ``incomplete``, where something is not known or remains unexplained.
    """

    account: str
    since: Moment = field(name="from")
    until: Moment = field(name="to")
    start_source: Source
    end_source: Source
    by: Grouping
    currency: str
    start_value: Amount
    end_value: Amount
    net_contribution: Amount
    gain: Amount
    items: tuple[AttributionItem, ...]
    unexplained: Amount
    unknown: tuple[AttributionUnknown, ...]
    unclassified: tuple[AttributionUnclassified, ...]
    rate_age_seconds: int
    data_quality: Quality
    freshness: Freshness
