"""`lotkeeper import` as a process of its own: what it shows, and what is left when it is killed."""

import asyncio
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services.stack import PostgresServer
from tests.databases import run_sql
from tests.services.cli.conftest import copied
from tests.services.statements.statements import DATA, in_statement, trade

FLIP = DATA / "flex-ib-flex-reader" / "CL_flip_close_open.xml"
TRADES, INSTRUMENTS = 12_000, 40
MOMENTS = (0.3, 0.5, 0.7, 0.85, 0.97)
"""Of the time that an undisturbed import takes, with the start of its process."""
STORED = {
    "executions": "exec_id, account, conid, executed_at, side, quantity, price",
    "positions": "account, conid, ordinal, status, quantity, realized_pnl, commission, opened_at, closed_at",
    "lot_disposals": "exec_id, opened_at, quantity, cost, proceeds, realized_pnl",
    "stated_trades": "exec_id, outcome",
}


def begin(url: str, file: Path, stderr: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOTKEEPER_")}
    environment |= {"LOTKEEPER_DATABASE_URL": url, "LOTKEEPER_HOME": str(file.parent / "home")}
    return subprocess.Popen(
        [sys.executable, "-m", "services.cli", "import", "flex", str(file)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )


def seen_on_a_terminal(url: str, file: Path) -> str:
    ours, theirs = pty.openpty()
    running = begin(url, file, theirs)
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 4096):
            seen += chunk
    except OSError:  # so Linux says that nobody writes any more
        pass
    os.close(ours)
    assert running.wait(60) == 0
    return seen.decode()


def test_who_looks_on_sees_how_far_it_has_come_and_a_file_does_not(url: str, tmp_path: Path) -> None:
    seen = seen_on_a_terminal(url, FLIP)
    assert seen.startswith("\r\x1b[KCL_flip_close_open.xml: ")
    assert "CL_flip_close_open.xml: 100 % read\r\n" in seen
    with (tmp_path / "stderr").open("wb") as stderr:
        assert begin(url, FLIP, stderr.fileno()).wait(60) == 0
    assert (tmp_path / "stderr").read_text() == ""


@pytest.fixture
def other_url(postgres_server: PostgresServer, template: str) -> Iterator[str]:
    yield from copied(postgres_server, template)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Trades that open and close, minute by minute."""
    trades = (
        trade(
            conid=str(1 + number % INSTRUMENTS),
            symbol=f"S{number % INSTRUMENTS}",
            dateTime=f"202301{3 + number // 1440 % 20:02};{number // 60 % 24:02}{number % 60:02}00",
            quantity=str(10 if number // INSTRUMENTS % 3 else -15),
            tradePrice=f"{100 + number % 17}.5",
            ibExecID=f"{number:08x}.63b3a1f0.01.01",
            transactionID=str(number + 1),
        )
        for number in range(TRADES)
    )
    path = tmp_path / "year.xml"
    path.write_text(in_statement(*trades))
    return path


def rows(url: str) -> list[list[tuple[object, ...]]]:
    async def read() -> list[list[tuple[object, ...]]]:
        found = []
        for table, columns in STORED.items():
            told = await run_sql(url, f"SELECT {columns} FROM {table}")  # noqa: S608 - names of our own
            found.append(sorted((tuple(row.values()) for row in told), key=repr))
        return found

    return asyncio.run(read())


def test_an_import_that_is_killed_leaves_nothing_and_is_done_whole_the_next_time(
    url: str, other_url: str, file: Path
) -> None:
    began = time.monotonic()
    assert begin(other_url, file).wait(300) == 0
    seconds = time.monotonic() - began
    wanted = rows(other_url)
    assert len(wanted[0]) == TRADES
    killed = 0
    for moment in MOMENTS:
        running = begin(url, file)
        time.sleep(moment * seconds)
        helpers = psutil.Process(running.pid).children(recursive=True)
        running.kill()
        killed += running.wait(30) < 0
        # Whoever read the file for it does not go on alone.
        psutil.wait_procs(helpers, timeout=20)
        assert [one for one in helpers if one.is_running()] == []
        assert rows(url) in ([[], [], [], []], wanted)
    # The machine may have had more to do while the undisturbed one was timed.
    assert killed
    assert begin(url, file).wait(300) == 0
    assert rows(url) == wanted
