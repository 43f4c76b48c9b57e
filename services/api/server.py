"""uvicorn, run by us: our socket, our signals, and a farewell before the sockets close."""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI

from core import logs
from core.errors import PortInUseError, SettingsError
from core.exposure import require_private_api
from core.settings import PREFIX, Settings
from services.api.protocol import Protocol, WebSockets

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


def server_for(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """A server for the application, not started.

    Whatever a request says of where it comes from is believed of our own proxies alone.
    """
    return _Server(
        uvicorn.Config(
            app,
            http=Protocol,
            ws=WebSockets,
            ws_per_message_deflate=False,
            ws_max_size=MESSAGE_BYTES,
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=bool(settings.api_proxies),
            forwarded_allow_ips=list(settings.api_proxies),
            ssl_certfile=settings.api_tls_cert,
            ssl_keyfile=settings.api_tls_key,
            timeout_graceful_shutdown=GRACE_SECONDS,  # type: ignore[arg-type]  # fractions work as well
        )
    )


_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2 those that authenticate what they encrypt, with keys that are forgotten; 1.3 has no others."""


def _prepared(app: FastAPI, settings: Settings) -> uvicorn.Server:
    server = server_for(app, settings)
    try:
        server.config.load()
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"{PREFIX}API_TLS_CERT={settings.api_tls_cert}, {PREFIX}API_TLS_KEY={settings.api_tls_key} "
            f"cannot be used: {error.strerror or error}."
        ) from None
    if server.config.ssl is not None:
        # Whatever this machine's OpenSSL was told to allow.
        server.config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        server.config.ssl.set_ciphers(_CIPHERS)
    return server


async def serve(app: FastAPI, settings: Settings, *, farewell: Callable[[], None]) -> None:
    """Serve until cancelled; then say farewell and close within about two seconds.

    Raises:
        PortInUseError: somebody has the port.
        SettingsError: we cannot, or must not, listen as the settings say.
    """
    require_private_api(settings)
    server = _prepared(app, settings)
    host, port = settings.api_host, settings.api_port
    listener = listen(host, port)
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
