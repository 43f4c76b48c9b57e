"""AsyncAPI 3.0 of the stream, out of the message types themselves."""

from typing import Any, Final, Literal, cast

import msgspec
from msgspec import Struct, defstruct

from services.api.live.shown import SHOWN
from services.api.schemas.common import Freshness
from services.api.schemas.stream import (
    Authenticate,
    Bye,
    Heartbeat,
    Hello,
    Reset,
    Resumed,
    Status,
    StreamError,
    Subscribe,
    Unsubscribe,
)

_WEBSOCKET: Final = (
    "The WebSocket. Whoever is not let in is told why in an `error`, and its code again as the reason of "
    "the close: 4401, the token or session is not known, or is over; 4403, a second factor has to be set "
    "up first; 1013, come again later (too many wrong tokens, or the database is away). Besides: 1012, "
    "come back and go on; 1008, too many messages were refused."
)
REF: Final = "#/components/schemas/{name}"
FROM_CLIENT: Final[tuple[type[Struct], ...]] = (Authenticate, Subscribe, Unsubscribe)
_PLAIN: Final[tuple[type[Struct], ...]] = (Hello, Resumed, Reset, Heartbeat, Status, StreamError, Bye)


def _documented(kind: type[Struct], words: str) -> type[Struct]:
    kind.__doc__ = words
    return kind


def _snapshot(topic: Any, row: Any) -> type[Struct]:
    fields = [
        ("topic", Literal[topic]),
        ("epoch", str),
        ("seq", int),
        ("data", dict[str, row]),
        ("freshness", Freshness),
    ]
    made = defstruct(f"{topic.title()}Snapshot", fields, tag_field="type", tag="snapshot", kw_only=True)
    return _documented(made, f"All rows of the topic {topic} by key, after the frame ``seq``.")


def _delta(topic: Any, row: Any) -> type[Struct]:
    name = topic.title()
    upsert: Any = defstruct(
        f"{name}Upsert", [("key", str), ("value", row)], tag_field="op", tag="upsert", kw_only=True
    )
    delete: Any = defstruct(f"{name}Delete", [("key", str)], tag_field="op", tag="delete", kw_only=True)
    _documented(upsert, "The row under this key is this one now.")
    _documented(delete, "The topic does not show this key any more.")
    fields = [
        ("topic", Literal[topic]),
        ("epoch", str),
        ("seq", int),
        ("prev_seq", int),
        ("ops", tuple[upsert | delete, ...]),
        ("freshness", Freshness),
    ]
    made = defstruct(f"{name}Delta", fields, tag_field="type", tag="delta", kw_only=True)
    return _documented(made, f"What changed in the topic {topic} with the frame ``seq``.")


_NUMBERED: Final[tuple[type[Struct], ...]] = tuple(
    make(topic, shown.row) for topic, shown in SHOWN.items() for make in (_snapshot, _delta)
)
FROM_SERVER: Final[tuple[type[Struct], ...]] = (*_PLAIN, *_NUMBERED)
"""Every message that the server sends, a type for each topic where it carries rows."""


def _first_line(kind: type[Struct]) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]


def _message(kind: type[Struct]) -> dict[str, Any]:
    said = str(cast("Any", kind).__struct_config__.tag)
    return {
        "name": said,
        "title": kind.__name__,
        "summary": _first_line(kind),
        "payload": {"$ref": REF.format(name=kind.__name__)},
    }


def _channel(address: str, kinds: tuple[type[Struct], ...], words: str) -> dict[str, Any]:
    messages = {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in kinds}
    return {"address": address, "description": words, "messages": messages}


def _operation(
    action: str, channel: str, kinds: tuple[type[Struct], ...], summary: str, secured: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in secured],
        "messages": [{"$ref": f"#/channels/{channel}/messages/{kind.__name__}"} for kind in kinds],
    }


def document(version: str) -> dict[str, Any]:
    """The AsyncAPI document."""
    every = (*FROM_CLIENT, *FROM_SERVER)
    _, schemas = msgspec.json.schema_components(every, ref_template=REF)
    secured = ("bearer", "session")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Lotkeeper's stream",
            "version": version,
            "description": "Rows of REST as they change: a snapshot of each topic, then numbered deltas.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "websocket": {"host": "127.0.0.1:8321", "protocol": "ws"},
            "http": {"host": "127.0.0.1:8321", "protocol": "http"},
        },
        "channels": {
            "stream": {
                **_channel("/api/v1/stream", every, _WEBSOCKET),
                "servers": [{"$ref": "#/servers/websocket"}],
            },
            "events": {
                **_channel("/api/v1/stream/events", FROM_SERVER, "The same as server-sent events."),
                "servers": [{"$ref": "#/servers/http"}],
            },
        },
        "operations": {
            "heed": _operation("receive", "stream", FROM_CLIENT, "What a client may say.", secured),
            "tell": _operation("send", "stream", FROM_SERVER, "What the server says.", secured),
            "tellEvents": _operation("send", "events", FROM_SERVER, "What the server says.", secured),
        },
        "components": {
            "messages": {kind.__name__: _message(kind) for kind in every},
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "session": {"type": "httpApiKey", "in": "cookie", "name": "lotkeeper_session_8321"},
            },
        },
    }
