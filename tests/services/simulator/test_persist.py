"""The book on disk, through clean stops, kills and damage."""

import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Self

import psutil
import pytest

from services.simulator import Simulator
from services.simulator.control import ControlClient
from services.simulator.executions import Order
from services.simulator.persist import BookFile, BookFileError
from services.simulator.scenario import load_scenario, new_book
from tests.waiting import eventually_now

ONE, AAPL = "DU1000001", 265598
NOW = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
RUN = """
import sys
from pathlib import Path
from core.settings import load_settings
from services.simulator.app import SimulatorOptions, run
run(load_settings(), SimulatorOptions(control_port=0, scenario=sys.argv[2], book=Path(sys.argv[1])))
"""


class Process:
    """A simulator as a process of its own, gone at the end of the block whatever happens in it."""

    def __init__(self, book: Path, scenario: str = "quiet") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(book), scenario], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := re.search(r"simulator_listening.*control_port=(\d+)", line):
                self.control = ControlClient(int(found.group(1)))
                return
        self._process.wait(20)
        raise AssertionError("the simulator did not come up")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(20)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def end(self, number: signal.Signals) -> int:
        self._process.send_signal(number)
        return self._process.wait(20)


async def test_the_book_of_a_stopped_simulator_is_the_book_of_the_next(tmp_path: Path) -> None:
    path = tmp_path / "home" / "book.json"
    async with Simulator.start("quiet", book_path=path) as sim:
        first = await sim.fill(account=ONE, conid=AAPL, side="SLD", quantity=10, price=230)
        await sim.correct(first, quantity=12)
        sim.book.marks[AAPL] = Decimal("229.11")
        before = (sim.book.positions, sim.book.accounts, dict(sim.book.realized_today), sim.book.marks)
        known = set(sim.book.executions)
    async with Simulator.start("quiet", book_path=path) as sim:
        after = (sim.book.positions, sim.book.accounts, dict(sim.book.realized_today), sim.book.marks)
        assert after == before
        assert set(sim.book.executions) == known
        assert sim.book.executions[first].corrected_by == first[:-1] + "2"
        assert await sim.fill(account=ONE, conid=AAPL, side="BOT", quantity=1) not in known
        order = [execution.order.perm_id for execution in sim.book.executions.values()]
        assert order[-1] > order[0]


async def test_a_correction_that_was_made_durable_together_with_its_original_is_read_back(
    tmp_path: Path,
) -> None:
    path = tmp_path / "book.json"
    async with Simulator.start("quiet", book_path=path) as sim:
        at, size = datetime.now(UTC), Decimal(10)
        order = Order(0, sim.book.next_perm_id(), 0, size)
        fill = sim.book.fill(ONE, AAPL, "BOT", size, Decimal(230), at, order=order)
        correction = sim.book.correct(fill.exec_id, Decimal(12), Decimal(230), at)
        sim._keep([fill, correction])
        held = sim.book.position((ONE, AAPL))
        # As a killed process leaves it: in the journal, and in no snapshot.
        (tmp_path / "killed.json").write_bytes(path.read_bytes())
        journal = path.with_name("book.json.journal").read_bytes()
        (tmp_path / "killed.json.journal").write_bytes(journal)
    async with Simulator.start("quiet", book_path=tmp_path / "killed.json") as sim:
        assert sim.book.position((ONE, AAPL)) == held
        assert sim.book.executions[fill.exec_id].corrected_by == correction.exec_id


