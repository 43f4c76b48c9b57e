"""What takes long is done in a thread, and one at a time: nobody else is kept waiting."""

import asyncio
import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.domain.measures.points import Point, Points
from core.domain.measures.series import account_series
from core.domain.rate_history import RateHistory
from models.session import Database
from services.api import measuring
from tests.services.api.conftest import Api
from tests.services.api.measured import Day, new_import, write_days, write_rates
from tests.services.api.portfolio import NOW, PAPER, USD
from tests.waiting import comes

MEASURES = "/api/v1/performance/measures"
ATTRIBUTION = "/api/v1/performance/attribution"


async def test_rates_are_read_and_sorted_in_a_thread(
    api: Api, seeded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_in: list[threading.Thread] = []

    class Watched(RateHistory):
        def __init__(self, *told: Any, **columns: Any) -> None:
            made_in.append(threading.current_thread())
            super().__init__(*told, **columns)

    monkeypatch.setattr(measuring, "RateHistory", Watched)
    day = NOW.date() - timedelta(days=9)
    await write_days(seeded, USD, [Day(day + timedelta(days=n), Decimal(100)) for n in range(5)])
    await write_rates(seeded, await new_import(seeded), [(day, "USD", "EUR", "0.9")])
    found = await api.get(MEASURES, account=USD, currency="EUR")
    assert found["money"]["start_value"]["value"] == "90"
    assert made_in
    assert threading.main_thread() not in made_in


async def test_a_gain_is_taken_apart_when_nothing_else_that_is_long_is_under_way(
    api: Api, seeded: Database
) -> None:
    del seeded
    async with api.context.measuring:
        asked = asyncio.create_task(api.http.get(ATTRIBUTION, params={"account": PAPER}))

        await comes(lambda: api.context.measuring._waiters)
        assert not asked.done()
    assert (await asked).json()["code"] == "value_not_known"


async def test_what_an_answer_was_made_of_is_forgotten_in_a_thread(
    api: Api, seeded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    emptied: list[tuple[threading.Thread, int]] = []
    empty = measuring._let_go

    def watched(ones: list[Any]) -> None:
        emptied.append((threading.current_thread(), len(ones)))
        empty(ones)
        assert not ones

    monkeypatch.setattr(measuring, "_let_go", watched)
    day = NOW.date() - timedelta(days=9)
    await write_days(seeded, USD, [Day(day + timedelta(days=n), Decimal(100)) for n in range(5)])
    found = await api.get(MEASURES, account=USD)
    assert found["span"]["points"] == 5
    assert [length for _, length in emptied].count(5) >= 3, "values, contributions and gains"
    assert threading.main_thread() not in {thread for thread, _ in emptied}


def test_what_an_answer_was_made_of_is_held_by_nobody_once_it_is_let_go() -> None:
    points = Points.of(Point(NOW + timedelta(hours=n), Decimal(n), Decimal(1)) for n in range(2_500))
    series = account_series(points)
    told = measuring.Told(USD, "USD", points, "snapshot")
    held = [measuring.Found([told], "USD", series, None, None, [], [], [])]
    measuring.let_go(held)
    assert held == []
    for one in (points, series.points, series.valued):
        assert one.net_liquidation == one.contribution == []
