"""The first user, made once by whoever can read a file on the machine."""

import asyncio

import pytest
from sqlalchemy import select

from models import tables as t
from models.session import Database
from tests.services.api.conftest import Api
from tests.services.api.people import PASSWORD, client, make_user

PATH = "/api/v1/setup"


async def test_the_setup_token_makes_the_first_admin_once_and_signs_in(api: Api) -> None:
    async with client(api) as one:
        assert (await one.get(PATH)).json() == {"needed": True}
        file = api.settings.setup_token_file
        assert file.stat().st_mode & 0o777 == 0o600
        sent = {"setup_token": file.read_text().strip(), "name": "Anna", "password": PASSWORD}
        assert (await one.post(PATH, json=sent)).status_code == 204
        who = (await one.get("/api/v1/session")).json()
        assert (who["name"], who["scope"], who["accounts"]) == ("anna", "admin", None)
        assert not file.exists()
        assert (await one.get(PATH)).json() == {"needed": False}
        again = await one.post(PATH, json={**sent, "name": "bert"})
        assert (again.status_code, again.json()["code"]) == (409, "setup_done")
        assert not file.exists()


async def test_of_several_who_want_to_be_first_one_is(api: Api, database: Database) -> None:
    async with client(api) as one:
        await one.get(PATH)
        token = api.settings.setup_token_file.read_text().strip()
        answers = await asyncio.gather(
            *(
                one.post(PATH, json={"setup_token": token, "name": f"user{n}", "password": PASSWORD})
                for n in range(4)
            )
        )
    assert min(answer.status_code for answer in answers) == 204
    async with database.read() as reader:
        assert len((await reader.execute(select(t.users))).all()) == 1


async def test_a_wrong_setup_token_makes_nobody_and_may_not_be_guessed(api: Api, database: Database) -> None:
    sent = {"setup_token": "guessed", "name": "anna", "password": PASSWORD}
    async with client(api) as one:
        for _ in range(10):
            answer = await one.post(PATH, json=sent)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert (await one.post(PATH, json=sent)).status_code == 429
    async with database.read() as reader:
        assert (await reader.execute(select(t.users))).all() == []


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"password": "password1234"}, "password_refused"),
        ({"name": "owner"}, "validation_failed"),
        ({"more": 1}, "validation_failed"),
    ],
)
async def test_what_the_first_user_cannot_be_is_refused(
    api: Api, wanted: dict[str, object], code: str
) -> None:
    async with client(api) as one:
        await one.get(PATH)
        token = api.settings.setup_token_file.read_text().strip()
        sent = {"setup_token": token, "name": "anna", "password": PASSWORD, **wanted}
        answer = await one.post(PATH, json=sent)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_nobody_is_told_of_a_setup_where_there_are_users(api: Api, database: Database) -> None:
    await make_user(database, "anna")
    async with client(api) as one:
        assert (await one.get(PATH)).json() == {"needed": False}
    assert not api.settings.setup_token_file.exists()