async def test_a_commission_that_a_stop_forestalled_is_reported_by_the_next_simulator(tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    order = {"account": ONE, "conid": AAPL, "side": "BOT", "quantity": 1}
    async with Simulator.start("quiet", book_path=path) as sim:
        late = await sim.fill(**order, commission="late")  # type: ignore[arg-type] - built from a table
        never = await sim.fill(**order, commission="never")  # type: ignore[arg-type] - the same
    async with Simulator.start("quiet", book_path=path) as sim:
        assert sim.book.executions[late].commission_reported
        assert not sim.book.executions[never].commission_reported


def test_after_a_kill_every_announced_fill_is_there_and_no_id_comes_again(tmp_path: Path) -> None:
    book, told, quantity = tmp_path / "book.json", [], Decimal(300)
    for _ in range(3):
        with Process(book) as process:
            for _ in range(5):
                told.append(process.control.fill(account=ONE, conid=AAPL, side="BOT", quantity=1))
                quantity += 1
            assert process.end(signal.SIGKILL) == -signal.SIGKILL
    with Process(book) as process:
        left = process.control.book()
        assert process.end(signal.SIGTERM) == 0
    assert [execution["exec_id"] for execution in left["executions"]] == told
    assert len(set(told)) == 15
    held = {(row["account"], row["conid"]): row["quantity"] for row in left["positions"]}
    assert Decimal(held[ONE, AAPL]) == quantity


def test_a_kill_in_the_middle_of_a_busy_market_loses_nothing(tmp_path: Path) -> None:
    scenario = tmp_path / "busy.toml"
    scenario.write_text('extends = "default"\n[market]\nfill_seconds = [0.001, 0.002]\n')
    seen: list[str] = []
    for _ in range(2):
        target = len(seen) + 50
        with Process(tmp_path / "book.json", str(scenario)) as process:
            rows = eventually_now(
                lambda process=process: process.control.book()["executions"],
                lambda rows, target=target: len(rows) >= target,
            )
            process.end(signal.SIGKILL)
        ids = [row["exec_id"] for row in rows]
        assert ids[: len(seen)] == seen
        assert len(set(ids)) == len(ids)
        seen = ids


def test_sigterm_ends_the_process_and_leaves_nothing_listening(tmp_path: Path) -> None:
    with Process(tmp_path / "book.json") as process:
        me = psutil.Process(process._process.pid)
        assert process.end(signal.SIGTERM) == 0
        assert not me.is_running()


def test_two_simulators_cannot_share_a_book(tmp_path: Path) -> None:
    with BookFile(tmp_path / "book.json"), pytest.raises(BookFileError, match="in use by another simulator"):
        BookFile(tmp_path / "book.json")
    BookFile(tmp_path / "book.json").close()


@pytest.mark.parametrize("text", ["", "{}", "nonsense", '{"format": 1}'])
def test_a_damaged_book_is_refused_with_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "book.json").write_text(text)
    with BookFile(tmp_path / "book.json") as file, pytest.raises(BookFileError, match="Move it away"):
        file.load()


def test_a_book_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    with BookFile(path) as file:
        file.save(new_book(load_scenario("default"), NOW))
        path.write_text(path.read_text().replace('"format":1', '"format":99'))
        with pytest.raises(BookFileError, match="format 99"):
            file.load()


def test_a_torn_last_line_was_never_announced_and_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    with BookFile(path) as file:
        book = new_book(load_scenario("default"), NOW)
        file.save(book)
        order = Order(0, book.next_perm_id(), 0, Decimal(1))
        whole = book.fill(ONE, AAPL, "BOT", Decimal(1), Decimal(230), NOW, order=order)
        file.append([whole])
        with (tmp_path / "book.json.journal").open("ab") as journal:
            journal.write(b'{"exec_id": "half')
        loaded = file.load()
        assert loaded is not None
        assert list(loaded.executions) == [whole.exec_id]
        # The next entry must not be glued to the torn one.
        file.save(loaded)
        file.append([loaded.correct(whole.exec_id, Decimal(2), Decimal(230), NOW)])
        again = file.load()
        assert again is not None
        assert again.position((ONE, AAPL)).quantity == 302


def test_a_crash_between_snapshot_and_journal_counts_no_fill_twice(tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    with BookFile(path) as file:
        book = new_book(load_scenario("default"), NOW)
        file.save(book)
        order = Order(0, book.next_perm_id(), 0, Decimal(1))
        file.append([book.fill(ONE, AAPL, "BOT", Decimal(1), Decimal(230), NOW, order=order)])
        journal = (tmp_path / "book.json.journal").read_bytes()
        file.save(book)
        (tmp_path / "book.json.journal").write_bytes(journal)
        loaded = file.load()
    assert loaded is not None
    assert loaded.positions == book.positions
    assert loaded.accounts == book.accounts


def test_a_long_journal_asks_to_be_compacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.simulator.persist.COMPACT_AFTER_ENTRIES", 2)
    with BookFile(tmp_path / "book.json") as file:
        book = new_book(load_scenario("default"), NOW)
        file.save(book)
        for expected in (False, True):
            order = Order(0, book.next_perm_id(), 0, Decimal(1))
            fill = book.fill(ONE, AAPL, "BOT", Decimal(1), Decimal(230), NOW, order=order)
            assert file.append([fill]) is expected
