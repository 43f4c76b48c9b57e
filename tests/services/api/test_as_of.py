"""What was held at a moment, and what was known of it by another."""

import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from core.domain.lots import CostMethod
from core.domain.stated import StatedEvent
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.queries.anchors import anchors_of
from models.queries.ledger import history
from models.session import Database
from services.position_sync.importing.run import run_import
from tests.services.api.conftest import Api, Start
from tests.services.api.learning import BOOKS, STEP, Told, figures, folded_up_to, learnt, moment, spelled
from tests.services.position_sync.facts import (
    ACCOUNT,
    ACME,
    GOLD,
    Link,
    at,
    commission,
    execution,
    position,
    positions_completed,
)
from tests.services.position_sync.importing.statements import source, trade

Ask = Callable[..., Awaitable[list[dict[str, Any]]]]
SPLIT = StatedEvent(
    line=1,
    section="CorporateAction",
    account=ACCOUNT,
    instrument=ACME,
    at=at(5),
    cause="split",
    quantity=Decimal(10),
)


@pytest.fixture
def told(database: Database, streams: RedisStreams, settings: Settings) -> Told:
    return Told(database, streams, settings)


@pytest.fixture
async def ask(start: Start, settings: Settings, told: Told) -> Ask:
    """Ask the API for the positions of a moment: all pages of it."""
    running: list[Api] = []

    async def asked(limit: int = 500, **query: Any) -> list[dict[str, Any]]:
        if not running:
            running.append(await start(settings, clock=told.clock))
        query = {"status": "all", "limit": limit} | {
            name: spelled(value) if isinstance(value, datetime) else value for name, value in query.items()
        }
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await running[0].get("/api/v1/positions", **query | ({"cursor": cursor} if cursor else {}))
            assert len(page["items"]) <= limit
            rows += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return rows

    return asked


@pytest.mark.parametrize("method", get_args(CostMethod))
@pytest.mark.parametrize("seed", range(2))
async def test_what_was_known_is_what_was_said_then_and_what_was_held_is_what_a_fold_up_to_then_says(
    seed: int, method: CostMethod, told: Told, ask: Ask
) -> None:
    chance = random.Random(f"{seed} {method}")  # noqa: S311 - a repeatable script, not a secret
    await told.keep_account(method)
    for facts, compare in learnt(chance):
        await told.hear(*facts, compare=compare)
    async with told.database.write() as writer:
        reports = await history(writer, [(key, None) for key in BOOKS])
        anchors = await anchors_of(writer, dict.fromkeys(BOOKS))
    changed = 0
    for step, remembered in enumerate(told.remembered):
        when = moment(step)
        known = figures(await ask(known_at=when))
        assert known == remembered, step
        held = figures(await ask(as_of=when, limit=chance.choice((2, 5, 500))))
        expected = folded_up_to(when, reports, anchors, method)
        assert {one: {name: row[name] for name in expected[one]} for one, row in held.items()} == expected
        changed += known != held
    assert changed, "nothing was learnt late: the script tells nothing"


async def one(ask: Ask, **query: Any) -> dict[str, Any]:
    (row,) = await ask(**query)
    return row


async def test_a_late_execution_changes_what_was_held_and_not_what_was_known(told: Told, ask: Ask) -> None:
    await told.hear(execution("a.01", "10", "5", seconds=1), commission("a.01", "1"))
    await told.hear()
    await told.hear(execution("b.01", "-4", "6", seconds=STEP), commission("b.01", "2"))
    known = await one(ask, known_at=moment(1))
    assert (known["quantity"], known["cost_basis"], known["realized_pnl"]) == ("10", "51", "0")
    held = await one(ask, as_of=moment(1))
    assert (held["quantity"], held["cost_basis"], held["realized_pnl"]) == ("6", "30.6", "1.6")
    assert held["average_cost"] == "5.1"
    assert (held["holding_seconds"], held["id"]) == (109, known["id"])
    before = await one(ask, as_of=moment(0))
    assert (before["quantity"], before["commission"], before["realized_pnl"]) == ("10", "1", "0")
    # Of the first moment, by what was known at the last but one.
    both = await one(ask, as_of=moment(0), known_at=moment(1))
    assert figures([both]) == figures([before])
    assert both["freshness"]["received_at"] == spelled(moment(1))


