"""Examples of what people write beside positions, and of prices."""

from msgspec import Struct

from services.api.schemas.examples.common import AT, LIVE, OPENED, POSITION_ID
from services.api.schemas.notes import PositionNote, PositionNotePage, PositionTags, Tag, TagPage
from services.api.schemas.prices import PositionPrices, Price

_TAGS = ("dividend", "long term")
_NOTE = PositionNote(
    id=7,
    position_id=POSITION_ID,
    body="Bought for the buy-back; sell when it has ended.",
    author="ada",
    written_at=AT,
    changed_at=None,
    changed_by=None,
)

EXAMPLES: dict[type[Struct], Struct] = {
    PositionNote: _NOTE,
    PositionNotePage: PositionNotePage(items=(_NOTE,), tags=_TAGS, next_cursor=None),
    PositionTags: PositionTags(tags=_TAGS),
    TagPage: TagPage(items=tuple(Tag(name=name, positions=3) for name in _TAGS), next_cursor=None),
    PositionPrices: PositionPrices(
        position_id=POSITION_ID,
        currency="USD",
        since=OPENED,
        until=AT,
        stretch_seconds=3_157,
        items=(Price(ts=OPENED, price="227.5"), Price(ts=AT, price="231.4")),
        freshness=LIVE,
    ),
}
