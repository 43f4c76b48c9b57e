"""Coming and going of a reader of the stream, by whatever transport."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from services.api import metrics
from services.api.live.client import Client
from services.api.schemas.common import encode
from services.api.schemas.stream import Hello

if TYPE_CHECKING:
    from services.api.context import Context
    from services.api.security.identity import Identity


@contextmanager
def admitted(context: "Context", client: Client, identity: "Identity") -> Iterator[None]:
    """The client is one of the hub's; whether it still may be is checked again with each heartbeat."""
    context.sockets[client] = identity
    context.hub.clients.add(client)
    metrics.CLIENTS.inc()
    try:
        yield
    finally:
        context.sockets.pop(client, None)
        context.hub.clients.discard(client)
        metrics.CLIENTS.dec()


def greet(context: "Context", client: Client) -> None:
    """The first words: who we are, and how the links are."""
    hub = context.hub
    hello = Hello(
        server_time=context.clock(),
        profile=context.settings.profile,
        version=context.version,
        heartbeat_seconds=hub.pace.heartbeat_seconds,
        topics=tuple(hub.topics),
    )
    client.push(encode(hello).decode())
    client.push(hub.status(hub.judge()))
