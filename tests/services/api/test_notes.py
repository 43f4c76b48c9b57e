"""Notes and tags of positions over HTTP; they stay with them, whatever the ledger makes of its books."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update

from core.domain.access import Scope
from models import tables as t
from models.session import Database, Writer
from tests.services.api.conftest import Api
from tests.services.api.people import make_user, signed_in
from tests.services.api.portfolio import MSFT, NOW, PAPER, USD, position_id
from tests.services.api.restricted import bearing

AAPL_NOTES = f"/api/v1/positions/{position_id('aapl')}/notes"
WHY = "bought for the buy-back"


@asynccontextmanager
async def unbound(database: Database) -> AsyncIterator[Writer]:
    """Positions may go though what is of them stays, as within a fold."""
    async with database.write() as writer:
        await writer.execute(text("SET LOCAL session_replication_role = replica"))
        yield writer


def notes_of(name: str) -> str:
    return f"/api/v1/positions/{position_id(name)}/notes"


def tags_of(name: str) -> str:
    return f"/api/v1/positions/{position_id(name)}/tags"


async def written(api: Api, body: str = WHY, name: str = "aapl") -> dict[str, Any]:
    answer = await api.http.post(notes_of(name), json={"body": body})
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def bodies(api: Api, name: str = "aapl") -> list[str]:
    return [one["body"] for one in (await api.get(notes_of(name)))["items"]]


async def tagged(api: Api, name: str, *tags: str) -> list[str]:
    told: list[str] = []
    for tag in tags:
        answer = await api.http.post(tags_of(name), json={"tag": tag})
        assert answer.status_code == 200, answer.text
        told = answer.json()["tags"]
    return told


async def untagged(api: Api, name: str, tag: str) -> list[str]:
    answer = await api.http.delete(tags_of(name), params={"tag": tag})
    assert answer.status_code == 200, answer.text
    told: list[str] = answer.json()["tags"]
    return told


async def test_a_note_is_written_changed_and_removed(api: Api) -> None:
    first = await written(api, f"  {WHY}\n")
    assert (first["body"], first["author"], first["changed_at"]) == (WHY, "owner", None)
    assert first["position_id"] == str(position_id("aapl"))
    changed = await api.http.patch(f"{AAPL_NOTES}/{first['id']}", json={"body": "sold half"})
    assert (changed.status_code, changed.json()["body"]) == (200, "sold half")
    assert (changed.json()["changed_at"] is None, changed.json()["changed_by"]) == (False, "owner")
    assert changed.json()["written_at"] == first["written_at"]
    assert await bodies(api) == ["sold half"]
    assert (await api.http.delete(f"{AAPL_NOTES}/{first['id']}")).status_code == 204
    assert await bodies(api) == []


async def test_notes_come_in_pages_newest_first(api: Api) -> None:
    for number in range(5):
        await written(api, f"note {number}")
    page = await api.get(AAPL_NOTES, limit=2)
    rest = await api.get(AAPL_NOTES, limit=3, cursor=page["next_cursor"])
    assert [one["body"] for one in (*page["items"], *rest["items"])] == [f"note {n}" for n in (4, 3, 2, 1, 0)]
    assert rest["next_cursor"] is None


async def test_who_wrote_it_is_told(api: Api, database: Database) -> None:
    await make_user(database, "anna", Scope.SYNC)
    async with signed_in(api, "anna") as anna:
        answer = await anna.post(AAPL_NOTES, json={"body": WHY})
        assert answer.json()["author"] == "anna"
    told = await api.http.patch(f"{AAPL_NOTES}/{answer.json()['id']}", json={"body": "sell"})
    assert (told.json()["author"], told.json()["changed_by"]) == ("anna", "owner")


@pytest.mark.parametrize(
    "body", [b"{}", b'{"body": ""}', b'{"body": "  "}', b'{"body": "a\\u0000b"}', b'{"body": 1}', b"no"]
)
async def test_no_note_is_refused_with_a_sentence(api: Api, body: bytes) -> None:
    for method, path in (("POST", AAPL_NOTES), ("PATCH", f"{AAPL_NOTES}/1")):
        answer = await api.http.request(method, path, content=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
        assert "at most 4000 characters" in answer.json()["detail"]
    long = await api.http.post(AAPL_NOTES, json={"body": "x" * 4_001})
    assert long.status_code == 422


async def test_a_note_of_another_position_is_not_there(api: Api) -> None:
    number = (await written(api))["id"]
    for path in (f"{notes_of('es')}/{number}", f"{AAPL_NOTES}/{number + 1}", f"{AAPL_NOTES}/{2**70}"):
        for answer in (await api.http.patch(path, json={"body": "mine"}), await api.http.delete(path)):
            assert (answer.status_code, answer.json()["code"]) == (404, "note_not_found")
    answer = await api.http.post(f"/api/v1/positions/{uuid.uuid4()}/notes", json={"body": WHY})
    assert (answer.status_code, answer.json()["code"]) == (404, "position_not_found")
    assert await bodies(api) == [WHY]


async def test_tags_are_given_and_taken_one_by_one(api: Api) -> None:
    assert await tagged(api, "aapl", "Long  Term", "dividend", "long term") == ["dividend", "long term"]
    assert (await api.get(AAPL_NOTES))["tags"] == ["dividend", "long term"]
    await tagged(api, "won", "dividend")
    told = (await api.get("/api/v1/tags"))["items"]
    assert told == [{"name": "dividend", "positions": 2}, {"name": "long term", "positions": 1}]
    page = await api.get("/api/v1/tags", limit=1)
    assert (await api.get("/api/v1/tags", cursor=page["next_cursor"]))["items"] == told[1:]
    assert await untagged(api, "aapl", "Long Term") == ["dividend"]
    assert await untagged(api, "aapl", "never given") == ["dividend"]
    assert await untagged(api, "aapl", "dividend") == []
    assert (await api.get("/api/v1/tags"))["items"] == [{"name": "dividend", "positions": 1}]


async def test_the_same_word_is_the_same_tag_however_it_was_typed(api: Api) -> None:
    assert await tagged(api, "aapl", "caf\u00e9", "CAFE\u0301") == ["caf\u00e9"]
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert await tagged(api, "aapl", family) == ["caf\u00e9", family]
    assert await untagged(api, "aapl", "Cafe\u0301") == [family]
    found = (await api.get("/api/v1/positions", tag=family))["items"]
    assert [one["id"] for one in found] == [str(position_id("aapl"))]


async def test_no_position_is_given_more_tags_than_it_may_have_and_any_can_be_taken(
    api: Api, database: Database
) -> None:
    await tagged(api, "aapl", *(f"t{number:02}" for number in range(20)))
    answer = await api.http.post(tags_of("aapl"), json={"tag": "one more"})
    assert (answer.status_code, "take one away first" in answer.json()["detail"]) == (422, True)
    assert len(await tagged(api, "aapl", "t07")) == 20, "it has that already"
    # Two that became one may have more.
    async with database.write() as writer:
        await writer.execute(
            text(
                "INSERT INTO position_tags SELECT :id, 'of another', account, conid, held_at, tagged_at "
                "FROM position_tags LIMIT 1"
            ),
            {"id": uuid.uuid4()},
        )
    assert len((await api.get(AAPL_NOTES))["tags"]) == 21
    assert len(await untagged(api, "aapl", "t00")) == 20


@pytest.mark.parametrize("tag", ["a,b", " ", "a\x07", "x" * 41, "\u0130" * 40, 1, ["a"]])
async def test_what_is_no_tag_is_refused(api: Api, tag: Any) -> None:
    await tagged(api, "aapl", "kept")
    answer = await api.http.post(tags_of("aapl"), json={"tag": tag})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert "without commas" in answer.json()["detail"]
    assert (await api.get(AAPL_NOTES))["tags"] == ["kept"]


async def test_positions_are_found_by_their_tag(api: Api) -> None:
    await tagged(api, "aapl", "dividend")
    await tagged(api, "won", "dividend")

    async def found(**query: Any) -> list[str]:
        return [one["id"] for one in (await api.get("/api/v1/positions", tag="dividend", **query))["items"]]

    assert await found(status="all") == [str(position_id("won")), str(position_id("aapl"))]
    assert await found() == [str(position_id("aapl"))]
    assert (await api.get("/api/v1/positions", tag=" Dividend "))["items"], "as it is kept"
    assert await found(status="closed") == [str(position_id("won"))]
    assert await found(status="all", account=PAPER) == []
    page = await api.get("/api/v1/positions", tag="dividend", status="all", limit=1)
    assert await found(status="all", cursor=page["next_cursor"]) == [str(position_id("aapl"))]
    wrong = await api.http.get("/api/v1/positions", params={"tag": "a", "as_of": "2026-11-19T00:00:00Z"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "validation_failed")


async def test_positions_are_found_by_when_they_were_held(api: Api) -> None:
    async def held(since: int | None, until: int | None) -> set[str]:
        asked = {"from": since, "to": until}
        query = {
            name: (NOW - timedelta(days=days)).isoformat() for name, days in asked.items() if days is not None
        }
        rows = (await api.get("/api/v1/positions", status="all", **query))["items"]
        return {row["id"] for row in rows}

    def named(*names: str) -> set[str]:
        return {str(position_id(name)) for name in names}

    # Of nine days ago, and of what is held since.
    assert await held(None, 8) == named("aapl")
    # The one that was sold six days ago, and not the one that was opened on the day after.
    assert await held(6, 5) == named("aapl", "won", "lost")
    assert await held(1, None) == named("aapl", "es", "vod", "again")
    turned = {"from": NOW.isoformat(), "to": (NOW - timedelta(days=1)).isoformat()}
    answer = await api.http.get("/api/v1/positions", params=turned)
    assert (answer.status_code, "not before" in answer.json()["detail"]) == (422, True)
    still = await api.get("/api/v1/positions", **{"from": (NOW - timedelta(days=1)).isoformat()})
    assert {row["id"] for row in still["items"]} == named("aapl", "es", "vod")


async def test_a_book_that_is_folded_otherwise_takes_its_notes_along(api: Api, database: Database) -> None:
    """A fill that comes to light begins the position with another execution: its id is another, too."""
    await written(api, "of the first", "won")
    await written(api, "of the second", "again")
    await tagged(api, "won", "first")
    await tagged(api, "again", "second")
    # Both become one, that is opened earlier.
    joined = uuid.uuid4()
    async with unbound(database) as writer:
        await writer.execute(
            update(t.positions)
            .where(t.positions.c.id == position_id("won"))
            .values(id=joined, opened_at=NOW - timedelta(days=20), closed_at=NOW)
        )
        await writer.execute(delete(t.positions).where(t.positions.c.id == position_id("again")))
    path = f"/api/v1/positions/{joined}"
    told = await api.get(f"{path}/notes")
    assert [one["body"] for one in told["items"]] == ["of the second", "of the first"]
    assert told["tags"] == ["first", "second"]
    assert (await api.get("/api/v1/tags"))["items"][0] == {"name": "first", "positions": 1}
    # What is said of it then is said of all of it.
    assert (await api.http.post(f"{path}/tags", json={"tag": "first"})).json()["tags"] == ["first", "second"]
    taken = await api.http.delete(f"{path}/tags", params={"tag": "first"})
    assert taken.json()["tags"] == ["second"]
    number = told["items"][0]["id"]
    assert (await api.http.patch(f"{path}/notes/{number}", json={"body": "of both"})).status_code == 200
    assert (await api.http.delete(f"{path}/notes/{number}")).status_code == 204


@pytest.mark.parametrize("earlier", [False, True])
async def test_a_position_that_comes_to_be_opened_later_keeps_its_notes(
    api: Api, database: Database, *, earlier: bool
) -> None:
    """Whether or not the book had another one before, which was over by then."""
    await written(api, "of it", "again")
    await tagged(api, "again", "kept")
    other = uuid.uuid4()
    async with unbound(database) as writer:
        await writer.execute(
            update(t.positions)
            .where(t.positions.c.id == position_id("again"))
            .values(id=other, opened_at=NOW - timedelta(hours=30))
        )
        before = t.positions.c.id == position_id("won")
        if earlier:
            await writer.execute(update(t.positions).where(before).values(closed_at=NOW - timedelta(days=3)))
        else:
            await writer.execute(delete(t.positions).where(before))
    told = await api.get(f"/api/v1/positions/{other}/notes")
    assert ([one["body"] for one in told["items"]], told["tags"]) == (["of it"], ["kept"])
    if earlier:
        assert await bodies(api, "won") == []


async def test_who_sees_some_accounts_writes_of_these_only(both: Api) -> None:
    theirs, others = bearing("theirs"), bearing("others")
    mine = await both.http.post(notes_of("vod"), json={"body": "mine"}, headers=theirs)
    assert mine.status_code == 201
    answer = await both.http.post(tags_of("vod"), json={"tag": "mine"}, headers=theirs)
    assert answer.status_code == 200
    for answer in (
        await both.http.post(notes_of("aapl"), json={"body": "x"}, headers=theirs),
        await both.http.post(tags_of("aapl"), json={"tag": "x"}, headers=theirs),
        await both.http.get(notes_of("aapl"), headers=theirs),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "position_not_found")
    told = [(await both.http.get("/api/v1/tags", headers=who)).json()["items"] for who in (theirs, others)]
    assert ["mine" in [tag["name"] for tag in tags] for tags in told] == [True, False]
    found = await both.http.get("/api/v1/positions", params={"tag": "mine"}, headers=others)
    assert found.json()["items"] == []


async def test_notes_are_kept_beside_the_book(api: Api, database: Database) -> None:
    await written(api, WHY, "won")
    async with database.read() as reader:
        [row] = await reader.execute(select(t.position_notes))
    assert (row.account, row.conid, row.held_at) == (USD, MSFT, NOW - timedelta(days=8))


async def test_of_two_that_began_at_once_the_later_is_meant(api: Api, database: Database) -> None:
    """What closes one position may open the next: to the second at the same time."""
    at = NOW - timedelta(days=2)
    await written(api, WHY, "again")
    later = uuid.uuid4()
    async with unbound(database) as writer:
        await writer.execute(delete(t.positions).where(t.positions.c.id == position_id("again")))
        row = (await writer.execute(select(t.positions).where(t.positions.c.id == position_id("won")))).one()
        values = {**row._mapping, "id": later, "ordinal": 7, "opened_at": at, "closed_at": at}
        await writer.execute(insert(t.positions).values(**values))
    assert [one["body"] for one in (await api.get(f"/api/v1/positions/{later}/notes"))["items"]] == [WHY]
    assert await bodies(api, "won") == []
