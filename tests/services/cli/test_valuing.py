"""``lotkeeper valuation``."""

import asyncio
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import asyncpg
import pytest

from core.clock import utc_now
from core.settings import load_settings
from models.session import Database
from services.snapshot.runs import Snapshots
from services.stack import PostgresServer
from tests.models.holding import hold
from tests.services.cli.conftest import Said
from tests.services.snapshot.world import ACME, FIRST, SECOND, VOD, run_sql, seed

Run = Callable[..., Said]


async def _statement(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _fill(url: str) -> None:
    settings = load_settings(database_url=url)
    database = Database(settings.require_database_url(), application="test")
    await seed(database, FIRST, SECOND, at=utc_now())
    await Snapshots(database, settings).take_now("cli")
    await hold(database, FIRST, ACME, 100, opened_at=utc_now() - timedelta(days=3), cost=15001)
    await hold(database, FIRST, VOD, 5, opened_at=utc_now() - timedelta(days=3))
    await run_sql(database, "UPDATE snapshot_positions SET mark_price = NULL WHERE conid = :vod", vod=VOD)
    await run_sql(database, "DELETE FROM marks")
    await database.close()


@pytest.fixture
def url(postgres_server: PostgresServer, template: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(_statement(postgres_server.url, f"CREATE DATABASE {name} TEMPLATE {template}"))
    url = postgres_server.url_of(name)
    asyncio.run(_fill(url))
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", url)
    yield url
    asyncio.run(_statement(postgres_server.url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.mark.usefixtures("url")
def test_what_accounts_were_worth_is_told_with_the_age_of_each_mark(lotkeeper: Run) -> None:
    said = lotkeeper("valuation", "--account", FIRST)
    assert (said.code, said.err) == (0, "")
    assert re.search(r"ACME +100 +160 +16000 +USD +1 +16000 +999 +\d+ s +snapshot", said.out)
    assert re.search(r"VOD +5 +– +– +GBP +1\.3105 +– +– +– +–", said.out)
    assert (
        f"{FIRST}: total not known: a part of it has no value (cash 20482.11, positions 16000, due –; 1 of 2"
        in (said.out)
    )
    assert "net liquidation nearest to it was 118902.44 USD" in said.out
    told = lotkeeper("valuation", "--json", "--account", SECOND, "--account", FIRST).data
    assert [one["account"] for one in told["items"]] == [SECOND, FIRST]
    assert (told["items"][1]["total"], told["items"][1]["positions"][0]["market_value"]) == (None, "16000")
    earlier = lotkeeper("valuation", "--json", "--as-of", "2020-01-01").data
    assert earlier["as_of"] == "2020-01-02T05:00:00+00:00", "the end of the broker's day"
    assert [one["positions"] for one in earlier["items"]] == [[], []]


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--account", "U0", "There is no account U0 here"),
        ("--as-of", "yesterday", "'yesterday' is no time. Write a day as"),
        ("--as-of", "2126-01-01", "2126-01-01 has not passed yet"),
    ],
)
def test_what_cannot_be_answered_is_a_sentence(
    lotkeeper: Run, option: str, value: str, sentence: str
) -> None:
    said = lotkeeper("valuation", option, value)
    assert said.code == 2
    assert sentence in said.err
