"""`lotkeeper instruments …` on a real database, as a person or a program uses it."""

import asyncio
import uuid
from collections.abc import Callable, Iterator

import asyncpg
import pytest

from services.stack import PostgresServer
from tests.services.cli.conftest import Said, noted

Run = Callable[..., Said]
Sql = Callable[[str], None]

APPLE, SAP, CUSIP = "US0378331005", "DE0007164600", "037833100"
KNOWN = f"""
INSERT INTO instruments (conid, symbol, local_symbol, sec_type, currency, multiplier, exchange, trading_class,
    expiry, option_right, strike, description, isin, updated_at) VALUES
    (265598, 'AAPL', 'AAPL', 'STK', 'USD', 1, 'NASDAQ', '', '', '', NULL, 'APPLE INC', '{APPLE}', now()),
    (38708077, 'APC', 'APC', 'STK', 'EUR', 1, 'IBIS', '', '', '', NULL, '', '', now()),
    (9, 'SAP', 'SAP', 'STK', 'EUR', 1, 'IBIS', '', '', '', NULL, 'SAP SE', '{SAP}', now()),
    (-7, 'OWN', 'OWN', 'STK', 'USD', 1, '', '', '', '', NULL, '', '', now()),
    (700001, 'AAPL', 'AAPL C', 'OPT', 'USD', 100, '', '', '20261218', 'C', 150, '', '', now())
"""  # noqa: S608 - the test's own


