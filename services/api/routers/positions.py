from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Query
from msgspec.structs import asdict
from starlette.responses import Response

from core.domain.money import plain
from core.events.changes import PositionChanged
from models.queries.differences import DifferenceRow, differences_page
from models.queries.lots import Averages, averages_of
from models.queries.positions import (
    BookWords,
    EventRow,
    PositionKey,
    Status,
    book_of,
    events_page,
    position_by_id,
    positions_page,
)
from services.api.as_of import Question, moments, past_freshness, past_positions
from services.api.bodies import invalid
from services.api.context import Context, Shared
from services.api.live.feed import place_of
from services.api.live.load import database_is_away
from services.api.live.rows import position_row
from services.api.openapi import answers
from services.api.paging import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Cursor,
    Limit,
    cut,
    event_cursor,
    event_seq,
    json_response,
    past_cursor,
    past_key,
    position_cursor,
    position_key,
)
from services.api.parameters import Moment, Symbol, Text
from services.api.problems import ProblemError, not_found
from services.api.schemas.common import encode
from services.api.schemas.positions import (
    PositionDetail,
    PositionDifference,
    PositionEvent,
    PositionEventPage,
    PositionPage,
)
from services.api.words import spelled_tag

router = APIRouter(prefix="/api/v1/positions", tags=["positions"])

AsOf = Annotated[
    datetime | None,
    Query(
        description="what was held then: executions up to this moment, by what is known now, with what later "
        "corrections and commissions have made of them; ISO 8601 with a zone, not in the future"
    ),
]
KnownAt = Annotated[
    datetime | None,
    Query(
        description="what was known then: only what had been received by this moment has a say, as if "
        "nothing had come since; without as_of, what was held at this moment"
    ),
]


HeldSince = Annotated[
    Moment | None, Query(alias="from", description="those that were held at some time since then")
]
HeldUntil = Annotated[
    Moment | None, Query(alias="to", description="those that were held at some time before then")
]


class _Chosen(NamedTuple):
    """Which positions a list is of."""

    account: str | None
    symbol: str | None
    tag: str | None
    since: datetime | None
    until: datetime | None

    @property
    def asks_database(self) -> bool:
        """Whether the picture of what is open cannot tell."""
        return (self.tag, self.since, self.until) != (None, None, None)


@router.get("", summary="Positions, newest first", responses=answers(PositionPage, 400, 404))
async def list_positions(
    context: Shared,
    account: str | None = None,
    status: Status = "open",
    symbol: Symbol = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    tag: Annotated[Text | None, Query(description="those that have this tag")] = None,
    since: HeldSince = None,
    until: HeldUntil = None,
) -> Response:
    """Open ones as the WebSocket has them; with `as_of` or `known_at` what was held, or known, at that time.

    Open positions come from the same picture as the WebSocket's rows; closed ones from the database. With
    `as_of`, `known_at` or both it is what was held at a moment that has passed, `status` being what it was
    then. Market figures are null, and nothing is known from before the first execution or opening balance.
    Each page repeats the moments, which its cursor carries. `tag`, `from` and `to` ask the database, and do
    not go with those.
    """
    asked = moments(as_of, known_at, context.clock())
    after = position_key(cursor) if asked is None else past_key(cursor, *asked)
    context.picture_ready()
    if account is not None:
        context.known_account(account)
    if since is not None and until is not None and since >= until:
        raise invalid("`from` is not before `to`: no position was held between them.")
    chosen = _Chosen(account, symbol, None if tag is None else spelled_tag(tag), since, until)
    if asked is not None:
        if chosen.asks_database:
            raise invalid(
                "`tag`, `from` and `to` do not go with `as_of` or `known_at`: ask without the others."
            )
        return await _past(context, Question(asked, status, account, symbol, after, limit))
    judged, feed = context.hub.judge(), context.hub.feed
    question = (account, symbol, limit, after)
    from_picture = status == "open" and not chosen.asks_database
    if from_picture:
        kept = feed.kept_page(question, judged)
        if kept is not None:
            return json_response(kept)
        found = feed.open_page(account=account, symbol=symbol, after=after, limit=limit + 1)
    else:
        found = await _from_database(context, status, chosen, after, limit + 1)
        judged = context.hub.judge()
    page, last = cut(found, limit)
    next_cursor = None if last is None else position_cursor(place_of(last))
    body = b'{"items":[%b],"next_cursor":%b,"freshness":%b}' % (
        b",".join(feed.encoded_position(position, judged) for position in page),
        encode(next_cursor),
        encode(feed.positions_freshness(judged, account)),
    )
    if from_picture:
        feed.keep_page(question, judged, body)
    return json_response(body)


async def _past(context: Context, question: Question) -> Response:
    judged = context.hub.judge()
    block = past_freshness(question.moments, judged)
    found = await past_positions(context, question._replace(limit=question.limit + 1))
    rows, last = cut(found, question.limit)
    page = PositionPage(
        items=tuple(position_row(position, None, block, question.moments.as_of) for position in rows),
        next_cursor=None if last is None else past_cursor(place_of(last), *question.moments),
        freshness=block,
    )
    return json_response(encode(page))


