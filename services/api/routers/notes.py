"""What people write beside a position: notes, and tags by which it is found again."""

from http import HTTPStatus
from uuid import UUID

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from core.events.changes import PositionChanged
from models.noted import NoteRow, PositionOf
from models.queries.notes import notes_page, tags_of, tags_page
from models.stores.notes import add_tag, remove_note, rewrite_note, take_tag, write_note
from services.api.bodies import invalid, read_body
from services.api.context import Shared
from services.api.openapi import answers, takes
from services.api.paging import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    cut,
    is_row_number,
    json_response,
    last_name,
    name_cursor,
    number_cursor,
    row_number,
)
from services.api.parameters import Text
from services.api.problems import ProblemError, not_found
from services.api.routers.positions import find_position
from services.api.schemas.common import encode
from services.api.schemas.notes import (
    LONGEST_NOTE,
    LONGEST_TAG,
    MOST_TAGS,
    NoteText,
    PositionNote,
    PositionNotePage,
    PositionTags,
    Tag,
    TagPage,
    TagText,
)
from services.api.security.identity import identity_of
from services.api.words import spelled_tag

router = APIRouter(prefix="/api/v1", tags=["positions"])

_decode_note = msgspec.json.Decoder(NoteText).decode
_decode_tag = msgspec.json.Decoder(TagText).decode
_NOTE_HINT = f'Send {{"body": "…"}} as application/json: at most {LONGEST_NOTE} characters.'
_TAG_HINT = (
    f'Send {{"tag": "…"}} as application/json: at most {LONGEST_TAG} characters that can be shown, '
    "without commas."
)


def _of(position: PositionChanged) -> PositionOf:
    return PositionOf(UUID(position.id), position.account, position.conid)


def _note(position: PositionChanged, row: NoteRow) -> PositionNote:
    return PositionNote(position_id=position.id, **row._asdict())


@router.get(
    "/positions/{position_id}/notes",
    summary="Notes about a position, newest first",
    responses=answers(PositionNotePage, 400, 404),
)
async def list_notes(
    context: Shared, position_id: UUID, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """What was written about it, and its tags.

    Where a position was folded into another, its notes and tags are with the one that was held then.
    """
    before = row_number(cursor, "position_notes")
    position = await find_position(context, position_id)
    async with context.database.read() as reader:
        found = await notes_page(reader, _of(position), before=before, limit=limit + 1)
        tags = await tags_of(reader, _of(position))
    rows, last = cut(found, limit)
    page = PositionNotePage(
        items=tuple(_note(position, row) for row in rows),
        tags=tags,
        next_cursor=None if last is None else number_cursor("position_notes", last.id),
    )
    return json_response(encode(page))


@router.post(
    "/positions/{position_id}/notes",
    status_code=201,
    summary="Write a note about a position",
    responses=answers(PositionNote, 404, status=201),
    openapi_extra=takes(NoteText),
)
async def add_note(context: Shared, position_id: UUID, request: Request) -> Response:
    """It stays with the position, whatever later executions and corrections make of that."""
    body = await _body(request)
    position = await find_position(context, position_id)
    async with context.database.write_of(position.account) as writer:
        row = await write_note(
            writer,
            _of(position),
            held_at=position.opened_at,
            body=body,
            author=identity_of(request).name,
            now=context.clock(),
        )
    return json_response(encode(_note(position, row)), HTTPStatus.CREATED)


@router.patch(
    "/positions/{position_id}/notes/{note_id}",
    summary="Change a note",
    responses=answers(PositionNote, 404),
    openapi_extra=takes(NoteText),
)
async def change_note(context: Shared, position_id: UUID, note_id: int, request: Request) -> Response:
    """The words are others from now on; who wrote it first, who changed it last and when are told."""
    body = await _body(request)
    position = await find_position(context, position_id)
    row = None
    if is_row_number(note_id):
        async with context.database.write_of(position.account) as writer:
            row = await rewrite_note(
                writer,
                _of(position),
                note_id,
                body=body,
                by=identity_of(request).name,
                now=context.clock(),
            )
    if row is None:
        raise _unknown_note()
    return json_response(encode(_note(position, row)))


@router.delete(
    "/positions/{position_id}/notes/{note_id}",
    status_code=204,
    summary="Remove a note",
    responses=answers(None, 404, status=204),
)
async def delete_note(context: Shared, position_id: UUID, note_id: int) -> Response:
    """It is gone for good."""
    position = await find_position(context, position_id)
    async with context.database.write_of(position.account) as writer:
        if not is_row_number(note_id) or not await remove_note(writer, _of(position), note_id):
            raise _unknown_note()
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post(
    "/positions/{position_id}/tags",
    summary="Give a position a tag",
    responses=answers(PositionTags, 404),
    openapi_extra=takes(TagText),
)
async def add_position_tag(context: Shared, position_id: UUID, request: Request) -> Response:
    """Answers with all that it has now. Capitals are made small, so that nothing is tagged twice."""
    tag = spelled_tag((await read_body(request, _decode_tag, _TAG_HINT)).tag)
    if not tag or "," in tag or len(tag) > LONGEST_TAG:
        raise invalid(_TAG_HINT)
    position = await find_position(context, position_id)
    async with context.database.write_of(position.account) as writer:
        tags = await tags_of(writer, _of(position))
        if tag not in tags:
            if len(tags) >= MOST_TAGS:
                raise invalid(f"It has {len(tags)} tags, and may have {MOST_TAGS}: take one away first.")
            await add_tag(writer, _of(position), tag, held_at=position.opened_at, now=context.clock())
        tags = await tags_of(writer, _of(position))
    return json_response(encode(PositionTags(tags=tags)))


@router.delete(
    "/positions/{position_id}/tags",
    summary="Take a tag away from a position",
    responses=answers(PositionTags, 404),
)
async def take_position_tag(context: Shared, position_id: UUID, tag: Text) -> Response:
    """Answers with all that it has now."""
    position = await find_position(context, position_id)
    async with context.database.write_of(position.account) as writer:
        await take_tag(writer, _of(position), spelled_tag(tag))
        tags = await tags_of(writer, _of(position))
    return json_response(encode(PositionTags(tags=tags)))


@router.get("/tags", summary="Tags of positions, by their names", responses=answers(TagPage, 400))
async def list_tags(context: Shared, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Response:
    """Each with how many positions have it; `GET /api/v1/positions?status=all&tag=` lists these."""
    after = last_name(cursor, "tags")
    async with context.database.read() as reader:
        found = await tags_page(reader, after=after, limit=limit + 1)
    rows, last = cut(found, limit)
    page = TagPage(
        items=tuple(Tag(name=row.name, positions=row.positions) for row in rows),
        next_cursor=None if last is None else name_cursor("tags", last.name),
    )
    return json_response(encode(page))


async def _body(request: Request) -> str:
    told = await read_body(request, _decode_note, _NOTE_HINT)
    if "\x00" in told.body or not told.body.strip():
        raise invalid(_NOTE_HINT)
    return told.body.strip()


def _unknown_note() -> ProblemError:
    return not_found("note_not_found", "This position has no note with this number.")
