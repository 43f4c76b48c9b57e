"""uvicorn, run by us: our socket, our signals, and a farewell before the sockets close."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI

from core import logs
from core.errors import PortInUseError, SettingsError

log = logs.get_logger(__name__)

FAREWELL_SECONDS = 0.3
GRACE_SECONDS = 1.5
MESSAGE_BYTES = 65_536


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to ``core.process``, which cancels us."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """Take the port.

    Raises:
        PortInUseError: somebody has it.
        SettingsError: the host is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(
                f"Port {port} on {host} is taken by another program. Stop it, or set LOTKEEPER_API_PORT to "
                "another port."
            ) from error
        raise SettingsError(
            f"LOTKEEPER_API_HOST={host}, LOTKEEPER_API_PORT={port}: cannot listen there: {error.strerror}."
        ) from error
    listener.set_inheritable(False)
    return listener


def server_for(app: FastAPI) -> uvicorn.Server:
    """A server for the application, not started."""
    return _Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            ws_max_size=MESSAGE_BYTES,
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,  # type: ignore[arg-type]  # fractions work as well
        )
    )


async def serve(app: FastAPI, host: str, port: int, *, farewell: Callable[[], None]) -> None:
    """Serve until cancelled; then say farewell and close within about two seconds."""
    listener = listen(host, port)
    server = server_for(app)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="uvicorn")
    log.info("api_listening", host=host, port=port)
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        farewell()
        await asyncio.sleep(FAREWELL_SECONDS)
        server.should_exit = True
        await serving
        log.info("api_stopped")
    finally:
        listener.close()
