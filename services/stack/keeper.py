"""Keeping one process alive: it is started again when it ends, with growing pauses, and never given up."""

import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from core.errors import StackError
from services.stack.children import Child
from services.stack.journal import Journal
from services.stack.processes import Process

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 10.0
MANY_FAILURES = 5


class Kept(Protocol):
    """What a keeper can keep: an embedded server or one of our own processes."""

    @property
    def running(self) -> bool:
        """Whether it is alive."""
        ...

    @property
    def pid(self) -> int | None:
        """Its process, while it is alive."""
        ...

    def start(self) -> None:
        """Start it; StackError when it does not."""
        ...

    def stop(self, grace_seconds: float) -> None:
        """Stop it within the grace time, else kill it."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


class ChildProcess:
    """One of our own processes, in the shape of the embedded servers."""

    def __init__(self, child: Child, env: Mapping[str, str], journal: Journal) -> None:
        self.child = child
        self._env = {**env, **child.env}
        self._journal = journal
        self._process: Process | None = None

    @property
    def running(self) -> bool:
        """Whether it is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Its process, while it is alive."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def exit_code(self) -> int | None:
        """How it ended; None before that."""
        return self._process.poll() if self._process is not None else None

    def last_words(self) -> str:
        """The end of what it wrote."""
        return self._process.last_words() if self._process is not None else ""

    def start(self) -> None:
        """Start it. Its state is safe in the database at any moment, so it dies at once with its parent."""
        self._process = Process(
            self.child.command,
            env=self._env,
            death_signal=signal.SIGKILL,
            on_line=lambda line: self._journal.hear(self.child.name, line),
        )

    def wait(self) -> int:
        """Block until it has ended and all its lines are read."""
        return self._process.wait() if self._process is not None else 0

    def stop(self, grace_seconds: float) -> None:
        """SIGTERM, and SIGKILL after the grace time."""
        if self._process is not None:
            self._process.stop(signal.SIGTERM, grace_seconds)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()


class Keeper:
    """Watches one thing and starts it again when it has ended.

    ``start`` is how it is started: servers block while they recover, so the supervisor does that on a thread.
    """

    def __init__(
        self,
        name: str,
        kept: Kept,
        journal: Journal,
        start: Callable[[Kept], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.kept = kept
        self.restarts = 0
        self._journal = journal
        self._start = start
        self._clock = clock
        self._failures = 0
        self._since = clock()
        self._next_try: float | None = None

    async def check(self) -> bool:
        """Look once; True when something changed (so that the runtime file is written anew)."""
        now = self._clock()
        if self.kept.running:
            if self._failures and now - self._since >= STEADY_SECONDS:
                self._journal.say(f"{self.name} is running again.")
                self._failures = 0
            return False
        if self._next_try is None:
            self._note_failure(now)
            return True
        if now < self._next_try:
            return False
        await self._start_again()
        return True

    async def _start_again(self) -> None:
        self._next_try = None
        self.restarts += 1
        self._since = self._clock()
        try:
            await self._start(self.kept)
        except (StackError, OSError) as error:
            self._note_failure(self._clock(), str(error))

    def _note_failure(self, now: float, reason: str | None = None) -> None:
        self._failures += 1
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1), LONGEST_PAUSE_SECONDS)
        self._next_try = now + pause
        why = reason or how_it_ended(getattr(self.kept, "exit_code", None))
        if self._failures == 1:
            self._journal.say(f"{self.name} stopped unexpectedly ({why}). It is started again.", "warning")
        elif self._failures == MANY_FAILURES:
            self._journal.say(
                f"{self.name} has stopped {MANY_FAILURES} times in a row ({why}). It is tried again for "
                f"ever, at most {LONGEST_PAUSE_SECONDS:.0f} s apart; the lines before say why.",
                "error",
            )


def how_it_ended(code: int | None) -> str:
    """An exit code in words."""
    if code is None:
        return "it ended"
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
