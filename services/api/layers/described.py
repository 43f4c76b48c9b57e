"""What the layers around the routes do for each of them, put into the OpenAPI document."""

from typing import Any, Final

from services.api.formats.encoders import MEDIA_TYPES

_FILE: Final = {"schema": {"type": "string", "format": "binary"}}
_JSON: Final = "application/json"
_API: Final = "/api/"
_NO_KEY: Final = "/api/v1/session"

_REQUEST_ID: Final = {
    "description": "the request's id: the client's own `X-Request-Id`, or one made for it",
    "schema": {"type": "string"},
}
_ETAG: Final = {
    "description": "names the content, whatever its age; of what is live there is none",
    "schema": {"type": "string"},
}
_REPLAYED: Final = {
    "description": "`true`: this is the answer of the first request with that Idempotency-Key",
    "schema": {"type": "string", "enum": ["true"]},
}
_IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "the `ETag` of an answer that the client has: 304 while the content is the same",
    "schema": {"type": "string"},
}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "sent again with it within a day, the request has the same answer and no second effect",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def is_list(document: dict[str, Any], answer: dict[str, Any]) -> bool:
    """Whether the answer is a page of a list."""
    name = answer.get("content", {}).get(_JSON, {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
    schema = document["components"]["schemas"].get(name, {})
    return "items" in schema.get("properties", {})


def _describe_reading(document: dict[str, Any], reading: dict[str, Any]) -> None:
    right = reading["responses"].get("200", {})
    if is_list(document, right):
        right["content"] |= {kind.partition(";")[0]: _FILE for kind in MEDIA_TYPES.values()}
    if _JSON in right.get("content", {}):
        right.setdefault("headers", {})["ETag"] = _ETAG
        reading.setdefault("parameters", []).append(_IF_NONE_MATCH)
        reading["responses"]["304"] = {"description": "The client has it already", "headers": {"ETag": _ETAG}}


def _describe_posting(posting: dict[str, Any], taken: dict[str, Any]) -> None:
    posting.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
    posting["responses"].setdefault("409", taken)
    for status, answer in posting["responses"].items():
        if status.startswith("2"):
            answer.setdefault("headers", {})["Idempotency-Replayed"] = _REPLAYED


def describe_layers(document: dict[str, Any], taken: dict[str, Any]) -> None:
    """Say of each route what it has without saying so itself. ``taken``: what a key in use is answered."""
    for path, methods in document["paths"].items():
        if path.startswith(_API) and "get" in methods:
            _describe_reading(document, methods["get"])
        if path.startswith(_API) and "post" in methods and path != _NO_KEY:
            _describe_posting(methods["post"], taken)
        for described in methods.values():
            for answer in described["responses"].values():
                answer.setdefault("headers", {})["X-Request-Id"] = _REQUEST_ID
            described["responses"] = dict(sorted(described["responses"].items()))
