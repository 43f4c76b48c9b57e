from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from core.errors import PortInUseError
from services.simulator import Simulator
from services.simulator.scenario import ScenarioError, expiry_date, load_scenario, new_book, scenario_names

NOW = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize("name", ["default", "flaky", "quiet", "strange"])
def test_every_bundled_scenario_loads_and_makes_a_book(name: str) -> None:
    assert name in scenario_names()
    scenario = load_scenario(name)
    assert scenario.title
    book = new_book(scenario, NOW)
    assert len(book.positions) >= 40
    assert all(account.startswith("DU") for account in book.accounts)
    assert len({one.local_symbol for one in book.instruments.values()}) == len(book.instruments)


def test_a_file_may_extend_a_bundled_scenario_and_change_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('extends = "flaky"\n[faults]\ndrop_every_seconds = 5\n[gateway]\npnl_seconds = 2.5\n')
    scenario = load_scenario(path)
    assert (scenario.name, scenario.faults.drop_every_seconds, scenario.gateway.pnl_seconds) == (
        "mine",
        5,
        2.5,
    )
    assert scenario.market.fewest_positions == load_scenario("default").market.fewest_positions


STOCK = {"conid": 1, "symbol": "X", "mark": "1"}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("nowhere", "default, flaky, quiet, strange"),
        ({"accounts": []}, "no account"),
        ({"accounts": [{"id": "A"}], "instruments": [{"conid": "x"}]}, "conid"),
        ({"accounts": [{"id": "A"}], "nonsense": 1}, "nonsense"),
        ({"accounts": [{"id": "A", "holdings": {"Y": "1 @ 1"}}], "instruments": [STOCK]}, "A holds Y"),
        ({"accounts": [{"id": "A", "holdings": {"X": "1"}}], "instruments": [STOCK]}, 'X = "1"'),
        ({"accounts": [{"id": "A", "holdings": {"X": "a @ b"}}], "instruments": [STOCK]}, 'X = "a @ b"'),
        ({"accounts": [{"id": "A"}], "instruments": [{**STOCK, "mark": "0"}]}, "X needs a mark"),
        ({"accounts": [{"id": "A"}], "instruments": [{**STOCK, "expiry": "+xM"}]}, r'expiry "\+xM"'),
        ({"accounts": [{"id": "A"}], "instruments": [{**STOCK, "kind": "FUT"}]}, 'X has the expiry ""'),
        ({"accounts": [{"id": "A"}], "market": {"fill_seconds": [0, 1]}}, "fill_seconds"),
        ({"accounts": [{"id": "A"}], "gateway": {"time_zone": "Mars"}}, "'Mars' is no time zone"),
        ({"accounts": [{"id": "A"}], "faults": {"execution_time_zone": "US"}}, "'US' is no time zone"),
    ],
)
def test_a_wrong_scenario_is_told_in_one_sentence(source: Any, reason: str) -> None:
    with pytest.raises(ScenarioError, match=reason):
        new_book(load_scenario(source), NOW)


def test_a_file_that_is_not_toml_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("this is = = not")
    with pytest.raises(ScenarioError, match=r"bad\.toml is wrong"):
        load_scenario(path)


@pytest.mark.parametrize(
    ("text", "today", "expiry"),
    [
        ("+1M", date(2026, 3, 10), "20260417"),
        ("+10M", date(2026, 3, 10), "20270115"),
        ("20260619", date(2026, 3, 10), "20260619"),
        ("", date(2026, 3, 10), ""),
    ],
)
def test_a_relative_expiry_is_the_third_friday_of_its_month(text: str, today: date, expiry: str) -> None:
    assert expiry_date(text, today) == expiry


async def test_a_book_keeps_its_instruments_and_takes_in_new_ones(tmp_path: Path) -> None:
    small: dict[str, Any] = {"accounts": [{"id": "DU1"}], "instruments": [STOCK], "market": {"fills": False}}
    path = tmp_path / "book.json"
    async with Simulator.start(small, book_path=path) as sim:
        assert set(sim.book.instruments) == {1}
    more = {**STOCK, "conid": 2, "symbol": "Y", "mark": "7"}
    grown = {**small, "instruments": [STOCK, more], "accounts": [{"id": "DU1"}, {"id": "DU2"}]}
    async with Simulator.start(grown, book_path=path) as sim:
        assert set(sim.book.instruments) == {1, 2}
        assert set(sim.book.accounts) == {"DU1", "DU2"}
        assert sim.book.marks[2] == 7


async def test_a_port_that_is_taken_is_an_error_that_names_it(sim: Simulator) -> None:
    with pytest.raises(PortInUseError, match=str(sim.port)):
        async with Simulator.start("quiet", port=sim.port):
            pass
    with pytest.raises(PortInUseError, match=str(sim.port)):
        async with Simulator.start("quiet", control_port=sim.port):
            pass
