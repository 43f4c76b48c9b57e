"""The simulator as a process."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from core.logs import get_logger
from core.process import run_service
from core.settings import Settings
from services.simulator.history.handing_out import Statements
from services.simulator.simulator import Simulator

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """What the command line says. Port 0 finds a free port; no control port, no control API.

    With a folder for ``statements`` a new book gets a past: files are put there that lead to its beginning.
    """

    port: int = 0
    control_port: int | None = None
    scenario: str = "default"
    book: Path | None = None
    seed: int = 0
    statements: Path | None = None


def run(settings: Settings, options: SimulatorOptions) -> None:
    """Run a simulator until SIGTERM or SIGINT.

    Raises:
        LotkeeperError: a wrong scenario, a port that is taken, a book that is in use or damaged.
    """

    async def main(_: Settings) -> None:
        book, folder = options.book, options.statements
        past = Statements.due(book, folder) if book is not None and folder is not None else None
        async with Simulator.start(
            options.scenario,
            book_path=options.book,
            port=options.port,
            control_port=options.control_port,
            seed=options.seed,
        ) as sim:
            log.info("simulator_listening", port=sim.port, control_port=sim.control_port)
            if past is not None:
                # Beside the market, which begins at once.
                await asyncio.to_thread(past.hand_out, sim.scenario)
            await asyncio.Event().wait()

    run_service("simulator", settings, main)
