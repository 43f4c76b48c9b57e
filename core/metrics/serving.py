"""A process's own metrics for Prometheus, where its settings name a port for them."""

from prometheus_client import start_http_server

from core.errors import PortInUseError


def serve(host: str, port: int) -> None:
    """Answer ``GET /metrics`` on ``host:port`` from a thread of its own; port 0 serves nothing.

    Raises:
        PortInUseError: the port cannot be had.
    """
    if not port:
        return
    try:
        start_http_server(port, addr=host)
    except OSError as error:
        raise PortInUseError(
            f"Metrics cannot be served on {host}:{port} ({error.strerror}). Choose another port."
        ) from error