async def _on_server(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def sql(postgres_server: PostgresServer, template: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sql]:
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(_on_server(postgres_server.url, f"CREATE DATABASE {name} TEMPLATE {template}"))
    url = postgres_server.url_of(name)
    asyncio.run(_on_server(url, KNOWN))
    monkeypatch.setenv("LOTKEEPER_DATABASE_URL", url)
    yield lambda statement: asyncio.run(_on_server(url, statement))
    asyncio.run(_on_server(postgres_server.url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def lk(lotkeeper: Run, sql: Sql) -> Run:
    assert sql is not None
    return lambda *words: lotkeeper("instruments", *words)


def where(lk: Run, conid: int) -> str:
    told: str = lk("show", str(conid), "--json").data["instrument"]["global_instrument_id"]
    return told


def test_an_instrument_is_mapped_by_hand_and_by_itself_again(lk: Run, lotkeeper: Run) -> None:
    assert lk("list", "--which", "unmapped", "--json").data[0]["conid"] == -7
    said = lk("map", "38708077", APPLE)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"38708077 (APC) is isin:{APPLE}, by manual.\n"
    told = lk("show", "265598", "--json").data
    assert told["same"] == [38708077]
    assert told["global_instrument"]["name"] == "APPLE INC"
    shown = lk("show", "38708077").out
    assert f"It is isin:{APPLE} (APPLE INC), by hand (cli:" in shown
    assert "265598" in shown
    assert [row["conid"] for row in lk("list", "--which", "manual", "--json").data] == [38708077]
    said = lk("unmap", "38708077")
    assert said.out == "38708077 (APC) is symbol:STK/APC/IBIS/EUR, by symbol.\n"
    again = lk("unmap", "38708077")
    assert (again.code, again.err) == (2, "Error: 38708077 was not mapped by hand.\n")
    assert noted(lotkeeper) == [
        ("instrument_map", f"38708077 {APPLE}", "ok"),
        ("instrument_unmap", "38708077", "ok"),
    ]


@pytest.mark.parametrize(
    "called", [APPLE, APPLE.lower(), f"isin:{APPLE}", CUSIP, "265598", f"conid:{265598}"]
)
def test_a_global_instrument_is_called_by_whatever_names_it(lk: Run, called: str) -> None:
    said = lk("map", "-7", called)
    if called.startswith("conid:"):
        assert (said.code, said.out) == (2, ""), "it is no id of one, for its ISIN is known"
        assert said.err.startswith("Error: There is no global instrument conid:265598. `instruments list`")
    else:
        assert (said.code, where(lk, -7)) == (0, f"isin:{APPLE}")


def test_a_number_that_is_a_conid_and_a_cusip_has_to_be_said_otherwise(lk: Run, sql: Sql) -> None:
    sql("UPDATE instruments SET conid = 37833100 WHERE conid = 9")
    sql("UPDATE instruments SET cusip = '037833100' WHERE conid = 265598")
    said = lk("map", "-7", CUSIP)
    assert (said.code, said.err) == (
        2,
        f"Error: {CUSIP} can be any of isin:{SAP}, isin:{APPLE}: name one of these.\n",
    )


def test_an_isin_that_nothing_has_yet_can_be_named(lk: Run, sql: Sql) -> None:
    assert lk("map", "-7", "GB0002634946").code == 0
    assert where(lk, -7) == "isin:GB0002634946"
    sql("UPDATE instruments SET isin = 'GB0002634946' WHERE conid = 38708077")
    lk("map", "-7", "GB0002634946")
    assert where(lk, 38708077) == "isin:GB0002634946"


def test_what_a_person_said_follows_what_it_was_said_of(lk: Run, sql: Sql) -> None:
    lk("map", "-7", "38708077")
    assert where(lk, -7) == "symbol:STK/APC/IBIS/EUR"
    sql(f"UPDATE instruments SET isin = '{APPLE}' WHERE conid = 38708077")  # noqa: S608 - the test's own
    lk("map", "9", SAP)  # whatever is said has all of them mapped anew
    assert where(lk, -7) == where(lk, 38708077) == f"isin:{APPLE}"


def test_what_identifiers_contradict_is_refused_and_done_when_forced(lk: Run) -> None:
    said = lk("map", "9", APPLE)
    why = f"its ISIN is {SAP}, not {APPLE}"
    assert (said.code, said.err) == (
        2,
        f"Error: 9 is not isin:{APPLE}: {why}. --force maps it all the same.\n",
    )
    assert lk("show", "9", "--json").code == 0
    forced = lk("map", "9", APPLE, "--force")
    assert forced.code == 0
    assert forced.out.startswith(f"Against what identifies it: {why}.\n")
    assert lk("map", "9", APPLE, "--force", "--json").data["contradicted"] == why
    (row,) = lk("list", "--which", "manual", "--json").data
    assert (row["conid"], row["review"], row["confidence"]) == (9, None, "1")
    assert lk("list", "--which", "review", "--json").data == [], "it was told, and done all the same"
    assert lk("map", "38708077", APPLE).code == 0, "what was forced says nothing of others"
    said = lk("map", "700001", "265598")
    assert said.err.startswith(f"Error: 700001 is not isin:{APPLE}: it is a OPT, 265598 is a STK.")


def test_global_instruments_are_merged_and_taken_apart_again(lk: Run, lotkeeper: Run, sql: Sql) -> None:
    said = lk("merge", SAP, APPLE)
    assert (said.code, "--force merges them all the same." in said.err) == (2, True)
    said = lk("merge", SAP, APPLE, "--force")
    assert (said.code, said.out.splitlines()[-1]) == (0, f"isin:{APPLE} (APPLE INC) holds what was merged.")
    assert where(lk, 9) == f"isin:{APPLE}"
    sql(f"UPDATE instruments SET isin = '{SAP}' WHERE conid = -7")  # noqa: S608 - the test's own
    assert lk("map", "38708077", SAP).code == 0, "what was merged is called by its name still"
    assert where(lk, 38708077) == where(lk, -7) == f"isin:{APPLE}"
    same = lk("merge", SAP, APPLE)
    assert (same.code, same.err) == (2, f"Error: {SAP} and {APPLE} are one already: isin:{APPLE}.\n")
    said = lk("unmerge", f"isin:{SAP}")
    assert said.out == f"isin:{SAP} (SAP SE) is by itself again.\n"
    assert (where(lk, 9), where(lk, -7)) == (f"isin:{SAP}", f"isin:{SAP}")
    again = lk("unmerge", f"isin:{SAP}")
    assert (again.code, again.err) == (2, f"Error: isin:{SAP} was not merged into another.\n")
    assert [what for what, _, _ in noted(lotkeeper)] == [
        "instrument_merge",
        "instrument_map",
        "instrument_unmerge",
    ]


def test_instruments_are_listed_for_people(lk: Run) -> None:
    lk("map", "38708077", APPLE)
    lines = {line.split()[0]: line.split() for line in lk("list").out.splitlines()[2:]}
    assert lines["265598"] == ["265598", "AAPL", "STK", "USD", "NASDAQ", f"isin:{APPLE}", "isin", "0.99"]
    assert lk("list", "--limit", "1").out.splitlines()[-1] == "… and more: --limit shows them."
    assert lk("list", "--symbol", "NONE").out == "No instruments.\n"
    assert [row["conid"] for row in lk("list", "--isin", SAP, "--json").data] == [9]


def test_what_is_to_be_looked_at_says_why(lk: Run, sql: Sql) -> None:
    sql("UPDATE instruments SET isin = 'US0378331006' WHERE conid = -7")
    shown = lk("show", "-7").out
    assert "It is not mapped yet" in shown
    lk("map", "9", SAP)
    shown = lk("show", "-7").out
    assert "To be looked at: an identifier has a wrong check digit and counts for nothing." in shown


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("show", "1"), "There is no instrument 1. `instruments list` shows them."),
        (("show", "9" * 30), f"There is no instrument {'9' * 30}."),
        (("map", "1", APPLE), "There is no instrument 1."),
        (("map", "9", "whatever"), "There is no global instrument whatever."),
        (("map", "9", "4"), "There is no global instrument 4."),
        (("map", "9", "4" * 5000), "There is no global instrument 444"),
        (("unmap", "4"), "There is no instrument 4."),
        (("merge", "GB0002634946", APPLE), "No instrument is isin:GB0002634946 yet"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(lk: Run, words: tuple[str, ...], sentence: str) -> None:
    said = lk(*words)
    assert said.code == 2
    assert said.err.startswith(f"Error: {sentence}")
