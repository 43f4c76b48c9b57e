"""A statement that another process reads is the statement that this one would read."""

import hashlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest

from core.domain.stated import Ignored, StatedTrade
from services.statements.apart import FlexFileApart, ReadingEndedError
from services.statements.errors import FlexServiceError, StatementError
from services.statements.flex import FlexFile
from services.statements.reading_process import Hashed
from tests.services.statements.statements import FILES, in_statement, trade

MANY = 60_000
"""More rows than are read ahead: nobody reads so many before they are wanted."""


def many_rows() -> str:
    return in_statement('\n<Order quantity="1" />' * MANY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.xml"


class Apart:
    """Those that were begun, to be closed in the end."""

    def __init__(self) -> None:
        self.begun: list[FlexFileApart] = []

    def __call__(self, path: Path) -> FlexFileApart:
        self.begun.append(FlexFileApart(path, "the file"))
        return self.begun[-1]


@pytest.fixture
def apart() -> Iterator[Apart]:
    begun = Apart()
    yield begun
    for one in begun.begun:
        one.close()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_reads_every_recorded_file_as_this_process_does(path: Path, apart: Apart) -> None:
    here, there = FlexFile(path), apart(path)
    # What they are spelled like: times of other zones would be equal.
    assert [repr(one) for one in there] == [repr(one) for one in here]
    assert there.unknown == here.unknown
    assert there.bytes_read == here.bytes_read
    assert there.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_figures_arrive_to_the_last_digit(path: Path, apart: Apart) -> None:
    path.write_text(in_statement(trade(tradePrice="0.1234567890123456789012345", quantity="1E+3")))
    [here] = [one for one in FlexFile(path) if isinstance(one, StatedTrade)]
    [there] = [one for one in apart(path) if isinstance(one, StatedTrade)]
    assert repr(there) == repr(here)


REFUSED = (
    '<FlexStatementResponse timestamp=""><Status>Fail</Status><ErrorCode>1012</ErrorCode>'
    "<ErrorMessage>Token has expired.</ErrorMessage></FlexStatementResponse>"
)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "nothing like it",
        "<html></html>",
        "<!DOCTYPE a><a/>",
        in_statement(trade())[:-30],
        "<a>" * 100,
        REFUSED,
        in_statement("<Trade />"),
    ],
    ids=["empty", "text", "page", "declaration", "truncated", "deep", "refused", "unusable"],
)
def test_what_is_wrong_with_a_file_arrives_as_it_was_raised(path: Path, apart: Apart, content: str) -> None:
    path.write_text(content)
    told: list[StatementError] = []
    for reading in (FlexFile(path, "the file"), apart(path)):
        with pytest.raises(StatementError) as raised:
            list(reading)
        told.append(raised.value)
    here, there = told
    assert type(there) is type(here)
    assert str(there) == str(here)
    assert vars(there) == vars(here)
    assert isinstance(there, FlexServiceError) is (content == REFUSED)


def test_a_file_that_is_not_there_is_an_error_of_the_system(path: Path, apart: Apart) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        list(apart(path))
    assert raised.value.filename == str(path)


def test_a_process_that_is_killed_in_the_middle_is_told_of(path: Path, apart: Apart) -> None:
    path.write_text(many_rows())
    reading = apart(path)
    records = iter(reading)
    assert isinstance(next(records), Ignored)
    os.kill(reading.process_id, signal.SIGKILL)
    with pytest.raises(ReadingEndedError, match="by signal 9"):
        list(records)


def test_who_waits_for_the_next_record_is_told_when_it_is_closed(path: Path, apart: Apart) -> None:
    os.mkfifo(path)
    held_open = os.open(path, os.O_RDWR)
    reading = apart(path)
    told: list[BaseException] = []

    def wait() -> None:
        try:
            list(reading)
        except ReadingEndedError as error:
            told.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    reading.close()
    waiting.join(30)
    os.close(held_open)
    assert len(told) == 1


def test_to_close_it_is_to_wait_for_nothing(path: Path, apart: Apart) -> None:
    os.mkfifo(path)
    held_open = os.open(path, os.O_RDWR)
    reading = apart(path)
    # So that no end is heard of it, as if it hung in a call to the system.
    told_to = os.open(f"/proc/{reading.process_id}/fd/1", os.O_WRONLY)

    def wait() -> None:
        with suppress(ReadingEndedError):
            list(reading)

    waiting = threading.Thread(target=wait)
    waiting.start()
    closing = threading.Thread(target=reading.close)
    closing.start()
    closing.join(5)
    has_waited = closing.is_alive()
    waiting_still = waiting.is_alive()
    os.close(told_to)
    os.close(held_open)
    for thread in (closing, waiting):
        thread.join(30)
    assert waiting_still
    assert not has_waited


def test_it_ends_by_itself_when_nobody_is_left_to_hear_it(path: Path, apart: Apart) -> None:
    path.write_text(many_rows())
    reading = apart(path)
    assert isinstance(next(iter(reading)), Ignored)
    # As the system does when the process that imports is killed.
    assert reading._process.stdout is not None
    reading._process.stdout.close()
    assert reading._process.wait(30) == 1


def test_what_is_looked_into_before_is_hashed_once() -> None:
    content = bytes(range(256)) * 3
    file = Hashed(BytesIO(content))
    assert file.read(100) == content[:100]
    assert file.seek(10) == 10
    assert file.read() == content[10:]
    assert file.seek(100) == 100
    while file.read(7):
        pass
    assert file.tell() == len(content)
    assert file.hexdigest() == hashlib.sha256(content).hexdigest()
