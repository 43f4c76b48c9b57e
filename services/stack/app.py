"""``lotkeeper demo`` and ``lotkeeper up``: decide what is to run where, and run it in the foreground."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import SettingsError, StackError
from core.exposure import api_url
from core.settings import PREFIX, Settings
from services.stack import children
from services.stack.journal import Journal
from services.stack.locks import FolderBusyError, FolderLock
from services.stack.ports import (
    LOOPBACK,
    free_port,
    holder,
    is_free,
    next_free_port,
    remembered_port,
    require_free,
)
from services.stack.runtime import end_leftovers, read_runtime, runtime_path
from services.stack.supervisor import Plan, Supervisor
from services.stack.token import token_in_force, where_it_is

_PORT_VARIABLE = f"{PREFIX}API_PORT"


@dataclass(frozen=True)
class Options:
    """How a stack was asked for."""

    # The demo's scenario; None for a real gateway.
    scenario: str | None = None
    # A port that somebody chose is kept to; the default one may move (demo only).
    port_is_chosen: bool = False


Planner = Callable[[Settings, Options], Plan]


def run(settings: Settings, options: Options, planner: Planner | None = None) -> None:
    """Run the whole stack until it is told to stop. ``planner`` decides what is in it (``make_plan``).

    Raises:
        LotkeeperError: it could not be started; the sentence says why.
    """
    with only_stack(settings):
        journal = Journal(log_file(settings), as_json=settings.log_format == "json", days=settings.log_days)
        try:
            _tidy_up(settings, journal)
            settings = _choose_port(settings, options, journal)
            token = token_in_force(settings)
            url = api_url(settings)
            shown = (
                f"demo token {token}"
                if options.scenario and not settings.api_token
                else where_it_is(settings)
            )

            def say_it_is_up() -> None:
                journal.announce(f"Lotkeeper is up: {url}/  ({shown})")

            plan = (planner or make_plan)(settings, options)
            asyncio.run(Supervisor(plan, journal, say_it_is_up).run())
            journal.say("Stopped.")
        finally:
            journal.close()


def make_plan(settings: Settings, options: Options) -> Plan:
    """The processes for a real gateway or, with a scenario, for the demo and its simulator."""
    ports = {"api": settings.api_port}
    if options.scenario is None:
        return Plan(settings, children.services(), children.migrate(), api_url(settings), ports=ports)
    folder = settings.data_dir / "simulator"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    gateway_port, control_port = remembered_port(folder / "port"), free_port()
    inbox = settings.statements_inbox_folder
    # A folder elsewhere may be watched for the real portfolio, too, which invented statements must not reach.
    past = inbox if inbox.is_relative_to(settings.data_dir) else None
    book = folder / "book.json"
    simulator = children.simulator(gateway_port, control_port, options.scenario, book, past)
    return Plan(
        settings.model_copy(update={"ib_host": LOOPBACK, "ib_port": gateway_port}),
        children.services(),
        children.migrate(),
        api_url(settings),
        early=[simulator],
        ports={**ports, "simulator": gateway_port, "simulator_control": control_port},
    )


@contextlib.contextmanager
def only_stack(settings: Settings) -> Iterator[None]:
    """Have a profile's folder and its servers to ourselves.

    Raises:
        StackError: Lotkeeper runs there, or the folder cannot be made.
    """
    path = runtime_path(settings.home, settings.profile)
    try:
        settings.data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StackError(
            f"{settings.data_dir} cannot be made: {error.strerror}. Choose another folder with {PREFIX}HOME."
        ) from error
    lock = FolderLock(path.with_name("lock"))
    try:
        lock.acquire(leftovers_seconds=1.0)
    except FolderBusyError as busy:
        running = read_runtime(settings.home, settings.profile)
        where = f", {running.api_url}/" if running is not None and running.running else ""
        raise StackError(
            f"Lotkeeper already runs in {settings.data_dir} (process {busy.pid}{where}). "
            f"Stop that one first, or choose another folder with {PREFIX}HOME."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _tidy_up(settings: Settings, journal: Journal) -> None:
    """End what a killed supervisor left behind (where the system does not do that by itself)."""
    before = read_runtime(settings.home, settings.profile)
    if before is not None and not before.running:
        ended = end_leftovers(before)
        if ended:
            journal.say(
                f"Ended processes left over from a run that was killed: {', '.join(ended)}.", "warning"
            )


def _choose_port(settings: Settings, options: Options, journal: Journal) -> Settings:
    port, host = settings.api_port, settings.api_host
    try:
        if options.scenario is None or options.port_is_chosen or is_free(port, host):
            require_free(port, _PORT_VARIABLE, host)
            return settings
    except OSError as error:
        raise SettingsError(
            f"Lotkeeper cannot listen on {host}, port {port}: {error.strerror}. "
            f"Correct {PREFIX}API_HOST or {_PORT_VARIABLE}."
        ) from error
    found = holder(port)
    other = next_free_port(port, host)
    journal.say(
        f"Port {port} is taken by {found or 'another process'}; the demo uses {other} instead.", "warning"
    )
    return settings.model_copy(update={"api_port": other})


def log_file(settings: Settings) -> Path:
    """The stack's log of a profile."""
    return settings.data_dir / "logs" / "lotkeeper.log"
