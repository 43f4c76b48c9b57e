"""Jobs over HTTP: all of them as a list, and each by itself."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import insert

from models import tables as t
from models.session import Database
from tests.services.api.conftest import Api
from tests.services.api.portfolio import NOW, position_id

PATH = "/api/v1/jobs"


@pytest.fixture
async def several(api: Api, database: Database) -> Api:
    """A resync that went well, and four jobs that were asked for at one moment after it."""
    async with database.write() as writer:
        for number, (kind, status) in enumerate(
            (("import", "failed"), ("import", "succeeded"), ("rules", "queued"), ("snapshot", "running"))
        ):
            await writer.execute(
                insert(t.jobs).values(
                    id=uuid.UUID(int=number + 1),
                    kind=kind,
                    status=status,
                    error="no such file" if status == "failed" else None,
                    created_at=NOW + timedelta(minutes=1),
                )
            )
    return api


async def test_jobs_are_listed_page_by_page_the_newest_first(several: Api) -> None:
    first = await several.get(PATH, limit=2)
    second = await several.get(PATH, limit=2, cursor=first["next_cursor"])
    third = await several.get(PATH, limit=2, cursor=second["next_cursor"])
    told = [row["id"] for page in (first, second, third) for row in page["items"]]
    assert told == [*(str(uuid.UUID(int=n)) for n in (4, 3, 2, 1)), str(position_id("job"))]
    assert third["next_cursor"] is None
    assert third["items"][0]["finished_at"] == "2026-11-20T14:56:00Z"
    assert first["freshness"]["reason"] == "own_record"


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [({"status": "failed"}, [1]), ({"kind": "import"}, [2, 1]), ({"kind": "import", "status": "queued"}, [])],
)
async def test_jobs_are_narrowed_by_status_and_kind(
    several: Api, asked: dict[str, str], numbers: list[int]
) -> None:
    told = await several.get(PATH, **asked)
    assert [row["id"] for row in told["items"]] == [str(uuid.UUID(int=number)) for number in numbers]


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"status": "lost"}, 422, "validation_failed"),
        ({"limit": "501"}, 422, "validation_failed"),
        ({"kind": "\0"}, 422, "validation_failed"),
        ({"cursor": "WyJuIiwiaW1wb3J0cyIsMV0"}, 400, "cursor_invalid"),
    ],
)
async def test_what_cannot_be_asked_for_is_refused(
    api: Api, asked: dict[str, str], status: int, code: str
) -> None:
    answer = await api.http.get(PATH, params=asked)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
