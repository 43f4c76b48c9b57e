import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import StackError
from services.stack.children import Child
from services.stack.journal import Journal
from services.stack.keeper import ChildProcess, Keeper, Kept, how_it_ended
from tests.waiting import eventually_now


class Thing:
    """Something to keep, whose life the test decides."""

    def __init__(self) -> None:
        self.running = True
        self.pid = None
        self.starts = 0
        self.exit_code = 1
        self.can_start = True

    def start(self) -> None:
        self.starts += 1
        if not self.can_start:
            raise StackError("the disk is full")
        self.running = True

    def stop(self, grace_seconds: float) -> None:
        raise NotImplementedError(grace_seconds)

    def kill(self) -> None:
        raise NotImplementedError


class Kitchen:
    """A keeper, its clock and what it says."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.thing = Thing()
        self.terminal = io.StringIO()
        self.journal = Journal(folder / "log", self.terminal)
        self.keeper = Keeper("worker", self.thing, self.journal, self._start, lambda: self.now)

    async def _start(self, kept: Kept) -> None:
        kept.start()

    async def fail_and_wait(self) -> float:
        """End it, and count the seconds until it is started again."""
        self.thing.running = False
        before, starts = self.now, self.thing.starts
        while self.thing.starts == starts:
            await self.keeper.check()
            self.now += 0.25
        return self.now - before - 0.25


@pytest.fixture
def kitchen(tmp_path: Path) -> Iterator[Kitchen]:
    kitchen = Kitchen(tmp_path)
    yield kitchen
    kitchen.journal.close()


async def test_what_runs_is_left_alone(kitchen: Kitchen) -> None:
    assert not await kitchen.keeper.check()
    assert kitchen.thing.starts == 0


async def test_pauses_grow_to_half_a_minute_and_it_is_never_given_up(kitchen: Kitchen) -> None:
    pauses = [await kitchen.fail_and_wait() for _ in range(9)]
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert kitchen.keeper.restarts == 9


async def test_it_is_told_once_then_when_it_goes_on_and_when_it_is_over(kitchen: Kitchen) -> None:
    for _ in range(7):
        await kitchen.fail_and_wait()
    kitchen.now += 10
    await kitchen.keeper.check()
    told = [line.split("stack     ")[1] for line in kitchen.terminal.getvalue().splitlines()]
    assert told[0] == "WARNING worker stopped unexpectedly (exit code 1). It is started again."
    assert told[1].startswith(
        "ERROR worker has stopped 5 times in a row (exit code 1). It is tried again for ever"
    )
    assert told[2:] == ["worker is running again."]


async def test_after_a_steady_run_the_pauses_begin_anew(kitchen: Kitchen) -> None:
    for _ in range(4):
        await kitchen.fail_and_wait()
    kitchen.now += 10
    await kitchen.keeper.check()
    assert await kitchen.fail_and_wait() == 0.5


async def test_a_start_that_fails_is_tried_again(kitchen: Kitchen) -> None:
    kitchen.thing.can_start = False
    assert await kitchen.fail_and_wait() == 0.5
    kitchen.thing.can_start = True
    assert await kitchen.fail_and_wait() <= 1.0
    assert kitchen.thing.running


def test_exit_codes_are_told_in_words() -> None:
    assert how_it_ended(None) == "it ended"
    assert how_it_ended(3) == "exit code 3"
    assert how_it_ended(-9) == "killed by SIGKILL"


def test_a_child_that_was_never_started_can_be_stopped_and_killed(kitchen: Kitchen) -> None:
    child = ChildProcess(Child("x", ("/bin/true",)), {}, kitchen.journal)
    child.stop(1)
    child.kill()
    assert (child.pid, child.exit_code, child.last_words(), child.wait()) == (None, None, "", 0)


def test_a_child_has_the_environment_of_the_stack_and_its_own(kitchen: Kitchen) -> None:
    spec = Child("x", ("/bin/sh", "-c", "echo $A $B"), env={"B": "own"})
    child = ChildProcess(spec, {"A": "stack", "B": "stack"}, kitchen.journal)
    child.start()
    assert child.wait() == 0
    eventually_now(lambda: child.last_words() == "stack own")