async def test_a_correction_and_a_late_commission_are_in_what_was_held_and_the_old_figures_in_what_was_known(
    told: Told, ask: Ask
) -> None:
    await told.hear(execution("a.01", "10", "5", seconds=1))
    await told.hear(execution("a.02", "8", "5.5", seconds=1))
    await told.hear(commission("a.02", "1.5"))
    said = [await one(ask, known_at=moment(step)) for step in range(3)]
    assert [(row["quantity"], row["cost_basis"], row["commission"]) for row in said] == [
        ("10", "50", "0"),
        ("8", "44", "0"),
        ("8", "45.5", "1.5"),
    ]
    assert [row["provisional"] for row in said] == [True, True, False]
    assert len({row["id"] for row in said}) == 1
    held = await one(ask, as_of=moment(0))
    assert (held["quantity"], held["cost_basis"], held["provisional"]) == ("8", "45.5", False)


async def test_a_commission_that_is_told_again_is_known_from_the_first_time_on(told: Told, ask: Ask) -> None:
    await told.hear(execution("a.01", "10", "5", seconds=1), commission("a.01", "1"))
    told.link = Link()
    await told.hear(execution("a.01", "10", "5", seconds=1), commission("a.01", "1"))
    assert (await one(ask, known_at=moment(0)))["commission"] == "1"
    await told.hear(commission("a.01", "3"))
    assert (await one(ask, known_at=moment(2)))["commission"] == "3"
    # What an amount was before another took its place is not kept: it was awaited, as far as anyone can tell.
    row = await one(ask, known_at=moment(1))
    assert (row["commission"], row["provisional"]) == ("0", True)


async def test_a_flip_and_what_was_opened_again_are_episodes_of_their_own_at_every_moment(
    told: Told, ask: Ask
) -> None:
    await told.hear(execution("a.01", "10", "5", seconds=1))
    await told.hear(execution("b.01", "-15", "6", seconds=STEP))
    await told.hear(execution("c.01", "5", "4", seconds=2 * STEP))
    await told.hear(execution("d.01", "1", "7", seconds=3 * STEP))

    async def listed(step: int, status: str) -> list[tuple[str, str, str]]:
        rows = await ask(as_of=moment(step), status=status, limit=1)
        assert rows == await ask(as_of=moment(step), status=status)
        return [(row["side"], row["quantity"], row["realized_pnl"]) for row in rows]

    assert [await listed(step, "open") for step in range(4)] == [
        [("long", "10", "0")],
        [("short", "-5", "0")],
        [],
        [("long", "1", "0")],
    ]
    gone = [[], [("long", "0", "10")], [("short", "0", "10"), ("long", "0", "10")]]
    assert [await listed(step, "closed") for step in range(4)] == [*gone, gone[-1]]
    assert await listed(2, "all") == gone[-1]
    # At the very moment of the fill it has happened; a second before it has not.
    for seconds, sides in ((STEP, ["short"]), (STEP - 1, ["long"]), (0.5, [])):
        rows = await ask(as_of=at(seconds), status="open")
        assert [row["side"] for row in rows] == sides


async def test_an_opening_balance_stands_where_the_first_that_is_known_stands_and_the_brokers_word_beside_it(
    told: Told, ask: Ask
) -> None:
    await told.hear(position("7", "12.5", sweep="s1", seconds=20), positions_completed("s1", 1, seconds=20))
    await told.hear(execution("a.01", "-2", "13", seconds=STEP), position("5", "12.5", seconds=STEP + 2))
    assert await ask(as_of=at(19)) == []
    assert await ask(known_at=at(29)) == []
    first, then = await one(ask, as_of=at(20)), await one(ask, as_of=at(STEP + 1))
    assert (first["quantity"], first["cost_basis"], first["broker_quantity"]) == ("7", "87.5", "7")
    assert first["reconciled"] is True
    assert (then["quantity"], then["broker_quantity"], then["reconciled"]) == ("5", "7", False)
    known = await one(ask, known_at=moment(1))
    assert (known["quantity"], known["broker_quantity"], known["reconciled"]) == ("5", "5", True)


