"""The simulated broker of a run, in a process of its own: it books and tells what the script says.

It can be killed at any moment: the next one finds in its book how far the script was, and goes on.
"""

import asyncio
import json
import pickle
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from core.process import run_service
from core.settings import load_settings
from services.simulator import Simulator, messages
from services.simulator.executions import Execution, Order
from tests.faults.script import TAG, Booking, Chunk, Script, Telling, scenario

ORIGIN, TOLD = "origin", "told"
"""Files of the run: since when it is told (an ISO time), and how many chunks were."""


@dataclass(frozen=True)
class Place:
    """Where a run's broker listens and what it works from."""

    folder: Path
    port: int
    control_port: int

    @property
    def script(self) -> Path:
        return self.folder / "script"


class Teller:
    """Works through the script on one simulator."""

    def __init__(self, simulator: Simulator, script: Script, origin: datetime, progress: Path) -> None:
        self._simulator = simulator
        self._book = simulator.book
        self._gateway = simulator.gateway
        self._script = script
        self._origin = origin
        self._progress = progress

    async def tell(self) -> None:
        """All of it, at its pace, from where the book is."""
        self._restore()
        told = int(self._progress.read_text()) if self._progress.exists() else 0
        for number, chunk in enumerate(self._script.chunks):
            if number >= told:
                await self._until(chunk.second)
                self._book_all(chunk)
                self._tell_all(chunk)
                self._note(number + 1)
            await asyncio.sleep(0)

    def _restore(self) -> None:
        """What a book from its file does not know: what was reported, and said to be realized."""
        told = int(self._progress.read_text()) if self._progress.exists() else 0
        for execution in self._book.executions.values():
            execution.commission_reported = False
        for chunk in self._script.chunks[:told]:
            for kind, exec_id in chunk.tellings:
                if kind == "commission":
                    self._book.executions[exec_id].commission_reported = True
        self._say_as_when_new()

    def _say_as_when_new(self) -> None:
        """A correction lets the book work out anew what later fills realized; what was said stays said."""
        for exec_id, execution in self._book.executions.items():
            execution.realized = self._script.realized[exec_id]

    async def _until(self, second: int) -> None:
        at = self._origin + timedelta(seconds=second)
        await asyncio.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))
        await self._simulator.faults.moving.wait()

    def _book_all(self, chunk: Chunk) -> None:
        made = [self._make(one) for one in chunk.bookings if one.exec_id not in self._book.executions]
        if any(one.corrects for one in made):
            self._say_as_when_new()
        self._simulator._keep(made)

    def _make(self, booking: Booking) -> Execution:
        at = self._origin + timedelta(seconds=booking.second)
        if booking.corrects:
            made = self._book.correct(booking.corrects, booking.quantity, booking.price, at)
        else:
            account, conid, size = booking.account, booking.conid, booking.quantity
            order = Order(0, booking.perm_id, 0, size)
            made = self._book.fill(account, conid, booking.side, size, booking.price, at, order=order)
        if (made.exec_id, made.commission) != (booking.exec_id, booking.commission):
            raise RuntimeError(f"the book is not the script's: {made.exec_id} for {booking.exec_id}")
        made.commission_reported = False
        return made

    def _tell_all(self, chunk: Chunk) -> None:
        for telling in chunk.tellings:
            if telling.kind == "commission":
                self._book.executions[telling.exec_id].commission_reported = True
        if self._gateway.link_lost:
            return
        for session in self._gateway.ready_sessions:
            session.send(*(self._message(session.version, telling) for telling in chunk.tellings))
        self._gateway.send_positions(chunk.keys)

    def _message(self, version: int, telling: Telling) -> list[str]:
        if telling.kind == "poison":
            return self._poison(version, int(telling.exec_id))
        execution = self._book.executions[telling.exec_id]
        if telling.kind == "commission":
            return messages.commission_report(execution)
        return self._gateway.execution_fields(version, -1, execution)

    def _poison(self, version: int, number: int) -> list[str]:
        """A fill of nothing: it can be read, and cannot be booked."""
        last = next(reversed(self._book.executions.values()))
        zone = self._gateway.table.time_zone
        phantom = Execution(
            exec_id=f"{TAG:08x}.{0xF0000000 + number:08x}.01.01",
            account=last.account,
            conid=last.conid,
            side="BOT",
            quantity=Decimal(0),
            price=last.price,
            executed_at=self._origin,
            exchange=last.exchange,
            order=Order(0, 1, 0, Decimal(0)),
            filled=Decimal(0),
            average_price=last.price,
            commission=Decimal(0),
            commission_currency="USD",
        )
        return messages.execution(version, -1, self._book.instruments[last.conid], phantom, zone, None)

    def _note(self, number: int) -> None:
        fresh = self._progress.with_suffix(".new")
        fresh.write_text(str(number))
        fresh.replace(self._progress)


def run(arguments: str) -> None:
    """Be the broker until told to stop. The script is told once the file with its origin is there."""
    place = Place(**json.loads(arguments) | {"folder": Path(json.loads(arguments)["folder"])})

    async def main(_: object) -> None:
        script: Script = pickle.loads(place.script.read_bytes())  # noqa: S301 - the run wrote it
        async with Simulator.start(
            scenario(datetime.now(UTC)),
            book_path=place.folder / "book.json",
            port=place.port,
            control_port=place.control_port,
            exec_id_tag=TAG,
        ) as simulator:
            while not (place.folder / ORIGIN).exists():  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)
            origin = datetime.fromisoformat((place.folder / ORIGIN).read_text())
            began = time.monotonic()
            await Teller(simulator, script, origin, place.folder / TOLD).tell()
            print(f"told in {time.monotonic() - began:.1f} s", flush=True)  # noqa: T201 - its output is kept
            await asyncio.Event().wait()

    run_service("simulator", load_settings(), main)