async def _from_database(
    context: Context,
    status: Status,
    chosen: "_Chosen",
    after: PositionKey | None,
    limit: int,
) -> list[PositionChanged]:
    async with context.database.read() as reader:
        found = await positions_page(reader, status=status, after=after, limit=limit, **chosen._asdict())
    # What is open is shown as the picture has it, so that no two answers differ.
    held = context.hub.picture.positions
    return [held.get(position.id, position) for position in found]


def unknown_position() -> ProblemError:
    """The answer about a position that there is not."""
    return not_found("position_not_found", "There is no such position. GET /api/v1/positions lists them.")


async def find_position(context: Context, position_id: UUID) -> PositionChanged:
    """A position, open or closed; what is open is shown as the picture has it."""
    context.picture_ready()
    held = context.hub.picture.positions.get(str(position_id))
    if held is not None:
        return held
    async with context.database.read() as reader:
        found = await position_by_id(reader, position_id)
    if found is None:
        raise unknown_position()
    return found


def _difference(row: DifferenceRow) -> PositionDifference:
    return PositionDifference(
        id=row.id,
        kind=row.kind,
        cause=row.cause,
        inferred=row.inferred,
        ours=None if row.ours is None else plain(row.ours),
        brokers=None if row.brokers is None else plain(row.brokers),
        since=row.since,
        status=row.status,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        note=row.note,
    )


class _Known(NamedTuple):
    """What only the database knows of a position."""

    averages: Averages
    book: BookWords
    differences: list[DifferenceRow]


@router.get("/{position_id}", summary="One position", responses=answers(PositionDetail, 404))
async def one_position(context: Shared, position_id: UUID) -> Response:
    """Open or closed, with its average prices, its cost method and what the broker has otherwise.

    An open one is answered from memory while the database is away: what only that knows is null then.
    """
    position = await find_position(context, position_id)
    try:
        known = await _known(context, position, position_id)
    except Exception as error:
        if position.status != "open" or not database_is_away(error):
            raise
        known = None
    row = asdict(context.hub.feed.position(position, context.hub.judge()))
    return json_response(encode(_detail(row, known)))


async def _known(context: Context, position: PositionChanged, position_id: UUID) -> _Known:
    async with context.database.read() as reader:
        averages, book = await averages_of(reader, position_id), await book_of(reader, position_id)
        differing = await differences_page(
            reader, status="standing", account=position.account, conid=position.conid, limit=MAX_LIMIT
        )
    if averages is None or book is None:  # folded anew under another id a moment ago
        raise unknown_position()
    return _Known(averages, book, [row for row in differing if row.position_id == position_id])


def _detail(row: dict[str, Any], known: _Known | None) -> PositionDetail:
    if known is None:
        return PositionDetail(
            **row,
            average_entry_price=None,
            average_exit_price=None,
            max_quantity=None,
            cost_method=None,
            broker_average_cost=None,
            differences=None,
        )
    entry, leaving = known.averages.entry_price, known.averages.exit_price
    said = known.book.broker_average_cost
    return PositionDetail(
        **row,
        average_entry_price=None if entry is None else plain(entry),
        average_exit_price=None if leaving is None else plain(leaving),
        max_quantity=plain(known.averages.max_quantity),
        cost_method=known.book.cost_method,
        broker_average_cost=None if said is None else plain(said),
        differences=tuple(_difference(one) for one in known.differences),
    )


def _event(row: EventRow) -> PositionEvent:
    return PositionEvent(
        id=f"{row.position_id}:{row.seq}",
        position_id=str(row.position_id),
        type=row.type,
        executed_at=row.executed_at,
        quantity=plain(row.quantity),
        price=None if row.price is None else plain(row.price),
        position_after=plain(row.position_after),
        realized_pnl=None if row.realized_pnl is None else plain(row.realized_pnl),
        commission=None if row.commission is None else plain(row.commission),
        exec_id=row.exec_id,
        cause=row.cause,
        inferred=row.inferred,
        replaced_quantity=None if row.replaced_quantity is None else plain(row.replaced_quantity),
    )


@router.get(
    "/{position_id}/events",
    summary="How a position came about, oldest first",
    responses=answers(PositionEventPage, 400, 404),
)
async def position_events(
    context: Shared, position_id: UUID, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """Opened, increased, reduced, closed, flipped, adjusted, corrected."""
    after = event_seq(cursor)
    position = await find_position(context, position_id)
    async with context.database.read() as reader:
        found = await events_page(reader, position_id, after=after, limit=limit + 1)
    rows, last = cut(found, limit)
    page = PositionEventPage(
        items=tuple(_event(row) for row in rows),
        next_cursor=None if last is None else event_cursor(last.seq),
        freshness=context.hub.feed.dataset_freshness("executions", context.hub.judge(), position.account),
    )
    return json_response(encode(page))