async def test_what_a_statement_says_is_known_from_its_import_on(
    told: Told,
    ask: Ask,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    tmp_path: Path,
) -> None:
    await told.hear(execution("a.01", "10", "5", seconds=1), commission("a.01", "1", seconds=1))
    await told.hear()
    sold = trade("s.01", "-4", "3", "0", seconds=9, cost="-10.2", closes=True)
    before = trade("r.01", "-2", "6", "0", seconds=0.5, cost="-8", closes=True)
    told_of = source(tmp_path, SPLIT, sold, before)
    await run_import(database, streams, settings, told_of, trigger="cli", clock=told.clock)
    await told.hear(execution("b.01", "-16", "3", seconds=2 * STEP), commission("b.01", "0"))
    told_at = [await ask(known_at=moment(step)) for step in range(3)]
    assert [[(row["quantity"], row["realized_pnl"]) for row in rows] for rows in told_at] == [
        [("10", "0")],
        [("16", "1.8"), ("0", "4")],
        [("0", "9"), ("0", "4")],
    ]
    assert figures(told_at[2]) == figures(await ask(as_of=moment(2)))
    held = await ask(as_of=at(2))
    assert [row["quantity"] for row in held] == ["10", "0"]


async def test_a_change_that_a_statement_told_of_later_was_not_known_before(
    told: Told,
    ask: Ask,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    tmp_path: Path,
) -> None:
    await told.hear(execution("a.01", "10", "5", seconds=1), commission("a.01", "1", seconds=1))
    await told.hear()
    told_of = source(tmp_path, SPLIT)
    await run_import(database, streams, settings, told_of, trigger="cli", clock=told.clock)
    assert (await one(ask, known_at=moment(0)))["quantity"] == "10"
    assert (await one(ask, as_of=moment(0)))["quantity"] == "20"


async def test_what_came_for_something_else_had_cost_what_was_known_of_that_then(
    told: Told,
    ask: Ask,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    tmp_path: Path,
) -> None:
    await told.hear(execution("a.01", "10", "5", seconds=1), commission("a.01", "1", seconds=1))
    left = replace(SPLIT, cause="merger", quantity=Decimal(-20), carried=True, group="g")
    came = replace(SPLIT, instrument=GOLD, cause="merger", quantity=Decimal(2), group="g")
    told_of = source(tmp_path, left, came)
    await run_import(database, streams, settings, told_of, trigger="cli", clock=told.clock)
    await told.hear()
    await told.hear(execution("b.01", "10", "6", seconds=2), commission("b.01", "1", seconds=2))
    for symbol in ("GC", None):
        wanted = {} if symbol is None else {"symbol": symbol}
        known = [row for row in await ask(known_at=moment(1), **wanted) if row["symbol"] == "GC"]
        assert [(row["quantity"], row["cost_basis"]) for row in known] == [("2", None)]
        held = [row for row in await ask(as_of=moment(1), **wanted) if row["symbol"] == "GC"]
        assert [(row["quantity"], row["cost_basis"]) for row in held] == [("2", "112")]
        now = [row for row in await ask(known_at=moment(2), **wanted) if row["symbol"] == "GC"]
        assert figures(now) == figures(held)
    assert [row["symbol"] for row in await ask(as_of=at(3))] == ["ACME"], "it had not come yet"


