"""A fill reads only the lots that it can close, and books what it would have booked with all of them."""

import random
from typing import get_args

import pytest
from sqlalchemy import event, text

from core.domain.lots import CostMethod
from core.settings import Settings
from core.streams.redis import RedisStreams
from models.session import Database
from services.position_sync.relay import Relay
from services.position_sync.sweep import Sweep
from tests.services.position_sync.facts import ACCOUNT, Link, commission, execution, position
from tests.services.position_sync.ledger_rows import ledger_rows

LOTS = 120


@pytest.mark.parametrize("method", get_args(CostMethod))
@pytest.mark.parametrize("sign", ["", "-"])
async def test_closing_a_few_of_many_lots_is_booked_as_from_scratch(
    relay: Relay, database: Database, streams: RedisStreams, settings: Settings, method: str, sign: str
) -> None:
    chance = random.Random(3)  # noqa: S311 - a repeatable script, not a secret
    closing = "" if sign else "-"
    link = Link()
    await relay.handle([link.entry(position("0", None))])
    async with database.write() as connection:
        await connection.execute(text("UPDATE broker_accounts SET cost_method = :it"), {"it": method})
        await connection.execute(text("UPDATE ledger_books SET cost_method = :it"), {"it": method})
    seconds = 0
    for size in ("1", "0.4", "17.5", "33", "3", "40", "80"):
        for _ in range(LOTS // 7):
            seconds += 1
            exec_id, price = f"e{seconds:04}.01", str(chance.randrange(900, 1100) / 100)
            await relay.handle(
                [link.entry(execution(exec_id, f"{sign}2", price, seconds=seconds), commission(exec_id))]
            )
        seconds += 1
        exec_id = f"e{seconds:04}.01"
        await relay.handle(
            [
                link.entry(
                    execution(exec_id, f"{closing}{size}", "11", seconds=seconds), commission(exec_id, "0.7")
                )
            ]
        )
    carried = await ledger_rows(database)
    async with database.write() as connection:
        await connection.execute(text("UPDATE ledger_books SET dirty = true"))
    await Sweep(database, streams, settings).run()
    assert await ledger_rows(database) == carried
    assert {row[1] for row in carried["positions"]} == {ACCOUNT}


async def test_a_purchase_reads_no_lots_and_a_small_sale_a_few(relay: Relay) -> None:
    link = Link()
    await relay.handle(
        [link.entry(*(execution(f"e{number:04}.01", "2", seconds=number) for number in range(LOTS)))]
    )
    read: list[int] = []
    engine = relay._database._writing.sync_engine

    @event.listens_for(engine, "after_cursor_execute")
    def count(_connection: object, cursor: object, statement: str, *_: object) -> None:
        if "FROM lots" in statement and statement.startswith("SELECT"):
            read.append(getattr(cursor, "rowcount", 0))

    await relay.handle([link.entry(execution("buy.01", "2", seconds=LOTS + 1))])
    assert read == []
    await relay.handle([link.entry(execution("sell.01", "-2", seconds=LOTS + 2))])
    assert len(read) == 1
    assert 0 < read[0] < LOTS
    event.remove(engine, "after_cursor_execute", count)
