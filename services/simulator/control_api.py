"""The control API: every operation of the simulator over HTTP on loopback, for other processes."""

import asyncio
import contextlib
import inspect
import socket
from collections.abc import AsyncIterator, Callable, Generator
from decimal import Decimal
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict

from services.simulator.executions import Side
from services.simulator.faults import CommissionMode
from services.simulator.server import HOST, listening_socket
from services.simulator.simulator import Simulator


class FillBody(BaseModel):
    """Arguments of ``Simulator.fill``."""

    model_config = ConfigDict(extra="forbid")

    account: str
    conid: int
    side: Side
    quantity: Decimal
    price: Decimal | None = None
    announce_order: bool = False
    commission: CommissionMode | float = "after"
    order_id: int = 0
    client_id: int = 0
    position_first: bool = False


class CorrectBody(BaseModel):
    """Arguments of ``Simulator.correct``."""

    model_config = ConfigDict(extra="forbid")

    exec_id: str
    quantity: Decimal | None = None
    price: Decimal | None = None
    commission: CommissionMode | float = "after"


class BurstBody(BaseModel):
    """Arguments of ``Simulator.burst``."""

    model_config = ConfigDict(extra="forbid")

    count: int
    books: int | None = None


def operations(sim: Simulator) -> dict[str, Callable[..., Any]]:
    """What ``POST /faults/{name}`` can do, by name. The body holds the arguments."""

    def send_raw(fields: list[str] | None = None, data_hex: str | None = None) -> None:
        sim.send_raw(bytes.fromhex(data_hex) if data_hex is not None else list(fields or []))

    def positions_answer(how: str | list[Any]) -> None:
        match how:
            case "normal" | "never" | "empty":
                sim.positions_answer(how)
            case ["partial", count]:
                sim.positions_answer(("partial", int(count)))
            case _:
                raise ValueError(f"{how!r} is not normal, never, empty or [partial, k]")

    return {
        "drop_connections": sim.drop_connections,
        "stall": sim.stall,
        "refuse": sim.refuse,
        "accept_but_never_answer": sim.accept_but_never_answer,
        "tell_time_only": sim.tell_time_only,
        "drop_every": sim.drop_every,
        "send_error": sim.send_error,
        "connectivity_lost": sim.connectivity_lost,
        "connectivity_restored": sim.connectivity_restored,
        "send_raw": send_raw,
        "send_bad": sim.send_bad,
        "positions_answer": positions_answer,
        "execution_time_zone": sim.execution_time_zone,
        "duplicate": sim.duplicate,
        "out_of_order": sim.out_of_order,
        "pause_market": sim.pause_market,
        "resume_market": sim.resume_market,
    }


def control_app(sim: Simulator) -> FastAPI:
    """The application that controls ``sim``. It runs on the simulator's own loop."""
    app = FastAPI(title="Lotkeeper simulator control", docs_url=None, redoc_url=None)
    known = operations(sim)

    @app.get("/status")
    async def status() -> dict[str, Any]:
        return {
            "port": sim.port,
            "client_ids": sim.client_ids,
            "link_lost": sim.gateway.link_lost,
            "stalled": sim.faults.stalled,
        }

    @app.get("/book")
    async def book() -> dict[str, Any]:
        return book_as_json(sim)

    @app.post("/fill")
    async def fill(body: FillBody) -> dict[str, str]:
        return {"exec_id": await _try(sim.fill, body.model_dump())}

    @app.post("/correct")
    async def correct(body: CorrectBody) -> dict[str, str]:
        return {"exec_id": await _try(sim.correct, body.model_dump())}

    @app.post("/burst")
    async def burst(body: BurstBody) -> dict[str, Any]:
        done = await _try(sim.burst, body.model_dump())
        ids = done.exec_ids
        return {"count": len(ids), "seconds": done.seconds, "first": ids[:1], "last": ids[-1:]}

    @app.post("/faults/{name}")
    async def fault(name: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        if name not in known:
            raise HTTPException(404, f"There is no {name}. There are: {', '.join(known)}.")
        return {"result": await _try(known[name], body or {})}

    return app


async def _try(operation: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call an operation; wrong arguments are the caller's fault, not a crash."""
    try:
        inspect.signature(operation).bind(**arguments)
        result = operation(**arguments)
        return await result if inspect.isawaitable(result) else result
    except (TypeError, ValueError, KeyError) as error:
        raise HTTPException(422, f"{type(error).__name__}: {error}") from error


def book_as_json(sim: Simulator) -> dict[str, Any]:
    """The book with amounts as strings and positions as a list."""
    book = sim.book
    return {
        "accounts": {
            name: {
                "base_currency": account.base_currency,
                "cash": {currency: str(amount) for currency, amount in account.cash.items()},
            }
            for name, account in book.accounts.items()
        },
        "positions": [
            {
                "account": account,
                "conid": conid,
                "symbol": book.instruments[conid].symbol,
                "sec_type": book.instruments[conid].sec_type,
                "currency": book.instruments[conid].currency,
                "quantity": str(held.quantity),
                "average_cost": str(held.average_cost),
                "mark": str(book.marks[conid]),
            }
            for (account, conid), held in sorted(book.positions.items())
        ],
        "executions": [
            {
                "exec_id": one.exec_id,
                "account": one.account,
                "conid": one.conid,
                "side": one.side,
                "quantity": str(one.quantity),
                "price": str(one.price),
                "executed_at": one.executed_at.isoformat(),
                "commission": str(one.commission),
                "realized": None if one.realized is None else str(one.realized),
                "corrected_by": one.corrected_by,
            }
            for one in book.executions.values()
        ],
        "marks": {str(conid): str(mark) for conid, mark in book.marks.items()},
    }


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@contextlib.asynccontextmanager
async def serve_control(sim: Simulator, port: int) -> AsyncIterator[int]:
    """Serve the control API on loopback while the block runs; gives the port.

    Raises:
        PortInUseError: the port is taken.
    """
    bound: socket.socket = listening_socket(HOST, port)
    config = uvicorn.Config(
        control_app(sim), lifespan="off", ws="none", log_config=None, access_log=False, http="h11"
    )
    server = _Server(config)
    task = asyncio.get_running_loop().create_task(server.serve(sockets=[bound]), name="simulator-control")
    try:
        yield int(bound.getsockname()[1])
    finally:
        server.should_exit = True
        server.force_exit = True
        await task
        bound.close()