async def test_what_went_to_and_fro_had_cost_what_was_known_of_it_then(
    told: Told,
    ask: Ask,
    database: Database,
    streams: RedisStreams,
    settings: Settings,
    tmp_path: Path,
) -> None:
    """More steps than books: each hands on what it was handed before."""
    await told.hear(execution("a.01", "10", "5", seconds=1), commission("a.01", "1", seconds=1))
    legs = [
        replace(
            SPLIT,
            instrument=instrument,
            cause="merger",
            quantity=Decimal(-10 if leaves else 10),
            carried=leaves,
            group=f"g{number}",
            at=at(5 + number),
        )
        for number, pair in enumerate(((ACME, GOLD), (GOLD, ACME), (ACME, GOLD)))
        for leaves, instrument in zip((True, False), pair, strict=True)
    ]
    await run_import(database, streams, settings, source(tmp_path, *legs), trigger="cli", clock=told.clock)
    await told.hear()
    await told.hear(execution("b.01", "1", "6", seconds=2), commission("b.01", "1", seconds=2))
    known = [row for row in await ask(known_at=moment(1)) if row["quantity"] != "0"]
    assert [(row["symbol"], row["quantity"], row["cost_basis"]) for row in known] == [("GC", "10", "51")]


async def test_what_is_asked_of_the_past_is_marked_and_has_no_market(told: Told, ask: Ask) -> None:
    await told.hear(execution("a.01", "10", "5", seconds=1))
    await told.hear(execution("b.01", "10", "5", seconds=STEP, instrument=GOLD))
    rows = await ask(as_of=moment(0))
    assert [row["symbol"] for row in rows] == ["ACME"]
    block = rows[0]["freshness"]
    assert (block["source"], block["stale"], block["reason"]) == ("last_known", True, "as_of")
    assert (block["as_of"], block["received_at"], block["age_seconds"]) == (spelled(moment(0)), None, STEP)
    for name in ("market_price", "market_value", "daily_pnl", "unrealized_pnl", "mark_as_of"):
        assert rows[0][name] is None
    assert [row["symbol"] for row in await ask(known_at=moment(1), symbol="GC", account=ACCOUNT)] == ["GC"]
    assert await ask(known_at=moment(0), symbol="GC") == []


@pytest.mark.parametrize("name", ["as_of", "known_at"])
@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("2026-11-20T15:00:00", "has no zone"),
        ("2999-01-01T00:00:00Z", "in the future"),
        ("0001-01-01T00:00:00+14:00", "before the first day"),
    ],
)
async def test_a_time_that_cannot_be_asked_about_is_a_problem_that_says_why(
    name: str, value: str, word: str, api: Api
) -> None:
    answer = await api.http.get("/api/v1/positions", params={name: value})
    assert (answer.status_code, answer.json()["code"]) == (400, "time_invalid")
    assert answer.json()["detail"].startswith(f"{name} ")
    assert word in answer.json()["detail"]


async def test_nothing_was_held_before_anything_was(api: Api) -> None:
    for query in ({"as_of": "0001-01-01T00:00:00Z"}, {"known_at": "1980-01-01T00:00:00Z"}):
        answer = await api.get("/api/v1/positions", status="all", **query)
        assert (answer["items"], answer["next_cursor"]) == ([], None)
    answer = await api.http.get("/api/v1/positions", params={"as_of": "yesterday"})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_a_cursor_belongs_to_the_moments_it_was_given_for(told: Told, ask: Ask, api: Api) -> None:
    del told, ask
    then, later = "2026-11-19T15:00:00Z", "2026-11-20T15:00:00Z"
    page = await api.get("/api/v1/positions", as_of=then, limit=1, status="all")
    past = page["next_cursor"]
    known = (await api.get("/api/v1/positions", as_of=then, known_at=later, limit=1, status="all"))[
        "next_cursor"
    ]
    live = (await api.get("/api/v1/positions", limit=1, status="all"))["next_cursor"]
    assert past
    assert live
    for cursor, query in (
        (past, {}),
        (past, {"as_of": later}),
        (past, {"as_of": then, "known_at": later}),
        (known, {"as_of": then}),
        (live, {"as_of": then}),
    ):
        asked = {"limit": 1, "status": "all", "cursor": cursor, **query}
        answer = await api.http.get("/api/v1/positions", params=asked)
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid"), query
    # The same moment in another zone is the same moment.
    again = {"as_of": "2026-11-19T10:00:00-05:00", "limit": 1, "status": "all", "cursor": past}
    assert (await api.get("/api/v1/positions", **again))["items"]
